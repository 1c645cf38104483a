"""What was rejected, and how an operator finds out (P 10-11)."""

import base64
import json

import pytest

from conftest import FIXTURE, ORIGINAL, SIMPLIFIED, basic, delete, new_anonymous_id

OWNER = basic("ci.111111.mp-service-account", "sa-secret-1")
ANALYST = basic("ro.222222.mp-service-account", "sa-secret-2")
STRANGER = basic("other.333333.mp-service-account", "sa-secret-3")
JSON = {"Content-Type": "application/json"}


def rejections(server, headers=None, **query):
    answer = server.request(
        "GET", "/identity/rejections", headers=headers or basic(server.project.secret), query=query)
    assert answer.status == 200, answer
    return answer.json


def bad(distinct_id="u", project=ORIGINAL, **members):
    """A record without a name."""
    return {"event": "", "properties": {"token": project.token, "distinct_id": distinct_id, **members}}


def warnings(server):
    return [line for line in server.error_text().splitlines() if "records were rejected" in line]


def test_nothing_was_rejected(running):
    assert running.track([ORIGINAL.event("e", "u")]).text == "1"
    found = rejections(running)
    assert (found["total"], found["counts"], found["rejections"], found["left_out"]) == (0, {}, [], 0)
    assert "without_project" not in found


def test_a_rejected_record_leaves_a_trace(running):
    record = bad(n=1)
    assert running.track([ORIGINAL.event("e", "u"), record, 17]).text == "0"
    found = rejections(running)
    assert (found["total"], found["counts"]) == (2, {"not_an_object": 1, "event_missing": 1})
    second, first = found["rejections"]
    assert first["time"] == second["time"] >= found["since"]
    del first["time"], second["time"]
    assert first == {
        "endpoint": "/track", "reason": "event_missing", "message": "'event' must not be missing or blank",
        "field": "event", "index": 1, "record": json.dumps(record), "record_bytes": len(json.dumps(record))}
    assert second == {
        "endpoint": "/track", "reason": "not_an_object", "message": "record must be a JSON object", "field": "",
        "index": 2, "record": "17", "record_bytes": 2}


def update(**members):
    return {"$token": ORIGINAL.token, "$distinct_id": "u", **members}


@pytest.mark.parametrize(("reason", "path", "record"), [
    ("not_an_object", "/track", 1), ("event_missing", "/track", bad()),
    ("event_too_long", "/track", ORIGINAL.event("e" * 256, "u")),
    ("properties_not_an_object", "/track", {"event": "e", "properties": []}),
    ("token_missing", "/track", {"event": "e", "properties": {}}),
    ("merge_not_allowed", "/track", ORIGINAL.merge("a", "b")),
    ("id_missing", "/track", ORIGINAL.verb("$identify", **{"$anon_id": new_anonymous_id()})),
    ("id_reserved", "/track", ORIGINAL.identify("undefined", new_anonymous_id())),
    ("id_reserved", "/track", ORIGINAL.alias("null", "u")),
    ("id_invalid", "/track", ORIGINAL.alias("a" * 1025, "u")),
    ("too_large", "/track", ORIGINAL.event("e", "u", text="x" * (1 << 20))),
    ("too_large", "/track", ORIGINAL.event("e", "u", **{f"p{n}": n for n in range(300)})),
    ("token_missing", "/engage", {"$distinct_id": "u", "$set": {}}),
    ("update_invalid", "/engage", update()),
    ("update_invalid", "/engage", update(**{"$add": {"a": "b"}})),
    ("update_invalid", "/groups", update(**{"$group_key": "k", "$set": {"a": 1}})),
], ids=lambda value: str(value)[:50])
def test_by_reason(running, reason, path, record):
    # A record that names no project is the others' of its request.
    good = update(**{"$group_key": "k", "$group_id": "g", "$set": {"a": 1}})
    body = json.dumps([record, ORIGINAL.event("good", "u") if path == "/track" else good])
    assert running.request("POST", path, body, JSON).text == "0"
    found = rejections(running)
    assert found["counts"] == {reason: 1}
    [entry] = found["rejections"]
    assert (entry["endpoint"], entry["reason"], entry["index"]) == (path, reason, 0)
    assert json.dumps(record).startswith(entry["record"]) and len(entry["record"]) <= 1000
    assert rejections(running, reason=reason)["rejections"] == [entry]
    assert rejections(running, reason="other")["rejections"] == []


def test_import_strict_or_not(running):
    good = ORIGINAL.event("e", "u", time=1_600_000_000, **{"$insert_id": "a"})
    no_time = ORIGINAL.event("e", "u", **{"$insert_id": "b"})
    assert running.import_([good, no_time]).status == 400
    future = ORIGINAL.event("e", "u", time=9_999_999_999, **{"$insert_id": "c"})
    colon = ORIGINAL.event("e", "u", time=1_600_000_000, **{"$insert_id": "a:b"})
    assert running.import_([future, colon]).status == 400
    assert running.import_([bad()], {}).text == "0"
    # The token is public, so that it may not merge (P 5.3-1).
    merge = running.import_([ORIGINAL.merge("a", "b")], {}, headers=basic(ORIGINAL.token))
    assert merge.text == "0"
    found = rejections(running)
    assert found["counts"] == {
        "merge_not_allowed": 1, "event_missing": 1, "time_invalid": 2, "insert_id_invalid": 1}
    assert {entry["endpoint"] for entry in found["rejections"]} == {"/import"}
    assert found["rejections"][0]["message"].startswith("$merge requires project secret")


def test_verbs_of_a_simplified_project(running):
    running.project = SIMPLIFIED
    assert running.import_([SIMPLIFIED.identify("U", new_anonymous_id())]).status == 400
    assert rejections(running)["counts"] == {"verb_not_allowed": 1}


def test_who_may_see_them(running):
    running.track([bad()])
    for headers, query, status in [
        (basic(ORIGINAL.secret), {}, 200), (OWNER, {"project_id": 1001}, 200), (ANALYST, {"project_id": 1001}, 403),
        (STRANGER, {"project_id": 1001}, 403), (basic(ORIGINAL.token), {}, 401), (basic("nobody"), {}, 401), ({}, {}, 401),
    ]:
        answer = running.request("GET", "/identity/rejections", headers=headers, query=query)
        assert answer.status == status, answer
        assert ("event_missing" in answer.text) == (status == 200)
    assert rejections(running, basic(SIMPLIFIED.secret))["total"] == 0
    assert running.request("POST", "/identity/rejections", headers=basic(ORIGINAL.secret)).status == 405


@pytest.mark.parametrize(("query", "says"), [
    ({"limit": 0}, "limit"), ({"limit": 1001}, "limit"), ({"reason": "none"}, "event_missing"), ({"reasons": "x"}, "reason")])
def test_options_that_cannot_be_used(running, query, says):
    answer = running.read("/identity/rejections", **query)
    assert answer.status == 400 and says in answer.json["error"]


def test_the_latest_are_kept_and_each_reason_has_a_share(running):
    running.track([{"event": "quiet", "properties": []}, bad()])
    for batch in range(3):
        running.track([bad(batch=batch, n=n) for n in range(1000)])
    found = rejections(running)
    assert found["counts"] == {"event_missing": 3001, "properties_not_an_object": 1}
    assert found["total"] == 3002
    assert len(found["rejections"]) == 1000
    assert json.loads(found["rejections"][0]["record"])["properties"]["n"] == 999
    assert found["rejections"][-1]["reason"] == "properties_not_an_object", "one noisy client pushes no other out"
    assert len(rejections(running, limit=7)["rejections"]) == 7


def test_a_megabyte_is_the_limit(running):
    for batch in range(4):
        running.track([bad(batch=batch, n=n, **{f"p{k}": "x" * 20 for k in range(50)}) for n in range(500)])
    found = rejections(running)
    assert found["total"] == 2000
    assert 700 < len(found["rejections"]) < 1000
    assert sum(len(entry["record"]) for entry in found["rejections"]) < 1 << 20
    entry = found["rejections"][0]
    assert entry["record_bytes"] > 1500 and 900 < len(entry["record"]) <= 1000


def test_records_of_no_project_are_the_operators(running):
    nobody = {"event": "e", "properties": {"token": "deadbeefdeadbeef", "distinct_id": "hidden"}}
    assert running.track([nobody, nobody]).text == "1"
    assert running.track([{"event": "e", "properties": {"distinct_id": "lost"}}]).text == "0"
    assert running.track(b"[not json").text == "0"
    assert running.track([17, bad()]).text == "0"
    assert running.track([{"event": "e", "properties": {"token": ORIGINAL.secret}}]).text == "1"
    mine = rejections(running)
    assert mine["counts"] == {"event_missing": 1, "not_an_object": 1}
    assert "without_project" not in mine, "one project of several does not see what others send"
    found = rejections(running, OWNER, project_id=1001)["without_project"]
    assert found["counts"] == {"token_missing": 1, "request_unreadable": 1}
    assert [entry["reason"] for entry in found["rejections"]] == ["request_unreadable", "token_missing"]
    assert found["rejections"][0]["index"] is None and found["rejections"][0]["record"].startswith("[not")
    assert found["unknown_token_records"] == 3
    tokens = {token["token"]: (token["records"], token["is_secret"]) for token in found["unknown_tokens"]}
    assert tokens == {"dead…, 16 bytes": (2, False), "5ec0…, 32 bytes": (1, True)}
    assert "deadb" not in json.dumps(found) and ORIGINAL.secret[:8] not in json.dumps(found)


def test_unknown_tokens_that_are_refused(server):
    running = server(
        "--sandbox", "--config", FIXTURE, "--set", "ingest.rejectUnknownTokens=true", project=ORIGINAL)
    nobody = {"event": "e", "properties": {"token": "deadbeefdeadbeef", "distinct_id": "hidden"}}
    assert running.track([nobody, ORIGINAL.event("e", "u")]).text == "0"
    assert rejections(running)["total"] == 0
    found = rejections(running, OWNER, project_id=1001)["without_project"]
    assert found["counts"] == {"token_unknown": 1}
    assert "deadb" not in json.dumps(found)


def test_too_many_records(running):
    assert running.track([ORIGINAL.event("e", "u")] * 2001).text == "0"
    assert rejections(running, OWNER, project_id=1001)["without_project"]["counts"] == {"too_many_records": 1}
    assert running.import_([ORIGINAL.event("e", "u")] * 2001).status == 413
    assert rejections(running)["counts"] == {"too_many_records": 1}


def test_the_secret_of_the_only_project_is_the_operators(server, data):
    running = server(data=data)
    assert running.track([{"event": "e", "properties": {}}]).text == "0"
    assert rejections(running)["without_project"]["counts"] == {"token_missing": 1}


def test_bytes_that_are_no_utf8_are_shown(running):
    body = json.dumps([bad(x="@")]).encode().replace(b"@", b"\xff\xfe")
    assert running.track(body).text == "0"
    [entry] = rejections(running)["rejections"]
    assert "\ufffd" in entry["record"]


def test_a_deletion_takes_what_names_its_ids(running):
    anonymous, phone = new_anonymous_id(), new_anonymous_id()
    running.send(ORIGINAL.identify("ünal", anonymous), ORIGINAL.identify("ünal", phone))
    named = [
        bad("ünal"), bad(anonymous), bad("other", friend=["x", {"y": "ünal"}]), bad(**{"$device_id": phone}),
        ORIGINAL.alias("null", "ünal"), {"event": "e", "properties": {"distinct_id": phone}},
        bad(filler="x" * 700, late="ünal"),
    ]
    kept = [bad("ünal2"), bad("other", text="ünal and more"), bad("xünal"), bad(7)]
    running.track([*kept, *named, ORIGINAL.event("e", "other")])
    running.track(("[" + json.dumps(bad("other")) + ', {"event": "" "distinct_id": "' + anonymous + '"}]').encode())
    number = bad()
    running.track(json.dumps([number, bad()]).replace('"u"', "4.2e1", 1).encode())
    running.track([ORIGINAL.event("e", "42")])
    total = rejections(running)["total"]
    delete(running, phone, "42")
    found = rejections(running)
    left = [json.loads(entry["record"]) for entry in found["rejections"]]
    assert left == [bad(), bad("other"), *reversed(kept)]
    assert found["total"] == total, "counts name nobody"


HIGH, LOW = b"\xed\xa0\xbd", b"\xed\xb8\x80"


@pytest.mark.parametrize("spelling", [
    "\U0001F600".encode(), rb"\ud83d\ude00", HIGH + LOW, HIGH + rb"\ude00", rb"\uD83D" + LOW, rb"\u0061"], ids=repr)
def test_a_deletion_finds_an_id_in_each_spelling(running, spelling):
    # The server takes all of these for the same id (P 2-11).
    smiling = "usera" if spelling == rb"\u0061" else "user\U0001F600"
    running.track([ORIGINAL.event("e", smiling)])
    kept, named = bad("user\U0001F601"), json.dumps(bad("user@")).encode().replace(b"@", spelling)
    loose = json.dumps(bad("nobody", friends=[{"@": 1}])).encode().replace(b"@", b"user" + spelling)
    assert running.track(b"[" + b",".join([json.dumps(kept).encode(), named, loose]) + b"]").text == "0"
    assert rejections(running)["total"] == 3
    delete(running, smiling)
    assert [json.loads(entry["record"]) for entry in rejections(running)["rejections"]] == [kept]


def past_the_end(name):
    """A record with a byte that is no UTF-8 in a property whose name is past what is kept of the record."""
    record = {"event": "e", "properties": {"token": ORIGINAL.token, "filler": "x" * 1200, name: "@"}}
    return json.dumps(record, ensure_ascii=False).encode().replace(b'"@"', b'"\xff"')


@pytest.mark.parametrize("name", [
    "somebody@example.org", "some.body", "ünal", "x" * 100, "a\\b", 'a"b', "\U0001F600"], ids=ascii)
def test_a_deletion_looks_at_the_names_of_properties(running, name):
    running.track([ORIGINAL.event("e", name)])
    for record in (past_the_end(name), past_the_end("kept.by")):
        assert running.track(b"[" + record + b"]").text == "0"
    elements = {"event": "e", "properties": {"token": ORIGINAL.token, "filler": "x" * 1200, name: [0] * 300}}
    operand = update(**{"$add": {"filler": 1, "f" * 1000: 1, name: "x"}})
    assert running.track([elements]).text == "0"
    assert running.request("POST", "/engage", json.dumps([operand]), JSON).text == "0"
    found = rejections(running)
    assert found["counts"] == {"not_utf8": 2, "too_large": 1, "update_invalid": 1}
    delete(running, name)
    assert [entry["field"] for entry in rejections(running)["rejections"]] == ["properties.kept.by"]


def test_a_record_that_is_cut_never_ends_inside_an_id(running):
    secret = "somebody@example.org"
    for filler in range(880, 1000):
        assert running.track([bad("x" * filler, mail=secret)]).text == "0"
    entries = rejections(running)["rejections"]
    assert len(entries) == 120
    for entry in entries:
        rest = entry["record"].split('"mail": ')[-1]
        assert rest == f'"{secret}"}}}}' or secret[:3] not in rest, entry


def test_a_request_that_comes_again_because_it_failed_is_counted_once(server):
    running = server(
        "--sandbox", "--config", FIXTURE, "--set", "ingest.rateLimit.eventsPerMinute=60", "--set",
        "ingest.rateLimit.burstSeconds=1", project=ORIGINAL)
    assert running.track([ORIGINAL.event("e", "u")]).text == "1"
    assert running.track([ORIGINAL.event("e", "v"), bad()]).status == 429
    assert rejections(running)["total"] == 0


def test_batches_that_come_again_are_counted(running):
    for _ in range(3):
        running.track([ORIGINAL.event("one", "u"), ORIGINAL.event("two", "u"), bad()])
    found = rejections(running)
    assert (found["left_out"], found["counts"]) == (4, {"event_missing": 3})


def test_a_reset_forgets(running):
    running.track([bad()])
    assert running.request("POST", "/sandbox/reset").status == 200
    assert rejections(running)["total"] == 0


def test_one_warning_a_minute_with_counts_and_an_example(server):
    running = server("--sandbox", "--config", FIXTURE, project=ORIGINAL)
    for _ in range(5):
        running.track([bad("somebody@example.org")])
    [warning] = warnings(running)
    plain = warning.replace('"', "")
    assert "records=1" in plain and "project 1001, event_missing: 1" in plain
    assert "/track, record 0: 'event' must not be missing or blank" in plain
    running.track([ORIGINAL.identify("undefined", new_anonymous_id()), 17])
    running.request("POST", "/engage", json.dumps([update(**{"$add": {"somebody@example.org": "x"}})]), JSON)
    assert len(warnings(running)) == 1
    running.stop()
    [_, last] = warnings(running)
    assert "records=7" in last.replace('"', "")
    for part in ("event_missing: 4", "id_reserved: 1", "not_an_object: 1", "update_invalid: 1"):
        assert part in last
    assert "somebody" not in running.error_text(), "no id is logged"


@pytest.mark.parametrize(("path", "record"), [
    ("/track", rb'{"event":"e","properties":{"token":"%s","%s":"\xff"}}'),
    ("/track", rb'{"event":"e","properties":{"token":"%s"},"%s":"\xff"}'),
    ("/track", rb'{"event":"e","properties":{"token":"%s","%s":[' + b",".join([b"0"] * 300) + b"]}}"),
    ("/track", rb'{"event":"e","properties":{"token":"%s","%s":' + b"[" * 300 + b"]" * 300 + b"}}"),
    ("/engage", rb'{"$token":"%s","$distinct_id":"u","$set":{"%s":"\xff"}}'),
    ("/engage", rb'{"$token":"%s","$distinct_id":"u","$union":{"%s":1}}'),
    ("/groups", rb'{"$token":"%s","$group_key":"k","$group_id":"g","$add":{"%s":"\xff"}}'),
], ids=range(7))
def test_no_warning_names_a_property(server, path, record):
    running = server("--sandbox", "--config", FIXTURE, project=ORIGINAL)
    record = record.replace(rb"\xff", b"\xff") % (ORIGINAL.token.encode(), b"somebody@example.org")
    assert running.request("POST", path, b"[" + record + b"]", JSON).text == "0"
    [entry] = rejections(running)["rejections"]
    assert "somebody" in entry["message"]
    [warning] = warnings(running)
    assert f"{path}, record 0: {entry['reason']}" in warning
    assert "somebody" not in running.error_text()


def test_a_project_of_another_region_leaves_nothing_here(server, tmp_path):
    file = tmp_path / "regions.yaml"
    file.write_text(
        "server:\n  regionHosts:\n    us: api.example.com\nprojects:\n"
        f"  - {{id: 1, token: {ORIGINAL.token}, secret: {ORIGINAL.secret}, region: us}}\n"
        f"  - {{id: 2, token: {SIMPLIFIED.token}, secret: {SIMPLIFIED.secret}, region: eu}}\n")
    running = server("--sandbox", "--config", file, "--region", "eu", project=SIMPLIFIED)
    assert running.track([bad()]).text == "0"
    assert rejections(running)["total"] == 0
    assert warnings(running) == []


def test_forms_and_get(running):
    body = b"data=" + base64.b64encode(json.dumps([bad()]).encode())
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert running.request("POST", "/track", body, form).text == "0"
    assert running.request("GET", "/track", query={"data": json.dumps([bad()])}).text == "0"
    entries = rejections(running)["rejections"]
    assert [entry["record"] for entry in entries] == [json.dumps(bad())] * 2
