"""The activity of a cluster, newest first (P 10-7)."""

import random
import sqlite3
import threading
from collections import defaultdict

import pytest
from conftest import LEGACY, ORIGINAL, SIMPLIFIED, basic, insert_ids, new_anonymous_id

START = 1_600_041_600  # 2020-09-14T00:00:00Z
# Records that are closed into a run together, and rows.
RUN_RECORDS = 16_384
RUN_ROWS = 1_024


def page(server, distinct_id, **query):
    answer = server.read("/identity/events", distinct_id=distinct_id, **query)
    assert answer.status == 200, answer
    assert set(answer.json) == {"canonical_id", "events", "next"}
    return answer.json


def activity(server, distinct_id, **query):
    """All pages."""
    events, before = [], {}
    while True:
        found = page(server, distinct_id, **query, **before)
        events += found["events"]
        if found["next"] is None:
            return events
        assert found["events"]
        before = {"before": found["next"]}


def events_of(project, distinct_id, times, **properties):
    return [project.event("Clicked", distinct_id, time=moment, **{"$insert_id": f"{distinct_id[:8]}-{number}", **properties})
            for number, moment in enumerate(times)]


def test_the_events_of_the_whole_cluster_as_the_export_has_them(running):
    anonymous = new_anonymous_id()
    running.track(
        events_of(ORIGINAL, anonymous, [START + 1, START + 5], text="Größe\u2028") + events_of(ORIGINAL, "user", [START + 3])
        + events_of(ORIGINAL, "other", [START + 2, START + 4]))
    assert [e["properties"]["distinct_id"] for e in page(running, anonymous)["events"]] == [anonymous] * 2
    running.track([
        ORIGINAL.identify("user", anonymous, time=START + 6), ORIGINAL.identify("user-2", anonymous, time=START + 7)])
    exported = running.export()
    mine = sorted(
        (e for e in exported if e["properties"]["distinct_id"] == "user"), key=lambda e: -e["properties"]["time"])
    for distinct_id in (anonymous, "user"):
        found = page(running, distinct_id)
        assert found == {"canonical_id": "user", "events": mine, "next": None}
    assert [e["event"] for e in mine] == ["$identify", "Clicked", "Clicked", "Clicked"]
    assert mine[1]["properties"]["$distinct_id_before_identity"] == anonymous
    refused = page(running, "user-2")["events"]
    assert refused[0]["properties"]["$failure_reason"] == "errAnonDistinctIdAssignedAlready"


def test_pages(running):
    times = [START + number % 7 for number in range(60)]
    running.track(events_of(ORIGINAL, "a", times[:30]) + events_of(ORIGINAL, "b", times[30:]))
    running.import_([ORIGINAL.merge("a", "b", **{"$insert_id": "m", "time": START - 100})])
    whole = page(running, "a")["events"]
    # The merge is an event too, and the oldest.
    assert len(whole) == 61 and whole[-1]["event"] == "$merge"
    for limit in (1, 7, 60, 61, 62, 1000):
        assert activity(running, "b", limit=limit) == whole
    assert page(running, "a", limit=61)["next"] is None
    assert page(running, "a", limit=60)["next"] is not None
    # A cursor stays true whatever comes meanwhile.
    half = page(running, "a", limit=30)
    running.track(events_of(ORIGINAL, "a", [START + 1000] * 3, **{"$insert_id": "late"}))
    assert half["events"] + page(running, "a", before=half["next"], limit=1000)["events"] == whole
    assert len(page(running, "a", limit=1000)["events"]) == 62


@pytest.mark.parametrize("before, count", [
    ("2020-09-14T00:00:03Z", 3), ("2020-09-14T00:00:03.000Z", 3), ("2020-09-14T00:00:02.001Z", 3),
    ("2020-09-14T02:00:03+02:00", 3), ("2020-09-13t23:30:03-00:30", 3), (START + 3, 3), (f"{START + 3}.5", 4),
    (START, 0), ("1970-01-01T00:00:00Z", 0), (-5.5, 0), ("9999-12-31T23:59:59Z", 10),
])
def test_before_a_time(running, before, count):
    running.track(events_of(ORIGINAL, "a", [START + number for number in range(10)]))
    found = page(running, "a", before=before)
    assert [e["properties"]["time"] for e in found["events"]] == [START + n for n in reversed(range(count))]
    assert found["next"] is None


@pytest.mark.parametrize("query, words", [
    ({}, "distinct_id must be given"), ({"distinct_id": ""}, "1 to"), ({"distinct_id": "x" * 2000}, "1 to"),
    ({"distinct_id": "a", "limit": 0}, "from 1 to 1000"), ({"distinct_id": "a", "limit": 1001}, "from 1 to 1000"),
    ({"distinct_id": "a", "limit": "many"}, "from 1 to 1000"),
    *[({"distinct_id": "a", "before": before}, "must be the next of an earlier answer, or a time") for before in (
        "", "yesterday", "2020-09-14", "2020-09-14T00:00:00", "2020-02-30T00:00:00Z", "2020-09-14T24:00:00Z",
        "2020-09-14T00:00:00+2:00", "1600041600000", "1e9", "NaN", "--5", "5-", "5-" + "g" * 32, "-" + "0" * 32,
        "9" * 30 + "-" + "0" * 32, "+5")],
    ({"distinct_id": "a", "min_sequence": "x"}, "min_sequence"), ({"distinct_id": "a", "as_of": 1}, "as_of"),
])
def test_what_cannot_be_asked(running, query, words):
    answer = running.read("/identity/events", **query)
    assert answer.status == 400 and answer.json["status"] == "error"
    assert words in answer.json["error"], answer
    assert running.is_running


def test_an_id_that_took_part_in_nothing(running):
    assert page(running, "nobody") == {"canonical_id": "nobody", "events": [], "next": None}
    running.track([ORIGINAL.event("Clicked", "a\u0301 \U0001f600")])
    found = page(running, "a\u0301 \U0001f600")
    assert found["canonical_id"] == "a\u0301 \U0001f600" and len(found["events"]) == 1
    assert page(running, "\u00e1 \U0001f600")["events"] == []


def test_who_may_ask(running):
    running.track([ORIGINAL.event("Clicked", "user")])
    path = "/identity/events?distinct_id=user"
    assert running.request("GET", path).status == 401
    assert running.request("GET", path, headers=basic(ORIGINAL.token)).status == 401
    assert running.request("POST", path, headers=basic(ORIGINAL.secret)).status == 405
    reader = basic("ro.222222.mp-service-account", "sa-secret-2")
    assert running.request("GET", path, headers=reader).status == 401
    assert len(running.request("GET", path + "&project_id=1001", headers=reader).json["events"]) == 1
    assert running.request("GET", path + "&project_id=1002", headers=reader).status == 403
    assert running.request("GET", path, headers=basic(SIMPLIFIED.secret)).json["events"] == []


def test_a_simplified_project(running):
    running.project = SIMPLIFIED
    running.track([
        SIMPLIFIED.verb("Before", **{"$device_id": "d", "time": START}),
        SIMPLIFIED.verb("Login", **{"$device_id": "d", "$user_id": "u", "time": START + 1}),
        SIMPLIFIED.verb("After", **{"$device_id": "d", "time": START + 2})])
    for distinct_id in ("u", "$device:d"):
        found = page(running, distinct_id)
        assert found["canonical_id"] == "u"
        assert [e["event"] for e in found["events"]] == ["After", "Login", "Before"]


def test_a_legacy_project_has_what_was_filed_under_the_canonical_id(running):
    running.project = LEGACY
    running.track([LEGACY.event("Early", "x", time=START), LEGACY.alias("x", "y", time=START + 1)])
    running.track([LEGACY.event("Late", "x", time=START + 2)])
    for distinct_id in ("x", "y"):
        found = page(running, distinct_id)
        assert found["canonical_id"] == "y"
        assert "Late" in [e["event"] for e in found["events"]]
        assert "Early" not in [e["event"] for e in found["events"]]


def test_min_sequence(running):
    answer = running.track([ORIGINAL.event("Clicked", "a"), ORIGINAL.identify("u", new_anonymous_id())])
    sequence = int(answer.headers["x-selfsame-sequence"])
    assert len(page(running, "a", min_sequence=sequence)["events"]) == 1


def test_a_large_store_with_closed_runs(server, data):
    """Bulk and single requests, with times at random and copies that replace others: all is found, in order."""
    randomness = random.Random(5)
    running = server(data=data)
    project = running.project
    ids = [f"user-{number}" for number in range(300)]
    for start in range(0, 2 * RUN_RECORDS, 2000):
        answer = running.import_([
            {"event": "Viewed", "properties": {
                "distinct_id": randomness.choice(ids), "time": START + randomness.randrange(10_000_000),
                "$insert_id": f"i{(start + number) % 30_000}"}} for number in range(2000)], compress=True)
        assert answer.status == 200, answer
    connection = running.connection()
    for number in range(RUN_ROWS + 100):
        running.track([project.event("Clicked", ids[number % 300])], connection=connection)
    running.import_([project.merge("user-1", "user-2", **{"$insert_id": "m", "time": START})])
    store = sqlite3.connect(f"file:{data}/selfsame.sqlite?mode=ro", uri=True)
    assert store.execute("SELECT count(*) FROM posting_run WHERE state = 2").fetchone()[0] >= 2
    assert store.execute("SELECT count(*) FROM arrivals").fetchone()[0] < RUN_ROWS
    store.close()
    exported = defaultdict(list)
    for event in running.export():
        exported[event["properties"]["distinct_id"]].append(event)
    for distinct_id in [*randomness.sample(sorted(exported), 40), "user-1", "user-2"]:
        canonical = page(running, distinct_id)["canonical_id"]
        found = activity(running, distinct_id, limit=randomness.choice([13, 100, 1000]))
        times = [event["properties"]["time"] for event in found]
        assert times == sorted(times, reverse=True)
        assert sorted(insert_ids(found)) == sorted(insert_ids(exported[canonical])) and len(found) > 50


def test_what_was_acknowledged_is_found_after_kill_9(server, data):
    randomness = random.Random(6)
    acknowledged = defaultdict(set)
    for round_number in range(3):
        running = server(data=data)

        def send(name):
            connection = running.connection()
            count = 0
            try:
                while True:
                    count += 1
                    size = 2000 if name == 0 else 1
                    records = [
                        running.project.event(
                            "Clicked", f"user-{random.randrange(20)}",
                            **{"$insert_id": f"{round_number}-{name}-{count}-{n}", "time": START + random.randrange(1000)})
                        for n in range(size)]
                    answer = running.import_(records, connection=connection)
                    assert answer.status == 200, answer
                    for record in records:
                        acknowledged[record["properties"]["distinct_id"]].add(record["properties"]["$insert_id"])
            except OSError:
                pass  # The server is gone.
            except Exception as error:
                if running.is_running:
                    faults.append(error)

        faults = []
        senders = [threading.Thread(target=send, args=[name]) for name in range(6)]
        for sender in senders:
            sender.start()
        timer = threading.Event()
        timer.wait(randomness.uniform(1.5, 3))
        running.kill()
        for sender in senders:
            sender.join()
        assert not faults
    running = server(data=data)
    assert sum(map(len, acknowledged.values())) > 2 * RUN_RECORDS
    for distinct_id, wanted in acknowledged.items():
        found = insert_ids(activity(running, distinct_id, limit=1000))
        assert wanted <= set(found) and len(found) == len(set(found))
