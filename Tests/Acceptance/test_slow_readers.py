"""Clients that take nothing of what is written to them: they are cut off, cost little, and keep nobody out."""

import base64
import json
import os
import signal
import socket
import ssl
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import FIXTURE, ORIGINAL, basic, wait_until
from test_tls import PREFACE, authority, place, read_frames, secure  # noqa: F401

MEGABYTE = 1 << 20
# What one connection may cost whose client sends requests and takes no answer, without and with TLS, and what is not in
# any setting (docs/operations.md).
PLAIN_BYTES, ENCRYPTED_BYTES = 256 << 10, 384 << 10
FIXED_BYTES = 192 << 20

# The most that a value keeps is 255 characters.
FILLER = {f"filler-{n}": "x" * 250 for n in range(8)}
DESCRIPTION = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def memory(server):
    for line in Path(f"/proc/{server.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the system does not tell the memory of a process")


def server_sockets(server):
    """How many sockets the server has open."""
    directory = Path(f"/proc/{server.pid}/fd")
    count = 0
    for name in os.listdir(directory):
        try:
            count += os.readlink(directory / name).startswith("socket:")
        except OSError:
            pass
    return count


def connect(server, context=None):
    """A connection whose client has little room for what it does not read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", server.port))
    return context.wrap_socket(connection, server_hostname="127.0.0.1") if context else connection


def push(connection, data):
    """Sends as much as is taken at once."""
    connection.setblocking(False)
    try:
        connection.send(data)
    except (BlockingIOError, ssl.SSLWantWriteError):
        pass


@contextmanager
def unread(server, count, data, context=None):
    """Connections that send requests and read nothing."""
    connections = []
    try:
        for _ in range(count):
            connections.append(connect(server, context))
            push(connections[-1], data)
        yield connections
    finally:
        for connection in connections:
            connection.close()


def get(path):
    credential = base64.b64encode(f"{ORIGINAL.secret}:".encode()).decode()
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {credential}\r\n\r\n".encode()


def sandbox(server, *settings):
    options = [part for setting in settings for part in ("--set", setting)]
    return server("--sandbox", "--config", FIXTURE, *options, project=ORIGINAL)


def fill(server):
    """Some megabytes of events, profiles, mappings and changes."""
    events = [
        ORIGINAL.event("Event", f"user-{n}", **{"time": 1_600_000_000, "$insert_id": f"e{n}", **FILLER})
        for n in range(2000)
    ]
    assert server.import_(events).status == 200
    merges = [ORIGINAL.merge(f"user-{n}", f"{n:04}-{'y' * 240}", **{"$insert_id": f"m{n}"}) for n in range(2000)]
    assert server.import_(merges).status == 200
    updates = [
        {"$token": ORIGINAL.token, "$distinct_id": f"user-{n}", "$set": FILLER} for n in range(1000)
    ]
    answer = server.request("POST", "/engage", json.dumps(updates), {"Content-Type": "application/json"})
    assert answer.status == 200


STREAMS = {
    "export": "/api/2.0/export?from_date=2020-01-01&to_date=2021-01-01",
    "mappings": "/identity/mappings?format=jsonl",
    "profiles": "/api/2.0/engage",
    "changes": "/identity/changes",
}


@pytest.mark.parametrize("name", STREAMS)
def test_streams_that_are_never_read_give_up_their_places(server, name):
    running = sandbox(server, "query.streamLimit=4", "query.writeTimeoutSeconds=10")
    fill(running)

    def status():
        # Of the same kind, so that it needs a place too.
        with connect(running) as connection:
            connection.sendall(get(STREAMS[name]))
            return int(connection.recv(100).split()[1])

    with unread(running, 4, get(STREAMS[name])) as connections:
        for connection in connections:
            connection.setblocking(True)
            assert connection.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 200"
        wait_until(lambda: status() == 429, what="the last place to be taken")
        wait_until(lambda: status() == 200, what="a place")


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
def test_answers_that_are_never_read_cost_little_and_end(server, secure, encrypted):  # noqa: F811
    deadline = "server.writeTimeoutSeconds=4"
    running = secure(deadline) if encrypted else sandbox(server, deadline)
    assert running.request("GET", "/openapi.json").status == 200
    before, sockets, count = memory(running), server_sockets(running), 100 if encrypted else 300
    with unread(running, count, DESCRIPTION * 2000, running.tls if encrypted else None) as connections:
        for connection in connections:
            push(connection, DESCRIPTION * 2000)
        assert running.track([ORIGINAL.event("Beside", "user")]).text == "1"
        grown = memory(running) - before
        wait_until(lambda: server_sockets(running) <= sockets + 2, 60, "the end of every connection")
    assert grown < count * (ENCRYPTED_BYTES if encrypted else PLAIN_BYTES), f"{grown / count / 1024:.0f} kB a connection"
    # What was taken is given back, but for what the server has learned and keeps.
    wait_until(lambda: memory(running) < before + 24 * MEGABYTE, 60, "the memory to be given back")


def test_a_client_that_reads_slowly_gets_its_answer(server):
    running = sandbox(server, "server.writeTimeoutSeconds=3", "query.writeTimeoutSeconds=3")
    fill(running)
    with connect(running) as connection:
        connection.sendall(get(STREAMS["export"]).replace(b"HTTP/1.1", b"HTTP/1.0"))
        received = 0
        while piece := connection.recv(4096):
            received += len(piece)
            time.sleep(0.005)
    assert received > MEGABYTE


def test_a_stream_of_http2_without_room_ends_alone(secure):  # noqa: F811
    running = secure("server.writeTimeoutSeconds=2")
    context = running.tls
    context.set_alpn_protocols(["h2"])
    no_room = bytes([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0])
    # :method GET, :scheme https, :authority 127.0.0.1, :path /openapi.json
    block = b"\x82\x87\x01\x09127.0.0.1\x04\x0d/openapi.json"
    request = len(block).to_bytes(3, "big") + bytes([1, 5, 0, 0, 0, 1]) + block
    ping = bytes([0, 0, 8, 6, 0, 0, 0, 0, 0]) + b"whenever"
    with socket.create_connection(("127.0.0.1", running.port), 30) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as stream:
            stream.sendall(PREFACE[:24] + no_room + request)
            frames = b""
            while not any(kind == 3 for kind, _ in read_frames(frames)):
                frames += stream.recv(4096)
            assert all(kind != 0 for kind, _ in read_frames(frames)), "there was no room for DATA"
            stream.sendall(ping)
            while b"whenever" not in frames:
                piece = stream.recv(4096)
                assert piece, "the connection ended with the stream"
                frames += piece


@pytest.mark.parametrize("data", [DESCRIPTION * 2000, get(STREAMS["export"])], ids=["answers", "a stream"])
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
def test_clients_that_read_nothing_do_not_hold_up_the_end(server, secure, encrypted, data):  # noqa: F811
    limit = "server.shutdownTimeoutSeconds=3"
    running = secure(limit) if encrypted else sandbox(server, limit)
    running.project = ORIGINAL
    fill(running)
    with unread(running, 20, data, running.tls if encrypted else None):
        assert running.request("GET", "/health").status == 200
        os.kill(running.pid, signal.SIGTERM)
        assert running.process.wait(3 + 15) == 0, running.error_text()


def test_bodies_at_twice_the_limit_stay_within_the_settings(server, data):
    # Half of the bodies find no room.
    settings = ["ingest.inFlightLimitBytes=33554432", "ingest.queueLimitBytes=16777216"]
    running = server(*[part for setting in settings for part in ("--set", setting)], data=data)
    body = json.dumps([
        running.project.event("Large", f"user-{n}", **{"$insert_id": f"e{n}", **{f"p{k}": "x" * 200 for k in range(25)}})
        for n in range(800)
    ]).encode()
    assert running.track(body).status == 200
    before = memory(running)
    statuses = set()
    connections = [running.connection() for _ in range(2 * (32 * MEGABYTE) // len(body) + 1)]
    for connection in connections:
        connection.connect()
        connection.sock.setblocking(True)
        connection.putrequest("POST", "/track")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
    for connection in connections:
        try:
            connection.send(body)
        except OSError:
            pass
    for connection in connections:
        try:
            statuses.add(connection.getresponse().status)
        except (OSError, ValueError):
            statuses.add(None)
        connection.close()
    assert 200 in statuses
    assert running.peak_memory() - before < (32 + 16) * MEGABYTE + FIXED_BYTES
    wait_until(lambda: memory(running) < before + FIXED_BYTES / 2, 60, "the memory to be given back")
