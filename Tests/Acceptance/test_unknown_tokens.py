"""Records whose token no project has: dropped and counted, or refused."""

import pytest

from conftest import FIXTURE, ORIGINAL, insert_ids


def record(token, name="e", event="Event"):
    return {"event": event, "properties": {
        "token": token, "distinct_id": "user", "time": 1_600_000_000, "$insert_id": name}}


@pytest.fixture
def tolerant(server):
    return server("--sandbox", "--config", FIXTURE, project=ORIGINAL)


@pytest.fixture
def strict(server):
    return server("--sandbox", "--config", FIXTURE, "--set", "ingest.rejectUnknownTokens=true", project=ORIGINAL)


def warnings(server):
    return [line for line in server.error_text().splitlines() if "unknown token" in line]


def test_they_are_dropped_and_one_warning_names_the_token(tolerant):
    for _ in range(5):
        answer = tolerant.track([record("deadbeefdeadbeefdeadbeefdeadbeef")])
        assert (answer.status, answer.text) == (200, "1")
    assert tolerant.export() == []
    [warning] = warnings(tolerant)
    assert "dead…, 32 bytes: 1" in warning
    assert "deadb" not in warning, "a token may be a secret of somewhere else"


def test_what_was_counted_after_a_warning_is_told_when_the_server_stops(tolerant):
    for _ in range(5):
        tolerant.track([record("deadbeefdeadbeefdeadbeefdeadbeef")])
    assert len(warnings(tolerant)) == 1, "at most one a minute"
    tolerant.stop()
    [_, last] = warnings(tolerant)
    assert "dead…, 32 bytes: 4" in last


def test_the_most_frequent_tokens_of_a_request_are_named_first(tolerant):
    tokens = ["aaaa1"] * 2 + ["bbbb1"] * 5 + ["cccc1"] + ["dddd1"] * 3 + [f"eeee{n}" for n in range(20)]
    assert tolerant.track([record(token) for token in tokens]).text == "1"
    [warning] = warnings(tolerant)
    assert "bbbb…, 5 bytes: 5; dddd…, 5 bytes: 3; aaaa…, 5 bytes: 2" in warning
    assert warning.count("bytes:") == 5 and "records=31" in warning.replace('"', "")


def test_a_secret_in_the_place_of_a_token_is_told(tolerant):
    assert tolerant.track([record(ORIGINAL.secret)]).text == "1"
    assert "a project's secret" in tolerant.error_text()
    assert ORIGINAL.secret[:8] not in tolerant.error_text()


def test_they_can_be_refused(strict):
    records = [record(ORIGINAL.token, "good"), record("nobody", "bad"), record(ORIGINAL.token, "fine")]
    plain = strict.track(records)
    assert (plain.status, plain.text) == (200, "0")
    assert sorted(insert_ids(strict.export())) == ["fine", "good"]
    verbose = strict.track([record("nobody")], {"verbose": 1})
    assert (verbose.status, verbose.json) == (200, {"error": "token, unknown", "status": 0})
    assert strict.track(records, {"verbose": 1}).json == {"error": "1: token, unknown", "status": 0}
    answer = strict.track(records, {"strict": 1})
    assert answer.status == 200
    assert answer.json == {
        "code": 400, "error": "some data points in the request failed validation", "num_records_imported": 2,
        "status": "Bad Request", "failed_records": [
            {"index": 1, "insert_id": "bad", "$insert_id": "bad", "field": "properties.token", "message": "token, unknown"}]}


def test_refusals_keep_the_order_of_the_records(strict):
    records = [record("nobody"), {"event": "Event", "properties": {}}, record("nobody"), 17, record(ORIGINAL.token)]
    failed = strict.track(records, {"strict": 1}).json
    assert [one["index"] for one in failed["failed_records"]] == [0, 1, 2, 3]
    assert failed["num_records_imported"] == 1


def test_import_asks_the_credential_and_not_the_token(strict):
    assert strict.import_([record("nobody")]).status == 200
    assert len(strict.export()) == 1
