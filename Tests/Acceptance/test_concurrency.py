"""Many at once: one total order, and everyone reads what they wrote."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import FIXTURE, ORIGINAL, new_anonymous_id


@pytest.fixture(params=["memory", "sqlite"])
def running(request, server, data):
    arguments = ["--config", FIXTURE, "--set", "query.sequenceTimeoutSeconds=1"]
    if request.param == "memory":
        return server("--sandbox", *arguments, project=ORIGINAL)
    return server(*arguments, data=data, project=ORIGINAL)


def test_of_fifty_users_one_gets_the_device(running):
    anonymous = new_anonymous_id()
    together = threading.Barrier(50)

    def identify(number):
        connection = running.connection()
        connection.connect()
        together.wait(60)
        try:
            return running.track([running.project.identify(f"user-{number}", anonymous)], connection=connection)
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(identify, range(50)))
    assert {(answer.status, answer.text) for answer in answers} == {(200, "1")}
    entries = running.log()
    assert [entry["sequence"] for entry in entries] == list(range(1, 51))
    outcomes = [(entry["outcome"], entry["failure_reason"]) for entry in entries]
    assert outcomes[0] == ("merged", None), "the first in order is the one that gets it"
    assert outcomes[1:] == [("refused", "errAnonDistinctIdAssignedAlready")] * 49
    winner = entries[0]["ids"]["$identified_id"]
    assert running.cluster(anonymous) == {winner, anonymous}
    refused = [row for row in running.export() if "$failure_reason" in row["properties"]]
    assert len(refused) == 49


def test_merges_from_all_sides_make_one_cluster(running):
    """Every pair of neighbours in a ring of 60 ids, from 12 connections at once."""
    ids = [f"id-{number}" for number in range(60)]

    def send(number):
        return running.import_([running.project.merge(ids[number], ids[(number + 1) % 60])])

    with ThreadPoolExecutor(12) as pool:
        assert {answer.status for answer in pool.map(send, range(60))} == {200}
    assert running.cluster("id-0") == set(ids)
    outcomes = [entry["outcome"] for entry in running.log()]
    assert (outcomes.count("merged"), outcomes.count("unchanged")) == (59, 1)
    assert len(set(running.resolve(*ids))) == 1


def test_everyone_reads_what_they_wrote(running):
    def write_and_read(number):
        anonymous = new_anonymous_id()
        written = running.track([running.project.identify(f"user-{number}", anonymous)])
        sequence = int(written.headers["x-selfsame-sequence"])
        assert running.resolve(anonymous, min_sequence=sequence) == [f"user-{number}"]
        return sequence

    with ThreadPoolExecutor(8) as pool:
        sequences = list(pool.map(write_and_read, range(80)))
    assert max(sequences) == 80


def test_plain_events_do_not_advance_the_sequence(running):
    written = running.track([running.project.identify("user", new_anonymous_id())])
    assert written.headers["x-selfsame-sequence"] == "1"
    written = running.track([running.project.event("Clicked", "user")])
    assert written.headers["x-selfsame-sequence"] == "1"


def test_a_read_waits_for_its_sequence(running):
    running.track([running.project.identify("user", new_anonymous_id())])
    anonymous = new_anonymous_id()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(running.read, "/identity/resolve", distinct_id=anonymous, min_sequence=2)
        running.track([running.project.identify("user", anonymous)])
        answer = waiting.result(30)
    assert answer.status == 200, answer
    assert answer.json["results"][0]["canonical_id"] == "user" and answer.json["sequence"] == 2


@pytest.mark.parametrize("path", ["/identity/resolve", "/identity/cluster", "/identity/log", "/identity/mappings"])
def test_a_sequence_of_the_future_is_503(running, path):
    began = time.monotonic()
    named = {} if path == "/identity/mappings" else {"distinct_id": "user"}
    answer = running.read(path, min_sequence=1_000_000, **named)
    took = time.monotonic() - began
    assert answer.status == 503, answer
    assert answer.json["status"] == "error"
    assert answer.headers["retry-after"].isdigit()
    assert 0.9 < took < 5, f"query.sequenceTimeoutSeconds is 1, and the answer took {took:.1f} s"


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "99999999999999999999"])
def test_a_sequence_that_is_no_number_is_400(running, text):
    answer = running.read("/identity/resolve", distinct_id="user", min_sequence=text)
    assert answer.status == 400 and answer.json["status"] == "error", answer
