"""File descriptors: the limit is raised, connections stay below it, and running out of them harms nobody for long."""

import os
import resource
import socket
import threading
from pathlib import Path

import pytest
from conftest import wait_until


def limited(soft, hard):
    """Runs in the child before the server does."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_files(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def file_limit(server):
    for line in Path(f"/proc/{server.pid}/limits").read_text().splitlines():
        if line.startswith("Max open files"):
            return int(line.split()[3])
    raise AssertionError("the system does not tell the limit of files")


def processor_seconds(server):
    """What the server has spent of its processors."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Busy(threading.Thread):
    """A client that sends one event after the other on one connection."""

    def __init__(self, server, name):
        super().__init__(daemon=True)
        self.server, self.name, self.count, self.fault = server, name, 0, None
        self.ending = threading.Event()

    def run(self):
        connection = self.server.connection()
        try:
            while not self.ending.is_set():
                event = self.server.project.event("Busy", "user", **{"$insert_id": f"{self.name}-{self.count}"})
                answer = self.server.track([event], connection=connection)
                assert (answer.status, answer.text) == (200, "1"), answer
                self.count += 1
        except Exception as error:
            self.fault = error
        finally:
            connection.close()


def idle_connections(server, count):
    opened = []
    for _ in range(count):
        connection = socket.socket()
        connection.settimeout(1)
        try:
            connection.connect(("127.0.0.1", server.port))
        except OSError:
            # The queue of the listening socket is full, too.
            connection.close()
            break
        opened.append(connection)
    return opened


def test_the_soft_limit_is_raised_to_the_hard_one(server, data):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    running = server(data=data, prepare=limited(256, hard))
    assert file_limit(running) == min(hard, 65_536)


@pytest.mark.parametrize("hard", [1024, 256, 96])
def test_idle_connections_do_not_end_the_server(server, data, hard):
    running = server(data=data, prepare=limited(hard, hard))
    busy = [Busy(running, f"c{number}") for number in range(8)]
    for client in busy:
        client.start()
    wait_until(lambda: all(client.count for client in busy), what="the first events")
    files = open_files(running)
    idle = idle_connections(running, 1300)
    assert len(idle) > hard
    before = [client.count for client in busy]
    wait_until(
        lambda: all(client.count > count + 20 for client, count in zip(busy, before)), 60,
        "events while idle connections take every place")
    assert open_files(running) < hard, "nothing is left for what the server needs besides connections"
    for connection in idle:
        connection.close()
    wait_until(lambda: open_files(running) <= files + 4, what="the end of the idle connections")
    assert running.request("GET", "/health").status == 200
    for client in busy:
        client.ending.set()
    for client in busy:
        client.join(60)
        assert client.fault is None, client.fault
    stored = {row["properties"]["$insert_id"] for row in running.export()}
    assert stored == {f"{client.name}-{number}" for client in busy for number in range(client.count)}


def test_accepting_goes_on_when_there_are_descriptors_again(server, data):
    # The limit is lowered under the running server, to what it has open: no connection can be accepted.
    running = server(data=data)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept = running.connection()
    assert running.track([running.project.event("Kept", "user")], connection=kept).text == "1"
    resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (open_files(running) + 5, hard))
    waiting = idle_connections(running, 60)
    wait_until(lambda: "cannot be accepted for now" in running.error_text(), what="the warning")
    spent = processor_seconds(running)
    for _ in range(20):
        assert running.track([running.project.event("Kept", "user")], connection=kept).text == "1"
    resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (hard, hard))
    answer = running.request("GET", "/health")
    assert answer.status == 200
    assert running.error_text().count("cannot be accepted for now") == 1, "a warning a minute"
    assert processor_seconds(running) - spent < 5, "it asks again and again without a pause"
    for connection in [*waiting, kept]:
        connection.close()
