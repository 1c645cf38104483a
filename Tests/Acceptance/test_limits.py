"""Everything has a limit, and past it an answer."""

import base64
import gzip
import json
import random
import resource
import select
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import FIXTURE, ORIGINAL, insert_ids, wait_until

MEGABYTE = 1 << 20
BODY_LIMIT = 10 * MEGABYTE


@pytest.fixture
def running(server):
    return server("--sandbox", "--config", FIXTURE, project=ORIGINAL)


def events(count, size=0, project=ORIGINAL, **properties):
    """Records of about the given size, all different."""
    filler = {f"p{n}": "x" * 250 for n in range(size // 260)}
    return [
        project.event("Big", "user", **{"time": 1_600_000_000, "$insert_id": f"e{number}", **filler, **properties})
        for number in range(count)
    ]


def is_whole_number(text):
    return text is not None and text.isascii() and text.isdigit() and int(text) >= 1


def assert_alive(server):
    assert server.is_running, f"the server has ended:\n{server.error_text()}"
    assert server.request("GET", "/health").status == 200


def assert_error(answer, status, name, error=None):
    """An error by its status, on /import and on /track alike (P 4.4)."""
    assert answer.status == status, answer
    assert answer.headers["content-type"].startswith("application/json")
    assert set(answer.json) == {"code", "error", "status"}
    assert (answer.json["code"], answer.json["status"]) == (status, name)
    assert isinstance(answer.json["error"], str) and answer.json["error"]
    if error:
        assert answer.json["error"] == error


def assert_too_large(answer, limit=BODY_LIMIT):
    assert_error(answer, 413, "Request Entity Too Large", f"request exceeds max limit of {limit} bytes")


def assert_too_many(answer):
    assert_error(
        answer, 429, "Too Many Requests",
        "Project exceeded rate limits. Please retry the request with exponential backoff.")
    assert is_whole_number(answer.headers.get("retry-after")), answer


def assert_unavailable(answer):
    assert_error(answer, 503, "Service Unavailable")
    assert is_whole_number(answer.headers.get("retry-after")), answer


def big_body(size):
    body = json.dumps(events(1800, 6000)).encode()
    assert len(body) > size
    return body


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
def test_a_body_over_the_limit_is_413(running, compress):
    body = big_body(BODY_LIMIT + MEGABYTE // 2)
    headers = {}
    if compress:
        body, headers = gzip.compress(body, 1), {"Content-Encoding": "gzip"}
        assert len(body) < MEGABYTE
    # What `verbose` makes of it is for test_verbose_failures.
    for query in ({}, {"strict": 1}, {"strict": 0}):
        assert_too_large(running.track(body, query, headers))
        assert_too_large(running.import_(body, query, headers))
    assert running.export() == []
    assert_alive(running)


def test_a_body_over_the_limit_in_chunks_is_413(running):
    def chunks():
        for _ in range(11):
            yield b" " * MEGABYTE

    answer = running.request("POST", "/track", chunks(), {"Content-Type": "application/json"})
    assert_too_large(answer)


def test_a_body_at_the_limit_is_taken(running):
    body = json.dumps(events(100, 6000)).encode()
    body = body.ljust(BODY_LIMIT)
    assert running.track(body).text == "1"
    assert_too_large(running.track(body + b" "))
    packed = gzip.compress(body, 1)
    assert running.track(packed, headers={"Content-Encoding": "gzip"}).text == "1"


def test_the_limit_is_a_setting(server):
    running = server("--sandbox", "--config", FIXTURE, "--set", "ingest.bodySizeLimitBytes=5000", project=ORIGINAL)
    assert_too_large(running.track(b" " * 5001), 5000)
    assert running.track(events(1)).text == "1"


def bomb(size, chunk=16 * MEGABYTE):
    """Gzip of a JSON array with one event that holds a very long text; made without making the text."""
    head = b'[{"event":"e","properties":{"token":"' + ORIGINAL.token.encode() + b'","x":"'
    tail = b'"}}]'
    zeros = b"0" * chunk
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    parts = [packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)]
    repeated = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum, total = zlib.crc32(head), len(head)
    for _ in range(size // chunk):
        parts.append(repeated)
        checksum, total = zlib.crc32(zeros, checksum), total + chunk
    parts.append(packer.compress(tail) + packer.flush(zlib.Z_FINISH))
    checksum, total = zlib.crc32(tail, checksum), total + len(tail)
    return (b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"".join(parts)
            + checksum.to_bytes(4, "little") + (total & 0xFFFFFFFF).to_bytes(4, "little"))


def test_a_gzip_bomb_costs_no_memory(running):
    packed = bomb(1 << 30)
    assert len(packed) < 4 * MEGABYTE
    assert running.track(events(1)).text == "1"
    before = running.peak_memory()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: running.track(packed, headers={"Content-Encoding": "gzip"}), range(4)))
        answers += pool.map(lambda _: running.import_(packed, headers={"Content-Encoding": "gzip"}), range(4))
    assert [answer.status for answer in answers] == [413] * 8, answers
    grown = running.peak_memory() - before
    assert grown < 150 * MEGABYTE, f"the server's memory grew by {grown / MEGABYTE:.0f} MB"
    assert_alive(running)


def nested(depth, name="Deep"):
    inside = "[" * depth + "]" * depth
    return f'{{"event":"{name}","properties":{{"token":"{ORIGINAL.token}","time":1600000000,"x":{inside}}}}}'


@pytest.mark.parametrize("depth", [1000, 100_000])
def test_deep_nesting_is_one_records_fault(running, depth):
    good = json.dumps(events(1)[0])
    body = f"[{nested(depth)},{good},{nested(depth)}]".encode()
    assert running.track(body).text == "0"
    assert insert_ids(running.export()) == ["e0"]
    answer = running.import_(body)
    assert answer.status == 400 and answer.json["num_records_imported"] == 1
    assert [failed["index"] for failed in answer.json["failed_records"]] == [0, 2]
    assert_alive(running)


@pytest.mark.parametrize("body", [
    b"[" * 100_000, b"{" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000, b'[{"event":' + b"[" * 100_000,
], ids=["arrays", "objects", "members", "closed", "in-a-record"])
def test_nesting_without_a_record_does_no_harm(running, body):
    assert running.track(body).text == "0"
    answer = running.import_(body)
    assert answer.status == 400 and answer.json["num_records_imported"] == 0
    assert_alive(running)


def test_a_deep_line_costs_no_other_line(running):
    good = [json.dumps(event) for event in events(2)]
    body = "\n".join([good[0], '{"event":' + "[" * 100_000, nested(100_000), good[1]]).encode()
    answer = running.track(body, headers={"Content-Type": "application/x-ndjson"})
    assert answer.text == "0"
    assert sorted(insert_ids(running.export())) == ["e0", "e1"]


def wrapped(depth):
    value = "x"
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def test_a_strict_import_takes_three_levels_and_everything_else_64(running):
    project, insert_id = running.project, {"$insert_id": "i", "time": 1_600_000_000}
    cart = {"items": [{"product": {"sku": 1}}]}
    for value in (cart, wrapped(64)):
        assert running.track([project.event("Nested", "user", x=value, **insert_id)]).text == "1"
        assert running.import_([project.event("Nested", "user", x=value, **insert_id)], {}).text == "1"
        assert [row["properties"]["x"] for row in running.export()] == [value]
        strict = running.import_([project.event("Nested", "user", x=value, **insert_id)])
        assert strict.json["failed_records"][0]["field"] == "properties.x"
        for path, name in (("/engage", {"$distinct_id": "u"}), ("/groups", {"$group_key": "k", "$group_id": "g"})):
            update = [{"$token": project.token, **name, "$set": {"x": value}}]
            assert running.request("POST", path, json.dumps(update), JSON_TYPE).text == "1"
        found = running.read("/api/2.0/engage", distinct_id="u").json["results"][0]["$properties"]
        assert found == {"x": value, "$last_seen": found["$last_seen"]}
    assert running.import_([project.event("Nested", "user", x=wrapped(3), **insert_id)]).status == 200
    answer = running.track([project.event("Nested", "user", x=wrapped(65), **insert_id)], {"verbose": 1})
    assert answer.json == {"error": "properties.x is invalid: must not be nested deeper than 64 levels", "status": 0}
    update = [{"$token": project.token, "$distinct_id": "u", "$set": {"x": wrapped(65)}}]
    assert running.request("POST", "/engage", json.dumps(update), JSON_TYPE).text == "0"


def test_two_thousand_records_are_the_limit(running):
    assert running.track(events(2001)).text == "0"
    answer = running.import_(events(2001))
    assert_error(answer, 413, "Request Entity Too Large", "request exceeds max limit of 2000 records")
    assert_error(running.import_(events(2001), {}), 413, "Request Entity Too Large")
    assert running.export() == []
    assert running.track(events(2000)).text == "1"
    assert running.import_(events(2000)).json == {"code": 200, "num_records_imported": 2000, "status": "OK"}
    assert len(running.export()) == 2000


def test_a_record_of_a_megabyte_fails_alone(running):
    huge = running.project.event("Huge", "user", **{f"p{n}": "x" * 8000 for n in range(140)})
    assert running.track([huge, *events(1)]).text == "0"
    assert insert_ids(running.export()) == ["e0"]


JSON_TYPE = {"Content-Type": "application/json"}
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
GZIP_TYPE = {**JSON_TYPE, "Content-Encoding": "gzip"}
PACKED = gzip.compress(json.dumps(events(3)).encode())
EMPTY = {
    "nothing": (b"", JSON_TYPE),
    "blank": (b" \r\n\t ", JSON_TYPE),
    "null": (b"null", JSON_TYPE),
    "number": (b"17", JSON_TYPE),
    "text": (b'"text"', JSON_TYPE),
    "empty array": (b"[]", JSON_TYPE),
    "form without data": (b"verbose=0&other=1", FORM_TYPE),
    "form with empty data": (b"data=", FORM_TYPE),
}
UNREADABLE = {
    "word": (b"hello", JSON_TYPE),
    "no UTF-8": (b'[{"event":"E","properties":\xff\xfe', JSON_TYPE),
    "not gzip": (b'[{"event":"e"}]', GZIP_TYPE),
    "half of gzip": (PACKED[: len(PACKED) // 2], GZIP_TYPE),
    "gzip without its end": (PACKED[:-4], GZIP_TYPE),
    "gzip with a wrong checksum": (PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], GZIP_TYPE),
    "gzip and more": (PACKED + b"more", GZIP_TYPE),
    "unknown encoding": (json.dumps(events(1)).encode(), {**JSON_TYPE, "Content-Encoding": "br"}),
    "form without base64": (b"data=%25%25%25", FORM_TYPE),
    "base64 without JSON": (b"data=" + base64.b64encode(b"hello there"), FORM_TYPE),
    "text without base64": (b"!!!!", {"Content-Type": "text/plain"}),
}


@pytest.mark.parametrize("name", [*EMPTY, *UNREADABLE])
def test_a_body_without_records(running, name):
    body, headers = {**EMPTY, **UNREADABLE}[name]
    plain = running.track(body, headers=headers)
    assert (plain.status, plain.text) == (200, "0")
    assert plain.headers["content-type"] == "text/plain; charset=utf-8"
    verbose = running.track(body, {"verbose": 1}, headers)
    assert verbose.status == 200 and set(verbose.json) == {"error", "status"} and verbose.json["status"] == 0
    if name in EMPTY:
        assert verbose.json["error"] == "data, missing or empty"
    else:
        assert isinstance(verbose.json["error"], str) and verbose.json["error"]
    strict_track = running.track(body, {"strict": 1}, headers)
    assert (strict_track.status, strict_track.json["code"]) == (200, 400)
    for answer in (strict_track, running.import_(body, headers=headers)):
        assert {**answer.json, "error": ""} == {
            "code": 400, "error": "", "failed_records": [], "num_records_imported": 0, "status": "Bad Request"}
        assert answer.json["error"]
    assert running.import_(body, headers=headers).status == 400
    lenient = running.import_(body, {}, headers)
    assert (lenient.status, lenient.text) == (200, "0")
    assert running.export() == []


@pytest.mark.parametrize("bad", [
    '{"event":"Bad","properties":{"token":"%s","n":01}}', '{"event":"Bad","properties":{"token":"%s","n":tru}}',
    '{"event":"Bad","properties":{"token":"%s","n":1 2}}', '{"event":"Bad","properties":{"token":"%s",}}',
    '{"event":"Bad" "properties":{"token":"%s"}}', '{"event":"Bad","properties":{"token":"%s","n":"\\x"}}',
    '{"event":"Bad","properties":{"token":"%s","n":"a\tb"}}', '17', 'null', '"text"', '[]', '[{}]', '{}',
    '{"event":7,"properties":{"token":"%s"}}', '{"event":"Bad","properties":[]}', '{"event":"Bad","properties":{}}',
])
def test_a_bad_record_costs_no_neighbour(running, bad):
    first, last = (json.dumps(event) for event in events(2))
    bad = bad.replace("%s", ORIGINAL.token)
    answer = running.track(f"[{first},{bad},{last}]".encode())
    assert (answer.status, answer.text) == (200, "0")
    assert sorted(insert_ids(running.export())) == ["e0", "e1"]
    if bad == '{"event":"Bad","properties":{}}':
        return  # Without a token; /import needs none.
    answer = running.import_(f"[{first},{bad},{last}]".encode())
    assert answer.status == 400 and answer.json["num_records_imported"] == 2
    assert answer.json["error"] == "some data points in the request failed validation"
    failed = answer.json["failed_records"]
    assert [record["index"] for record in failed] == [1]
    assert set(failed[0]) == {"index", "insert_id", "$insert_id", "field", "message"}
    assert sorted(insert_ids(running.export())) == ["e0", "e1"]


def exchange(server, request, timeout=20, is_half=False):
    """Sends bytes and returns all that comes back until the server closes, or an answer has begun."""
    with socket.create_connection(("127.0.0.1", server.port), timeout) as connection:
        try:
            connection.sendall(request)
            if not is_half:
                connection.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except ConnectionError:
            pass
        return received


GOOD = json.dumps(events(1)).encode()
POST = b"POST /track HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
MALFORMED = {
    "bytes": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n",
    "a word": b"GET\r\n\r\n",
    "unknown version": b"GET /health HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
    "negative length": POST + b"Content-Length: -5\r\n\r\n" + GOOD,
    "length that is no number": POST + b"Content-Length: many\r\n\r\n" + GOOD,
    "huge length": POST + b"Content-Length: 99999999999999999999999\r\n\r\n" + GOOD,
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD,
    "length and chunks": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(GOOD) + GOOD
                         + b"\r\n0\r\n\r\n",
    "chunk size that is no number": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "huge chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n" + GOOD,
    "header without colon": POST + b"Nonsense\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD,
    "blank before the colon": POST + b"Content-Length : %d\r\n\r\n" % len(GOOD) + GOOD,
    "zero byte in a header": POST + b"X: a\0b\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_http_is_refused(running, name):
    received = exchange(running, MALFORMED[name])
    assert received == b"" or received.split()[1].startswith(b"4"), received[:200]
    assert running.export() == []
    assert_alive(running)


@pytest.mark.parametrize("request_start", [
    b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", b"GET /", b"POST /track HTTP/1.1\r\n",
], ids=["one header", "target", "many headers"])
def test_headers_without_end_are_cut_off(server, request_start):
    running = server("--sandbox", "--config", FIXTURE, "--set", "server.idleTimeoutSeconds=1", project=ORIGINAL)
    filler = b"x" * 65536 if not request_start.endswith(b"\r\n") else b"Name: value\r\n" * 5000
    before, sent, received = running.peak_memory(), 0, b""
    with socket.create_connection(("127.0.0.1", running.port), 20) as connection:
        try:
            connection.sendall(request_start)
            while sent < 64 * MEGABYTE:
                sent += connection.send(filler)
        except ConnectionError:
            pass
        try:
            received = connection.recv(1000)
        except ConnectionError:
            pass
    assert sent < 64 * MEGABYTE or received == b"" or received.split()[1].startswith(b"4"), received
    assert running.peak_memory() - before < 50 * MEGABYTE
    assert_alive(running)


def test_a_body_that_breaks_off_stores_nothing(running):
    for part in (len(GOOD) // 2, len(GOOD) - 1):
        received = exchange(running, POST + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD[:part])
        assert not received.startswith(b"HTTP/1.1 200"), received
    assert running.export() == []
    assert_alive(running)


@pytest.mark.parametrize("part", [b"", b"GET /health HT", POST[:-2], POST + b"Content-Length: 5000\r\n\r\n" + GOOD],
                         ids=["nothing", "half a line", "half the headers", "half the body"])
def test_a_silent_client_is_cut_off(server, part):
    running = server("--sandbox", "--config", FIXTURE, "--set", "server.idleTimeoutSeconds=1", project=ORIGINAL)
    began = time.monotonic()
    received = exchange(running, part, timeout=30, is_half=True)
    took = time.monotonic() - began
    assert 0.5 < took < 10, f"the connection was cut off after {took:.1f} s"
    assert received == b"" or received.split()[1].startswith(b"4"), received
    assert_alive(running)


def test_an_idle_kept_alive_connection_is_closed(server):
    running = server("--sandbox", "--config", FIXTURE, "--set", "server.idleTimeoutSeconds=1", project=ORIGINAL)
    received = exchange(running, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", timeout=30, is_half=True)
    assert received.startswith(b"HTTP/1.1 200"), received


def test_bodies_in_flight_have_a_limit(server):
    running = server(
        "--sandbox", "--config", FIXTURE, "--set", f"ingest.inFlightLimitBytes={MEGABYTE}", project=ORIGINAL)
    body = json.dumps(events(1)).encode().ljust(1_000_000)
    small = json.dumps(events(1)).encode().ljust(200_000)
    assert running.track(small).text == "1"
    slow = None

    def refused():
        nonlocal slow
        # The slow body may come in while a small one has its share; then it is itself refused, and sent again.
        if slow is None or select.select([slow], [], [], 0)[0]:
            if slow:
                slow.close()
            slow = socket.create_connection(("127.0.0.1", running.port), 60)
            slow.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body[:-1])
            time.sleep(0.1)
        answer = running.track(small)
        assert answer.status in (200, 429), answer
        return answer if answer.status == 429 and not select.select([slow], [], [], 0.1)[0] else None

    answer = wait_until(refused, 30, "a refusal")
    with slow:
        assert_too_many(answer)
        assert_too_many(running.import_(small))
        # What needs no room is answered.
        assert_alive(running)
        slow.sendall(body[-1:])
        assert slow.recv(1000).startswith(b"HTTP/1.1 200")
    assert running.track(small).text == "1"


def test_the_queue_has_a_limit(server, data):
    running = server("--set", f"ingest.queueLimitBytes={MEGABYTE}", data=data)
    bodies = {number: events(40, 10_000, running.project, batch=number, **{"$insert_id": None}) for number in range(16)}
    for number, records in bodies.items():
        for ordinal, record in enumerate(records):
            record["properties"]["$insert_id"] = f"b{number}-{ordinal}"
    answers = {}

    def send(number):
        answers[number] = running.import_(bodies[number])

    # While another process holds the store's lock nothing can be committed, and the queue fills.
    lock = sqlite3.connect(data / "selfsame.sqlite", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        senders = [threading.Thread(target=send, args=[number], daemon=True) for number in bodies]
        for sender in senders:
            sender.start()
        wait_until(lambda: any(answer.status == 429 for answer in list(answers.values())), 4.5, "a refusal")
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    for sender in senders:
        sender.join(60)
    statuses = {answer.status for answer in answers.values()}
    assert statuses == {200, 429}, statuses
    stored = set(insert_ids(running.export()))
    for number, answer in answers.items():
        keys = {record["properties"]["$insert_id"] for record in bodies[number]}
        if answer.status == 200:
            assert keys <= stored
        else:
            assert stored.isdisjoint(keys)
            assert_too_many(answer)
    assert running.import_(bodies[0]).status == 200


def test_a_store_that_another_process_holds_is_503(server, data):
    running = server(data=data)
    lock = sqlite3.connect(data / "selfsame.sqlite", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        assert_unavailable(running.track(events(1, project=running.project)))
        assert running.read("/identity/resolve", distinct_id="user").status == 200
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    assert running.track(events(1, project=running.project)).text == "1"


@pytest.fixture
def small_disk(tmp_path):
    """A directory with room for some megabytes, and a function that makes room; None where nothing may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", place], capture_output=True)
    if mounted.returncode != 0:
        yield None
        return
    try:
        yield place, lambda: subprocess.run(["mount", "-o", "remount,size=256m", place], check=True)
    finally:
        subprocess.run(["umount", place], check=True)


def limit_file_size():
    """Makes writes past 6 MB fail in a child, rather than end it."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6 * MEGABYTE, hard))


def fill(server, randomness):
    """Imports and tracks until the store refuses. Returns the insert ids that were acknowledged, and those refused."""
    acknowledged, refused = [], []
    for number in range(400):
        records = [
            server.project.event(
                "Fill", "user", **{"time": 1_600_000_000, "$insert_id": f"f{number}-{n}"},
                **{f"p{k}": randomness.randbytes(100).hex() for k in range(40)})
            for n in range(20)
        ]
        anonymous = f"{number:08x}-0000-4000-8000-000000000000"
        records.append(server.project.identify(f"user-{number}", anonymous, **{"$insert_id": f"i{number}"}))
        keys = [record["properties"]["$insert_id"] for record in records]
        answer = server.import_(records) if number % 2 else server.track(records)
        if answer.status == 200:
            acknowledged += keys
        else:
            refused += keys
            assert_unavailable(answer)
            if len(refused) > 100:
                return acknowledged, refused
    raise AssertionError("the store never became full")


def check_full(server, acknowledged):
    """A full store still reads."""
    assert_alive(server)
    assert set(insert_ids(server.export())) == set(acknowledged)
    assert server.resolve("00000000-0000-4000-8000-000000000000") == ["user-0"]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_full_disk_loses_nothing(small_disk, server, data, end):
    place, make_room = small_disk or (data, lambda: None)
    running = server(data=place / "data", prepare=None if small_disk else limit_file_size)
    acknowledged, refused = fill(running, random.Random(1))
    assert acknowledged
    check_full(running, acknowledged)
    getattr(running, end)()
    make_room()
    again = server(data=place / "data")
    stored = set(insert_ids(again.export()))
    assert stored == set(acknowledged), "what a 503 refused is not stored, and what was acknowledged is"
    assert again.track(events(1, project=again.project)).text == "1"
    again.stop()


def test_a_server_goes_on_when_there_is_room_again(server, data):
    # The limit is taken off the running process, as an operator frees space under a running server.
    running = server(data=data, prepare=limit_file_size)
    acknowledged, _ = fill(running, random.Random(2))
    check_full(running, acknowledged)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert running.track(events(1, project=running.project)).text == "1"
    assert set(insert_ids(running.export())) == {*acknowledged, "e0"}
    running.kill()
    assert set(insert_ids(server(data=data).export())) == {*acknowledged, "e0"}


def test_a_sandbox_in_memory_has_a_limit(server):
    running = server(
        "--sandbox", "--config", FIXTURE, "--set", f"store.memoryLimitBytes={8 * MEGABYTE}", project=ORIGINAL)
    acknowledged, refused = fill(running, random.Random(3))
    check_full(running, acknowledged)
    assert running.request("POST", "/sandbox/reset").status == 200
    assert running.export() == []
    assert running.track(events(1)).text == "1"
    assert insert_ids(running.export()) == ["e0"]
