"""Preview: what /import would make of a body or of files, told without storing anything (P 10-15)."""

import base64
import gzip
import json
import re
import sqlite3
import threading
import urllib.parse

import pytest
from conftest import (
    FIXTURE, LEGACY, ORIGINAL, SIMPLIFIED, Project, basic, command, new_anonymous_id, run_command, wait_until)

OWNER = ("ci.111111.mp-service-account", "sa-secret-1")
ANALYST = ("ro.222222.mp-service-account", "sa-secret-2")
NOBODY = ("other.333333.mp-service-account", "sa-secret-3")
DEVICE, OTHER = "4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e", "6f1f8a3e-0000-4000-8000-000000000001"
TIME = 1_600_041_600


def ask(server, records, project=ORIGINAL, headers=None, query=None, credential=None, **options):
    body = records if isinstance(records, bytes) else json.dumps(records).encode()
    sent = {"Content-Type": "application/json", **basic(*(credential or [project.secret])), **(headers or {})}
    return server.request("POST", "/identity/preview", body, sent, query, **options)


def preview(server, records, **options):
    answer = ask(server, records, **options)
    assert answer.status == 200, answer
    return answer.json


def state(server, project=ORIGINAL):
    """All that the server tells of a project."""
    def read(path, **query):
        return server.request("GET", path, headers=basic(project.secret), query=query).text
    return [
        read("/identity/log"), read("/identity/mappings"),
        read("/api/2.0/export", from_date="1971-01-01", to_date="2099-12-31"),
        read("/identity/resolve", distinct_id=["ada", "grace", DEVICE, OTHER]),
    ]


def test_every_outcome_and_nothing_stored(running):
    running.import_([ORIGINAL.identify("ada", DEVICE), ORIGINAL.event("Landing", DEVICE, time=TIME)], query={})
    before = state(running)
    found = preview(running, [
        ORIGINAL.event("Clicked", "ada", time=TIME), ORIGINAL.identify("grace", OTHER),
        ORIGINAL.identify("ada", DEVICE), ORIGINAL.identify("grace", DEVICE), ORIGINAL.identify("ada", "undefined"),
        ORIGINAL.merge("ada", "grace"), ORIGINAL.alias("gracie", "grace")])
    assert found["sequence"] == 1 and found["records"] == 7 and found["truncated"] is False
    assert found["counts"] == {
        "merged": 3, "unchanged": 1, "refused": 1, "conflicts": 0, "rejected": 1, "plain": 1}
    assert [result["index"] for result in found["results"]] == [1, 2, 3, 4, 5, 6]
    assert [result["outcome"] for result in found["results"]] == [
        "merged", "unchanged", "refused", "rejected", "merged", "merged"]
    refused = found["results"][2]
    assert refused.pop("hint").startswith("The anonymous id already belongs")
    assert refused == {
        "index": 3, "event": "$identify", "verb": "$identify",
        "ids": {"$identified_id": "grace", "$anon_id": DEVICE}, "outcome": "refused", "cluster_size": None,
        "failure_reason": "errAnonDistinctIdAssignedAlready",
        "failure_description": f"$anon_distinct_id already identified: {DEVICE}"}
    assert found["results"][3] == {
        "index": 4, "outcome": "rejected", "insert_id": "", "$insert_id": "", "field": "properties.$anon_id",
        "message": "'properties.$anon_id' is invalid: must not be one of the disallowed values"}
    assert [result["cluster_size"] for result in found["results"] if result["outcome"] == "merged"] == [2, 4, 5]
    # Two users who are known to be different from one another would become one.
    assert found["joined_identified"] == [
        {"index": 5, "verb": "$merge", "ids": {"$distinct_ids": ["ada", "grace"]}, "canonical_ids": ["ada", "grace"]}]
    assert found["changed_clusters"] == 1
    [cluster] = found["clusters"]
    assert cluster["after"] == found["largest_cluster"] == {"canonical_id": "ada", "size": 5}
    assert cluster["before"] == [
        {"canonical_id": "grace", "size": 1}, {"canonical_id": OTHER, "size": 1}, {"canonical_id": "ada", "size": 2},
        {"canonical_id": "gracie", "size": 1}]
    assert sorted(cluster["members"]) == sorted(["ada", DEVICE, "grace", OTHER, "gracie"])
    assert cluster["truncated"] is False
    assert state(running) == before
    # And the next sequence is the one after the last, as if nobody had asked.
    answer = running.import_([ORIGINAL.merge("a", "b")])
    assert answer.headers["x-selfsame-sequence"] == "2"


def test_what_is_told_comes_to_be(running):
    records = [
        ORIGINAL.identify("ada", DEVICE), ORIGINAL.identify("grace", DEVICE), ORIGINAL.alias("a", "ada"),
        ORIGINAL.alias("a", "grace"), ORIGINAL.merge("ada", "eve"), ORIGINAL.identify("ada", DEVICE)]
    for _ in range(2):
        told = preview(running, records)
        last = told["sequence"]
        header = running.import_(records).headers["x-selfsame-outcome"]
        counts = told["counts"]
        assert header == f"merged={counts['merged']}, unchanged={counts['unchanged']}, refused={counts['refused']}"
        entries = running.log(after=last)
        keys = ("verb", "ids", "outcome", "failure_reason", "failure_description", "hint")
        assert [{key: entry[key] for key in keys} for entry in entries] == [
            {key: result[key] for key in keys} for result in told["results"]]
        for cluster in told["clusters"]:
            assert running.cluster(cluster["after"]["canonical_id"]) == set(cluster["members"])


def forms(records):
    """One body in each form that /import takes, with its headers and query."""
    text = json.dumps(records).encode()
    lines = b"\n".join(json.dumps(record).encode() for record in records)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return {
        "json": (text, {}, {}),
        "lines": (lines, {"Content-Type": "application/x-ndjson"}, {}),
        "lines, unnamed": (lines, {"Content-Type": "text/plain"}, {}),
        "base64": (base64.b64encode(text), {"Content-Type": "text/plain"}, {}),
        "form": (urllib.parse.urlencode({"data": text}).encode(), form, {}),
        "form, base64": (urllib.parse.urlencode({"data": base64.b64encode(text)}).encode(), form, {}),
        "gzip": (gzip.compress(text), {"Content-Encoding": "gzip"}, {}),
        "gzip, lines": (
            gzip.compress(lines), {"Content-Encoding": "gzip", "Content-Type": "application/x-ndjson"}, {}),
        "query": (b"", {}, {"data": text}),
    }


@pytest.mark.parametrize("name", forms([]))
def test_every_form_of_body(running, name):
    body, headers, query = forms([ORIGINAL.event("Clicked", "ada"), ORIGINAL.identify("ada", DEVICE)])[name]
    found = preview(running, body, headers=headers, query=query)
    assert found["records"] == 2 and found["counts"]["plain"] == 1
    assert [(result["index"], result["outcome"]) for result in found["results"]] == [(1, "merged")]


def test_a_single_object(running):
    assert preview(running, ORIGINAL.identify("ada", DEVICE))["counts"]["merged"] == 1


@pytest.mark.parametrize("body, headers, status, says", [
    (b"", {}, 400, "data, missing or empty"),
    (b"[]", {}, 400, "data, missing or empty"),
    (b"[1", {}, 400, ""),
    (b"\x1f\x8b nothing", {"Content-Encoding": "gzip"}, 400, "gzip"),
    (b"[{}]", {"Content-Encoding": "br"}, 400, "Content-Encoding"),
    (json.dumps([{"event": "e"}] * 2001).encode(), {}, 413, "2000 records"),
    (gzip.compress(b" " * (11 << 20)), {"Content-Encoding": "gzip"}, 413, "10485760 bytes"),
])
def test_what_is_no_body(running, body, headers, status, says):
    answer = ask(running, body, headers=headers)
    assert answer.status == status and says in answer.json["error"], answer
    assert answer.json["status"] == "error"


def test_records_that_cannot_be_read(running):
    lines = b'{"event": nothing}\n' + json.dumps(ORIGINAL.identify("ada", DEVICE)).encode() + b"\n7\n{}\n"
    found = preview(running, lines, headers={"Content-Type": "application/x-ndjson"})
    assert [(result["index"], result["outcome"]) for result in found["results"]] == [
        (0, "rejected"), (1, "merged"), (2, "rejected"), (3, "rejected")]
    assert all(result["message"] for result in found["results"] if result["outcome"] == "rejected")
    assert found["counts"]["rejected"] == 3 and found["records"] == 4


def test_strict_is_as_on_import(running):
    records = [ORIGINAL.event("Clicked", "ada"), ORIGINAL.event("Clicked", "ada", time=TIME, **{"$insert_id": "i"})]
    assert preview(running, records)["counts"]["rejected"] == 0
    told = preview(running, records, query={"strict": 1})
    assert told["counts"] == {"merged": 0, "unchanged": 0, "refused": 0, "conflicts": 0, "rejected": 1, "plain": 1}
    [failed] = running.import_(records).json["failed_records"]
    [result] = told["results"]
    assert failed == {key: result[key] for key in failed}


@pytest.mark.parametrize("reserved", ["undefined", "null", "0", "", "00000000-0000-0000-0000-000000000000"])
def test_reserved_ids_are_rejected(running, reserved):
    records = [ORIGINAL.identify(reserved, DEVICE), ORIGINAL.merge("ada", reserved), ORIGINAL.alias(reserved, "ada")]
    told = preview(running, records, query={"strict": 1})
    assert told["counts"]["rejected"] == 3 and told["clusters"] == [] and told["largest_cluster"] is None
    failed = running.import_(records).json["failed_records"]
    assert failed == [{key: result[key] for key in failed[0]} for result in told["results"]]


def test_a_simplified_project(running):
    def event(user, device):
        properties = {"token": SIMPLIFIED.token, "$user_id": user, "$device_id": device, "time": TIME}
        return {"event": "Clicked", "properties": {key: value for key, value in properties.items() if value}}

    running.import_([event("ada", "d1")], query={}, headers=basic(SIMPLIFIED.secret))
    before = state(running, SIMPLIFIED)
    found = preview(running, [
        event("ada", "d1"), event("grace", "d1"), event("grace", "d2"), event(None, "d3"), event("eve", "d3"),
        SIMPLIFIED.identify("ada", DEVICE)], project=SIMPLIFIED)
    assert [result["outcome"] for result in found["results"]] == [
        "unchanged", "conflict", "merged", "merged", "rejected"]
    conflict = found["results"][1]
    assert conflict["event"] == "Clicked" and conflict["verb"] == "device"
    assert conflict["failure_reason"] == "errAnonDistinctIdAssignedAlready"
    assert conflict["hint"].startswith("The device already belongs to another user")
    assert found["counts"] == {"merged": 2, "unchanged": 1, "refused": 0, "conflicts": 1, "rejected": 1, "plain": 1}
    assert [cluster["after"]["canonical_id"] for cluster in found["clusters"]] == ["grace", "eve"]
    assert found["joined_identified"] == []
    assert state(running, SIMPLIFIED) == before


def test_a_legacy_project(running):
    running.import_([LEGACY.alias("ada", DEVICE)], query={}, headers=basic(LEGACY.secret))
    before = state(running, LEGACY)
    found = preview(running, [
        LEGACY.alias("ada", DEVICE), LEGACY.alias("ada", OTHER), LEGACY.alias("a", "ada"), LEGACY.event("e", "ada")],
        project=LEGACY)
    assert [result["outcome"] for result in found["results"]] == ["unchanged", "refused", "merged"]
    assert found["results"][1]["failure_reason"] == "errAliasAlreadyExists"
    [cluster] = found["clusters"]
    assert cluster["after"] == {"canonical_id": DEVICE, "size": 3}
    assert state(running, LEGACY) == before


def test_two_thousand_records(running):
    devices = [new_anonymous_id() for _ in range(2000)]
    running.import_([ORIGINAL.identify("ada", devices[0])])
    before = state(running)
    found = preview(running, [ORIGINAL.identify(f"u{number // 4}", device) for number, device in enumerate(devices)])
    assert len(found["results"]) == found["records"] == 2000
    # The first device is ada's.
    assert found["counts"]["merged"] == 1999 and found["counts"]["refused"] == 1
    assert found["changed_clusters"] == len(found["clusters"]) == 500
    assert found["truncated"] is False
    # One cluster that grows to the limit and no further: 499 ids.
    found = preview(running, [ORIGINAL.identify("bob", device) for device in devices[1:]])
    assert found["counts"]["merged"] == 498 and found["counts"]["refused"] == 1501
    assert found["largest_cluster"] == {"canonical_id": "bob", "size": 499}
    [cluster] = found["clusters"]
    assert len(cluster["members"]) == 100 and len(cluster["before"]) == 100 and cluster["truncated"] is True
    refused = [result for result in found["results"] if result["outcome"] == "refused"]
    assert {(result["failure_reason"], result["cluster_size"]) for result in refused} == {("errManyIDs", 500)}
    assert state(running) == before


@pytest.mark.parametrize("credential, query, status", [
    ([ORIGINAL.secret], {}, 200),
    (OWNER, {"project_id": 1001}, 200),
    (ANALYST, {"project_id": 1001}, 200),
    (ANALYST, {"project_id": 1002}, 403),
    (NOBODY, {"project_id": 1001}, 403),
    (OWNER, {}, 401),
    (["wrong"], {}, 401),
    ([ORIGINAL.token], {}, 401),
])
def test_who_may_ask(running, credential, query, status):
    answer = ask(running, [ORIGINAL.merge("ada", "grace")], credential=credential, query=query)
    assert answer.status == status, answer
    if status == 200:
        assert answer.json["counts"]["merged"] == 1
    else:
        assert answer.json["status"] == "error"


def test_the_project_may_be_named_in_a_form(running):
    body = urllib.parse.urlencode({"data": json.dumps([ORIGINAL.merge("a", "b")]), "project_id": 1001}).encode()
    found = preview(
        running, body, credential=ANALYST, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert found["counts"]["merged"] == 1


def test_no_credential_and_other_methods(running):
    answer = running.request("POST", "/identity/preview", b"[{}]", {"Content-Type": "application/json"})
    assert answer.status == 401
    answer = running.request("GET", "/identity/preview", headers=basic(ORIGINAL.secret))
    assert answer.status == 405 and "POST" in answer.headers["allow"]


def test_min_sequence(running):
    running.import_([ORIGINAL.merge("ada", "grace")])
    assert preview(running, [ORIGINAL.merge("ada", "eve")], query={"min_sequence": 1})["sequence"] == 1


def test_beside_ingest(server, data):
    """A preview while imports run tells of one moment, and leaves the imports what they are."""
    running = server("--sandbox", "--config", FIXTURE, data=data, project=ORIGINAL)
    commits, done = 150, threading.Event()

    def load():
        for number in range(commits):
            assert running.import_([ORIGINAL.merge("hub", f"n{number}")]).status == 200
        done.set()

    loader = threading.Thread(target=load)
    loader.start()
    asked = 0
    while not done.is_set():
        found = preview(running, [ORIGINAL.merge("hub", "p"), ORIGINAL.merge("q", "r"), ORIGINAL.merge("q", "hub")])
        size = found["sequence"] + 1
        assert [result["cluster_size"] for result in found["results"]] == [size + 1, 2, size + 3]
        asked += 1
    loader.join()
    assert asked > 3
    assert [entry["sequence"] for entry in running.log()] == list(range(1, commits + 1))
    assert running.cluster("hub") == {"hub", *(f"n{number}" for number in range(commits))}


# The command.


@pytest.fixture
def made(server, data):
    """A data directory with its first project and one cluster, and no server on it."""
    running = server(data=data)
    running.import_([running.project.identify("ada", DEVICE)])
    running.stop()
    return Project.first(data)


def write(path, records, compress=False):
    """Writes a file of records, which an import wants to have a time."""
    for record in records:
        record["properties"].setdefault("time", TIME)
    text = "".join(json.dumps(record) + "\n" for record in records).encode()
    path.write_bytes(gzip.compress(text) if compress else text)
    return path


def dump(data):
    """Everything in a store, as text."""
    connection = sqlite3.connect(data / "selfsame.sqlite")
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def test_the_command_stores_nothing(made, data, tmp_path):
    first = write(tmp_path / "a.ndjson", [
        made.event("Clicked", "ada", time=TIME), made.identify("grace", OTHER), made.identify("grace", DEVICE)])
    second = write(tmp_path / "b.ndjson.gz", [made.merge("grace", "ada"), made.alias("gracie", "grace")], compress=True)
    before = dump(data)
    text = command("import", "--dry-run", first, second, "--data", data)
    assert dump(data) == before
    assert text.splitlines() == [
        "Dry run at sequence 1: nothing was stored.",
        "5 records read, 0 rejected; merged=3, unchanged=0, refused=1, plain=1",
        "",
        "Clusters that would change: 1",
        f"  ada (5) from grace (1), {OTHER} (1), ada (2), gracie (1)",
        "Largest cluster: ada (5)",
        "",
        "Would be joined though both are identified: 1",
        f"  grace and ada: {second}, record 1, $merge: grace, ada",
        "",
        "Refused, errAnonDistinctIdAssignedAlready: 1",
        "  The anonymous id already belongs to a cluster with an identified id: most often a second login on one device "
        "without reset(). If both are one someone, join them with $merge.",
        f"  {first}, record 3, $identify: grace, {DEVICE}",
    ]
    # The same files, imported, come to the same.
    done = command("import", first, second, "--data", data)
    assert done == "5 records read, 5 stored, 0 rejected; merged=3, unchanged=0, refused=1\n"
    assert dump(data) != before


def test_the_command_names_rejected_records(made, data, tmp_path):
    path = tmp_path / "a.ndjson"
    path.write_text(f'{json.dumps(made.merge("a", "b", time=TIME))}\n{{"event": nothing}}\n{json.dumps(made.event("e", "ada"))}\n')
    done = run_command("import", "--dry-run", path, "--data", data)
    assert done.returncode == 1
    assert "3 records read, 2 rejected; merged=1, unchanged=0, refused=0, plain=0" in done.stdout
    assert f"{path}, record 2: " in done.stderr and f"{path}, record 3: " in done.stderr
    imported = run_command("import", path, "--data", data)
    assert imported.returncode == 1
    assert [line for line in imported.stderr.splitlines() if "record " in line] == [
        line for line in done.stderr.splitlines() if "record " in line]


def test_the_command_tells_ordinals_across_batches(made, data, tmp_path):
    """Batches have 2,000 records; one with a record that is no JSON is read record by record."""
    records = [made.event("Clicked", f"u{number}", time=TIME) for number in range(4500)]
    records[2500] = made.identify("grace", DEVICE, time=TIME)
    records[4200] = made.identify("grace", DEVICE, time=TIME)
    lines = [json.dumps(record) for record in records]
    lines[4300] = "}{"
    path = tmp_path / "a.ndjson"
    path.write_text("\n".join(lines))
    done = run_command("import", "--dry-run", path, "--data", data)
    assert done.returncode == 1, done
    assert f"{path}, record 2501, $identify: grace, {DEVICE}" in done.stdout
    assert f"{path}, record 4201, $identify: grace, {DEVICE}" in done.stdout
    assert f"{path}, record 4301: " in done.stderr


def test_the_command_beside_a_server(server, data, tmp_path):
    running = server(data=data)
    project = running.project
    path = write(tmp_path / "a.ndjson", [project.identify("ada", DEVICE)] * 2)
    refused = run_command("import", path, "--data", data)
    assert refused.returncode != 0, "an import must not run beside a server"
    running.import_([project.merge("x", "y")])
    text = command("import", "--dry-run", path, "--data", data)
    assert "Dry run at sequence 1" in text and "merged=1, unchanged=1" in text
    running.import_([project.identify("ada", DEVICE)])
    assert "merged=0, unchanged=2" in command("import", "--dry-run", path, "--data", data)
    assert len(wait_until(running.log)) == 2


def test_the_command_tells_of_damage(made, data, tmp_path):
    whole = write(tmp_path / "a.gz", [made.identify(f"u{number}", new_anonymous_id()) for number in range(3000)], True)
    cut = tmp_path / "cut.gz"
    cut.write_bytes(whole.read_bytes()[:-4000])
    done = run_command("import", "--dry-run", cut, "--data", data)
    assert "damaged or cut off" in done.stderr
    # What the file is cut off in is no record.
    [told] = re.findall(r"^(\d+ records read), (\d+ rejected; merged=[1-9]\d*)", done.stdout, re.MULTILINE)
    imported = run_command("import", cut, "--data", data)
    assert done.returncode == imported.returncode != 0
    [came] = re.findall(r"^(\d+ records read), \d+ stored, (\d+ rejected; merged=\d+)", imported.stdout, re.MULTILINE)
    assert told == came
    done = run_command("import", "--dry-run", tmp_path / "none", "--data", data)
    assert done.returncode != 0 and "cannot be read" in done.stderr


def test_an_id_does_not_command_the_terminal(made, data, tmp_path):
    path = write(tmp_path / "a.ndjson", [made.merge("a\u001b[2J\nDry", "b")])
    text = command("import", "--dry-run", path, "--data", data)
    assert "\u001b" not in text and "\nDry\n" not in text and "a\ufffd[2J\ufffdDry" in text
