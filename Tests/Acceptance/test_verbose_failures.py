"""What `verbose=1` makes of failures: `status` is a number in every answer of a client endpoint (P 4.2-3)."""

import gzip
import json
import select
import socket
import sqlite3
import urllib.parse

import pytest

from conftest import FIXTURE, ORIGINAL, wait_until

CLIENT_PATHS = ("/track", "/engage", "/groups")
VERBOSE = {"verbose": 1}
LIMIT = 5000


@pytest.fixture
def running(server):
    return server("--sandbox", "--config", FIXTURE, "--set", f"ingest.bodySizeLimitBytes={LIMIT}", project=ORIGINAL)


def assert_number(answer, status):
    """A failure that Go's SDK, which decodes `status` as an integer, can read."""
    assert answer.status == status, answer
    assert answer.headers["content-type"].startswith("application/json")
    assert set(answer.json) == {"code", "error", "status"}
    assert (answer.json["code"], answer.json["status"]) == (status, 0)
    assert type(answer.json["status"]) is int
    assert isinstance(answer.json["error"], str) and answer.json["error"]


def assert_text(answer, status):
    assert answer.status == status, answer
    assert isinstance(answer.json["status"], str), answer


@pytest.mark.parametrize("path", CLIENT_PATHS)
def test_a_body_over_the_limit(running, path):
    headers = {"Content-Type": "application/json"}
    for query in (VERBOSE, {"verbose": "true"}):
        answer = running.request("POST", path, b" " * (LIMIT + 1), headers, query)
        assert_number(answer, 413)
        assert answer.json["error"] == f"request exceeds max limit of {LIMIT} bytes"
    assert_number(running.request("POST", f"/{path}/", b" " * (LIMIT + 1), headers, VERBOSE), 413)
    packed = {**headers, "Content-Encoding": "gzip"}
    assert_number(running.request("POST", path, gzip.compress(b" " * (LIMIT + 1)), packed, VERBOSE), 413)
    for query in ({}, {"verbose": 0}, {"verbose": 1, "strict": 1}):
        assert_text(running.request("POST", path, b" " * (LIMIT + 1), headers, query), 413)
    origin = {**headers, "Origin": "https://shop.example"}
    answer = running.request("POST", path, b" " * (LIMIT + 1), origin, VERBOSE)
    assert_number(answer, 413)
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"


def test_a_client_that_asks_before_it_sends(running):
    with socket.create_connection(("127.0.0.1", running.port), 30) as client:
        client.sendall(
            b"POST /track?verbose=1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Content-Length: 999999\r\nExpect: 100-continue\r\n\r\n")
        answer = client.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 413") and answer.endswith(b'","status":0}'), answer


def form(records, **options):
    return urllib.parse.urlencode({"data": json.dumps(records), **options}).encode()


@pytest.mark.parametrize(("setting", "status"), [("429", 429), ("503", 503)])
def test_a_rate_that_is_exceeded(server, setting, status):
    running = server(
        "--sandbox", "--config", FIXTURE, "--set", "ingest.rateLimit.eventsPerMinute=60", "--set",
        "ingest.rateLimit.burstSeconds=1", "--set", f"ingest.overloadStatus={setting}", project=ORIGINAL)
    event = ORIGINAL.event("e", "u")
    update = {"$token": ORIGINAL.token, "$distinct_id": "u", "$set": {"a": 1}}
    group = {"$token": ORIGINAL.token, "$group_key": "k", "$group_id": "g", "$set": {"a": 1}}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert running.track([event]).text == "1"
    for path, record in zip(CLIENT_PATHS, (event, update, group)):
        assert_number(running.request("POST", path, form([record]), headers, VERBOSE), status)
        # Python and Ruby say it in the body.
        answer = running.request("POST", path, form([record], verbose=1), headers)
        assert_number(answer, status)
        assert answer.headers["retry-after"].isdigit()
        assert_text(running.request("POST", path, form([record]), headers), status)
        assert_text(running.request("POST", path, form([record], verbose=1), headers, {"verbose": 0}), status)
    assert_text(running.import_([event], {"verbose": 1}), 429)


def test_a_store_that_cannot_write(server, data):
    running = server(data=data)
    event = running.project.event("e", "u")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert running.track([event]).text == "1"
    lock = sqlite3.connect(data / "selfsame.sqlite", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        # Whatever the server does before it gives up: it is waited for.
        assert_number(running.request("POST", "/track", form([event], verbose=1), headers, timeout=120), 503)
        assert_text(running.request("POST", "/track", form([event]), headers, timeout=120), 503)
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    assert running.track([event], VERBOSE).json == {"error": None, "status": 1}


def test_a_body_that_does_not_come_in_time(server):
    running = server(
        "--sandbox", "--config", FIXTURE, "--set", "server.bodyTimeoutSeconds=1", project=ORIGINAL)
    with socket.create_connection(("127.0.0.1", running.port), 30) as slow:
        slow.sendall(
            b"POST /track?verbose=1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100000\r\n\r\n")

        def answered():
            if select.select([slow], [], [], 0.05)[0]:
                return slow.recv(10_000)
            slow.sendall(b" ")
            return None

        answer = wait_until(answered, what="an answer to a slow body")
    assert answer.startswith(b"HTTP/1.1 408") and answer.endswith(b'","status":0}'), answer


def test_what_is_not_allowed(running, server, tmp_path):
    assert_number(running.request("PUT", "/track", b"[]", query=VERBOSE), 405)
    assert_text(running.request("PUT", "/track", b"[]"), 405)
    file = tmp_path / "regions.yaml"
    file.write_text(
        "server:\n  regionHosts:\n    us: api.example.com\nprojects:\n"
        f"  - {{id: 1, token: {ORIGINAL.token}, secret: {ORIGINAL.secret}, region: us}}\n")
    regional = server("--sandbox", "--config", file, "--region", "eu", project=ORIGINAL)
    event = ORIGINAL.event("e", "u")
    assert_number(regional.track([event], VERBOSE), 403)
    assert regional.track([event]).json["status"] == "error"
