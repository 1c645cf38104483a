"""Batches that are answered `0` and come again: what was stored of them is not stored again (P 4.1-1b)."""

import base64
import gzip
import json
import sqlite3
import threading
import urllib.parse

import pytest

from conftest import FIXTURE, ORIGINAL, SIMPLIFIED, basic, new_anonymous_id

BAD = {"event": "", "properties": {"token": ORIGINAL.token, "distinct_id": "u"}}


def event(name, distinct_id="u", project=ORIGINAL, **properties):
    """An event without `$insert_id`, as Ruby's, PHP's and Node's SDKs send it."""
    return project.event(name, distinct_id, time=1_600_000_000, **properties)


def names(server):
    return sorted(row["event"] for row in server.export())


def assert_zero(answer):
    assert (answer.status, answer.text) == (200, "0"), answer


def php(records):
    """A body of mixpanel-php: base64 that is not percent-encoded."""
    return b"data=" + base64.b64encode(json.dumps(records, separators=(",", ":")).encode())


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_php_sends_it_ten_times_at_once(running):
    body = php([event("one"), BAD, event("two"), event("two")])
    for _ in range(10):
        assert_zero(running.request("POST", "/track", body, FORM))
    assert names(running) == ["one", "two", "two"]


def test_buffers_send_it_again_with_more_records_behind(running):
    buffer = [event("e0"), BAD]
    for number in range(1, 30):
        assert_zero(running.track(buffer))
        buffer.append(event(f"e{number}"))
        if number % 7 == 0:
            buffer.append({"event": "bad too", "properties": {"distinct_id": f"{number}"}})
    assert_zero(running.track(buffer))
    assert names(running) == sorted(f"e{number}" for number in range(30))


@pytest.mark.parametrize("bad", [
    BAD, 17, None, "text", [], {}, {"event": "x"}, {"event": "x", "properties": 1}, {"event": "x", "properties": {}},
    {"event": "$merge", "properties": {"token": ORIGINAL.token, "$distinct_ids": ["a", "b"]}},
    {"event": "$identify", "properties": {"token": ORIGINAL.token, "$identified_id": "null", "$anon_id": "x"}},
    {"event": "x", "properties": {"token": ORIGINAL.token, "x": "y" * 1_100_000}},
], ids=lambda bad: json.dumps(bad)[:60])
def test_whatever_makes_the_record_invalid(running, bad):
    for _ in range(3):
        assert_zero(running.track([event("before"), bad, event("behind")]))
    assert names(running) == ["before", "behind"]


def test_a_record_that_is_no_json(running):
    good = json.dumps(event("good")).encode()
    for tail in (b"]", b" ,\n%s]" % json.dumps(event("more")).encode(), b"]"):
        assert_zero(running.track(b"[" + good + b', {"event": nonsense}' + tail))
    assert names(running) == ["good", "more"]
    for _ in range(2):
        assert_zero(running.track(b'{"event"\n' + good + b"\n", headers={"Content-Type": "application/x-ndjson"}))
    assert names(running) == ["good", "good", "more"], "beside another invalid record it is another one"


def test_the_form_of_the_body_does_not_matter(running):
    records = [event("one"), BAD, event("two")]
    text = json.dumps(records).encode()
    lines = "\n".join(json.dumps(record) for record in records).encode()
    json_type, ndjson = {"Content-Type": "application/json"}, {"Content-Type": "application/x-ndjson"}
    encoded = base64.b64encode(text)
    for body, headers in [
        (text, json_type), (gzip.compress(text), {**json_type, "Content-Encoding": "gzip"}), (lines, ndjson),
        (b"data=" + urllib.parse.quote_plus(text).encode(), FORM), (b"data=" + encoded, FORM),
        (b"data=" + urllib.parse.quote_plus(encoded).encode(), {"Content-Type": "text/plain"}),
        (text.replace(b"}, {", b"}\n,\t{"), json_type),
    ]:
        assert_zero(running.request("POST", "/track", body, headers))
    assert_zero(running.request("GET", "/track", query={"data": encoded}))
    assert names(running) == ["one", "two"]


def test_the_answer_stays_as_it_is(running):
    records = [event("one"), BAD]
    first = running.track(records, {"verbose": 1})
    again = running.track(records, {"verbose": 1})
    assert first.json == again.json == {"error": "1: event, missing", "status": 0}
    assert first.headers["x-selfsame-sequence"] == again.headers["x-selfsame-sequence"] == "0"
    strict = running.track(records, {"strict": 1}).json
    assert (strict["num_records_imported"], len(strict["failed_records"])) == (1, 1)
    assert names(running) == ["one"]


def test_beside_another_invalid_record_it_is_another_one(running):
    for number in range(4):
        bad = {"event": "", "properties": {"token": ORIGINAL.token, "batch": number}}
        assert_zero(running.track([event("same"), bad]))
    assert names(running) == ["same"] * 4, "a client that sends some bad record in every batch loses nothing"
    for _ in range(3):
        assert running.track([event("same")]).text == "1"
    assert names(running) == ["same"] * 7


def test_the_same_invalid_record_in_every_batch_costs_no_other_record(running):
    for number in range(5):
        assert_zero(running.track([BAD, event(f"e{number}")]))
    assert names(running) == [f"e{number}" for number in range(5)]


def test_each_invalid_record_is_remembered(running):
    bads = [{"event": "", "properties": {"n": number}} for number in range(30)]
    assert_zero(running.track([event("one"), *bads, event("two")]))
    for bad in bads:
        assert_zero(running.track([event("two"), bad]))
    assert names(running) == ["one", "two"]
    assert_zero(running.track([*reversed(bads), event("two"), event("one"), event("three")]))
    assert names(running) == ["one", "three", "two"]


def test_records_of_different_invalid_ones_are_kept_apart(running):
    first, second = ({"event": "", "properties": {"n": number}} for number in range(2))
    assert_zero(running.track([event("a"), first]))
    assert_zero(running.track([event("b"), second]))
    assert_zero(running.track([event("c"), first, second]))
    assert_zero(running.track([event("b"), first]))
    assert names(running) == ["a", "b", "b", "c"], "b was not stored beside the first"
    assert_zero(running.track([event("a"), event("b"), event("c"), first]))
    assert_zero(running.track([event("c"), second]))
    assert names(running) == ["a", "b", "b", "c"]


def test_equal_records_are_counted(running):
    same = event("same")
    for count, expected in [(1, 1), (3, 3), (3, 3), (2, 3), (4, 4), (1, 4)]:
        assert_zero(running.track([*[same] * count, BAD]))
        assert names(running) == ["same"] * expected


def test_two_connections_at_once(running):
    body = json.dumps([event("one"), event("two"), event("two"), BAD]).encode()
    gate = threading.Barrier(16)
    answers = []

    def send():
        with_own = running.connection()
        with_own.connect()
        gate.wait(30)
        answers.append(running.track(body, connection=with_own))
        with_own.close()

    senders = [threading.Thread(target=send) for _ in range(16)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(60)
    assert [answer.text for answer in answers] == ["0"] * 16
    assert names(running) == ["one", "two", "two"]


def update(operator, operand, **subject):
    return {"$token": ORIGINAL.token, **(subject or {"$distinct_id": "u"}), operator: operand}


def profile(server, **query):
    [row] = server.read("/api/2.0/engage", **query).json["results"]
    return {name: value for name, value in row["$properties"].items() if not name.startswith("$last_seen")}


def test_updates_of_profiles(running):
    bad = update("$add", {"count": "text"})
    records = [update("$add", {"count": 1}), update("$append", {"list": "x"}), bad, update("$append", {"list": "x"})]
    for _ in range(10):
        assert_zero(running.request("POST", "/engage", php(records), FORM))
    assert profile(running, distinct_id="u") == {"count": 1, "list": ["x", "x"]}
    records.append(update("$add", {"count": 5}))
    for _ in range(2):
        assert_zero(running.request("POST", "/engage", php(records), FORM))
    assert profile(running, distinct_id="u") == {"count": 6, "list": ["x", "x"]}
    good = json.dumps(records[:1])
    assert running.request("POST", "/engage", good, {"Content-Type": "application/json"}).text == "1"
    assert profile(running, distinct_id="u")["count"] == 7, "without the invalid record it is meant"


def test_updates_of_groups(running):
    acme = {"$group_key": "company", "$group_id": "acme"}
    records = [update("$add", {"count": 1}, **acme), update("$set", {"a": 1}, **{"$group_key": "company"})]
    for _ in range(5):
        assert_zero(running.request("POST", "/groups", php(records), FORM))
    assert profile(running, group_key="company", group_id="acme") == {"count": 1}


def test_import_that_is_not_strict(running):
    records = [event("one"), BAD, event("two")]
    for query in ({}, {"strict": 0}, {"verbose": 1}):
        assert running.import_(records, query).status == 200
    assert names(running) == ["one", "two"]
    assert running.track(records).text == "0"
    assert names(running) == ["one", "two"], "an event is the same through either door"
    strict = [event("strict", **{"$insert_id": "a"}), BAD]
    for _ in range(2):
        assert running.import_(strict).status == 400
    assert names(running) == ["one", "strict", "two"], "its copies go by the insert id"


def test_verbs(running):
    verb = ORIGINAL.identify("U", new_anonymous_id())
    for _ in range(5):
        assert_zero(running.track([verb, BAD]))
    assert [entry["outcome"] for entry in running.log()] == ["merged"]
    assert names(running) == ["$identify"]


@pytest.mark.parametrize("path", ["/track", "/import"])
@pytest.mark.parametrize("stamp", [{}, {"time": 1_600_000_000, "$insert_id": "a"}], ids=["plain", "insert_id"])
def test_a_verb_is_decided_again_after_an_unmerge(running, path, stamp):
    anonymous = new_anonymous_id()
    verb = ORIGINAL.identify("U", anonymous, **stamp) if path == "/track" else ORIGINAL.merge("U", anonymous, **stamp)
    records = [verb, event("beside"), update("$set", {"a": 1}) | {"event": ""}]
    headers = {"Content-Type": "application/json"} | (basic(ORIGINAL.secret) if path == "/import" else {})

    def send():
        answer = running.request("POST", path, json.dumps(records), headers)
        assert answer.text.strip() == "0", answer
        return answer.headers["x-selfsame-outcome"]

    def amend(path, body, method="POST"):
        answer = running.request(method, path, json.dumps(body), basic(ORIGINAL.secret))
        assert answer.status == 200, answer

    assert send() == "merged=1, unchanged=0, refused=0"
    assert send() == "merged=0, unchanged=1, refused=0"
    amend("/identity/unmerge", {"link": 1})
    if path == "/track":
        for _ in range(3):
            assert send() == "merged=0, unchanged=0, refused=1"
        amend("/identity/blocks", {"distinct_ids": ["U", anonymous]}, "DELETE")
    for expected in ("merged=1, unchanged=0, refused=0", "merged=0, unchanged=1, refused=0"):
        assert send() == expected
    assert running.cluster("U") == {"U", anonymous}
    lifted = ["applied"] if path == "/track" else []
    assert [entry["outcome"] for entry in running.log()] == ["merged", "applied", *lifted, "merged"]
    assert names(running) == sorted([verb["event"], "beside"])
    assert running.log()[-1]["source"]["endpoint"] == path
    [shown] = [row["properties"] for row in running.export() if row["event"] == verb["event"]]
    assert ("$selfsame_revoked" in shown) == (not stamp), "one event of which no copy is another shows the latest entry"


def test_a_refused_verb_that_comes_again_makes_one_entry(running):
    verb = ORIGINAL.identify("U", "no guid")
    for _ in range(5):
        assert_zero(running.track([verb, BAD, verb]))
    assert [entry["outcome"] for entry in running.log()] == ["refused", "refused"]
    assert names(running) == ["$identify", "$identify"]


def test_devices_of_a_simplified_project_are_decided_again(running):
    running.project = SIMPLIFIED
    both = event("both", project=SIMPLIFIED, **{"$device_id": "d", "$user_id": "u"})
    for _ in range(3):
        assert_zero(running.track([both, BAD]))
    assert (len(running.log()), names(running)) == (1, ["both"])
    unmerge = running.request("POST", "/identity/unmerge", json.dumps({"link": 1}), basic(SIMPLIFIED.secret))
    assert unmerge.status == 200, unmerge
    assert_zero(running.track([both, BAD]))
    assert (len(running.log()), names(running)) == (2, ["both"])
    lifted = running.request(
        "DELETE", "/identity/blocks", json.dumps({"distinct_ids": ["u", "$device:d"]}), basic(SIMPLIFIED.secret))
    assert lifted.status == 200, lifted
    for _ in range(2):
        assert_zero(running.track([both, BAD]))
    assert (len(running.log()), names(running)) == (4, ["both"])
    assert running.cluster("u") == {"u", "$device:d"}


def test_projects_are_kept_apart(running):
    records = [event("one"), event("one", project=SIMPLIFIED), BAD]
    for _ in range(3):
        assert_zero(running.track(records))
    assert names(running) == ["one"]
    running.project = SIMPLIFIED
    assert names(running) == ["one"]


def test_nothing_is_remembered_where_the_commit_failed(server, data):
    running = server("--config", FIXTURE, data=data, project=ORIGINAL)
    records = [event("one"), BAD]
    lock = sqlite3.connect(data / "selfsame.sqlite", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        assert running.track(records, timeout=120).status == 503
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    for _ in range(3):
        assert_zero(running.track(records))
    assert names(running) == ["one"]


def test_a_restart_forgets(server, data):
    records = [event("one"), BAD]
    for expected in (["one"], ["one", "one"]):
        running = server("--config", FIXTURE, data=data, project=ORIGINAL)
        for _ in range(2):
            assert_zero(running.track(records))
        assert names(running) == expected
        running.stop()


def clock(server, now):
    assert server.request("PUT", "/sandbox/clock", json.dumps({"now": now})).status == 200


def test_after_a_day_it_is_forgotten_and_each_repeat_renews_it(running):
    hour, start = 3600, 1_700_000_000
    records = [event("one"), BAD]
    for after, expected in [(0, 1), (23, 1), (46, 1), (69.9, 1), (93.8, 1), (118, 2), (119, 2)]:
        clock(running, start + after * hour)
        assert_zero(running.track(records))
        assert names(running) == ["one"] * expected, f"after {after} hours"


def test_a_reset_forgets(running):
    records = [event("one"), BAD]
    for _ in range(3):
        assert_zero(running.track(records))
        assert names(running) == ["one"]
        assert running.request("POST", "/sandbox/reset").status == 200
    for number, expected in ((1002, ["one"]), (1001, [])):
        assert_zero(running.track(records))
        assert running.request("POST", "/sandbox/reset", json.dumps({"project_id": number})).status == 200
        assert names(running) == expected
    assert_zero(running.track(records))
    assert names(running) == ["one"]


def test_at_least_a_hundred_thousand_records_are_remembered(server):
    running = server("--sandbox", "--config", FIXTURE, project=ORIGINAL)
    batches = [[BAD | {"batch": number}, *(event("e", n=number * 2000 + place) for place in range(1999))]
               for number in range(51)]
    for records in batches[:50]:
        assert_zero(running.track(records))
    assert len(running.export()) == 99_950
    for records in (batches[0], batches[25], batches[49]):
        assert_zero(running.track(records))
    assert len(running.export()) == 99_950


def test_a_bound_of_memory_forgets_the_oldest(server):
    running = server(
        "--sandbox", "--config", FIXTURE, "--set", "ingest.repeatMemoryLimitBytes=1048576", project=ORIGINAL)
    batches = [[BAD | {"batch": number}, *(event("e", n=number * 1000 + place) for place in range(1000))]
               for number in range(15)]
    for records in batches:
        assert_zero(running.track(records))
    assert len(running.export()) == 15_000
    assert_zero(running.track(batches[14]))
    assert len(running.export()) == 15_000
    assert_zero(running.track(batches[0]))
    assert len(running.export()) == 16_000


def test_what_is_not_stored_again_is_not_charged(server):
    running = server(
        "--sandbox", "--config", FIXTURE, "--set", "ingest.rateLimit.eventsPerMinute=60", "--set",
        "ingest.rateLimit.burstSeconds=2", project=ORIGINAL)
    for _ in range(20):
        assert_zero(running.track([event("one"), BAD]))
    assert names(running) == ["one"]


def test_unknown_tokens_that_are_refused(server):
    running = server(
        "--sandbox", "--config", FIXTURE, "--set", "ingest.rejectUnknownTokens=true", project=ORIGINAL)
    stranger = {"event": "e", "properties": {"token": "nobody"}}
    for _ in range(3):
        assert_zero(running.track([event("one"), stranger]))
    assert names(running) == ["one"]


def test_secrets_and_bodies_that_cannot_be_read_change_nothing(running):
    assert running.import_([event("one"), BAD], {}, headers=basic("nobody")).status == 401
    assert_zero(running.track(b"[" + json.dumps(BAD).encode()))
    for _ in range(2):
        assert_zero(running.track([event("one"), BAD]))
    assert names(running) == ["one"]
