"""Every request shape of the official SDKs, byte for byte, and the answer that each SDK needs (P 3.1, 3.2).

`sdk_requests` has a file for each SDK. An exchange is a request: its head, and its body as text (`body`), as base64 of the
exact bytes (`bytes`), or as the payload itself where the encoding is `json`. `payload` says in readable form what the
request carries, and a test holds it against the bytes. `need` names a function below: what the SDK does with the answer.
`arrived` is what the server must know when all exchanges of a file have been played in order: on one connection, where the
SDK keeps it. Every accepted event must stand in the export, as it was sent and no more than once.
"""

import base64
import gzip
import http.client
import json
import socket
import urllib.parse
from pathlib import Path

import pytest
import yaml
from conftest import FIXTURE, ORIGINAL, Answer, json_lines, servers

NOW = 1_767_268_800  # 2026-01-01T12:00:00Z, shortly after every event in the files
FOLDER = Path(__file__).parent / "sdk_requests"
SDKS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yaml"))}
EVERY_CALL = {
    # The calls that P 3.1 lists for each SDK, as words that the names of exchanges must begin with.
    "js": ["track, one", "track, a batch", "track, beacon", "track, pixel", "track, JSONP", "identify", "alias", "people",
           "group", "flags", "first-time", "settings", "record", "decide"],
    "py": ["track", "track, buffered", "alias", "merge with the secret", "merge with a service", "import_data", "people_set",
           "people_set_once", "people_increment", "people_append", "people_union", "people_remove", "people_unset",
           "people_track_charge", "people_delete", "group_set", "group_union", "group_remove", "group_unset", "group_delete"],
    "node": ["track", "track_batch", "alias", "import", "import_batch", "people.set", "people.delete_user", "groups.set",
             "groups.delete_group"],
    "swift": ["track, one", "track, a batch, gzip", "identify", "createAlias", "people", "group", "flags", "first-time"],
    "objc": ["track, one", "track, a batch", "identify", "createAlias", "people", "group"],
    "android": ["track, one", "track, a batch, gzip", "track, debug", "identify", "alias", "people", "group", "flags"],
    "go": ["Track, one", "Track, a batch", "Alias", "Merge", "Import, service", "Import, secret", "Import, token",
           "Import, not strict", "PeopleSet", "PeopleDeleteProfile", "GroupUpdateProperty", "GroupDelete", "Export"],
    "ruby": ["track", "track, buffered", "alias", "import with a service", "generate_tracking_url", "people", "groups"],
    "php": ["track, one", "track, a batch, socket", "track, forked", "identify", "createAlias", "people", "group"],
    "java": ["event, one", "event, a batch, gzip", "importEvent, token", "set", "groupSet"],
    "utils": ["import_events", "a merge", "people_set", "people_delete", "import_people", "query_export", "query_engage"],
}


# What each SDK does with an answer: true where it goes on as it should (P 3.2).


def status_of(answer):
    """The integer `status` of a JSON object; Python's `True` is none."""
    value = answer.json.get("status")
    return value if type(value) is int else None


def is_echoed(answer, origin="https://shop.example"):
    return (answer.headers.get("access-control-allow-origin") == origin
            and answer.headers.get("access-control-allow-credentials") == "true"
            and "origin" in answer.headers.get("vary", "").lower())


def is_listed(answer):
    """Whether a profile query answers with what its package reads to find the other pages."""
    page = answer.json
    return (answer.status == 200 and page["status"] == "ok" and page["page"] == 0 and page["page_size"] >= 1
            and isinstance(page["session_id"], str) and page["total"] == len(page["results"])
            and all(set(row) == {"$distinct_id", "$properties"} for row in page["results"]))


NEEDS = {
    "js_batch": lambda a: a.status == 200 and is_echoed(a) and a.json == {"error": None, "status": 1},
    "js_single": lambda a: a.status == 200 and is_echoed(a) and float(a.text) == 1,
    "pixel": lambda a: a.status == 200 and a.headers["content-type"] == "image/gif" and a.body[:6] == b"GIF89a",
    "jsonp": lambda a: (a.status == 200 and a.headers["content-type"].startswith("text/javascript")
                        and a.text == 'mixpanel._jsc[123]({"error":null,"status":1});'),
    "preflight": lambda a: a.status in (200, 204) and is_echoed(a),
    "flags": lambda a: a.status == 200 and isinstance(a.json["flags"], dict),
    "fetch_ok": lambda a: a.status == 200,
    "fetch_json": lambda a: a.status == 200 and isinstance(a.json, dict),
    "py": lambda a: a.json["status"] == 1,
    "py_refused": lambda a: a.json["status"] != 1 and isinstance(a.json["error"], str),
    "node": lambda a: a.body == b"1",
    "node_verbose": lambda a: a.json["status"] == 1,
    "node_refused": lambda a: a.body != b"1",
    "swift": lambda a: a.status == 200 and int(a.body.decode("utf-8")) != 0,
    "objc": lambda a: a.status == 200 and int(a.body.decode("utf-8")) != 0,
    "android": lambda a: 200 <= a.status < 300 and a.body == b"1",
    "android_verbose": lambda a: 200 <= a.status < 300 and a.json["status"] == 1,
    "go_track": lambda a: status_of(a) == 1,
    "go_track_refused": lambda a: status_of(a) == 0 and isinstance(a.json["error"], str),
    "go_integer": lambda a: a.status == 200 and type(json.loads(a.body)) is int and json.loads(a.body) != 0,
    "go_unauthorized": lambda a: a.status == 401,
    "go_import": lambda a: (a.status == 200 and type(a.json["code"]) is int and type(a.json["num_records_imported"]) is int
                            and a.json["status"] == "OK"),
    "go_import_refused": lambda a: (
        a.status == 400 and type(a.json["code"]) is int and type(a.json["num_records_imported"]) is int
        and [{name: type(value) for name, value in record.items()} for record in a.json["failed_records"]]
        == [{"index": int, "insert_id": str, "$insert_id": str, "field": str, "message": str}]),
    "go_import_unauthorized": lambda a: a.status == 401 and type(a.json["code"]) is int and isinstance(a.json["error"], str),
    "go_export": lambda a: a.status == 200 and all("event" in row and "properties" in row for row in export_rows(a)),
    "ruby": lambda a: a.status == 200 and a.json["status"] == 1,
    "ruby_refused": lambda a: a.status == 200 and a.json["status"] != 1,
    "ruby_unauthorized": lambda a: a.status == 401,
    "php": lambda a: a.text.strip() == "1",
    "php_socket": lambda a: a.status == 200 and a.text.strip() == "1",
    "java": lambda a: a.status < 400 and a.body == b"1",
    "java_import": lambda a: a.json["status"] == "OK" and a.json["code"] == 200,
    "java_refused": lambda a: a.status >= 400,
    "utils": lambda a: a.json == 1 or a.json["status"] in (1, "OK"),
    "utils_export": lambda a: a.status == 200 and len(export_rows(a)) > 0,
    "utils_export_empty": lambda a: a.status == 200 and export_rows(a) == [],
    "utils_engage": lambda a: is_listed(a) and len(a.json["results"]) == 2,
    "utils_engage_one": lambda a: is_listed(a) and [row["$distinct_id"] for row in a.json["results"]] == ["utils-user-5"],
}


def export_rows(answer):
    body = gzip.decompress(answer.body) if answer.headers.get("content-encoding") == "gzip" else answer.body
    return json_lines(body.decode())


def body_of(exchange):
    if "bytes" in exchange:
        return base64.b64decode(exchange["bytes"], validate=True)
    text = exchange["payload"] if exchange.get("encoding") == "json" else exchange.get("body", "")
    return text.encode()


def payload_of(exchange):
    """What a request carries, read as its encoding says, with Python's own decoders."""
    encoding, body = exchange["encoding"], body_of(exchange)
    if encoding.startswith("query"):
        query = urllib.parse.urlsplit(exchange["head"].split()[1]).query
        data = urllib.parse.parse_qs(query, strict_parsing=True)["data"][0]
        return (base64.urlsafe_b64decode if encoding == "query-urlsafe" else base64.b64decode)(data).decode()
    if encoding.startswith("gzip-"):
        body, encoding = gzip.decompress(body), encoding.removeprefix("gzip-")
    if encoding == "json":
        return body.decode()
    if encoding == "form-base64-bare":
        assert body.startswith(b"data=")
        return base64.b64decode(body[5:], validate=True).decode()
    data = urllib.parse.parse_qs(body.decode("ascii"), strict_parsing=True)["data"][0]
    if encoding == "form-base64-units":
        # mixpanel-js writes each UTF-16 unit by itself (P 2-11).
        split = base64.b64decode(data, validate=True).decode("utf-8", "surrogatepass")
        assert any(0xD800 <= ord(unit) < 0xE000 for unit in split), "nothing that UTF-8 would spell otherwise"
        return split.encode("utf-16", "surrogatepass").decode("utf-16")
    return base64.b64decode(data, validate=True).decode() if encoding == "form-base64" else data


def records_of(exchange):
    """The records of a request that the server must keep."""
    payload = exchange.get("payload")
    records = json.loads(payload) if payload else []
    records = records if isinstance(records, list) else [records]
    if "kept" in exchange:
        return [records[index] for index in exchange["kept"]]
    return [] if exchange["need"].endswith(("refused", "unauthorized")) else records


class Wire:
    """A connection that carries bytes as they are given, and is opened again only where an SDK would."""

    def __init__(self, server):
        self.server = server
        self.socket = None
        self.opened = 0

    def send(self, exchange):
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.server.port), timeout=60)
            self.opened += 1
        head = exchange["head"].strip("\n").split("\n")
        self.socket.sendall("\r\n".join([*head, "", ""]).encode() + body_of(exchange))
        response = http.client.HTTPResponse(self.socket, method=head[0].split()[0])
        response.begin()
        answer = Answer(response)
        if response.will_close or "connection: close" in exchange["head"].lower():
            self.close()
        return answer

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None


@pytest.fixture(scope="module")
def sandbox():
    with servers() as start:
        yield start("--sandbox", "--config", FIXTURE, project=ORIGINAL)


@pytest.fixture(scope="module", params=SDKS)
def played(request, sandbox):
    """A file of exchanges, and the answer to each, on a server that has seen nothing else."""
    for method, path, body in (("POST", "/sandbox/reset", None), ("PUT", "/sandbox/clock", {"now": NOW})):
        answer = sandbox.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
        assert answer.status == 200, answer
    sdk, wire = SDKS[request.param], Wire(sandbox)
    try:
        answers = [wire.send(exchange) for exchange in sdk["exchanges"]]
    finally:
        wire.close()
    return sandbox, request.param, sdk, answers, wire.opened


def test_every_sdk_and_every_call_has_its_shape():
    assert set(SDKS) == set(EVERY_CALL)
    for name, calls in EVERY_CALL.items():
        there = [exchange["call"] for exchange in SDKS[name]["exchanges"]]
        for call in calls:
            assert any(found.startswith(call) for found in there), f"{name} lacks {call}"


@pytest.mark.parametrize("name", SDKS)
def test_the_bytes_carry_what_the_file_says(name):
    for exchange in SDKS[name]["exchanges"]:
        head = exchange["head"].lower()
        lengths = [line.split(": ")[1] for line in head.splitlines() if line.startswith("content-length: ")]
        assert lengths in ([str(len(body_of(exchange)))], [] if not body_of(exchange) else None), exchange["call"]
        if "encoding" in exchange:
            assert payload_of(exchange) == exchange["payload"], exchange["call"]
        assert (exchange.get("encoding", "").startswith("gzip")) == ("content-encoding: gzip" in head), exchange["call"]
    if name in ("node", "php"):
        bare = [body_of(e) for e in SDKS[name]["exchanges"] if e.get("encoding") == "form-base64-bare"]
        assert any(b"+" in body for body in bare), "no `+` that a form would read as a space"


def test_the_answers_are_what_the_sdk_needs(played):
    _, _, sdk, answers, _ = played
    wrong = []
    for exchange, answer in zip(sdk["exchanges"], answers, strict=True):
        try:
            fine = NEEDS[exchange["need"]](answer)
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            fine, answer = False, (error, answer)
        if not fine:
            wrong.append(f"{exchange['call']} needs {exchange['need']}: {answer}")
    assert not wrong, "\n".join(wrong)


def test_connections_are_kept(played):
    _, _, sdk, _, opened = played
    closing = sum("connection: close" in exchange["head"].lower() for exchange in sdk["exchanges"])
    assert opened <= closing + 1


def key_of(event, sent_id, milliseconds, properties):
    return event, str(sent_id), milliseconds, properties.get("$insert_id")


def milliseconds(time):
    return round(time * 1000) if time < 1e11 else round(time)


def test_every_event_arrived_once_and_as_it_was_sent(played):
    server, _, sdk, _, _ = played
    sent = {}
    for exchange in sdk["exchanges"]:
        for record in records_of(exchange) if "/track" in exchange["head"] or "/import" in exchange["head"] else []:
            properties = record["properties"]
            first = (properties.get("$distinct_ids") or [""])[0]
            time = milliseconds(properties.get("time", NOW))
            copies = sent.setdefault(key_of(record["event"], properties.get("distinct_id", first), time, properties), [])
            if "$insert_id" not in properties or not copies:
                copies.append(properties)
    rows = server.export(time_in_ms="true")
    assert len(rows) == sum(map(len, sent.values()))
    for row in rows:
        got = row["properties"]
        sent_id = got.get("$distinct_id_before_identity", got["distinct_id"])
        key = key_of(row["event"], sent_id, got["time"], got)
        if key not in sent:
            key = (*key[:3], None)  # The server gave it an insert id.
        copies = sent[key]
        same = [copy for copy in copies if all(
            got.get(name) == value for name, value in copy.items() if name not in ("token", "time", "distinct_id", "ip"))]
        assert same, (row, copies)
        copies.remove(same[0])
        assert "token" not in got
    assert not any(sent.values())


def test_the_identities_are_as_stated(played):
    server, _, sdk, _, _ = played
    assert server.clusters() == {frozenset(ids) for ids in sdk["arrived"]["clusters"]}


def profile(server, **query):
    answer = server.read("/api/2.0/engage", **query)
    assert answer.status == 200, answer
    return answer.json["results"]


def assert_holds(properties, expected):
    for name, value in expected.items():
        if value is None:
            assert name not in properties
        else:
            assert properties[name] == value, name


def test_the_profiles_are_as_written(played):
    server, _, sdk, _, _ = played
    for distinct_id, expected in sdk["arrived"]["profiles"].items():
        rows = profile(server, distinct_id=distinct_id)
        assert len(rows) == 1
        assert_holds(rows[0]["$properties"], expected)
    for distinct_id in sdk["arrived"].get("deleted", []):
        assert profile(server, distinct_id=distinct_id) == []


def test_the_groups_are_as_written(played):
    server, _, sdk, _, _ = played
    for name, expected in sdk["arrived"].get("groups", {}).items():
        key, group_id = name.split("/")
        rows = profile(server, group_key=key, group_id=group_id)
        assert [(row["$group_key"], row["$group_id"]) for row in rows] == [(key, group_id)]
        assert_holds(rows[0]["$properties"], expected)
    for name in sdk["arrived"].get("deleted_groups", []):
        key, group_id = name.split("/")
        assert profile(server, group_key=key, group_id=group_id) == []
