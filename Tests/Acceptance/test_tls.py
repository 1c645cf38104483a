"""TLS: certificates, HTTP/2 and HTTP/1.1, reloading, and the limits on connections that are encrypted."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import closing

import pytest

from conftest import (
    ENVIRONMENT, FIXTURE, ORIGINAL, basic, command, insert_ids, run_command, strict_json, wait_until)

MEGABYTE = 1 << 20


def openssl(*arguments, cwd):
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


def issue(directory, name):
    """A certificate of the directory's authority for 127.0.0.1, with its chain, and its key."""
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.csr", "-subj", f"/CN={name}", cwd=directory)
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-out", f"{name}.crt", "-extfile", "names", cwd=directory)
    chain = directory / f"{name}.pem"
    chain.write_text((directory / f"{name}.crt").read_text() + (directory / "ca.pem").read_text())
    return chain, directory / f"{name}.key"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key",
            "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority", cwd=directory)
    return directory


@pytest.fixture
def place(authority, tmp_path):
    """Where the server reads its certificate: files that a test may replace."""
    install(tmp_path, *issue(authority, "first"))
    return tmp_path


def install(place, chain, key):
    """Puts a certificate in place as tools that renew them do."""
    for source, name in ((chain, "cert.pem"), (key, "key.pem")):
        (place / f"{name}.new").write_bytes(source.read_bytes())
        os.replace(place / f"{name}.new", place / name)


@pytest.fixture
def secure(server, authority, place):
    def start(*settings):
        options = [part for setting in settings for part in ("--set", setting)]
        return server(
            "--sandbox", "--config", FIXTURE, "--tls-cert", place / "cert.pem", "--tls-key", place / "key.pem",
            *options, project=ORIGINAL, tls=ssl.create_default_context(cafile=authority / "ca.pem"))

    return start


def curl(server, authority, path, *options):
    """The version of HTTP, the status and the body."""
    done = subprocess.run(
        ["curl", "-sS", "--cacert", authority / "ca.pem", "--max-time", "60", "-w", "\n%{http_version} %{http_code}",
         *options, server.url + path], capture_output=True, text=True)
    assert done.returncode == 0, done
    body, _, told = done.stdout.rpartition("\n")
    version, status = told.split()
    return version, int(status), body


def peer_name(server):
    """The name in the certificate that a new connection is shown."""
    with closing(server.connection()) as connection:
        connection.connect()
        return dict(pair[0] for pair in connection.sock.getpeercert()["subject"])["commonName"]


def events(count=1, name="e", **properties):
    return [
        ORIGINAL.event("Event", "user", **{"time": 1_600_000_000, "$insert_id": f"{name}{n}", **properties})
        for n in range(count)
    ]


@pytest.mark.parametrize(("option", "version"), [("--http2", "2"), ("--http1.1", "1.1")])
def test_both_versions_are_spoken(secure, authority, tmp_path, option, version):
    running = secure()
    assert running.output().startswith("Selfsame listens on https://")
    answer = curl(running, authority, "/track", option, "-H", "Content-Type: application/json", "-d",
                  json.dumps(events(3)))
    assert answer == (version, 200, "1")
    answer = curl(running, authority, "/import?strict=1", option, "-u", f"{ORIGINAL.secret}:", "-H",
                  "Content-Type: application/json", "-d", json.dumps(events(2, "i")))
    assert answer[:2] == (version, 200) and strict_json(answer[2])["num_records_imported"] == 2
    spoken, status, body = curl(running, authority, "/api/2.0/export?from_date=2020-01-01&to_date=2021-01-01", option,
                                "-u", f"{ORIGINAL.secret}:")
    assert (spoken, status) == (version, 200)
    assert sorted(insert_ids(map(json.loads, body.splitlines()))) == ["e0", "e1", "e2", "i0", "i1"]


@pytest.mark.parametrize("option", ["--http2", "--http1.1"])
def test_a_body_over_the_limit_is_413(secure, authority, tmp_path, option):
    running = secure(f"ingest.bodySizeLimitBytes={MEGABYTE}")
    file = tmp_path / "large"
    file.write_bytes(b" " * (3 * MEGABYTE))
    answer = curl(running, authority, "/track", option, "-H", "Content-Type: application/json", "--data-binary",
                  f"@{file}")
    assert answer[1] == 413, answer
    file.write_bytes(json.dumps(events()).encode().ljust(MEGABYTE - 10))
    assert curl(running, authority, "/track", option, "-H", "Content-Type: application/json", "--data-binary",
                f"@{file}")[1:] == (200, "1")


def test_many_streams_share_a_connection(secure, authority, tmp_path):
    running = secure()
    (tmp_path / "body").write_text(json.dumps(events()))
    config = "\n".join(f'url = "{running.url}/track?n={n}"\noutput = "/dev/null"' for n in range(200))
    (tmp_path / "config").write_text(config)
    done = subprocess.run(
        ["curl", "-sS", "--http2", "--parallel", "--cacert", authority / "ca.pem", "--data-binary",
         f"@{tmp_path / 'body'}", "-H", "Content-Type: application/json", "-w", "%{http_version} %{http_code}\n",
         "-K", tmp_path / "config"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n").count("2 200") == 200


def test_plain_http_is_not_spoken_beside(secure):
    running = secure()
    with socket.create_connection(("127.0.0.1", running.port), 10) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        received = b""
        try:
            while piece := plain.recv(4096):
                received += piece
        except ConnectionError:
            pass
    assert b"HTTP/" not in received
    assert running.request("GET", "/health").status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_of_tls(secure, authority, version):
    running = secure()
    running.tls = ssl.create_default_context(cafile=authority / "ca.pem")
    running.tls.minimum_version = running.tls.maximum_version = version
    assert running.request("GET", "/health").status == 200


def test_the_python_sdk_sends_over_https(secure, authority):
    running = secure()
    script = f"""
import mixpanel
consumer = mixpanel.Consumer(api_host="127.0.0.1:{running.port}", retry_limit=0)
sdk = mixpanel.Mixpanel({ORIGINAL.token!r}, consumer=consumer)
sdk.track("user", "Bought", {{"price": 7}})
"""
    environment = {**ENVIRONMENT, "REQUESTS_CA_BUNDLE": str(authority / "ca.pem")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    assert [row["event"] for row in running.export()] == ["Bought"]


def test_the_command_imports_over_https(secure, authority, tmp_path):
    running = secure()
    path = tmp_path / "events"
    path.write_text(json.dumps(ORIGINAL.event("Bought", "user", time=1_600_000_000, **{"$insert_id": "one"})))
    secret = {"SELFSAME_SECRET": ORIGINAL.secret}
    command("import", path, "--url", running.url, "--ca-cert", authority / "ca.pem", env=secret)
    assert [row["event"] for row in running.export()] == ["Bought"]
    refused = run_command(
        "import", path, "--url", "https://localhost:1", "--ca-cert", path, env=secret)
    assert refused.returncode != 0 and str(path) in refused.stderr, refused


def test_a_renewed_certificate_is_read_on_sighup(secure, authority, place):
    running = secure()
    assert peer_name(running) == "first"
    with closing(running.connection()) as kept:
        assert running.request("GET", "/health", connection=kept).status == 200
        install(place, *issue(authority, "second"))
        os.kill(running.pid, signal.SIGHUP)
        wait_until(lambda: peer_name(running) == "second", what="the second certificate")
        # The connection that was open stays open, with what it has.
        local = kept.sock.getsockname()
        assert running.request("GET", "/health", connection=kept).status == 200
        assert kept.sock.getsockname() == local
        assert dict(pair[0] for pair in kept.sock.getpeercert()["subject"])["commonName"] == "first"


@pytest.mark.parametrize("fault", ["gone", "not PEM", "another key"])
def test_a_reload_that_fails_keeps_the_certificate(secure, authority, place, fault):
    running = secure()
    if fault == "gone":
        (place / "cert.pem").unlink()
    elif fault == "not PEM":
        (place / "key.pem").write_text("nothing")
    else:
        (place / "key.pem").write_bytes(issue(authority, "other")[1].read_bytes())
    os.kill(running.pid, signal.SIGHUP)
    said = wait_until(lambda: "stays in force" in running.error_text() and running.error_text(), what="the error")
    assert ("tls.certificate" if fault == "gone" else "tls.key") in said
    assert peer_name(running) == "first"
    install(place, *issue(authority, "second"))
    os.kill(running.pid, signal.SIGHUP)
    wait_until(lambda: peer_name(running) == "second", what="the second certificate")


def test_what_cannot_be_served_stops_the_start(authority, place, tmp_path):
    other = issue(authority, "other")[1]
    (tmp_path / "empty").write_text("")
    good = place / "cert.pem", place / "key.pem"
    for chain, key, names in [
        (tmp_path / "none", good[1], "tls.certificate"), (tmp_path / "empty", good[1], "tls.certificate"),
        (good[0], tmp_path / "none", "tls.key"), (good[0], tmp_path / "empty", "tls.key"), (good[0], other, "tls.key"),
    ]:
        done = run_command("serve", "--sandbox", "--port", "0", "--tls-cert", chain, "--tls-key", key)
        assert done.returncode != 0 and names in done.stderr, (chain, key, done)
    done = run_command("serve", "--sandbox", "--port", "0", "--tls-cert", good[0])
    assert done.returncode != 0 and "tls.key" in done.stderr
    done = run_command("serve", "--sandbox", "--port", "0", "--tls-key", good[1])
    assert done.returncode != 0 and "tls.certificate" in done.stderr


@pytest.mark.parametrize("part", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], ids=["nothing", "half a hello"])
def test_a_handshake_that_does_not_end_is_cut_off(secure, part):
    running = secure("server.idleTimeoutSeconds=1")
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", running.port), 20) as silent:
        silent.sendall(part)
        try:
            assert silent.recv(1000) == b""
        except ConnectionError:
            pass
    assert 0.5 < time.monotonic() - began < 10
    assert running.request("GET", "/health").status == 200


@pytest.mark.parametrize("part", [
    b"", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"POST /track HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\nhalf",
], ids=["nothing", "one request", "half a body"])
def test_a_silent_client_is_cut_off(secure, part):
    running = secure("server.idleTimeoutSeconds=1")
    began = time.monotonic()
    with closing(running.connection(20)) as connection:
        connection.connect()
        connection.sock.sendall(part)
        try:
            while connection.sock.recv(4096):
                pass
        except (ConnectionError, ssl.SSLError):
            pass
    assert 0.5 < time.monotonic() - began < 10


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


def test_a_silent_http2_client_is_cut_off(secure, authority):
    running = secure("server.idleTimeoutSeconds=1")
    context = ssl.create_default_context(cafile=authority / "ca.pem")
    context.set_alpn_protocols(["h2"])
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", running.port), 20) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as stream:
            assert stream.selected_alpn_protocol() == "h2"
            stream.sendall(PREFACE)
            frames = b""
            # It is told to go (GOAWAY, type 7); one that answers the ping with it is closed at once.
            while not any(kind == 7 for kind, _ in read_frames(frames)):
                frames += stream.recv(4096)
            assert 0.5 < time.monotonic() - began < 10


def read_frames(data):
    frames = []
    while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
        size = int.from_bytes(data[:3], "big")
        frames.append((data[3], data[9:9 + size]))
        data = data[9 + size:]
    return frames


def test_connections_have_a_limit(secure):
    running = secure("server.connectionLimit=2")
    with closing(running.connection()) as one, closing(running.connection()) as other:
        assert running.request("GET", "/health", connection=one).status == 200
        assert running.request("GET", "/health", connection=other).status == 200
        with pytest.raises((TimeoutError, OSError)):
            running.request("GET", "/health", timeout=1)
    assert wait_until(lambda: running.request("GET", "/health").status == 200, what="room")


# As HPACK's table has them.
GET, POST = b"\x82", b"\x83"


def http2_connection(server, authority):
    """A connection of HTTP/2 on which the server has shown its settings."""
    context = ssl.create_default_context(cafile=authority / "ca.pem")
    context.set_alpn_protocols(["h2"])
    stream = context.wrap_socket(
        socket.create_connection(("127.0.0.1", server.port), 30), server_hostname="127.0.0.1")
    assert stream.selected_alpn_protocol() == "h2"
    stream.sendall(PREFACE)
    read_until(stream, 4)
    return stream


def read_until(stream, kind):
    received = b""
    while not any(found == kind for found, _ in read_frames(received)):
        piece = stream.recv(4096)
        assert piece, "the connection was closed"
        received += piece


def http2_request(method, path, flags):
    """The headers of a request on the first stream; `flags` say whether it ends there."""
    block = method + b"\x87\x01\x09127.0.0.1\x04" + bytes([len(path)]) + path
    return len(block).to_bytes(3, "big") + bytes([1, flags, 0, 0, 0, 1]) + block


@pytest.mark.parametrize("used", [False, True], ids=["nothing but settings", "a request that was answered"])
def test_idle_http2_connections_give_up_their_places(secure, authority, used):
    # Nothing else ends them: the time for silence is longer than the test.
    running = secure("server.connectionLimit=20", "server.idleTimeoutSeconds=600")
    held = [http2_connection(running, authority) for _ in range(20)]
    for stream in held if used else []:
        stream.sendall(http2_request(GET, b"/health", 5))
        read_until(stream, 0)
    assert running.request("GET", "/health", timeout=60).status == 200
    for stream in held:
        stream.close()


def test_an_http2_connection_with_a_request_keeps_its_place(secure, authority):
    running = secure("server.connectionLimit=2", "server.idleTimeoutSeconds=600")
    # A POST to a path that reads bodies, whose body does not come yet.
    asking = http2_connection(running, authority)
    asking.sendall(http2_request(POST, b"/track", 4))
    idle = http2_connection(running, authority)
    # The place of the idle one is the only one to be had, the second time too.
    for _ in range(2):
        with closing(running.connection(60)) as connection:
            assert running.request("GET", "/health", connection=connection).status == 200
            with closing(running.connection(60)) as another:
                assert running.request("GET", "/health", connection=another).status == 200
    asking.sendall(bytes([0, 0, 2, 0, 1, 0, 0, 0, 1]) + b"[]")
    read_until(asking, 0)
    asking.close()
    idle.close()


def test_a_shutdown_answers_what_has_come(secure):
    running = secure()
    with closing(running.connection()) as kept:
        assert running.request("GET", "/health", connection=kept).status == 200
        idle = socket.create_connection(("127.0.0.1", running.port), 20)
        began = time.monotonic()
        running.stop()
        assert time.monotonic() - began < 20
        idle.close()


@pytest.mark.parametrize("option", ["--http2", "--http1.1"])
def test_a_follower_of_changes_that_takes_nothing_is_cut_off(secure, authority, option):
    running = secure("query.writeTimeoutSeconds=2", "query.followLimit=1", "identity.maxClusterSize=0")
    running.project = ORIGINAL
    # Some 30 MB of events, far more than what connections and curl have buffers for.
    ids = [f"{n:05}" + "x" * 900 for n in range(8000)]
    for start in range(0, len(ids), 1000):
        records = [ORIGINAL.merge("b", one) for one in ids[start:start + 1000]]
        for record in records:
            record["properties"].update({"time": 1_600_000_000, "$insert_id": record["properties"]["$distinct_ids"][1][:5]})
        assert running.import_(records).status == 200
    assert running.import_([{**ORIGINAL.merge("a", "a2")}]).status == 200
    url = f"{running.url}/identity/changes?follow=1"
    follower = subprocess.Popen(
        ["curl", "-sSN", option, "--cacert", authority / "ca.pem", "-u", f"{ORIGINAL.secret}:", url],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert follower.stdout.read(6) == b"retry:"

        def is_free():
            return running.request(
                "HEAD", "/identity/changes?follow=1", headers=basic(ORIGINAL.secret)).status == 200

        assert not is_free()
        wait_until(is_free, 30, "the end of the follower")
    finally:
        follower.kill()
        follower.wait(30)
        follower.stdout.close()
