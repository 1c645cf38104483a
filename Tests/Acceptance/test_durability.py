"""kill -9 at random moments: what was acknowledged is there, and nothing is there in part."""

import http.client
import json
import os
import random
import threading
import time

from conftest import basic, clusters_of_log, insert_ids, new_anonymous_id, pair_of

ROUNDS = 20
CONNECTIONS = 8
FIRST_DAY = 1_577_836_800  # 2020-01-01; every round has a day of its own
DAY = 86_400


class Request:
    """What one request holds, and whether it was answered."""

    def __init__(self, records):
        self.records = records
        self.is_acknowledged = False
        self.insert_ids = {record["properties"]["$insert_id"] for record in records}
        verbs = [record["properties"] for record in records if record["event"].startswith("$")]
        self.pairs = [
            (verb["$identified_id"], verb["$anon_id"]) if "$anon_id" in verb
            else (verb["distinct_id"], verb["alias"]) if "alias" in verb
            else tuple(verb["$distinct_ids"])
            for verb in verbs
        ]


class Sender(threading.Thread):
    """Sends requests on one connection until the server is gone."""

    def __init__(self, server, name, day, seed):
        super().__init__(daemon=True)
        self.server = server
        self.name = name
        self.day = day
        self.random = random.Random(seed)
        self.requests = []
        self.fault = None
        self.count = 0
        self.users = []

    def run(self):
        connection = self.server.connection()
        try:
            while True:
                self.send(connection)
        except (OSError, http.client.HTTPException):
            pass  # The server is gone: the last request is in doubt.
        except Exception as error:
            self.fault = error
        finally:
            connection.close()

    def send(self, connection):
        through_import = self.random.random() < 0.3
        size = self.random.randint(2, 20) if self.random.random() < 0.4 else 1
        request = Request([self.record(through_import) for _ in range(size)])
        self.requests.append(request)
        if through_import:
            answer = self.server.import_(
                request.records, compress=self.random.random() < 0.5, connection=connection)
        else:
            answer = self.server.track(request.records, connection=connection)
        assert answer.status == 200, answer
        if not through_import:
            assert answer.text == "1", answer
        request.is_acknowledged = True

    def record(self, may_merge):
        self.count += 1
        own = f"{self.name}-{self.count}"
        stamp = {"time": self.day + self.random.randrange(DAY), "$insert_id": own}
        project = self.server.project
        kind = self.random.random()
        if kind < 0.5 or not self.users:
            user = self.random.choice(self.users) if self.users and self.random.random() < 0.5 else f"user-{own}"
            self.users.append(user)
            return project.identify(user, new_anonymous_id(self.random), **stamp)
        if kind < 0.6:
            return project.alias(f"alias-{own}", self.random.choice(self.users), **stamp)
        if kind < 0.7 and may_merge:
            return project.merge(self.random.choice(self.users), f"other-{own}", **stamp)
        return project.event("Clicked", self.random.choice(self.users), n=self.count, **stamp)


def check_round(server, requests, last_sequence, day):
    """Checks what one round has left, and returns the entries that it added to the log."""
    date = time.strftime("%Y-%m-%d", time.gmtime(day))
    stored = insert_ids(server.export(date, date))
    assert len(stored) == len(set(stored)), "an event is stored twice"
    stored = set(stored)
    entries = server.log(after=last_sequence)
    assert [entry["sequence"] for entry in entries] == list(
        range(last_sequence + 1, last_sequence + 1 + len(entries))), "the log has a gap"
    logged = {pair_of(entry) for entry in entries}
    for request in requests:
        found = request.insert_ids & stored
        assert found in (set(), request.insert_ids), f"half of a request is stored: {request.records}"
        if request.is_acknowledged:
            assert found, f"an acknowledged request is lost: {request.records}"
        for pair in request.pairs:
            assert (pair in logged) == bool(found), f"events and log differ about {pair}: {request.records}"
    assert stored == {one for request in requests for one in request.insert_ids if one in stored}
    pairs = [pair for request in requests if request.is_acknowledged for pair in request.pairs]
    ids = [distinct_id for pair in pairs for distinct_id in pair]
    if ids:
        answer = server.request(
            "POST", "/identity/resolve", json.dumps({"distinct_ids": ids}),
            {"Content-Type": "application/json", **basic(server.project.secret)})
        canonical = {result["distinct_id"]: result["canonical_id"] for result in answer.json["results"]}
        for one, other in pairs:
            assert canonical[one] == canonical[other], f"an acknowledged merge of {one} and {other} is lost"
    return entries


def test_a_crash_loses_nothing_that_was_acknowledged(server, data):
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed {seed}; SEED={seed} repeats this run")
    moments = random.Random(seed)
    log, acknowledged, in_doubt = [], 0, 0
    running = server(data=data)
    for number in range(ROUNDS):
        day = FIRST_DAY + number * DAY
        senders = [
            Sender(running, f"r{number}-c{connection}", day, f"{seed}-{number}-{connection}")
            for connection in range(CONNECTIONS)
        ]
        for sender in senders:
            sender.start()
        # Until the first answer nothing is at stake.
        deadline = time.monotonic() + 30
        while not any(request.is_acknowledged for sender in senders for request in sender.requests):
            assert time.monotonic() < deadline and not any(sender.fault for sender in senders)
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.6))
        running.kill()
        for sender in senders:
            sender.join(60)
            assert not sender.is_alive() and sender.fault is None, sender.fault

        running = server(data=data)
        requests = [request for sender in senders for request in sender.requests]
        log += check_round(running, requests, len(log), day)
        acknowledged += sum(request.is_acknowledged for request in requests)
        in_doubt += sum(not request.is_acknowledged for request in requests)

    print(f"{acknowledged} requests acknowledged, {in_doubt} in doubt, {len(log)} log entries")
    assert acknowledged > ROUNDS
    assert running.log() == log, "the log has changed after it was read"
    assert running.clusters() == clusters_of_log(log)
    running.stop()
