"""A restart on a socket that somebody else keeps open fails no request, behind nginx and without it."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import BINARY, Server, insert_ids, wait_until

RESTARTS = 10
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


@pytest.fixture
def listening():
    """A socket that listens, as a socket unit of systemd has it."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as opened:
        yield opened


class Nginx:
    """nginx before a port, as docs/operations.md has it."""

    def __init__(self, directory, port, keepalive):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        pool, version = ("keepalive 16;", "proxy_http_version 1.1; proxy_set_header Connection '';") if keepalive else ("", "")
        (directory / "nginx.conf").write_text(f"""
            daemon off; master_process off; error_log error.log warn; pid nginx.pid;
            events {{ worker_connections 512; }}
            http {{
              access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
              uwsgi_temp_path uwsgi; scgi_temp_path scgi;
              upstream selfsame {{ server 127.0.0.1:{port}; {pool} }}
              server {{
                listen 127.0.0.1:{self.port}; client_max_body_size 10m;
                location / {{
                  proxy_pass http://selfsame; proxy_set_header Host $host; {version}
                }}
              }}
            }}""")
        self.directory = directory
        self.process = subprocess.Popen(
            [NGINX, "-p", directory, "-c", directory / "nginx.conf", "-e", directory / "error.log"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.answers, what="nginx")

    def answers(self):
        assert self.process.poll() is None, (self.directory / "error.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
        except OSError:
            return False
        return True

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)


class Client(threading.Thread):
    """Sends events one after the other, and notes what became of each."""

    def __init__(self, name, port, project, keeps_connection):
        super().__init__(daemon=True)
        self.name, self.port, self.project, self.keeps_connection = name, port, project, keeps_connection
        self.acknowledged, self.failed, self.longest = [], [], 0
        self.ending = threading.Event()

    def run(self):
        connection = None
        while not self.ending.is_set():
            key = f"{self.name}-{len(self.acknowledged) + len(self.failed)}"
            began = time.monotonic()
            try:
                if connection is None:
                    connection = socket.create_connection(("127.0.0.1", self.port), 60)
                answer, closes = self.exchange(connection, key)
                if answer == 200:
                    self.acknowledged.append(key)
                else:
                    self.failed.append((key, answer))
            except OSError as error:
                self.failed.append((key, repr(error)))
                closes = True
            self.longest = max(self.longest, time.monotonic() - began)
            if closes or not self.keeps_connection:
                if connection:
                    connection.close()
                connection = None

    def exchange(self, connection, key):
        body = json.dumps([self.project.event("Sent", "user", **{"$insert_id": key})]).encode()
        connection.sendall(
            b"POST /track HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body)
        received = b""
        while b"\r\n\r\n" not in received or len(received.partition(b"\r\n\r\n")[2]) < length(received):
            piece = connection.recv(65536)
            if not piece:
                raise ConnectionError(f"closed after {received!r}")
            received += piece
        return int(received.split()[1]), b"connection: close" in received.lower()


def length(answer):
    for line in answer.partition(b"\r\n\r\n")[0].split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    raise AssertionError(answer)


def restart(start, running, data, listening, overlapping):
    """Ends a server and starts another, one after the other as systemd does, or the new one first."""
    if not overlapping:
        running.stop()
        return start(data=data, sockets=[listening])
    found = []
    waiting = threading.Thread(target=lambda: found.append(start(data=data, sockets=[listening])), daemon=True)
    waiting.start()
    running.stop()
    waiting.join(60)
    return found[0]


def run_restarts(server, data, listening, clients_of, overlapping):
    running = server(data=data, sockets=[listening])
    project = running.project
    clients = clients_of(project)
    for client in clients:
        client.start()
    for _ in range(RESTARTS):
        before = [len(client.acknowledged) for client in clients]
        wait_until(
            lambda: all(len(client.acknowledged) > count + 5 for client, count in zip(clients, before)), 60,
            "requests between two restarts")
        running = restart(server, running, data, listening, overlapping)
    for client in clients:
        client.ending.set()
    for client in clients:
        client.join(90)
    failed = [failure for client in clients for failure in client.failed]
    acknowledged = [key for client in clients for key in client.acknowledged]
    print(f"{len(acknowledged)} acknowledged, {len(failed)} failed, "
          f"the longest took {max(client.longest for client in clients):.1f} s")
    assert failed == []
    assert sorted(insert_ids(running.export())) == sorted(acknowledged)


@pytest.mark.parametrize("overlapping", [False, True], ids=["one after the other", "the new one first"])
@pytest.mark.parametrize("keepalive", [False, True], ids=["a connection each", "kept connections"])
def test_ten_restarts_behind_nginx_fail_no_request(server, data, tmp_path, listening, keepalive, overlapping):
    nginx = Nginx(tmp_path, listening.getsockname()[1], keepalive)
    try:
        run_restarts(
            server, data, listening,
            lambda project: [Client(f"c{n}", nginx.port, project, keeps_connection=n % 2 == 0) for n in range(8)],
            overlapping)
    finally:
        nginx.stop()


def test_restarts_without_a_proxy_fail_no_request(server, data, listening):
    port = listening.getsockname()[1]
    run_restarts(
        server, data, listening,
        lambda project: [Client(f"c{n}", port, project, keeps_connection=n % 2 == 0) for n in range(8)], False)


def queue_length(listening):
    """How many connections may wait on a socket: Linux tells it where other sockets count what was acknowledged."""
    told = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return int.from_bytes(told[28:32], sys.byteorder)


def test_the_queue_of_an_inherited_socket_is_as_long_as_the_system_allows(server, data, listening):
    most = int(Path("/proc/sys/net/core/somaxconn").read_text())
    assert queue_length(listening) == min(1024, most)
    for _ in range(2):
        running = server(data=data, sockets=[listening])
        assert queue_length(listening) == most
        running.stop()
        assert queue_length(listening) == most


def test_connections_that_come_between_two_processes_wait(server, data, listening):
    running = server(data=data, sockets=[listening])
    project = running.project
    running.stop()
    with socket.create_connection(listening.getsockname(), 60) as early:
        body = json.dumps([project.event("Early", "user", **{"$insert_id": "early"})]).encode()
        early.sendall(b"POST /track HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        again = server(data=data, sockets=[listening])
        assert early.recv(1000).startswith(b"HTTP/1.1 200")
    assert insert_ids(again.export()) == ["early"]


def test_the_one_who_waits_for_the_data_directory_gives_up_in_time(server, data, listening):
    server(data=data)
    with pytest.raises(AssertionError, match="is using this data directory"):
        Server("--set", "server.takeoverTimeoutSeconds=1", data=data, sockets=[listening])


def test_no_port_is_told_where_there_is_none(data, tmp_path):
    ready = tmp_path / "ready.json"
    with socket.socket(socket.AF_UNIX) as only:
        only.bind(str(tmp_path / "s"))
        only.listen()
        process = subprocess.Popen(
            ["bash", "-c", 'exec 3<&"$0"; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', str(only.fileno()), BINARY, "serve",
             "--data", data, "--ready-file", ready], pass_fds=[only.fileno()], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        try:
            wait_until(ready.exists, what="the ready file")
            assert json.loads(ready.read_text()) == {"pid": process.pid, "projects": []}
        finally:
            process.terminate()
            output, _ = process.communicate(timeout=60)
    assert "127.0.0.1" not in output and "the Unix socket" in output, output
    assert output.count("--unix-socket YOUR_SOCKET") == 2 == output.count("http://localhost/"), output


def test_several_sockets_are_listened_on(server, data, listening, tmp_path):
    with socket.socket(socket.AF_UNIX) as second:
        second.bind(str(tmp_path / "s"))
        second.listen()
        running = server(data=data, sockets=[listening, second])
        assert running.port == listening.getsockname()[1]
        assert running.request("GET", "/health").status == 200
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(tmp_path / "s"))
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: selfsame\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_sockets_for_another_process_are_left_alone(server):
    running = server("--sandbox", env={"LISTEN_FDS": "1", "LISTEN_PID": "1"})
    assert running.request("GET", "/health").status == 200


@pytest.mark.parametrize("count", ["1", "x", "-1", "100"])
def test_what_is_no_socket_stops_the_start(count):
    done = subprocess.run(
        ["bash", "-c", 'exec 3</dev/null; LISTEN_PID=$$ LISTEN_FDS="$0" exec "$@"', count, BINARY,
         "serve", "--sandbox", "--port", "0"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "LISTEN_FDS" in done.stderr, done
