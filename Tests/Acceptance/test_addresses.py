"""The addresses of clients: believed from trusted proxies only, and kept nowhere."""

import json
import re

import pytest

from conftest import FIXTURE, ORIGINAL, run_command, wait_until

CLIENT = "203.0.113.77"


def addresses(server):
    return re.findall(r'client\.address="?([0-9a-f.:]+|unknown)', server.error_text())


def seen(server, forwarded_for):
    """The address that the server took a request to come from."""
    before = len(addresses(server))
    headers = {"X-Forwarded-For": forwarded_for} if forwarded_for is not None else {}
    assert server.request("GET", "/health", headers=headers).status == 200
    return wait_until(lambda: addresses(server)[before:], what="the line in the log")[0]


@pytest.fixture
def watched(server):
    def start(*proxies):
        trusted = ["--set", f"server.trustedProxies={','.join(proxies)}"] if proxies else []
        return server("--sandbox", "--config", FIXTURE, "--set", "log.level=debug", *trusted, project=ORIGINAL)

    return start


def test_the_header_is_not_believed_from_anyone(watched):
    running = watched()
    for header in (CLIENT, f"{CLIENT}, 10.0.0.1", "127.0.0.1", None):
        assert seen(running, header) == "127.0.0.1"


def test_the_header_is_believed_from_a_trusted_proxy(watched):
    running = watched("127.0.0.0/8", "10.0.0.0/8", "fd00::/8")
    for header, address in {
        CLIENT: CLIENT, f"{CLIENT}, 10.1.2.3": CLIENT, f"{CLIENT}, 10.1.2.3, fd00::7": CLIENT,
        # What a client wrote itself stands before what the proxies wrote.
        f"198.51.100.1, {CLIENT}": CLIENT, f"10.9.9.9, {CLIENT}, 10.1.2.3": CLIENT,
        f"{CLIENT}:4711": CLIENT, "[2001:db8::1]:80": "2001:db8::1", "2001:db8::1": "2001:db8::1",
        "10.1.2.3": "10.1.2.3", "nonsense": "127.0.0.1", f"{CLIENT}, nonsense, 10.1.2.3": "10.1.2.3", "": "127.0.0.1",
    }.items():
        assert seen(running, header) == address, header


def test_a_proxy_that_is_not_named_is_not_believed(watched):
    running = watched("10.0.0.0/8", "127.0.0.2", "::1")
    assert seen(running, CLIENT) == "127.0.0.1"


@pytest.mark.parametrize("text", ["localhost", "10.0.0.0/33", "10.0.0/8", "::1/129", "10.0.0.1/", "/8"])
def test_what_is_no_address_stops_the_start(text):
    done = run_command("serve", "--sandbox", "--port", "0", "--set", f"server.trustedProxies={text}")
    assert done.returncode != 0 and "server.trustedProxies" in done.stderr


def test_no_address_reaches_the_store(server, data):
    running = server(
        "--set", "server.trustedProxies=127.0.0.1", "--set", "log.level=debug", data=data)
    records = [running.project.event("Event", "user")]
    forwarded = {"X-Forwarded-For": CLIENT}
    for query in ({}, {"ip": 1}, {"ip": 0}, {"verbose": 1, "ip": 1}):
        assert running.track(records, query, forwarded).status == 200
        assert running.import_(records, {"strict": 0, **query}, forwarded).status == 200
    update = json.dumps([{"$token": running.project.token, "$distinct_id": "user", "$set": {"a": 1}}])
    answer = running.request("POST", "/engage?ip=1", update, {"Content-Type": "application/json", **forwarded})
    assert answer.status == 200
    assert CLIENT in addresses(running)
    assert len(running.export()) > 0
    for path in data.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert CLIENT.encode() not in content and b"127.0.0.1" not in content, path
            assert bytes([203, 0, 113, 77]) not in content, path
