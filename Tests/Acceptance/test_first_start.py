"""The first start, killed at any moment or on a full disk: the next one finds a folder that it can use."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import BINARY, ENVIRONMENT, Project, fields, insert_ids, run_command

# What changes a file or a folder.
CALLS = "openat,mkdir,mkdirat,write,pwrite64,ftruncate,fallocate,fsync,fdatasync,rename,renameat2,unlink,unlinkat"
STORE_FILES = ["selfsame.sqlite" + end for end in ("", "-wal", "-shm", "-journal")]
NAMES = [*STORE_FILES, *[name.replace(".sqlite", ".sqlite.new") for name in STORE_FILES], "lock", "secret.key",
         "secret.key.new", "first-project.txt", "first-project.txt.new", "sandbox", "sandbox.new"]


def start_killed(data, number, *arguments):
    """A start whose every thread is killed at its call number `number`, before the call; whether it was killed."""
    paths = [part for name in ["", *NAMES] for part in ("-P", str(data / name) if name else str(data))]
    process = subprocess.Popen(
        ["strace", "-f", "-o", "/dev/null", *paths, "-e", f"trace={CALLS}",
         "-e", f"inject={CALLS}:signal=SIGKILL:when={number}",
         str(BINARY), "serve", "--port", "0", "--data", str(data), *arguments],
        env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        start_new_session=True)
    try:
        line = process.stdout.readline()
        return not line.startswith("Selfsame listens")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.stdout.read()
        process.wait(30)


def check_start(server, data, *arguments):
    """A start after a kill: everything works, and nothing is left of what was cut short."""
    running = server(*arguments, data=data)
    assert running.track([running.project.event("Clicked", "user", **{"$insert_id": "one"})]).text == "1"
    running.send(running.project.identify("user", "4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e"))
    assert running.resolve("4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e") == ["user"]
    assert "one" in insert_ids(running.export())
    assert not [name for name in os.listdir(data) if ".new" in name]
    running.kill()
    assert server(*arguments, data=data).resolve("4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e") == ["user"]


@pytest.mark.parametrize("arguments", [(), ("--sandbox",)], ids=["serve", "sandbox"])
def test_a_first_start_that_is_killed_at_any_call_can_be_started_again(server, tmp_path, arguments):
    def killed(number):
        return start_killed(tmp_path / f"data-{number}", number, *arguments)

    reached = 0
    with ThreadPoolExecutor(2) as pool:
        while True:
            numbers = range(reached + 1, reached + 9)
            results = list(pool.map(killed, numbers))
            for number in [number for number, is_killed in zip(numbers, results) if is_killed]:
                reached = number
                data = tmp_path / f"data-{number}"
                check_start(server, data, *arguments)
                shutil.rmtree(data)
            if not all(results):
                break
    assert reached > 15, "the calls of a first start were not found"


def with_empty_file(data):
    (data / "selfsame.sqlite").touch()


def with_header_only(data):
    store = sqlite3.connect(data / "selfsame.sqlite", isolation_level=None)
    store.execute("PRAGMA page_size = 8192")
    store.execute("PRAGMA journal_mode = WAL")
    store.close()


def with_list_of_migrations_only(data):
    store = sqlite3.connect(data / "selfsame.sqlite", isolation_level=None)
    store.execute("PRAGMA page_size = 8192")
    store.execute("PRAGMA journal_mode = WAL")
    store.execute("CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY)")
    # Killed: the table stands in the write-ahead log only.
    for end in ("", "-wal"):
        shutil.copy(data / f"selfsame.sqlite{end}", data / f"copy{end}")
    store.close()
    for end in ("", "-wal"):
        (data / f"copy{end}").replace(data / f"selfsame.sqlite{end}")


def with_stale_journal(data):
    (data / "selfsame.sqlite").touch()
    (data / "selfsame.sqlite-journal").write_bytes(random.Random(1).randbytes(4096))


def with_half_key(data):
    (data / "secret.key").write_text("0123abcd")


def with_empty_key(data):
    (data / "secret.key").touch()


def with_half_first_project(data):
    (data / "first-project.txt").write_text("project: 1\ntok")


def with_files_that_were_not_finished(data):
    for name in ("selfsame.sqlite.new", "selfsame.sqlite.new-wal", "selfsame.sqlite.new-journal", "secret.key.new",
                 "first-project.txt.new"):
        (data / name).write_bytes(b"half")


def with_lock(data):
    (data / "lock").write_text("1\n")


LEFTOVERS = [with_empty_file, with_header_only, with_list_of_migrations_only, with_stale_journal, with_half_key,
             with_empty_key, with_half_first_project, with_files_that_were_not_finished, with_lock]


@pytest.mark.parametrize("leftover", LEFTOVERS, ids=lambda leftover: leftover.__name__)
def test_what_a_first_start_may_have_left_is_mended(server, data, leftover):
    data.mkdir(mode=0o700)
    leftover(data)
    check_start(server, data)


def test_all_that_a_first_start_may_have_left_is_mended(server, data):
    data.mkdir(mode=0o700)
    for leftover in LEFTOVERS[2:]:
        leftover(data)
    check_start(server, data)


def test_a_log_whose_file_is_gone_is_not_thrown_away(server, data):
    running = server(data=data)
    running.track([running.project.event("Clicked", "user")])
    running.kill()
    log = (data / "selfsame.sqlite-wal").read_bytes()
    assert len(log) > 8192
    os.truncate(data / "selfsame.sqlite", 0)
    for words in (["serve", "--port", "0"], ["project", "list"]):
        done = run_command(*words, "--data", data)
        assert done.returncode != 0, done
        assert (data / "selfsame.sqlite-wal").read_bytes() == log
    done = run_command("serve", "--port", "0", "--data", data)
    assert "-wal" in done.stderr and "backup" in done.stderr, done
    (data / "selfsame.sqlite").unlink()
    assert run_command("serve", "--port", "0", "--data", data).returncode != 0
    assert (data / "selfsame.sqlite-wal").read_bytes() == log


def test_a_file_of_the_first_project_that_was_cut_off_gets_a_new_secret(server, data):
    running = server(data=data)
    running.stop()
    (data / "first-project.txt").write_text("project: 1\ntoken: 0")
    again = server(data=data)
    assert "got a new one" in again.error_text()
    assert again.resolve("x") == ["x"] and again.project.token == running.project.token
    assert again.project.secret != running.project.secret
    again.stop()


def test_a_secret_that_may_be_in_use_is_not_replaced(server, data):
    running = server(data=data)
    assert running.track([running.project.event("Clicked", "user")]).text == "1"
    running.stop()
    (data / "first-project.txt").write_text("project: 1\ntoken: 0")
    again = server(data=data, project=running.project)
    assert again.resolve("x") == ["x"], "the secret stays what it was"
    assert "project rotate" in again.error_text()
    again.stop()
    said = fields(run_command("project", "rotate", "1", "--data", data).stdout)
    assert Project.first(data).secret == said["secret"]
    assert server(data=data).resolve("x") == ["x"]


@pytest.fixture
def disk(tmp_path):
    """Mounts small disks; skips nothing: where nothing may be mounted, files are limited in size instead."""
    mounted = []

    def mount(size):
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir(mode=0o700)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", place], capture_output=True)
        if done.returncode != 0:
            return None
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", place], check=True)


def try_start(data, *wrapper):
    """Starts a server and stops it; what it said where it did not start."""
    process = subprocess.Popen(
        [*wrapper, str(BINARY), "serve", "--port", "0", "--data", str(data)], env=ENVIRONMENT,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    started = process.stdout.readline().startswith("Selfsame listens")
    if started:
        process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode == 0) == started, errors
    return None if started else errors


@pytest.mark.parametrize("room", range(4, 400, 36))
def test_a_first_start_on_a_full_disk_says_so_and_can_be_started_again(disk, server, data, room):
    place = disk(f"{room}k")
    if place:
        errors = try_start(place / "data")
    else:
        data.mkdir(mode=0o700)
        place = data.parent
        errors = try_start(data, "prlimit", f"--fsize={room * 1024}")
    if errors:
        assert "full" in errors.lower() or "cannot" in errors, errors
        assert "Fatal" not in errors
    if place != data.parent:
        subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
    check_start(server, place / "data")
