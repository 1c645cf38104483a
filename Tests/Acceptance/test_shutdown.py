"""SIGTERM: what is answered is stored, what is not answered is not half answered, and the server ends in time."""

import json
import os
import random
import signal
import socket
import threading
import time

import pytest
from conftest import insert_ids, new_anonymous_id, wait_until

LIMIT = 10


def read_answer(connection):
    """Reads one HTTP answer: its status, or None where the connection ended before the first byte of one."""
    received = b""
    while True:
        head, end, body = received.partition(b"\r\n\r\n")
        if end:
            lines = head.decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:])
            if len(body) >= int(headers["content-length"]):
                return int(lines[0].split()[1])
        try:
            piece = connection.recv(65536)
        except ConnectionError:
            piece = b""
        if not piece:
            assert not received, f"half an answer: {received!r}"
            return None
        received += piece


def post(path, body):
    return (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


class Sender(threading.Thread):
    def __init__(self, server, name):
        super().__init__(daemon=True)
        self.server = server
        self.name = name
        self.acknowledged, self.refused, self.unanswered, self.fault = [], [], [], None

    def run(self):
        try:
            with socket.create_connection(("127.0.0.1", self.server.port), 60) as connection:
                number = 0
                while self.send(connection, number):
                    number += 1
        except Exception as error:
            self.fault = error

    def send(self, connection, number):
        project = self.server.project
        keys = [f"{self.name}-{number}-{n}" for n in range(random.choice([1, 1, 10]))]
        records = [project.event("Clicked", "user", **{"$insert_id": key}) for key in keys[1:]]
        records.append(project.identify(f"user-{keys[0]}", new_anonymous_id(), **{"$insert_id": keys[0]}))
        try:
            connection.sendall(post("/track", json.dumps(records).encode()))
        except ConnectionError:
            status = None
        else:
            status = read_answer(connection)
        {200: self.acknowledged, None: self.unanswered}.get(status, self.refused).append(keys)
        return status is not None


def test_sigterm_under_load(server, data):
    running = server("--set", f"server.shutdownTimeoutSeconds={LIMIT}", data=data)
    senders = [Sender(running, f"c{number}") for number in range(16)]
    for sender in senders:
        sender.start()
    wait_until(lambda: sum(len(sender.acknowledged) for sender in senders) > 200, 60, "load")
    began = time.monotonic()
    running.stop(timeout=LIMIT + 20)
    took = time.monotonic() - began
    for sender in senders:
        sender.join(60)
        assert not sender.is_alive() and sender.fault is None, sender.fault
    assert took < LIMIT + 5, f"the server took {took:.1f} s to end"

    again = server(data=data)
    stored = set(insert_ids(again.export()))
    for sender in senders:
        for keys in sender.acknowledged:
            assert stored.issuperset(keys), f"acknowledged and lost: {keys}"
        for keys in sender.refused:
            assert stored.isdisjoint(keys), f"refused and stored: {keys}"
        for keys in sender.unanswered:
            assert stored.isdisjoint(keys) or stored.issuperset(keys), f"stored in part: {keys}"


def test_idle_connections_do_not_hold_up_the_end(server, data):
    running = server("--set", f"server.shutdownTimeoutSeconds={LIMIT}", data=data)
    silent = [socket.create_connection(("127.0.0.1", running.port), 30) for _ in range(3)]
    used = socket.create_connection(("127.0.0.1", running.port), 30)
    used.sendall(post("/track", json.dumps([running.project.event("Clicked", "user")]).encode()))
    assert read_answer(used) == 200
    began = time.monotonic()
    running.stop(timeout=LIMIT + 20)
    assert time.monotonic() - began < LIMIT / 2
    for connection in [*silent, used]:
        assert read_answer(connection) is None
        connection.close()


def test_a_request_that_has_begun_is_finished(server, data):
    running = server("--set", f"server.shutdownTimeoutSeconds={LIMIT}", data=data)
    body = json.dumps([running.project.event("Clicked", "user", **{"$insert_id": "late"})]).encode()
    request = post("/track", body)
    with socket.create_connection(("127.0.0.1", running.port), 30) as connection:
        connection.sendall(request[:-20])
        # An answer to another request shows that the server has come so far as to read this one.
        assert running.request("GET", "/health").status == 200
        os.kill(running.pid, signal.SIGTERM)
        with pytest.raises(OSError):
            wait_until(lambda: socket.create_connection(("127.0.0.1", running.port), 5).close(), LIMIT)
        try:
            connection.sendall(request[-20:])
            status = read_answer(connection)
        except ConnectionError:
            status = None
    running.stop(timeout=LIMIT + 20)
    stored = insert_ids(server(data=data).export())
    assert stored == (["late"] if status == 200 else [])


def test_a_request_that_never_ends_does_not_hold_up_the_end(server, data):
    limit = 3
    running = server("--set", f"server.shutdownTimeoutSeconds={limit}", data=data)
    with socket.create_connection(("127.0.0.1", running.port), 60) as connection:
        connection.sendall(post("/track", b"x" * 1000)[:-500])
        assert running.request("GET", "/health").status == 200
        began = time.monotonic()
        running.stop(timeout=limit + 15)
        took = time.monotonic() - began
    assert took < limit + 5, f"server.shutdownTimeoutSeconds is {limit}, and the server took {took:.1f} s to end"
