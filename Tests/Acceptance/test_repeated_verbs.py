"""A verb whose event is there already, sent again: decided anew, and no entry of the log where nothing comes of it."""

import json

import pytest

from conftest import FIXTURE, LEGACY, ORIGINAL, basic, command, new_anonymous_id

LONG_AGO = 1_600_000_000


@pytest.fixture(params=["memory", "sqlite"])
def running(request, server, data):
    if request.param == "memory":
        return server("--sandbox", "--config", FIXTURE, project=ORIGINAL)
    return server("--config", FIXTURE, "--set", "ingest.outcomeHeader=true", data=data, project=ORIGINAL)


def outcome(answer):
    return answer.headers["x-selfsame-outcome"]


def verbs(project, count=20):
    """Verbs of all kinds, some of them twice; none is refused."""
    records = []
    for number in range(count):
        who = f"user-{number}"
        records.append(project.identify(who, new_anonymous_id(), **stamp(f"i{number}")))
        records.append(project.alias(f"alias-{number}", who, **stamp(f"a{number}")))
        if number:
            records.append(project.merge(who, f"user-{number - 1}", **stamp(f"m{number}")))
    return records


def stamp(name):
    return {"time": LONG_AGO, "$insert_id": name}


def test_on_track(running):
    verb = ORIGINAL.identify("U", new_anonymous_id(), **stamp("i"))
    assert outcome(running.track([verb])) == "merged=1, unchanged=0, refused=0"
    for _ in range(3):
        answer = running.track([verb])
        assert outcome(answer) == "merged=0, unchanged=1, refused=0"
        assert answer.headers["x-selfsame-sequence"] == "1"
    assert outcome(running.track([verb, verb])) == "merged=0, unchanged=2, refused=0"
    assert len(running.log()) == 1
    assert len(running.export()) == 1


def test_two_equal_ones_in_one_batch(running):
    verb = ORIGINAL.identify("U", new_anonymous_id(), **stamp("i"))
    assert outcome(running.track([verb, verb])) == "merged=1, unchanged=1, refused=0"
    assert [entry["outcome"] for entry in running.log()] == ["merged"]
    [row] = running.export()
    assert "$failure_reason" not in row["properties"]


def test_without_time_or_insert_id_each_is_an_event_and_an_entry(running):
    verb = ORIGINAL.identify("U", new_anonymous_id())
    running.send(verb, verb)
    assert outcome(running.track([verb, verb])) == "merged=0, unchanged=2, refused=0"
    assert [entry["outcome"] for entry in running.log()] == ["merged", "unchanged", "unchanged", "unchanged"]
    assert len(running.export()) == 4


@pytest.mark.parametrize("strict", [0, 1])
def test_on_import(running, strict):
    records = verbs(ORIGINAL)
    first = running.import_(records, {"strict": strict})
    assert outcome(first) == f"merged={len(records)}, unchanged=0, refused=0"
    log, clusters = running.log(), running.clusters()
    for _ in range(2):
        again = running.import_(records, {"strict": strict})
        assert outcome(again) == f"merged=0, unchanged={len(records)}, refused=0"
        assert again.headers["x-selfsame-sequence"] == str(len(records))
    assert running.log() == log
    assert running.clusters() == clusters
    preview = running.request(
        "POST", "/identity/preview", json.dumps(records), {"Content-Type": "application/json", **basic(ORIGINAL.secret)})
    assert preview.json["counts"]["unchanged"] == len(records)
    assert preview.json["sequence"] == len(records)


def test_in_a_legacy_project(server):
    running = server("--sandbox", "--config", FIXTURE, project=LEGACY)
    alias = LEGACY.alias("x", "y", **stamp("a"))
    running.send(alias, alias)
    assert [entry["outcome"] for entry in running.log()] == ["merged"]


def test_after_an_unmerge_whose_block_was_lifted_it_merges_again(running):
    anonymous = new_anonymous_id()
    verb = ORIGINAL.identify("U", anonymous, **stamp("i"))
    running.send(verb, verb)

    def post(path, body, method="POST"):
        answer = running.request(method, path, json.dumps(body), basic(ORIGINAL.secret))
        assert answer.status == 200, answer

    post("/identity/unmerge", {"link": 1})
    assert outcome(running.track([verb])) == "merged=0, unchanged=0, refused=1"
    assert outcome(running.track([verb])) == "merged=0, unchanged=0, refused=1"
    post("/identity/blocks", {"distinct_ids": ["U", anonymous]}, "DELETE")
    assert outcome(running.track([verb])) == "merged=1, unchanged=0, refused=0"
    assert outcome(running.track([verb])) == "merged=0, unchanged=1, refused=0"
    assert running.cluster("U") == {"U", anonymous}
    assert [entry["outcome"] for entry in running.log()] == [
        "merged", "applied", "refused", "refused", "applied", "merged"]
    [row] = running.export()
    assert "$failure_reason" not in row["properties"], "the event shows the latest verdict"


def test_a_file_that_is_imported_again(server, data, tmp_path):
    # Without insert ids the records are told apart by their content.
    records = [{**record, "properties": {
        key: value for key, value in record["properties"].items() if key not in ("$insert_id", "token")}}
        for record in verbs(ORIGINAL)]
    file = tmp_path / "verbs.jsonl"
    file.write_text("\n".join(map(json.dumps, records)))
    server("--config", FIXTURE, data=data, project=ORIGINAL).stop()
    for expected in (f"merged={len(records)}, unchanged=0", f"merged=0, unchanged={len(records)}"):
        assert expected in command("import", file, "--data", data, "--project", ORIGINAL.number)
    said = command("verify", "--decide", "--data", data, "--project", ORIGINAL.number)
    assert f"{len(records)} entries decided anew: 0 verdicts differ" in said
    again = server("--config", FIXTURE, data=data, project=ORIGINAL)
    assert len(again.log()) == len(records)
    assert len(again.export()) == len(records)
