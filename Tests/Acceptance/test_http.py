"""What HTTP itself asks for: versions, closing, `Expect: 100-continue`, methods."""

import gzip
import json
import socket
import time

import pytest

from conftest import FIXTURE, ORIGINAL, basic, insert_ids

MEGABYTE = 1 << 20


@pytest.fixture
def running(server):
    return server("--sandbox", "--config", FIXTURE, project=ORIGINAL)


class Wire:
    """One connection, byte for byte."""

    def __init__(self, server, timeout=10):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout)
        self.stream = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def send(self, text):
        self.socket.sendall(text)

    def head(self):
        """The status line and the headers of an answer."""
        status = self.stream.readline().decode().rstrip("\r\n")
        headers = {}
        while line := self.stream.readline().decode().rstrip("\r\n"):
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    def answer(self):
        status, headers = self.head()
        return status, headers, self.stream.read(int(headers["content-length"]))

    def rest(self):
        """All that comes until the server closes."""
        return self.stream.read()


def records(number=1, size=0):
    return json.dumps([
        ORIGINAL.event("Event", "user", **{"time": 1_600_000_000, "$insert_id": f"e{n}", "filler": "x" * size})
        for n in range(number)
    ]).encode()


def post(body, *headers, version="1.1", length=None):
    lines = [f"POST /track HTTP/{version}", "Host: 127.0.0.1", "Content-Type: application/json",
             f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def test_http_1_0_closes_after_the_answer(running):
    with Wire(running) as wire:
        body = records()
        wire.send(post(body, version="1.0") + body)
        status, headers, answer = wire.answer()
        assert status == "HTTP/1.0 200 OK" and headers["connection"] == "close" and answer == b"1"
        assert wire.rest() == b""


def test_http_1_0_stays_open_where_it_asks_to(running):
    with Wire(running) as wire:
        for _ in range(3):
            body = records()
            wire.send(post(body, "Connection: keep-alive", version="1.0") + body)
            status, headers, answer = wire.answer()
            assert status == "HTTP/1.0 200 OK" and headers["connection"] == "keep-alive" and answer == b"1"


@pytest.mark.parametrize("wish", ["Connection: keep-alive", "X: y"])
def test_http_1_0_gets_no_chunks(running, wish):
    running.track(records(3))
    with Wire(running) as wire:
        credential = basic(ORIGINAL.secret)["Authorization"]
        wire.send(f"GET /api/2.0/export?from_date=2020-01-01&to_date=2021-01-01 HTTP/1.0\r\n"
                  f"Authorization: {credential}\r\n{wish}\r\n\r\n".encode())
        status, headers = wire.head()
        assert status == "HTTP/1.0 200 OK" and headers["connection"] == "close"
        assert "transfer-encoding" not in headers
        rows = [json.loads(line) for line in wire.rest().decode().splitlines()]
    assert sorted(insert_ids(rows)) == ["e0", "e1", "e2"]


@pytest.mark.parametrize("word", ["close", "Close", "CLOSE"])
def test_a_client_that_asks_to_close_is_closed(running, word):
    with Wire(running) as wire:
        body = records()
        wire.send(post(body, f"Connection: {word}") + body)
        assert wire.answer()[0] == "HTTP/1.1 200 OK"
        assert wire.rest() == b""


def test_a_waiting_client_is_told_to_go_on(running):
    body = records(1, 10_000)
    with Wire(running) as wire:
        for _ in range(2):
            wire.send(post(body, "Expect: 100-continue"))
            began = time.monotonic()
            assert wire.head() == ("HTTP/1.1 100 Continue", {})
            assert time.monotonic() - began < 0.9, "curl waits a second for this"
            wire.send(body)
            status, _, answer = wire.answer()
            assert (status, answer) == ("HTTP/1.1 200 OK", b"1")


def test_the_word_to_go_on_waits_for_the_answer_before_it(running):
    body = records()
    with Wire(running) as wire:
        wire.send(post(body) + body + post(body, "Expect: 100-continue"))
        assert wire.answer()[0] == "HTTP/1.1 200 OK"
        assert wire.head()[0] == "HTTP/1.1 100 Continue"
        wire.send(body)
        assert wire.answer()[0] == "HTTP/1.1 200 OK"


def test_a_waiting_client_with_too_much_is_refused_before_it_sends(running):
    with Wire(running) as wire:
        wire.send(post(b"", "Expect: 100-continue", length=200 * MEGABYTE))
        status, headers, _ = wire.answer()
        assert status.startswith("HTTP/1.1 413") and headers["connection"] == "close"
        assert wire.rest() == b""


def test_nothing_is_taken_after_an_answer_that_closes(server):
    running = server(
        "--sandbox", "--config", FIXTURE, "--set", "ingest.bodySizeLimitBytes=2000", project=ORIGINAL)
    large, small = records(1, 5000), records()
    with Wire(running) as wire:
        wire.send(post(large) + large + post(small) + small)
        status, headers, _ = wire.answer()
        assert status.startswith("HTTP/1.1 413") and headers["connection"] == "close"
        assert wire.rest() == b""
    assert running.export() == []


ALLOWED = {
    "/track": {"GET", "HEAD", "POST", "OPTIONS"}, "/import": {"GET", "HEAD", "POST", "OPTIONS"},
    "/identity/resolve": {"GET", "HEAD", "POST", "OPTIONS"}, "/identity/cluster": {"GET", "HEAD", "OPTIONS"},
    "/identity/log": {"GET", "HEAD", "POST", "OPTIONS"}, "/api/2.0/export": {"GET", "HEAD", "OPTIONS"},
    "/health": {"GET", "HEAD", "OPTIONS"}, "/sandbox/reset": {"POST", "OPTIONS"}, "/sandbox/clock": {"GET", "HEAD", "PUT", "OPTIONS"},
}


@pytest.mark.parametrize("path", ALLOWED)
def test_a_method_that_is_not_allowed_learns_which_are(running, path):
    answer = running.request("DELETE", path)
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == ALLOWED[path]
    for method in ALLOWED[path]:
        assert running.request(method, path).status != 405, method


def test_resolve_takes_a_compressed_body(running):
    def resolve(body, encoding):
        return running.request("POST", "/identity/resolve", body, {
            **basic(ORIGINAL.secret), "Content-Type": "application/json", "Content-Encoding": encoding})

    plain = json.dumps({"distinct_ids": ["a", "b"]}).encode()
    answer = resolve(gzip.compress(plain), "gzip")
    assert answer.status == 200, answer
    assert [result["distinct_id"] for result in answer.json["results"]] == ["a", "b"]
    assert resolve(b"not gzip", "gzip").status == 400
    assert resolve(plain, "br").status == 400
    assert resolve(gzip.compress(b" " * (11 * MEGABYTE)), "gzip").status == 413
