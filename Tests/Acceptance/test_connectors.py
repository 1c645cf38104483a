"""Data connectors as their packages have them read events and profiles, all of them and then what is new (P 10-8, 10-9).

tap-mixpanel (Singer) and airbyte-source-mixpanel run in environments of their own, in `.build`, which are made here and
kept. `connectors/adapter.py` says what is done to them: their hosts lead to the server of the test, and no more.
"""

import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
from conftest import ENVIRONMENT, FIXTURE, ORIGINAL, ROOT, basic, new_anonymous_id
from test_tls import openssl

HERE = Path(__file__).resolve().parent / "connectors"
EVENTS = 600
PROFILES = 3000
# As many of them were sent their update last, at one moment.
LATE = 10
# Everything happens in these days, by the server's clock; connectors are told to look no further.
FIRST_DAY = 1_714_521_600  # 2024-05-01T00:00:00Z
LAST_DAY = "2024-05-12T00:00:00Z"
DAY = 86_400
ACCOUNT = ("ci.111111.mp-service-account", "sa-secret-1")
ODD_TEXT = "one\u2028two\u2029three\u0085four"


def environment(name):
    """The Python of the environment that a list of packages describes, made where it is missing or the list changed."""
    wanted = (HERE / f"{name}.txt").read_text()
    place = ROOT / ".build" / f"venv-{name}"
    stamp = place / "installed.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        subprocess.run(
            [place / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--requirement",
             HERE / f"{name}.txt"], check=True, timeout=900)
        stamp.write_text(wanted)
    return place / "bin/python"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for Mixpanel's hosts, its key, and the authority that made it, which only these tests believe."""
    place = tmp_path_factory.mktemp("connectors")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key",
            "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority", cwd=place)
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem", "-out",
            "host.csr", "-subj", "/CN=mixpanel.com", cwd=place)
    (place / "names").write_text("subjectAltName=DNS:mixpanel.com,DNS:*.mixpanel.com,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "host.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-out", "cert.pem", "-extfile", "names", cwd=place)
    return place


class Connector:
    """A connector's runs against one server."""

    def __init__(self, name, kind, server, certificate, place):
        self.python = environment(name)
        self.kind = kind
        self.server = server
        self.place = place
        self.log = place / "requests.jsonl"
        self.environment = {
            **ENVIRONMENT, "REQUESTS_CA_BUNDLE": str(certificate / "ca.pem"), "CONNECTOR_REQUESTS": str(self.log)}

    def file(self, name, value):
        path = self.place / name
        path.write_text(json.dumps(value))
        return str(path)

    def run(self, *arguments):
        """The lines that the connector writes, and the requests that it sent: path, query and status of each."""
        self.log.write_text("")
        done = subprocess.run(
            [self.python, HERE / "adapter.py", str(self.server.port), self.kind, *arguments], env=self.environment,
            cwd=self.place, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
        self.requests = [json.loads(line) for line in self.log.read_text().splitlines()]
        return done.stdout


@pytest.fixture
def filled(server, certificate, data):
    """A server with 600 events and 3,000 profiles, some of them of merged ids."""
    import ssl

    running = server(
        "--sandbox", "--config", FIXTURE, "--tls-cert", certificate / "cert.pem", "--tls-key", certificate / "key.pem",
        data=data, project=ORIGINAL, tls=ssl.create_default_context(cafile=certificate / "ca.pem"))
    set_clock(running, FIRST_DAY + 9 * DAY - 60)
    anonymous = [new_anonymous_id() for _ in range(50)]
    records = [event(n, anonymous[n % 50] if n % 3 else f"user-{n % 50}") for n in range(EVENTS)]
    assert running.import_(records).json["num_records_imported"] == EVENTS
    running.send(*(ORIGINAL.identify(f"user-{n}", anonymous[n]) for n in range(50)))
    updates = [(f"user-{n}", {"$set": {"$name": f"U {n}", "n": n, "odd": ODD_TEXT}}) for n in range(PROFILES)]
    engage(running, *updates[:-LATE])
    set_clock(running, FIRST_DAY + 9 * DAY)
    engage(running, *updates[-LATE:])
    return running


def event(number, distinct_id, time=None):
    return {"event": "Bought" if number % 2 else "Seen", "properties": {
        "time": FIRST_DAY + number * 1200 if time is None else time, "distinct_id": distinct_id, "$insert_id": f"insert-{number}",
        "n": number, "text": ODD_TEXT, "$browser": "Chrome"}}


def set_clock(server, seconds):
    answer = server.request("PUT", "/sandbox/clock", json.dumps({"now": seconds}))
    assert answer.status == 200, answer


def engage(server, *updates):
    records = [{"$token": ORIGINAL.token, "$distinct_id": one, **verbs} for one, verbs in updates]
    for start in range(0, len(records), 2000):
        answer = server.request(
            "POST", "/engage", json.dumps(records[start:start + 2000]), {"Content-Type": "application/json"})
        assert (answer.status, answer.text) == (200, "1"), answer


def add_news(server):
    """What the second run must find: 7 events, 2 changed profiles and a new one; and one that leaves its time alone."""
    set_clock(server, FIRST_DAY + 10 * DAY)
    records = [event(EVENTS + n, f"user-{n}", FIRST_DAY + 10 * DAY - 60 + n) for n in range(7)]
    assert server.import_(records).json["num_records_imported"] == 7
    engage(server, ("user-7", {"$set": {"$name": "changed"}}), ("user-8", {"$add": {"n": 1}}), ("new", {"$set": {"n": -1}}),
           ("user-9", {"$set": {"quiet": True}, "$ignore_time": True}))


def seconds(text):
    return int(datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp())


def test_tap_mixpanel(filled, certificate, tmp_path):
    connector = Connector("tap-mixpanel", "tap", filled, certificate, tmp_path)
    config = connector.file("config.json", {
        "api_secret": ORIGINAL.secret, "project_timezone": "UTC", "attribution_window": "1", "date_window_size": "30",
        "start_date": "2024-05-01T00:00:00Z", "end_date": LAST_DAY, "user_agent": "test",
        "select_properties_by_default": "true"})
    catalog = json.loads(connector.run("--config", config, "--discover"))
    streams = {stream["stream"]: stream for stream in catalog["streams"]}
    assert set(streams) == {"export", "engage", "funnels", "cohorts", "cohort_members", "annotations"}
    assert {"n", "text", "mp_reserved_browser", "mp_reserved_insert_id"} <= set(streams["export"]["schema"]["properties"])
    described = streams["engage"]["schema"]["properties"]
    assert described["n"]["anyOf"][0] == {"type": ["null", "string"], "format": "singer.decimal"}
    assert described["mp_reserved_last_seen"]["anyOf"][0]["format"] == "date-time"
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True
    selection = connector.file("catalog.json", catalog)

    def read(*options):
        messages = [json.loads(line) for line in
                    connector.run("--config", config, "--catalog", selection, *options).split("\n") if line]
        assert {status for _, _, status in connector.requests} == {200}
        records = {}
        for message in messages:
            if message["type"] == "RECORD":
                records.setdefault(message["stream"], []).append(message["record"])
        state = [message["value"] for message in messages if message["type"] == "STATE"][-1]
        return records, state

    records, state = read()
    assert set(records) == {"export", "engage"}
    numbers = [int(row["n"]) for row in records["export"] if row["event"] in ("Bought", "Seen")]
    assert numbers == list(range(EVENTS))
    assert {row["text"] for row in records["export"] if "text" in row} == {ODD_TEXT}
    assert {row["distinct_id"] for row in records["export"]} == {f"user-{n}" for n in range(50)}
    assert [seconds(row["time"]) for row in records["export"] if "text" in row] == [
        FIRST_DAY + n * 1200 for n in range(EVENTS)]
    found = {row["distinct_id"]: row for row in records["engage"]}
    assert set(found) == {f"user-{n}" for n in range(PROFILES)} and len(records["engage"]) == PROFILES
    assert found["user-17"]["mp_reserved_last_seen"].startswith("2024-05-09T23:59:00")
    pages = [url for _, url, _ in connector.requests if "/engage?" in url and "page_size=250" in url]
    assert len(pages) >= PROFILES / 250

    add_news(filled)
    records, _ = read("--state", connector.file("state.json", state))
    # It asks for whole days, and takes what is not before the last event that it had.
    assert [int(row["n"]) for row in records["export"] if "text" in row] == list(range(EVENTS, EVENTS + 7))
    assert all(seconds(row["time"]) >= seconds(state["bookmarks"]["export"]) for row in records["export"])
    assert len(records["engage"]) == PROFILES + 1
    assert [row["mp_reserved_name"] for row in records["engage"] if row["distinct_id"] == "user-7"] == ["changed"]


@pytest.mark.parametrize("credentials", [
    {"option_title": "Project Secret", "api_secret": ORIGINAL.secret},
    {"option_title": "Service Account", "username": ACCOUNT[0], "secret": ACCOUNT[1], "project_id": ORIGINAL.number},
], ids=["secret", "account"])
def test_airbyte_source_mixpanel(filled, certificate, tmp_path, credentials):
    connector = Connector("airbyte-source-mixpanel", "airbyte", filled, certificate, tmp_path)
    config = connector.file("config.json", {
        "credentials": credentials, "project_timezone": "UTC", "attribution_window": 0, "region": "US",
        "start_date": "2024-05-01T00:00:00Z", "end_date": LAST_DAY, "date_window_size": 30, "page_size": 1000,
        "select_properties_by_default": True})

    def messages(*arguments):
        found = {}
        for line in connector.run(*arguments).split("\n"):
            if line.startswith("{"):
                message = json.loads(line)
                found.setdefault(message["type"], []).append(message)
        return found

    assert messages("check", "--config", config)["CONNECTION_STATUS"][0]["connectionStatus"]["status"] == "SUCCEEDED"
    catalog = messages("discover", "--config", config)["CATALOG"][0]["catalog"]
    schemas = {stream["name"]: stream["json_schema"]["properties"] for stream in catalog["streams"]}
    assert set(schemas) == {"export", "engage", "cohorts", "cohort_members", "funnels", "annotations"}
    assert {"n", "text", "browser", "insert_id"} <= set(schemas["export"])
    assert "number" in str(schemas["engage"]["n"]) and {"last_seen", "odd", "name"} <= set(schemas["engage"])
    selection = connector.file("catalog.json", {"streams": [
        {"stream": stream, "destination_sync_mode": "append",
         "sync_mode": "incremental" if "incremental" in stream["supported_sync_modes"] else "full_refresh"}
        for stream in catalog["streams"]]})

    def read(*options):
        found = messages("read", "--config", config, "--catalog", selection, *options)
        assert {status for _, _, status in connector.requests} == {200}
        ends = [message["trace"]["stream_status"] for message in found["TRACE"] if message["trace"]["type"] == "STREAM_STATUS"]
        assert {end["stream_descriptor"]["name"] for end in ends if end["status"] == "COMPLETE"} == set(schemas)
        records = {}
        for message in found.get("RECORD", []):
            records.setdefault(message["record"]["stream"], []).append(message["record"]["data"])
        states = {message["state"]["stream"]["stream_descriptor"]["name"]: message["state"] for message in found["STATE"]}
        return records, list(states.values())

    records, states = read()
    assert set(records) == {"export", "engage"}
    assert [int(row["n"]) for row in records["export"] if "text" in row] == list(range(EVENTS))
    assert {row["text"] for row in records["export"] if "text" in row} == {ODD_TEXT}
    assert {row["distinct_id"] for row in records["engage"]} == {f"user-{n}" for n in range(PROFILES)}
    assert len(records["engage"]) == PROFILES
    assert sorted(row["last_seen"] for row in records["engage"])[-LATE - 1:] == (
        ["2024-05-09T23:59:00"] + ["2024-05-10T00:00:00"] * LATE)

    add_news(filled)
    records, _ = read("--state", connector.file("state.json", states))
    conditions = [url for _, url, _ in connector.requests if "/export?" in url]
    assert all("where=properties" in url and "datetime" in url for url in conditions)
    # What came at the very moment that it had reached comes again.
    numbers = [int(row["n"]) for row in records["export"] if "text" in row]
    assert numbers == list(range(EVENTS, EVENTS + 7))
    late = {f"user-{n}": "2024-05-10T00:00:00" for n in range(PROFILES - LATE, PROFILES)}
    fresh = {one: "2024-05-11T00:00:00" for one in ("user-7", "user-8", "new")}
    assert {row["distinct_id"]: row["last_seen"] for row in records["engage"]} == {**late, **fresh}
