"""A full disk: the server starts, reads, says "full", is not ready, and goes on when there is room again."""

import random
import resource

import pytest
from conftest import insert_ids, run_command, wait_until
from test_limits import assert_unavailable, fill, limit_file_size, small_disk


def ready(server):
    return server.request("GET", "/health/ready")


def assert_reads_and_says_full(server, acknowledged):
    """Live, answers reads, refuses writes with a clear text, and is not ready."""
    for _ in range(3):
        answer = ready(server)
        assert_unavailable_health(answer)
        for path in ("/health", "/health/live"):
            assert server.request("GET", path).status == 200
    late = [server.project.event("Late", "user", time=1_600_000_000, **{"$insert_id": f"late{n}", "text": "x" * 9000})
            for n in range(60)]
    for answer in (server.track(late), server.import_(late)):
        assert_unavailable(answer)
        assert "full" in answer.json["error"].lower(), answer
    assert set(insert_ids(server.export())) == set(acknowledged)
    assert server.resolve("00000000-0000-4000-8000-000000000000") == ["user-0"]
    assert server.cluster("user-0") == {"user-0", "00000000-0000-4000-8000-000000000000"}
    assert server.log()


def assert_unavailable_health(answer):
    assert answer.status == 503 and "full" in answer.json["error"].lower(), answer
    assert answer.headers["retry-after"].isdigit()


def take_all_room(place):
    """Leaves not one free block on a disk."""
    with open(place / "filler", "wb", buffering=0) as filler:
        for size in (65536, 4096, 1):
            try:
                while filler.write(bytes(size)):
                    pass
            except OSError:
                pass


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_starts_on_a_full_disk(small_disk, server, data, end):
    place, make_room = small_disk or (data, None)
    first = server(data=place / "data", prepare=None if small_disk else limit_file_size)
    assert ready(first).status == 200
    acknowledged, _ = fill(first, random.Random(4))
    assert_reads_and_says_full(first, acknowledged)
    getattr(first, end)()
    if small_disk:
        take_all_room(place)
    again = server(data=place / "data", prepare=None if small_disk else limit_file_size)
    assert_reads_and_says_full(again, acknowledged)
    if small_disk:
        make_room()
    else:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.prlimit(again.pid, resource.RLIMIT_FSIZE, (hard, hard))
    wait_until(lambda: ready(again).status == 200, what="readiness")
    event = again.project.event("Late", "user", **{"$insert_id": "late"}, text="x" * 9000)
    assert again.track([event]).text == "1"
    again.kill()
    assert set(insert_ids(server(data=place / "data").export())) == {*acknowledged, "late"}


CONFIGURED = """
projects:
  - {id: 1, name: one, token: 0000000000000000000000000000aaaa, secret: 5ec0000000000000000000000000aaaa}
accounts:
  - {username: sa, secret: a-secret-of-an-account, roles: {1: owner}}
"""


def test_a_start_without_changes_writes_nothing(server, data, tmp_path):
    config = tmp_path / "selfsame.yaml"
    config.write_text(CONFIGURED)
    server("--config", config, data=data).stop()
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in data.iterdir() if path.name != "lock"}
    running = server("--config", config, data=data)
    assert (data / "selfsame.sqlite-wal").stat().st_size == 0
    running.stop()
    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in data.iterdir() if path.name != "lock"}
    assert after == before


def test_a_configured_server_starts_on_a_full_disk(small_disk, server, tmp_path):
    if small_disk is None:
        return  # Without a disk of its own, there is no disk that can be filled to its last block.
    config = tmp_path / "selfsame.yaml"
    config.write_text(CONFIGURED)
    place, make_room = small_disk
    server("--config", config, data=place / "data").stop()
    take_all_room(place)
    running = server("--config", config, data=place / "data")
    assert_unavailable_health(ready(running))
    running.stop()
    config.write_text(CONFIGURED.replace("owner", "admin"))
    done = run_command("serve", "--port", "0", "--config", config, "--data", place / "data")
    assert done.returncode != 0 and "full" in done.stderr.lower(), done
    make_room()
    server("--config", config, data=place / "data")
