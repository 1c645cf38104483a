"""Why two ids are one, or two: /identity/explain and `selfsame explain`, on both stores."""

import json

import pytest
from conftest import LEGACY, ORIGINAL, SIMPLIFIED, basic, command

A1, A2, A3 = (f"aaaaaaaa-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))


def explain(server, one, other, **query):
    answer = server.read("/identity/explain", **{"from": one, "to": other}, **query)
    assert answer.status == 200, answer
    return answer.json


def steps(explained):
    return [(step["sequence"], step["verb"], step["from"], step["to"]) for step in explained["path"]]


def test_the_shortest_chain(running):
    running.send(
        ORIGINAL.identify("U1", A1), ORIGINAL.identify("U1", A2), ORIGINAL.alias("x", A2),
        ORIGINAL.merge("x", "y"), ORIGINAL.merge(A1, "x"))
    found = explain(running, A1, "y")
    assert found["connected"] and found["sequence"] == 5 and found["block"] is None and found["hint"] is None
    assert steps(found) == [(5, "$merge", "x", A1), (4, "$merge", "y", "x")]
    assert [step["source"] for step in found["path"]] == [{"endpoint": "/import", "principal": "secret"}] * 2
    assert all(step["time"].endswith("Z") for step in found["path"])
    assert steps(explain(running, "y", A1)) == [(4, "$merge", "y", "x"), (5, "$merge", "x", A1)]
    assert [one["canonical_id"] for one in found["ids"]] == ["U1", "U1"]
    assert explain(running, "y", "y")["path"] == [] and explain(running, "nobody", "nobody")["connected"]
    # Before the link that made it short, the chain was long.
    assert [step[0] for step in steps(explain(running, A1, "y", as_of=4))] == [1, 2, 3, 4]
    assert not explain(running, A1, "y", as_of=3)["connected"]


def test_every_refusal_that_names_either_with_a_hint(running):
    running.send(
        ORIGINAL.identify("U1", A1), ORIGINAL.identify("U2", A1), ORIGINAL.identify("U2", "plain"),
        ORIGINAL.identify("U3", A1), ORIGINAL.identify("U2", "U2"), ORIGINAL.alias("x", "U1"), ORIGINAL.alias("x", "U2"))
    found = explain(running, A1, "U2")
    assert not found["connected"] and found["next"] is None
    assert [(one["sequence"], one["failure_reason"]) for one in found["refusals"]] == [
        (2, "errAnonDistinctIdAssignedAlready"), (3, "errAnonDistinctIdNonGUIDForm"),
        (4, "errAnonDistinctIdAssignedAlready"), (5, "errSameIDs"), (7, "errAliasAlreadyExists")]
    assert all(one["hint"].endswith(".") and one["failure_description"] for one in found["refusals"])
    assert "refusals say" in found["hint"]
    would = {(one["verb"], tuple(one["ids"].items()) if one["verb"] != "$merge" else ()): one for one in found["would"]}
    identify = would["$identify", (("$identified_id", "U2"), ("$anon_id", A1))]
    assert identify["failure_reason"] == "errAnonDistinctIdAssignedAlready" and identify["hint"]
    assert would["$merge", ()]["outcome"] == "merged"
    first = explain(running, A1, "U2", limit=2)
    assert len(first["refusals"]) == 2 and first["next"] == 3
    assert len(explain(running, A1, "U2", limit=2, after=3)["refusals"]) == 2
    assert [one["sequence"] for one in explain(running, A1, "U2", as_of=3)["refusals"]] == [2, 3]
    assert running.log() and len(running.log()) == 7, "explaining is no operation"


def test_what_it_says_would_happen_happens(running):
    running.send(ORIGINAL.identify("U1", A1), ORIGINAL.identify("U2", A2))
    for one in explain(running, "U1", A2)["would"]:
        assert running.request("POST", "/sandbox/reset").status == 200
        running.send(ORIGINAL.identify("U1", A1), ORIGINAL.identify("U2", A2))
        if one["verb"] == "$identify":
            running.send(ORIGINAL.identify(one["ids"]["$identified_id"], one["ids"]["$anon_id"]))
        elif one["verb"] == "$create_alias":
            running.send(ORIGINAL.alias(one["ids"]["alias"], one["ids"]["distinct_id"]))
        else:
            running.send(ORIGINAL.merge(*one["ids"]["$distinct_ids"]))
        entry = running.log()[-1]
        assert (entry["outcome"], entry["failure_reason"]) == (one["outcome"], one["failure_reason"])


def test_a_parted_pair_is_told_and_so_is_what_joins_it_all_the_same(running):
    running.send(ORIGINAL.identify("U1", A1))
    running.request("POST", "/identity/unmerge", json.dumps({"link": 1}), basic(ORIGINAL.secret))
    running.send(ORIGINAL.identify("U1", A1))
    found = explain(running, "U1", A1)
    assert found["block"]["unmerge"] == 2 and "on purpose" in found["hint"]
    assert [one["failure_reason"] for one in found["refusals"]] == ["errLinkRevoked"]
    running.send(ORIGINAL.merge("U1", "z"), ORIGINAL.merge("z", A1))
    found = explain(running, "U1", A1)
    assert found["connected"] and found["block"]["unmerge"] == 2 and len(found["path"]) == 2
    assert explain(running, "U1", A1, as_of=1)["path"][0]["sequence"] == 1
    assert not explain(running, "U1", A1, as_of=2)["connected"]


def test_ids_that_nobody_named(running):
    running.send(ORIGINAL.identify("U1", A1))
    found = explain(running, "U1", "nobody")
    assert not found["connected"] and found["refusals"] == []
    assert [one["known"] for one in found["ids"]] == [True, False]
    assert found["hint"] == "No entry of the log makes a link of nobody."
    assert explain(running, "U1", A1, as_of=0)["hint"].startswith("No entry of the log up to that sequence makes")


def test_a_simplified_device_that_belongs_to_another(running):
    running.project = SIMPLIFIED
    running.send(SIMPLIFIED.event("Clicked", "", **{"$device_id": "d", "$user_id": "U1"}))
    assert explain(running, "$device:d", "U1")["path"][0]["verb"] == "device"
    found = explain(running, "$device:d", "U2")
    assert [(one["verb"], one["failure_reason"]) for one in found["would"]] == [
        ("device", "errAnonDistinctIdAssignedAlready")]


def test_a_legacy_alias(running):
    running.project = LEGACY
    running.send(LEGACY.alias("x", "U1"), LEGACY.alias("x", "U2"))
    assert steps(explain(running, "x", "U1")) == [(1, "$create_alias", "x", "U1")]
    assert [one["failure_reason"] for one in explain(running, "x", "U2")["refusals"]] == ["errAliasAlreadyExists"]


@pytest.mark.parametrize("query, says", [
    ({"from": "a"}, "to must be given"), ({"to": "a"}, "from must be given"), ({"from": "", "to": "b"}, "1 to"),
    ({"from": "a", "to": "b", "limit": 0}, "limit"), ({"from": "a", "to": "b", "as_of": "x"}, "as_of is"),
])
def test_bad_requests(running, query, says):
    answer = running.read("/identity/explain", **query)
    assert answer.status == 400 and says in answer.json["error"], answer
    assert running.request("GET", "/identity/explain", query=query).status == 401


def test_the_command_draws_a_tree(server, data):
    running = server(data=data)
    project = running.project
    running.send(project.identify("U1", A1), project.identify("U1", A2), project.identify("U2", A1))
    lines = command("explain", A1, A2, "--data", data).splitlines()
    assert [lines[0], lines[1], lines[3], lines[5]] == ["one: U1", A1, "   U1", f"      {A2}"]
    assert lines[2].startswith("└─ $identify of · link 1 · ") and lines[2].endswith(" · /track, token")
    assert lines[4].startswith("   └─ $identify for · link 2 · ")
    lines = command("explain", A1, "U2", "--data", data).splitlines()
    assert lines[0] == "two: U1 (3), U2 (1)"
    assert any("errAnonDistinctIdAssignedAlready" in line for line in lines)
    assert any(line.startswith("$merge of") and line.endswith("would be merged") for line in lines)


def test_ids_that_no_record_joins(running):
    running.send(ORIGINAL.identify("U1", A1))
    for junk in ("undefined", "0", "  ", "x" * 1030):
        found = explain(running, junk, "U1")
        assert found["would"] == [] and found["hint"].startswith("No record can join "), found
        answer = running.import_([ORIGINAL.merge(junk, "U1")])
        assert answer.status == 400, "what explain says is so"


def test_what_unmerges_took_back_is_told(running):
    running.send(ORIGINAL.identify("U1", A1), ORIGINAL.merge("U1", "x"), ORIGINAL.merge("x", "y"))
    body = json.dumps({"link": 2, "keep_apart": "none"})
    assert running.request("POST", "/identity/unmerge", body, basic(ORIGINAL.secret)).status == 200
    for query in ({}, {"as_of": 4}):
        found = explain(running, A1, "y", **query)
        assert not found["connected"] and found["block"] is None
        assert found["parted"] == [{"sequence": 2, "verb": "$merge", "from": "x", "to": "U1", "revoked": 4}]
        assert "link 2 (taken back by 4)" in found["hint"]
    assert explain(running, A1, "y", as_of=3)["connected"]
    assert explain(running, A1, "z")["parted"] == []
    running.send(ORIGINAL.merge("y", "U1"))
    assert explain(running, A1, "x")["connected"]


def test_only_what_has_to_come_back_is_told(running):
    running.send(ORIGINAL.merge("a", "b"), ORIGINAL.merge("b", "c"))
    for link in (1, 2):
        body = json.dumps({"link": link, "keep_apart": "none"})
        assert running.request("POST", "/identity/unmerge", body, basic(ORIGINAL.secret)).status == 200
    running.send(ORIGINAL.merge("a", "z"), ORIGINAL.merge("z", "b"))
    assert [link["sequence"] for link in explain(running, "a", "c")["parted"]] == [2]
    assert [link["sequence"] for link in explain(running, "c", "z")["parted"]] == [2]


def test_control_characters_do_not_reach_a_terminal(server, data):
    running = server(data=data)
    project, odd = running.project, "x\x1b[31m\x07\nspoof\ttab\x9b"
    running.send(project.merge(odd, "U1"))
    shown = "x\\u001b[31m\\u0007\\u000aspoof\\u0009tab\\u009b"
    assert command("resolve", odd, "--data", data) == f"{shown}\t{shown}\t2\n"
    tree = command("explain", "U1", odd, "--data", data)
    assert shown in tree and "\x1b" not in tree and "\x07" not in tree
    done = command("unmerge", "--id", "U1", "--data", data)
    assert shown in done and "\x1b" not in done and "\x9b" not in done
    assert "\x1b" not in command("blocks", "--data", data)


def test_a_long_chain_is_not_indented_for_ever(server, data):
    running = server("--set", "identity.maxClusterSize=0", data=data)
    project = running.project
    records = [project.merge(f"n{number}", f"n{number + 1}") for number in range(300)]
    for number, record in enumerate(records):
        record["properties"].update({"time": 1_760_000_000, "$insert_id": f"i{number}"})
    assert running.import_(records).status == 200
    lines = command("explain", "n0", "n300", "--data", data).splitlines()
    assert len(lines) == 602 and max(map(len, lines)) < 250
