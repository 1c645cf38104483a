"""Requests that are none, or that two readers could take for different ones; hosts, sizes of heads, and links."""

import json
import os
import signal
import socket
import ssl
import urllib.parse

import pytest
from conftest import FIXTURE, ORIGINAL, basic, insert_ids, run_command, servers, strict_json, wait_until
from test_http import Wire
from test_tls import PREFACE, authority, curl, place, secure  # noqa: F401

KILOBYTE = 1024


@pytest.fixture(scope="module")
def running():
    with servers() as start:
        yield start("--sandbox", "--config", FIXTURE, project=ORIGINAL)


def refused(server, request, *statuses):
    """Sends bytes, and expects an answer with a body that closes the connection."""
    with Wire(server, 30) as wire:
        try:
            wire.send(request)
        except ConnectionError:
            pass
        line, headers, body = wire.answer()
        status = int(line.split()[1])
        assert status in statuses, (line, body)
        assert headers["connection"] == "close" and headers["content-type"] == "application/json"
        answer = strict_json(body)
        assert answer["status"] == "error" and answer["error"]
        assert body.endswith(b"}\n"), "a prompt stands behind it"
        assert wire.rest() == b"", "something was answered after the last answer"
    return answer["error"]


HEALTH = b"GET /health HTTP/1.1\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("head", [
    b"", b"Host: a\r\nHost: a\r\n", b"Host: a\r\nhost: b\r\n", b"Host:\r\n", b"Host: \r\n",
], ids=["none", "two", "two that differ", "empty", "blank"])
def test_a_request_has_one_host(running, head):
    refused(running, HEALTH + head + b"\r\n", 400)


def test_a_path_that_nothing_answers_is_told_on_a_line(running):
    for method, path in (("GET", "/nothing"), ("POST", "/nothing/here")):
        answer = running.request(method, path)
        assert answer.status == 404 and strict_json(answer.text)["error"], answer
        assert answer.text.endswith("}\n") and answer.text.count("\n") == 1, answer


def test_http_1_0_needs_no_host(running):
    with Wire(running) as wire:
        wire.send(b"GET /health HTTP/1.0\r\n\r\n")
        assert wire.head()[0] == "HTTP/1.0 200 OK"


BAD_HOSTS = [
    "[::1].evil.example", "[::1]evil", "[::1", "::1", "[::1]]", "[localhost]", "[127.0.0.1]", "[::1]:80:80", "api.example.com.",
    "localhost.", ".localhost", "a..b", "127.0.0.1:80:80", "localhost:80:80", "localhost:", "localhost:x", "localhost:-1",
    "localhost:99999", "localhost:80@evil", "evil@localhost", "localhost/", "localhost,evil", "local host", "localhost#",
    "localhost%00", "a" * 256,
]


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_what_is_no_host_is_refused(running, host):
    refused(running, HEALTH + f"Host: {host}\r\n\r\n".encode(), 400)


@pytest.mark.parametrize("host", [
    "localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:443", "api.example.com:65535", "my_host",
    "a-b.c", "[2001:DB8::1]"])
def test_what_is_a_host_is_taken(running, host):
    with Wire(running) as wire:
        wire.send(HEALTH + f"Host: {host}\r\n\r\n".encode())
        assert wire.answer()[0] == "HTTP/1.1 200 OK"


@pytest.mark.parametrize("host", ["[::1].evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost."])
def test_no_other_host_may_empty_the_sandbox(running, host):
    with Wire(running) as wire:
        wire.send(f"POST /sandbox/reset HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n".encode())
        assert wire.head()[0].split()[1] in ("400", "403")


@pytest.mark.parametrize("host", ["us.example.com.", "us.example.com:80:80"])
def test_no_spelling_of_a_host_goes_round_its_region(server, data, host):
    running = server("--region", "eu", "--region", "us", "--set", "server.regionHosts=us=us.example.com", data=data)
    body = json.dumps([running.project.event("E", "user")]).encode()
    refused(running, b"POST /track HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n" % (host.encode(), len(body)) + body,
            400)
    assert running.export() == []


POST = b"POST /track HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
SMUGGLED = b"0\r\n\r\n" + HIDDEN


@pytest.mark.parametrize("head", [
    b"Transfer-Encoding:\r\n", b"Transfer-Encoding: \r\nContent-Length: 5\r\n", b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: chunked, identity\r\n",
    b"Transfer-Encoding: chunked, chunked\r\n", b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding: chunked;q=1\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n", b"Transfer-Encoding: \"chunked\"\r\n", b"Transfer-Encoding:\r\n chunked\r\n",
    b"X: y\r\n Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\nContent-Length: 5\r\n", b"Content-Length: 5, 5\r\n", b"Content-Length: 5\r\nContent-Length: 6\r\n",
    b"Content-Length: +5\r\n", b"Content-Length: -5\r\n", b"Content-Length: 0x5\r\n", b"Content-Length: 5 5\r\n",
    b"Content-Length:\r\n", b"Content-Length: 5.0\r\n", b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length : 5\r\n", b"X\r\nContent-Length: 5\r\n", b": y\r\n", b"X: a\0b\r\n", b"X: a\rb\r\n",
], ids=lambda head: head.decode("latin-1").replace("\r\n", "|").strip("|"))
def test_bodies_whose_end_is_unclear_are_refused(running, head):
    refused(running, POST + head + b"\r\n" + SMUGGLED, 400)


@pytest.mark.parametrize("body", [
    b"zz\r\nabc\r\n", b"0x5\r\nabcde\r\n", b"+5\r\nabcde\r\n", b"-1\r\n", b"5\r\nabcdeX\r\n", b"ffffffffffffffffff\r\nabc",
], ids=lambda body: body.decode().replace("\r\n", "|"))
def test_chunks_that_cannot_be_read_are_refused(running, body):
    refused(running, POST + b"Transfer-Encoding: chunked\r\n\r\n" + body + b"\r\n0\r\n\r\n" + HIDDEN, 400)


def test_http_1_0_has_no_chunks(running):
    refused(running, POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n" + SMUGGLED, 400)


@pytest.mark.parametrize("request_line", [
    b"GET\r\n", b"GET /\r\n", b"GET / HTTP/9.9\r\n", b"GET / HTTP/2.0\r\n", b"get / HTTP/1.1\r\n", b"\x16\x03\x01\x02\r\n",
    b"GET /a b HTTP/1.1\r\n", b"NOTHING / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n",
], ids=repr)
def test_what_is_no_request_line_is_refused(running, request_line):
    refused(running, request_line + b"Host: a\r\n\r\n", 400)


def test_a_request_behind_a_good_one_is_refused_after_its_answer(running):
    with Wire(running) as wire:
        wire.send(HEALTH + b"Host: a\r\n\r\n" + HEALTH + b"\r\n" + HIDDEN)
        assert wire.answer()[0] == "HTTP/1.1 200 OK"
        assert wire.answer()[0].startswith("HTTP/1.1 400")
        assert wire.rest() == b""


def test_an_upgrade_is_not_taken_up_and_ends_the_connection(running):
    with Wire(running) as wire:
        wire.send(HEALTH + b"Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")
        status, headers, _ = wire.answer()
        assert status == "HTTP/1.1 200 OK" and headers["connection"] == "close"
        assert wire.rest() == b""


def test_many_requests_at_once_are_answered_in_order(running):
    with Wire(running, 60) as wire:
        wire.send(b"".join(
            f"GET /identity/resolve?distinct_id=u{n} HTTP/1.1\r\nHost: a\r\nAuthorization: "
            f"{basic(ORIGINAL.secret)['Authorization']}\r\n\r\n".encode() for n in range(500)))
        for number in range(500):
            status, _, body = wire.answer()
            assert status == "HTTP/1.1 200 OK"
            assert strict_json(body)["results"][0]["distinct_id"] == f"u{number}"


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_of_requests_at_once_stay_apart(server, chunked):
    running = server("--sandbox", "--config", FIXTURE, project=ORIGINAL)
    bodies = [
        json.dumps([ORIGINAL.event("E", "user", **{"time": 1_600_000_000, "$insert_id": f"e{n}", "x": "\n\r\n" * (n % 50)})])
        .encode().replace(b"[", b"[\r\n\r\n", 1) for n in range(200)]
    data = b""
    for body in bodies:
        if chunked:
            half = len(body) // 2
            data += POST + b"Transfer-Encoding: chunked\r\n\r\n"
            data += b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:])) + b"0\r\n\r\n"
        else:
            data += POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with Wire(running, 60) as wire:
        wire.send(data)
        for _ in bodies:
            status, _, body = wire.answer()
            assert (status, body) == ("HTTP/1.1 200 OK", b"1")
    assert sorted(insert_ids(running.export())) == sorted(f"e{n}" for n in range(200))


def long_get(size, key):
    """A request for /track whose request line has about the given size, as mixpanel-node sends events."""
    event = ORIGINAL.event("Long", "user", **{"time": 1_600_000_000, "$insert_id": key})
    frame = len("/track?data=" + urllib.parse.quote(json.dumps([event])))
    count = (size - frame) // 275
    event["properties"].update({f"p{n:05}": "x" * 245 for n in range(count)})
    return "/track?data=" + urllib.parse.quote(json.dumps([event]))


def test_a_request_line_of_64_kilobytes_is_taken(running):
    target = long_get(64 * KILOBYTE, "long-line")
    assert 60 * KILOBYTE < len(target) < 96 * KILOBYTE
    answer = running.request("GET", target)
    assert (answer.status, answer.text) == (200, "1")
    assert "long-line" in insert_ids(running.export())


@pytest.mark.parametrize("size", [97, 200, 2000])
def test_a_request_line_over_the_limit_is_414(running, size):
    target = b"/track?data=" + b"x" * (size * KILOBYTE)
    error = refused(running, b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414)
    assert "server.headSizeLimitBytes" in error
    # Without an end, too.
    refused(running, b"GET " + target, 414)


@pytest.mark.parametrize("head", [
    b"X: " + b"x" * (100 * KILOBYTE) + b"\r\n", b"".join(b"X%d: %s\r\n" % (n, b"x" * 1000) for n in range(100)),
    b"".join(b"X%d: x\r\n" % n for n in range(2000)), b"X: " + b"x" * (3000 * KILOBYTE) + b"\r\n",
], ids=["one header", "many long ones", "many short ones", "megabytes"])
def test_headers_over_the_limit_are_431(running, head):
    refused(running, HEALTH + b"Host: a\r\n" + head + b"\r\n", 431)


def test_the_limit_of_heads_is_a_setting(server):
    running = server("--sandbox", "--config", FIXTURE, "--set", "server.headSizeLimitBytes=8192", project=ORIGINAL)
    refused(running, b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414)
    refused(running, HEALTH + b"Host: a\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431)
    assert running.request("GET", "/health?" + "x" * 8000).status == 200


def number(value, prefix):
    """A number as HPACK writes it, after the bits that the prefix leaves."""
    if value < 1 << prefix:
        return bytes([value])
    value -= (1 << prefix) - 1
    rest = bytes([(1 << prefix) - 1])
    while value >= 128:
        rest, value = rest + bytes([value & 127 | 128]), value >> 7
    return rest + bytes([value])


def literal(name, value):
    """A header of HPACK that is in no table; a name may be a number of the static table."""
    text = number(len(value), 7) + value
    if isinstance(name, int):
        return bytes([name]) + text
    return b"\0" + number(len(name), 7) + name + text


def first_answer(server, path, *headers):
    """What the first request on a connection of HTTP/2 is answered with, sent before the server's settings are known."""
    block = b"\x82\x87" + literal(1, b"127.0.0.1") + literal(4, path) + b"".join(literal(*header) for header in headers)
    parts = [block[start:start + 16384] for start in range(0, len(block), 16384)]
    request = b"".join(
        len(part).to_bytes(3, "big") + bytes([9 if index else 1, (0 if index else 1) | (4 if part is parts[-1] else 0)])
        + (1).to_bytes(4, "big") + part
        for index, part in enumerate(parts))
    context = ssl.create_default_context(cafile=server.tls_authority)
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", server.port), 30) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as stream:
            stream.sendall(PREFACE + request)
            received, body = b"", b""
            while True:
                frames = list(whole_frames(received))
                body = b"".join(content for kind, _, number, content in frames if kind == 0 and number == 1)
                if any(kind in (0, 1) and flags & 1 and number == 1 for kind, flags, number, _ in frames):
                    return body
                assert not any(kind in (3, 7) for kind, *_ in frames), "the stream or the connection was given up"
                piece = stream.recv(65536)
                assert piece, received
                received += piece


def whole_frames(data):
    while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
        size = int.from_bytes(data[:3], "big")
        yield data[3], data[4], int.from_bytes(data[5:9], "big"), data[9:9 + size]
        data = data[9 + size:]


def test_the_limits_of_heads_over_http2(secure, authority):  # noqa: F811
    running = secure()
    running.tls_authority = authority / "ca.pem"
    assert first_answer(running, long_get(64 * KILOBYTE, "over-http2").encode()) == b"1"
    assert b"ok" in first_answer(running, b"/health", (b"x-long", b"x" * (64 * KILOBYTE)))
    for size in (97, 300):
        long = b"x" * (size * KILOBYTE)
        assert b"path and query are longer" in first_answer(running, b"/track?data=" + long)
        assert b"headers are longer" in first_answer(running, b"/health", (b"x-long", long))


@pytest.mark.parametrize("host", ["[::1].evil.example", "api.example.com.", "127.0.0.1:80:80"])
def test_what_is_no_host_is_refused_over_http2(secure, authority, host):  # noqa: F811
    version, status, body = curl(secure(), authority, "/health", "--http2", "-H", f"Host: {host}")
    assert (version, status) == ("2", 400) and strict_json(body)["error"]


def test_a_hangup_without_tls_is_harmless(server, data):
    running = server(data=data)
    for _ in range(3):
        os.kill(running.pid, signal.SIGHUP)
    wait_until(lambda: "SIGHUP" in running.error_text(), what="the line in the log")
    assert running.track([running.project.event("E", "user")]).text == "1"
    running.stop()


def link(server, headers=None):
    """The link to the file of a retrieval, as an answer has it."""
    path, token = "/api/app/data-retrievals/v3.0/", {"token": server.project.token}
    own = {**basic(server.project.secret), **(headers or {})}
    answer = server.request("POST", path, json.dumps({"distinct_ids": ["user"]}), own, token)
    assert answer.status == 201, answer
    task = answer.json["results"][0]["tracking_id"]
    return wait_until(
        lambda: server.request("GET", f"{path}{task}/", headers=own, query=token).json["results"]["result"],
        what="the end of a retrieval")


@pytest.mark.parametrize(("settings", "headers", "expected"), [
    ([], {}, "http://127.0.0.1:{port}/api"),
    ([], {"X-Forwarded-Proto": "https"}, "http://127.0.0.1:{port}/api"),
    ([], {"Host": "id.example.com"}, "http://id.example.com/api"),
    (["server.trustedProxies=127.0.0.1"], {"X-Forwarded-Proto": "https", "Host": "id.example.com"}, "https://id.example.com/api"),
    (["server.trustedProxies=127.0.0.1"], {"X-Forwarded-Proto": "HTTPS, http", "Host": "id.example.com"},
     "https://id.example.com/api"),
    (["server.trustedProxies=127.0.0.1"], {"X-Forwarded-Proto": "javascript"}, "http://127.0.0.1:{port}/api"),
    (["server.trustedProxies=10.0.0.1"], {"X-Forwarded-Proto": "https"}, "http://127.0.0.1:{port}/api"),
    (["server.publicURL=https://id.example.com"], {"X-Forwarded-Proto": "http", "Host": "other"}, "https://id.example.com/api"),
    (["server.publicURL=https://id.example.com:8443/in/"], {}, "https://id.example.com:8443/in/api"),
])
def test_links_lead_to_where_the_server_is_reached(server, data, settings, headers, expected):
    running = server(*[part for setting in settings for part in ("--set", setting)], data=data)
    assert running.track([running.project.event("E", "user")]).text == "1"
    assert link(running, headers).startswith(expected.replace("{port}", str(running.port)) + "/app/")


@pytest.mark.parametrize("url", ["id.example.com", "ftp://id.example.com", "https://", "https://a b", "https://a/?x=1", "https://a.:1"])
def test_a_public_address_that_is_none_stops_the_start(url):
    done = run_command("serve", "--sandbox", "--port", "0", "--set", f"server.publicURL={url}")
    assert done.returncode != 0 and "server.publicURL" in done.stderr
