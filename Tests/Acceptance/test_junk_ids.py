"""Ids that are no one's, insert ids that are none, and devices that are named without their prefix (P 6.2-3, 6.3, 7.6-6)."""

import json

import pytest
from conftest import FIXTURE, ORIGINAL, insert_ids, new_anonymous_id

ADDED = ["[object Object]", "NaN", "(null)", "guest", "distinct_id", "email", "not_authenticated", '""']
ALWAYS = ["undefined", "null", "0", "None", "00000000-0000-0000-0000-000000000000"]
NOW = 1700000000


def verbs(junk):
    """Each verb, with a text on either side."""
    anonymous = new_anonymous_id()
    return [
        ORIGINAL.identify(junk, anonymous), ORIGINAL.identify("u1", junk),
        ORIGINAL.verb("$identify", distinct_id=junk, **{"$anon_distinct_id": anonymous}),
        ORIGINAL.alias(junk, "u1"), ORIGINAL.alias("u1", junk), ORIGINAL.merge(junk, "u1"), ORIGINAL.merge("u1", junk),
    ]


def test_no_verb_joins_anyone_by_junk(running):
    for junk in [*ADDED, *ALWAYS, "GUEST", "nan"]:
        for record in verbs(junk):
            if record["event"] != "$merge":
                assert running.track([record]).text == "0", record
            answer = running.import_([record])
            assert answer.status == 400 and answer.json["num_records_imported"] == 0, record
            assert answer.json["failed_records"][0]["message"].endswith("must not be one of the disallowed values"), record
        # As the id of an event or of a profile it is an id like any other.
        assert running.track([ORIGINAL.event("View", junk)]).text == "1"
        update = [{"$token": ORIGINAL.token, "$distinct_id": junk, "$set": {"p": 1}}]
        assert running.request("POST", "/engage", json.dumps(update), {"Content-Type": "application/json"}).text == "1"
    added = [ORIGINAL.event("View", junk, time=NOW, **{"$insert_id": f"x{place}"}) for place, junk in enumerate(ADDED)]
    assert running.import_(added).status == 200
    assert running.clusters() == set() and running.log() == []


@pytest.mark.parametrize("source", ["set", "variable", "file", "list"])
def test_the_setting_names_the_texts(server, tmp_path, source):
    arguments, env = ["--sandbox", "--config", FIXTURE], {}
    if source == "set":
        arguments += ["--set", "identity.reservedIDs=nobody, Two Words"]
    elif source == "variable":
        env = {"SELFSAME_IDENTITY_RESERVED_IDS": "nobody, Two Words"}
    else:
        value = '["nobody", "Two Words"]' if source == "list" else "nobody, Two Words"
        path = tmp_path / "config.yaml"
        path.write_text(FIXTURE.read_text() + f"\nidentity:\n  reservedIDs: {value}\n")
        arguments[2] = path
    running = server(*arguments, env=env, project=ORIGINAL)
    for junk in ("nobody", "NOBODY", "two words", "null"):
        assert running.track([ORIGINAL.alias(junk, "u1")]).text == "0", junk
    for known in ("guest", "NaN", " nobody", "two"):
        assert running.track([ORIGINAL.alias(known, "u1")]).text == "1", known


def test_an_empty_setting_leaves_what_is_always_reserved(server):
    running = server("--sandbox", "--config", FIXTURE, "--set", "identity.reservedIDs=", project=ORIGINAL)
    for place, junk in enumerate(ADDED):
        assert running.track([ORIGINAL.alias(junk, f"u{place}")]).text == "1", junk
    for junk in ALWAYS:
        assert running.track([ORIGINAL.alias(junk, "u1")]).text == "0", junk


def test_explain_says_that_junk_cannot_be_joined(running):
    answer = running.read("/identity/explain", **{"from": "guest", "to": "u1"})
    assert answer.json["would"] == []
    assert "must not be one of the disallowed values" in answer.json["hint"]


@pytest.mark.parametrize("insert_id", ["a:b", "x" * 37, "é 🌳", "x" * 5000, "é" * 2000, "guest", "a\nb"])
def test_a_bad_insert_id_still_tells_copies(running, insert_id):
    record = ORIGINAL.event("View", "u1", time=NOW, **{"$insert_id": insert_id})
    other = ORIGINAL.event("View", "u1", time=NOW, **{"$insert_id": insert_id + "x"})
    for _ in range(3):
        assert running.track([record, record, other]).text == "1"
        assert running.import_([record], query={}).text == "1"
    assert sorted(insert_ids(running.export())) == sorted([insert_id, insert_id + "x"])
    assert running.import_([record]).status == (200 if insert_id == "guest" else 400)


@pytest.mark.parametrize("insert_id", ["", "  ", "undefined", "0", "None", "[]", 0])
def test_a_blank_or_reserved_insert_id_never_drops_an_event(running, insert_id):
    record = ORIGINAL.event("View", "u1", time=NOW, **{"$insert_id": insert_id})
    for _ in range(3):
        assert running.track([record]).text == "1"
    rows = running.export()
    assert len(rows) == 3
    if insert_id != "":
        assert set(insert_ids(rows)) == {str(insert_id)}


def test_the_log_says_where_a_device_was_named_without_its_prefix(running):
    bare, prefixed, unused = (new_anonymous_id() for _ in range(3))
    running.send(
        ORIGINAL.event("View", f"$device:{bare}"), ORIGINAL.event("View", f"$device:{prefixed}"),
        ORIGINAL.identify("u1", bare), ORIGINAL.identify("u2", f"$device:{prefixed}"), ORIGINAL.identify("u3", unused),
        ORIGINAL.identify("u4", bare))
    hints = [entry["hint"] for entry in running.log()]
    assert f"$device:{bare}" in hints[0] and "$merge" in hints[0]
    assert hints[1] is None and hints[2] is None
    assert "second login" in hints[3] and f"$device:{bare}" in hints[3]
    # Events that come later tell as much, and joining the two takes the hint away.
    running.send(ORIGINAL.event("View", f"$device:{unused}"))
    assert f"$device:{unused}" in running.log()[2]["hint"]
    running.send(ORIGINAL.merge(unused, f"$device:{unused}"))
    assert running.log()[2]["hint"] is None
