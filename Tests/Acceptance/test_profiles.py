"""Profiles under load and across crashes (P 7.10, 10-1): sums are exact, and what was acknowledged is there."""

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import FIXTURE, ORIGINAL, new_anonymous_id

JSON = {"Content-Type": "application/json"}


def engage(server, records, connection=None, path="/engage"):
    return server.request("POST", path, json.dumps(records), JSON, connection=connection)


def update(server, distinct_id, **verbs):
    """An update that leaves `$last_seen`."""
    verbs = {f"${name}": operand for name, operand in verbs.items()}
    return {"$token": server.project.token, "$distinct_id": distinct_id, "$ignore_time": True, **verbs}


def profile(server, distinct_id):
    results = server.read("/api/2.0/engage", distinct_id=distinct_id).json["results"]
    return results[0]["$properties"] if results else None


@pytest.fixture(params=["memory", "sqlite"])
def running(request, server, data):
    if request.param == "memory":
        return server("--sandbox", "--config", FIXTURE, project=ORIGINAL)
    return server("--config", FIXTURE, data=data, project=ORIGINAL)


def on_each(count, work):
    """Runs work(number, connection) on as many connections at once."""
    together = threading.Barrier(count)

    def run(number, running):
        connection = running.connection()
        connection.connect()
        together.wait(60)
        try:
            return work(number, connection)
        finally:
            connection.close()

    return run


def test_adds_from_sixteen_connections_add_up(running):
    def work(number, connection):
        for _ in range(25):
            answer = engage(running, [update(running, "u1", add={"visits": 1, "cents": number})], connection)
            assert (answer.status, answer.text) == (200, "1")

    run = on_each(16, work)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: run(number, running), range(16)))
    assert profile(running, "u1") == {"visits": 400, "cents": 25 * sum(range(16))}


def test_adds_under_two_ids_of_one_cluster_add_up(running):
    """What came to the anonymous id before it was identified stays its own; what comes after it is summed."""
    anonymous = new_anonymous_id()
    assert engage(running, [update(running, anonymous, add={"visits": 1000})]).text == "1"
    assert engage(running, [update(running, "u1", set={"visits": 0})]).text == "1"
    assert running.track([running.project.identify("u1", anonymous)]).text == "1"

    def work(number, connection):
        for _ in range(10):
            distinct_id = "u1" if number % 2 else anonymous
            assert engage(running, [update(running, distinct_id, add={"visits": 1})], connection).text == "1"

    run = on_each(16, work)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: run(number, running), range(16)))
    assert profile(running, "u1") == profile(running, anonymous) == {"visits": 160}


def test_profiles_survive_a_crash(server, data):
    """Each sender counts what was acknowledged; at most its one update in doubt may be there beside that."""
    running = server("--config", FIXTURE, data=data, project=ORIGINAL)
    acknowledged = [0] * 8

    def send(number):
        connection = running.connection()
        try:
            while True:
                records = [update(running, f"u{number}", add={"n": 1}), update(running, f"u{number}", append={"l": 1})]
                if engage(running, records, connection).text == "1":
                    acknowledged[number] += 1
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()

    for _ in range(5):
        before = list(acknowledged)
        senders = [threading.Thread(target=send, args=(number,), daemon=True) for number in range(8)]
        for sender in senders:
            sender.start()
        deadline = time.monotonic() + 60
        while any(now == then for now, then in zip(acknowledged, before)):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        running.kill()
        for sender in senders:
            sender.join(60)
        running = server("--config", FIXTURE, data=data, project=ORIGINAL)
        for number in range(8):
            found = profile(running, f"u{number}")
            assert found["n"] == len(found["l"]), "half of a request is there"
            assert acknowledged[number] <= found["n"] <= acknowledged[number] + 1
            # What was in doubt is settled now.
            acknowledged[number] = found["n"]
