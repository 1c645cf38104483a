"""The feed of changes (P 10-7): every change of a canonical id once, in order, whatever breaks on the way.

A client that was told everything knows what every id resolves to, and so do the increments of the mapping.
"""

import csv
import http.client
import io
import json
import random
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import (
    FIXTURE, LEGACY, ORIGINAL, SIMPLIFIED, basic, command, json_lines, new_anonymous_id, strict_json, wait_until)

OWNER = ("ci.111111.mp-service-account", "sa-secret-1")
READER = ("ro.222222.mp-service-account", "sa-secret-2")


def changes(server, after=None, **query):
    """The changes after a cursor, by JSONL."""
    query = {**query, **({"after": after} if after is not None else {})}
    answer = server.read("/identity/changes", **query)
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "application/jsonl; charset=utf-8"
    return json_lines(answer.text)


def place(cursor):
    sequence, _, ordinal = cursor.partition(":")
    return int(sequence), int(ordinal)


def assert_in_order(rows):
    """Strictly in order, without a gap inside of an entry, and by the bytes of the ids there."""
    for before, row in zip(rows, rows[1:]):
        first, second = place(before["cursor"]), place(row["cursor"])
        if first[0] == second[0]:
            assert second[1] == first[1] + 1, (before, row)
            assert before["distinct_id"].encode() < row["distinct_id"].encode()
        else:
            assert second[0] > first[0] and second[1] == 1, (before, row)
    for row in rows:
        assert place(row["cursor"])[0] == row["sequence"] and row["from"] != row["to"]
        assert set(row) == {"cursor", "sequence", "distinct_id", "from", "to", "cause"}


def replay(rows):
    """What ids resolve to once they were told everything; those that are not named are their own."""
    state = {}
    for row in rows:
        assert state.get(row["distinct_id"], row["distinct_id"]) == row["from"], row
        state[row["distinct_id"]] = row["to"]
    return state


def mapping(server, **query):
    answer = server.read("/identity/mappings", **query)
    assert answer.status == 200, answer
    assert answer.headers["x-selfsame-cursor"] == answer.headers["x-selfsame-sequence"]
    rows = json_lines(answer.text)
    assert max(Counter(row["distinct_id"] for row in rows).values(), default=0) <= 1, "an id stands twice"
    return {row["distinct_id"]: row["canonical_id"] for row in rows}, answer.headers["x-selfsame-cursor"]


def assert_complete(server, rows):
    """That the rows are all changes there are, and come to what ids resolve to."""
    assert_in_order(rows)
    assert rows == changes(server)
    state = replay(rows)
    known, _ = mapping(server)
    assert {i: state.get(i, i) for i in known} == known


class Follower:
    """One connection that follows: reads server-sent events off a socket."""

    def __init__(self, server, after=None, last_event_id=None, secret=None, receive_bytes=None, query=""):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", server.port))
        head = f"GET /identity/changes?follow=1{query}{f'&after={after}' if after is not None else ''} HTTP/1.1\r\n"
        fields = {"Host": "127.0.0.1", "Accept": "text/event-stream", **basic(secret or server.project.secret)}
        if last_event_id is not None:
            fields["Last-Event-ID"] = last_event_id
        self.socket.sendall((head + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n").encode())
        self.buffer, self.comments = b"", 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def head(self):
        """The status and the headers."""
        while b"\r\n\r\n" not in self.buffer:
            self.receive()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1])

    def receive(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise EOFError
        self.buffer += piece

    def take(self, count):
        while len(self.buffer) < count:
            self.receive()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def chunks(self):
        """The chunks of the body, until its end or that of the connection."""
        while True:
            while b"\r\n" not in self.buffer:
                self.receive()
            size, _, self.buffer = self.buffer.partition(b"\r\n")
            content = self.take(int(size, 16) + 2)[:-2]
            if not content:
                return
            yield content

    def events(self):
        """The changes as they come; the `id` of each is its cursor."""
        assert self.head() == 200
        assert self.headers["content-type"] == "text/event-stream"
        text = b""
        for chunk in self.chunks():
            text += chunk
            while b"\n\n" in text:
                block, _, text = text.partition(b"\n\n")
                fields = [line.partition(": ")[::2] for line in block.decode().split("\n")]
                self.comments += sum(name.startswith(":") for name, _ in fields)
                if any(name == "data" for name, _ in fields):
                    fields = dict(fields)
                    row = strict_json(fields["data"])
                    assert (fields["id"], fields["event"]) == (row["cursor"], "change")
                    yield row


def follow(server, count, **options):
    """So many changes, as they are told to one follower."""
    rows = []
    with Follower(server, **options) as follower:
        for row in follower.events() if count else ():
            rows.append(row)
            if len(rows) == count:
                break
    return rows


def import_merges(server, pairs, **options):
    for start in range(0, len(pairs), 2000):
        answer = server.import_([server.project.merge(*pair) for pair in pairs[start:start + 2000]], **options)
        assert answer.status == 200, answer


# --- what is told ---


def test_lines(running):
    anonymous, other = sorted(new_anonymous_id() for _ in range(2))
    running.track([
        running.project.event("Seen", anonymous), running.project.identify("ada", anonymous),
        running.project.identify("grace", anonymous), running.project.identify("ada", other),
        running.project.alias("countess", "ada")])
    import_merges(running, [("grace", "ada"), ("grace", "ada")])
    expected = [
        ("1:1", 1, anonymous, anonymous, "ada", "$identify"),
        ("3:1", 3, other, other, "ada", "$identify"),
        ("4:1", 4, "countess", "countess", "ada", "$create_alias"),
        ("5:1", 5, "grace", "grace", "ada", "$merge"),
    ]
    names = ["cursor", "sequence", "distinct_id", "from", "to", "cause"]
    expected = [dict(zip(names, values)) for values in expected]
    rows = changes(running)
    assert rows == expected and [list(row) for row in rows] == [names] * 4
    assert follow(running, 4) == expected
    for number, row in enumerate(expected):
        assert changes(running, row["cursor"]) == expected[number + 1:]
        assert changes(running, row["sequence"]) == expected[number + 1:]
        assert changes(running, f"{row['sequence']}:0") == expected[number:]
        assert follow(running, 3 - number, after=row["cursor"]) == expected[number + 1:]
    assert changes(running, 2, limit=1) == expected[1:2]
    assert changes(running, "1:77") == expected[1:], "an entry may have lost changes to a deletion"
    answer = running.read("/identity/changes")
    assert answer.headers["x-selfsame-sequence"] == "6"
    assert running.request("HEAD", "/identity/changes", headers=basic(ORIGINAL.secret)).status == 200
    assert running.request("HEAD", "/identity/changes?follow=1", headers=basic(ORIGINAL.secret)).status == 200
    assert running.request("POST", "/identity/changes", b"", basic(ORIGINAL.secret)).status == 405
    assert_complete(running, rows)


def test_a_cluster_that_changes_sides(running):
    """An id that becomes identified may stand for its cluster from then on."""
    import_merges(running, [("x", "y"), ("u", "z")])
    anonymous = new_anonymous_id()
    running.track([running.project.identify("z", anonymous)])
    rows = changes(running)
    assert [(row["distinct_id"], row["from"], row["to"]) for row in rows if row["sequence"] == 3] == sorted([
        (anonymous, anonymous, "z"), ("u", "u", "z"), ("z", "u", "z")])
    assert_complete(running, rows)


def test_other_systems(running):
    simplified = [
        {"event": "e", "properties": {"token": SIMPLIFIED.token, "distinct_id": user, "$user_id": user, "$device_id": "d"}}
        for user in ("u1", "u2")]
    assert running.track(simplified).text == "1"
    running.track([LEGACY.alias("a", "b"), LEGACY.alias("a", "c"), LEGACY.alias("b", "c")])

    def told(project):
        answer = running.request("GET", "/identity/changes", headers=basic(project.secret))
        return [(row["cursor"], row["distinct_id"], row["from"], row["to"], row["cause"]) for row in
                json_lines(answer.text)]

    assert told(SIMPLIFIED) == [("1:1", "$device:d", "$device:d", "u1", "device")]
    assert told(LEGACY) == [
        ("1:1", "a", "a", "b", "$create_alias"), ("3:1", "a", "b", "c", "$create_alias"),
        ("3:2", "b", "b", "c", "$create_alias")]
    assert changes(running) == [], "another project's changes"


def test_ids_of_any_bytes(running):
    odd = ['quo"te', "line\nend", "tab\t", "a\u2028b", "ÄÖ✓", "e\u0301", "é", "\\", "id: 7:7"]
    import_merges(running, [("hub", one) for one in odd])
    rows = changes(running)
    assert [row["distinct_id"] for row in rows] == odd
    assert follow(running, len(odd)) == rows


@pytest.mark.parametrize("query, status, says", [
    ("after=x", 400, "must be a cursor"), ("after=", 400, "must be a cursor"), ("after=-1", 400, "must be a cursor"),
    ("after=1:", 400, "must be a cursor"), ("after=1:1:1", 400, "must be a cursor"), ("after=1.0", 400, "must be a"),
    ("after=99999999999999999999", 400, "must be a cursor"), ("after=1:x", 400, "must be a cursor"),
    ("after=3", 404, "the project is at 2"), ("after=3:1", 404, "the project is at 2"),
    ("follow=1&after=3", 404, "the project is at 2"), ("follow=1&after=x", 400, "must be a cursor"),
    ("limit=0", 400, "limit is"), ("limit=100001", 400, "limit is"), ("limit=x", 400, "limit is"),
    ("follow=1&limit=5", 400, "limit cannot"),
])
def test_bad_questions(running, query, status, says):
    import_merges(running, [("a", "b"), ("a", "c")])
    answer = running.request("GET", f"/identity/changes?{query}", headers=basic(ORIGINAL.secret))
    assert answer.status == status and says in answer.json["error"], answer
    assert answer.json["status"] == "error"
    if "follow" not in query and "limit" not in query:
        answer = running.request("GET", f"/identity/mappings?{query}", headers=basic(ORIGINAL.secret))
        assert answer.status == status and says in answer.json["error"], answer
    for sent in ("x", "9", "-"):
        answer = running.request(
            "GET", "/identity/changes?follow=1", headers={**basic(ORIGINAL.secret), "Last-Event-ID": sent})
        assert answer.status == (404 if sent == "9" else 400) and "Last-Event-ID" in answer.json["error"]


def test_credentials(running):
    for follows in ("", "&follow=1"):
        def status(headers, project):
            answer = running.request("HEAD", f"/identity/changes?{project}{follows}", headers=headers)
            return answer.status

        for headers in ({}, basic("wrong"), basic(ORIGINAL.token), basic(*OWNER), basic(OWNER[0], "x")):
            assert status(headers, "") == 401
        assert status(basic(ORIGINAL.secret), "project_id=1001") == 200
        assert status(basic(ORIGINAL.secret), "project_id=1002") == 401
        assert status(basic(*READER), "project_id=1001") == status(basic(*OWNER), "project_id=1001") == 200
        assert status(basic(*READER), "project_id=1002") == 403


def unmerge(server, **what):
    answer = server.request("POST", "/identity/unmerge", json.dumps(what), basic(server.project.secret))
    assert answer.status == 200, answer


def test_unmerge_and_restore(running):
    import_merges(running, [("a", "b"), ("c", "d"), ("a", "c")])
    with Follower(running, after=3) as follower:
        events = follower.events()
        began = time.monotonic()
        unmerge(running, link=3)
        told = [next(events), next(events)]
        assert time.monotonic() - began < 0.7, "an unmerge is told at once, not by the next poll"
        assert [(row["cursor"], row["distinct_id"], row["from"], row["to"], row["cause"]) for row in told] == [
            ("4:1", "c", "a", "c", "unmerge"), ("4:2", "d", "a", "c", "unmerge")]
        answer = running.request("POST", "/identity/restore", json.dumps({"unmerge": 4}), basic(ORIGINAL.secret))
        assert answer.status == 200, answer
        told = [next(events), next(events)]
        assert [(row["cursor"], row["distinct_id"], row["from"], row["to"], row["cause"]) for row in told] == [
            ("5:1", "c", "c", "a", "restore"), ("5:2", "d", "c", "a", "restore")]
    assert_complete(running, changes(running))
    assert mapping(running, after=3)[0] == {"c": "a", "d": "a"}, "they changed, and changed back"
    answer = running.read("/identity/mappings", after=1, as_of=3)
    assert answer.status == 400 and "as_of" in answer.json["error"], answer


# --- exactly once ---


def test_resuming_inside_one_merge_of_400_ids(running):
    import_merges(running, [("first", f"f{n}") for n in range(10)] + [("second", f"{n:03}") for n in range(399)])
    import_merges(running, [("first", "second")])
    sequence = 10 + 399 + 1
    merge = changes(running, sequence - 1)
    assert [row["cursor"] for row in merge] == [f"{sequence}:{n}" for n in range(1, 401)]
    assert [row["distinct_id"] for row in merge] == sorted([*(f"{n:03}" for n in range(399)), "second"])
    found, last = [], None
    for count in (1, 150, 7, 0, 200, 42):
        found += follow(running, count, after=sequence - 1, last_event_id=last)
        last = found[-1]["cursor"]
        assert changes(running, last) == merge[len(found):]
        assert changes(running, last, limit=3) == merge[len(found):][:3]
    assert found == merge


class Ingest(threading.Thread):
    """Merges ids at random until it is told to stop; a server that is away is waited for."""

    def __init__(self, current, seed):
        super().__init__(daemon=True)
        self.current, self.random, self.is_over, self.sent = current, random.Random(seed), False, 0
        self.devices = [new_anonymous_id(self.random) for _ in range(60)]

    def run(self):
        while not self.is_over:
            server = self.current()
            users = [f"u{n}" for n in range(40)]
            records = []
            for _ in range(self.random.randint(1, 30)):
                match self.random.randrange(5):
                    case 0: records.append(server.project.merge(*self.random.sample(users + self.devices, 2)))
                    case 1: records.append(server.project.alias(f"a{self.random.randrange(40)}", self.random.choice(users)))
                    case _:
                        records.append(server.project.identify(
                            self.random.choice(users), new_anonymous_id(self.random)))
            try:
                if server.import_(records, {"strict": 0}).status == 200:
                    self.sent += 1
                if self.random.randrange(4) == 0:
                    server.request(
                        "POST", "/identity/unmerge", json.dumps({"link": self.random.randint(1, 10 * self.sent + 1)}),
                        basic(server.project.secret))
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
            time.sleep(0.005)


class Resuming(threading.Thread):
    """A client that leaves now and then, comes back with the last cursor it has, and keeps what it was told."""

    def __init__(self, current, seed, follows):
        super().__init__(daemon=True)
        self.current, self.random, self.follows = current, random.Random(seed), follows
        self.rows, self.last, self.is_over, self.fault, self.visits = [], None, False, None, 0

    def run(self):
        try:
            while not self.is_over:
                self.visits += 1
                try:
                    self.visit()
                except (OSError, EOFError, ValueError, http.client.HTTPException):
                    # A server that was killed breaks off anywhere.
                    time.sleep(0.02)
        except Exception as error:
            self.fault = error

    def visit(self):
        server = self.current()
        if not self.follows:
            query = {"limit": self.random.choice([1, 3, 50])}
            if self.last is not None:
                query["after"] = self.last
            answer = server.read("/identity/changes", **query)
            assert answer.status == 200, answer
            for row in json_lines(answer.text):
                self.keep(row)
            return
        count = self.random.randint(1, 60)
        with Follower(server, after=0, last_event_id=self.last) as follower:
            follower.socket.settimeout(2)
            for row in follower.events():
                self.keep(row)
                count -= 1
                if count == 0 or self.is_over:
                    return

    def keep(self, row):
        self.rows.append(row)
        self.last = row["cursor"]


def finish(server, ingest, clients):
    """Stops the ingest, waits until every client has everything, and checks it."""
    ingest.is_over = True
    ingest.join(30)
    rows = changes(server)
    for client in clients:
        wait_until(
            lambda: client.fault or client.last == rows[-1]["cursor"], 30,
            f"the end of {len(rows)} changes (there are {len(client.rows)}, up to {client.last})")
        client.is_over = True
        client.join(30)
        assert client.fault is None, client.fault
        assert client.rows == rows
        assert client.visits > 5
    assert_complete(server, rows)
    assert len(rows) > 300


def test_clients_that_are_killed_see_every_change_once(running):
    ingest = Ingest(lambda: running, 1)
    clients = [Resuming(lambda: running, 2, True), Resuming(lambda: running, 3, False)]
    for thread in [ingest, *clients]:
        thread.start()
    wait_until(lambda: ingest.sent > 80 and all(len(client.rows) > 300 for client in clients), 60, "changes")
    finish(running, ingest, clients)


def test_a_server_that_is_killed_tells_every_change_once(server, data):
    servers = [server("--config", FIXTURE, data=data, project=ORIGINAL)]
    ingest = Ingest(lambda: servers[-1], 4)
    clients = [Resuming(lambda: servers[-1], 5, True), Resuming(lambda: servers[-1], 6, False)]
    for thread in [ingest, *clients]:
        thread.start()
    for round in range(1, 5):
        wait_until(lambda: ingest.sent > 15 * round, 60, "merges")
        servers[-1].kill()
        servers.append(server("--config", FIXTURE, data=data, project=ORIGINAL))
    finish(servers[-1], ingest, clients)


# --- followers ---


def test_a_change_is_told_at_once(running):
    with Follower(running) as follower:
        events = follower.events()
        delays = []
        for number in range(30):
            sent = time.monotonic()
            running.track([running.project.identify("hub", new_anonymous_id())])
            assert next(events)["sequence"] == number + 1
            delays.append(time.monotonic() - sent)
    assert sorted(delays)[15] < 0.5, "half a second is far more than a signal takes, and less than a poll"


def test_heartbeats(server):
    running = server(
        "--sandbox", "--config", FIXTURE, "--set", "query.heartbeatSeconds=1", "--set", "server.idleTimeoutSeconds=1",
        project=ORIGINAL)
    with Follower(running) as follower:
        events = follower.events()
        timer = threading.Timer(4, lambda: running.track([ORIGINAL.identify("a", new_anonymous_id())]))
        timer.start()
        assert next(events)["to"] == "a", "neither silence nor the idle timeout ends it"
        assert 2 <= follower.comments <= 5


def test_followers_have_places_of_their_own(server):
    running = server(
        "--sandbox", "--config", FIXTURE, "--set", "query.followLimit=2", "--set", "query.streamLimit=1",
        "--set", "query.heartbeatSeconds=2", project=ORIGINAL)
    with Follower(running) as first, Follower(running) as second:
        assert first.head() == second.head() == 200
        answer = running.request("GET", "/identity/changes?follow=1", headers=basic(ORIGINAL.secret))
        assert answer.status == 429 and "query.followLimit" in answer.json["error"], answer
        assert int(answer.headers["retry-after"]) >= 1
        assert changes(running) == [] and running.export() == []
    # Who has left is found out when the next thing is written, if not at once.
    wait_until(
        lambda: running.request("HEAD", "/identity/changes?follow=1", headers=basic(ORIGINAL.secret)).status == 200, 6)


def resident(server):
    for line in Path(f"/proc/{server.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the system does not tell how much memory a process has")


def test_a_follower_that_does_not_read_is_cut_off(server, data):
    running = server(
        "--config", FIXTURE, "--set", "query.writeTimeoutSeconds=2", "--set", "query.followLimit=1",
        "--set", "identity.maxClusterSize=0", data=data, project=ORIGINAL)
    # Some 20 MB of events: far more than what connections have buffers for.
    ids = [f"{n:05}" + "x" * 300 for n in range(8000)]
    import_merges(running, [("b", one) for one in ids])
    import_merges(running, [("a", "a2")])
    before = resident(running)
    with Follower(running, receive_bytes=4096) as follower:
        def is_cut_off():
            answer = running.request("HEAD", "/identity/changes?follow=1", headers=basic(ORIGINAL.secret))
            return answer.status == 200

        assert follower.head() == 200
        assert not is_cut_off(), "it is written to still"
        began = time.monotonic()
        wait_until(is_cut_off, 30, "the end of the follower")
        assert time.monotonic() - began > 1
        rows, is_whole = 0, True
        try:
            for _ in follower.chunks():
                rows += 1
        except (EOFError, OSError):
            is_whole = False
        assert not is_whole, "it was told the end of an answer that has none"
    assert resident(running) - before < 64 << 20
    # It comes back, and has everything.
    assert len(changes(running)) == 8001
    assert len(follow(running, 8001)) == 8001


def test_the_end_of_the_server_ends_followers(server, data):
    running = server(
        "--config", FIXTURE, "--set", "server.shutdownTimeoutSeconds=20", data=data, project=ORIGINAL)
    with Follower(running) as silent, Follower(running) as busy:
        assert silent.head() == 200
        events = busy.events()
        running.track([ORIGINAL.identify("a", new_anonymous_id())])
        assert next(events)["to"] == "a"
        began = time.monotonic()
        running.stop(timeout=40)
        assert time.monotonic() - began < 5
        assert list(events) == [], "it ends, and is not broken off"
        assert len(list(silent.chunks())) >= 1


def test_a_secret_that_is_replaced_ends_followers(server, data):
    running = server("--set", "query.heartbeatSeconds=1", data=data)
    with Follower(running) as follower:
        assert follower.head() == 200
        command("project", "rotate", running.project.number, "--data", data)
        assert b"data" not in b"".join(follower.chunks())


# --- increments of the mapping ---


def test_whole_once_and_then_increments(running):
    ingest = Ingest(lambda: running, 7)
    ingest.start()
    wait_until(lambda: ingest.sent > 5, 30, "merges")
    kept, cursor = mapping(running)
    sizes = []
    for _ in range(25):
        increment, cursor = mapping(running, after=cursor)
        kept.update(increment)
        sizes.append(len(increment))
        sequence = int(cursor)
        # Nothing was merged after that for these: they are what the changes say, up to there.
        state = replay([row for row in changes(running) if row["sequence"] <= sequence])
        assert {one: state.get(one, one) for one in kept} == kept
        assert state.keys() <= kept.keys()
        time.sleep(0.02)
    ingest.is_over = True
    ingest.join(30)
    kept.update(mapping(running, after=cursor)[0])
    whole, cursor = mapping(running)
    assert kept == whole
    assert mapping(running, after=cursor) == ({}, cursor)
    assert mapping(running, after=0)[0] == whole
    assert 0 < sum(sizes) / len(sizes) < len(whole) / 2


def test_an_increment_as_csv(running):
    import_merges(running, [("a", "b")])
    running.track([running.project.identify("u", "not a uuid"), running.project.merge("c", "d")])
    import_merges(running, [("a", 'c,"d')])
    answer = running.read("/identity/mappings", format="csv", after=1)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert sorted(tuple(row.values()) for row in rows) == sorted([
        ('c,"d', "a", "3"), ("u", "u", "2"), ("not a uuid", "not a uuid", "2")])
    empty = running.read("/identity/mappings", format="csv", after=3)
    assert empty.text == "distinct_id,canonical_id,since\r\n"


def test_reset_begins_anew(running):
    import_merges(running, [("a", "b"), ("a", "c")])
    with Follower(running, after=2) as follower:
        assert follower.head() == 200
        assert running.request("POST", "/sandbox/reset").status == 200
        assert b"data" not in b"".join(follower.chunks()), "its cursor is of nothing any more"
    assert changes(running) == []
    import_merges(running, [("x", "y")])
    assert [row["distinct_id"] for row in changes(running)] == ["y"]
