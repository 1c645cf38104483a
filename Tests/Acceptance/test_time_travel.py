"""Who was who: `as_of` on resolve, cluster, explain, mappings and export, on both stores."""

import datetime
import json
import random
import time

from conftest import (
    ORIGINAL, SIMPLIFIED, basic, clusters_of_mappings, delete, json_lines, new_anonymous_id, run_command)

A1, A2, A3 = (f"aaaaaaaa-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))


def unmerge(server, **fields):
    return server.request("POST", "/identity/unmerge", json.dumps(fields), basic(server.project.secret))


def restore(server, sequence):
    return server.request("POST", "/identity/restore", json.dumps({"unmerge": sequence}), basic(server.project.secret))


def text_of(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def clusters(server, **query):
    answer = server.read("/identity/mappings", **query)
    assert answer.status == 200, answer
    return clusters_of_mappings(answer.text)


def exported(server, **query):
    return {row["properties"].get("$distinct_id_before_identity", row["properties"]["distinct_id"]):
            row["properties"]["distinct_id"] for row in server.export(event=json.dumps(["Clicked"]), **query)}


def test_each_sequence_is_what_it_was(running):
    running.send(
        *[ORIGINAL.event("Clicked", sender) for sender in ("U1", "U2", A1, A2)], ORIGINAL.identify("U1", A1),
        ORIGINAL.identify("U2", A2), ORIGINAL.merge(A2, A1))
    assert unmerge(running, link=1).status == 200
    running.send(ORIGINAL.identify("U1", A3))
    assert restore(running, 4).status == 200
    expected = {
        0: set(), 1: {frozenset(["U1", A1])}, 2: {frozenset(["U1", A1]), frozenset(["U2", A2])},
        3: {frozenset(["U1", A1, "U2", A2])}, 4: {frozenset([A1, "U2", A2])},
        5: {frozenset([A1, "U2", A2]), frozenset(["U1", A3])}, 6: {frozenset(["U1", A1, "U2", A2, A3])}}
    for sequence, wanted in expected.items():
        assert clusters(running, as_of=sequence) == wanted, sequence
        answer = running.read("/identity/resolve", distinct_id=["U1", "U2", A1, A2, A3, "new"], as_of=sequence).json
        assert answer["sequence"] == sequence
        for one in answer["results"]:
            cluster = next((cluster for cluster in wanted if one["distinct_id"] in cluster), {one["distinct_id"]})
            assert one["canonical_id"] in cluster and one["cluster_size"] == len(cluster)
            page = running.read("/identity/cluster", distinct_id=one["distinct_id"], as_of=sequence).json
            assert {member["distinct_id"] for member in page["members"]} == cluster
            assert page["canonical_id"] == one["canonical_id"] and page["size"] == len(cluster)
            assert all(link["sequence"] <= sequence for link in page["links"])
        found = exported(running, as_of=sequence)
        for sender in ("U1", "U2", A1, A2):
            assert [found[sender]] == running.resolve(sender, as_of=sequence)
    # `U2` came first where it stood alone for the two, and `U1` where it was there.
    assert running.resolve(A2, as_of=3) == ["U1"] and running.resolve(A2, as_of=4) == ["U2"]
    revoked = {sequence: [link["revoked"] for link in running.read(
        "/identity/cluster", distinct_id=A1, as_of=sequence).json["links"] if link["sequence"] == 1]
        for sequence in (3, 4, 6)}
    assert revoked == {3: [None], 4: [4], 6: [None]}
    roles = running.read("/identity/cluster", distinct_id=A1, as_of=4).json["members"]
    assert {one["distinct_id"]: one["roles"] for one in roles} == {
        A1: ["anonymous"], "U2": ["identified"], A2: ["anonymous"]}


def test_a_time_names_the_last_sequence_before_it(server, data):
    running = server(data=data)
    project = running.project
    moments = []
    for number in range(3):
        time.sleep(0.05)
        moments.append(datetime.datetime.now(datetime.timezone.utc))
        time.sleep(0.05)
        running.send(project.identify("U1", f"aaaaaaaa-0000-4000-8000-00000000000{number}"))
    time.sleep(0.05)
    moments.append(datetime.datetime.now(datetime.timezone.utc))
    time.sleep(0.05)
    for number, moment in enumerate(moments):
        answer = running.read("/identity/resolve", distinct_id="U1", as_of=text_of(moment))
        assert answer.status == 200 and answer.json["sequence"] == number, answer
        assert answer.json["results"][0]["cluster_size"] == number + 1
        shifted = moment.astimezone(datetime.timezone(datetime.timedelta(hours=2))).isoformat(timespec="milliseconds")
        assert running.read("/identity/resolve", distinct_id="U1", as_of=shifted).json["sequence"] == number
    times = [entry["time"] for entry in running.log()]
    for number, moment in enumerate(times):
        assert running.read("/identity/resolve", distinct_id="U1", as_of=moment).json["sequence"] == number + 1
    assert running.read("/identity/mappings", as_of=text_of(moments[1])).headers["x-selfsame-sequence"] == "1"


def test_random_histories_keep_their_past(running):
    """What was answered at each sequence is answered again later, whatever came since."""
    randomness = random.Random(11)
    users = [f"U{number}" for number in range(4)]
    devices = [new_anonymous_id(randomness) for _ in range(6)]
    told, unmerges = {}, []
    for _ in range(120):
        kind = randomness.randrange(8)
        user, device = randomness.choice(users), randomness.choice(devices)
        last = max(told, default=0)
        if kind == 0 and last:
            answer = unmerge(running, link=randomness.randint(1, last))
            unmerges += [answer.json["sequence"]] if answer.status == 200 else []
        elif kind == 1:
            unmerge(running, distinct_id=randomness.choice(users + devices))
        elif kind == 2 and unmerges:
            restore(running, randomness.choice(unmerges))
        elif kind == 3:
            running.send(ORIGINAL.merge(user, randomness.choice(users + devices)))
        else:
            running.send(ORIGINAL.identify(user, device))
        answer = running.read("/identity/resolve", distinct_id=users + devices).json
        told[answer["sequence"]] = answer["results"]
    assert len(told) > 60 and unmerges
    for sequence, results in told.items():
        again = running.read("/identity/resolve", distinct_id=users + devices, as_of=sequence).json["results"]
        assert again == results, sequence


def test_what_is_no_moment(server, data):
    running = server(data=data)
    running.send(running.project.identify("U1", A1))
    paths = {
        "/identity/resolve": {"distinct_id": "U1"}, "/identity/cluster": {"distinct_id": "U1"},
        "/identity/explain": {"from": "U1", "to": A1}, "/identity/mappings": {},
        "/api/2.0/export": {"from_date": "2020-01-01", "to_date": "2099-01-01"}}
    for path, query in paths.items():
        for moment, status, says in [
                ("2", 404, "last sequence is 1"), ("-1", 400, "must be a sequence"), ("+1", 400, "must be a sequence"), ("yesterday", 400, "must be a"),
                ("2026-01-31", 400, "must be a"), ("2001-01-31T12:00:00Z", 400, "the project was made at 20"),
                ("2099-01-31T12:00:00Z", 400, "not over yet"), ("2026-02-30T12:00:00Z", 400, "must be a"),
                ("2026-01-31T25:00:00Z", 400, "must be a"), ("9" * 30, 400, "must be a"), ("", 400, "must be a")]:
            answer = running.read(path, as_of=moment, **query)
            assert answer.status == status and says in answer.json["error"], (path, moment, answer)
        assert running.read(path, as_of="1", **query).status == 200
        assert running.read(path, as_of="0", **query).status == 200
    failed = run_command("resolve", "U1", "--as-of", "7", "--data", data)
    assert failed.returncode != 0 and "last sequence is 1" in failed.stderr


def test_a_mapping_of_the_past_as_csv_and_its_since(running):
    running.send(ORIGINAL.identify("U1", A1), ORIGINAL.identify("U2", A2), ORIGINAL.merge("U1", "U2"))
    text = running.read("/identity/mappings", format="csv", as_of=2).text
    assert text == f"distinct_id,canonical_id,since\r\nU1,U1,1\r\n{A1},U1,1\r\nU2,U2,\r\n{A2},U2,\r\n"
    assert [line["since"] for line in json_lines(running.read("/identity/mappings", as_of=1).text)] == [1, 1]
    assert running.read("/identity/mappings", as_of=0).text == ""


def test_a_simplified_past(running):
    running.project = SIMPLIFIED
    running.send(SIMPLIFIED.event("Clicked", "", **{"$device_id": "d", "$user_id": "U1"}))
    assert unmerge(running, link=1).status == 200
    running.send(SIMPLIFIED.event("Clicked", "", **{"$device_id": "d", "$user_id": "U2"}))
    assert [running.resolve("$device:d", as_of=sequence)[0] for sequence in range(4)] == [
        "$device:d", "U1", "$device:d", "U2"]


def test_what_was_told_of_a_time_stays(running):
    """Though the clock is set back, and though a deletion takes the last entry."""
    def at(seconds):
        assert running.request("PUT", "/sandbox/clock", json.dumps({"now": 1_800_000_000 + seconds})).status == 200

    def size(seconds):
        moment = text_of(datetime.datetime.fromtimestamp(1_800_000_000 + seconds, datetime.timezone.utc))
        answer = running.read("/identity/resolve", distinct_id="U1", as_of=moment)
        assert answer.status == 200, answer
        return answer.json["results"][0]["cluster_size"]

    at(0)
    running.send(ORIGINAL.identify("U1", A1))
    at(10)
    running.send(ORIGINAL.merge("x", "y"))
    at(20)
    told = {seconds: size(seconds) for seconds in (6, 10, 15)}
    assert told == {6: 2, 10: 2, 15: 2}
    at(12)
    running.send(ORIGINAL.merge("U1", "b"))
    at(30)
    assert {seconds: size(seconds) for seconds in told} == told and size(16) == 3
    # The last two entries go, and with them their times.
    delete(running, "b")
    at(3)
    running.send(ORIGINAL.merge("U1", "c"), ORIGINAL.merge("U1", "d"))
    at(40)
    assert size(6) == 1 and size(29) == 3


def test_a_time_before_the_project_after_a_deletion(running):
    running.send(ORIGINAL.identify("U1", A1), ORIGINAL.identify("U2", A2))
    for _ in range(2):
        for moment in ("0001-01-01T00:00:00Z", "1971-01-01T00:00:00Z"):
            answer = running.read("/identity/resolve", distinct_id="U1", as_of=moment)
            assert answer.status == 400 and "the project was made at 20" in answer.json["error"], answer
        delete(running, "U1")


def test_a_moment_in_the_body_and_where_there_is_none(running):
    running.send(ORIGINAL.identify("U1", A1), ORIGINAL.identify("U1", A2))

    def sizes(body):
        answer = running.request("POST", "/identity/resolve", json.dumps(body), basic(ORIGINAL.secret))
        return [one["cluster_size"] for one in answer.json["results"]] if answer.status == 200 else answer.status

    assert sizes({"distinct_ids": ["U1", "as_of"]}) == [3, 1]
    assert sizes({"distinct_ids": ["U1"], "as_of": 1}) == [2] and sizes({"distinct_ids": ["U1"], "as_of": "0"}) == [1]
    assert sizes({"distinct_ids": ["U1"], "as_of": 3}) == 404
    escaped = running.request(
        "POST", "/identity/resolve", b'{"distinct_ids":["U1"],"as\\u005fof":1}', basic(ORIGINAL.secret))
    assert escaped.json["results"][0]["cluster_size"] == 2
    both = running.request("POST", "/identity/resolve?as_of=1", b'{"distinct_ids":["U1"],"as_of":1}', basic(ORIGINAL.secret))
    assert both.status == 400 and "given once" in both.json["error"]
    assert sizes({"distinct_ids": ["U1"], "as_of": None}) == sizes({"distinct_ids": ["U1"], "as_of": {}}) == 400
    for path in ("/identity/log", "/identity/blocks", "/identity/changes", "/identity/changes?follow=1"):
        answer = running.request(
            "GET", path + ("&" if "?" in path else "?") + "as_of=1", headers=basic(ORIGINAL.secret))
        assert answer.status == 400 and "as_of is not an option of /identity/" in answer.json["error"], answer


def test_a_long_mapping_of_a_past_that_was_taken_apart(running):
    devices = [f"aaaaaaaa-0000-4000-8000-{number:012}" for number in range(2_500)]
    records = [ORIGINAL.identify(f"U{number // 400}", device) for number, device in enumerate(devices)]
    for record in records:
        record["properties"].update({"time": 1_600_041_600, "$insert_id": record["properties"]["$anon_id"]})
    for start in range(0, 2_500, 500):
        assert running.import_(records[start:start + 500]).status == 200
    before = running.read("/identity/mappings").text
    sequence = len(running.log())
    assert unmerge(running, distinct_id=devices[3]).status == 200
    assert unmerge(running, distinct_id=devices[600]).status == 200
    lines = {line["distinct_id"]: line["canonical_id"] for line in json_lines(before)}
    past = json_lines(running.read("/identity/mappings", as_of=sequence).text)
    assert len(past) == len(lines) > 2_500
    assert {line["distinct_id"]: line["canonical_id"] for line in past} == lines
