"""The command beside a running server: what it reads changes no byte, and what it writes are rows and nothing else."""

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import basic, command, delete, insert_ids, new_anonymous_id, run_command

ANONYMOUS = "4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e"
READING = {
    "resolve": ["resolve", "user", ANONYMOUS],
    "resolve as of": ["resolve", "user", "--as-of", "1"],
    "explain": ["explain", "user", ANONYMOUS],
    "export": ["export", "--from", "2020-01-01", "--to", "2099-01-01"],
    "verify": ["verify", "--decide", "--integrity"],
    "blocks": ["blocks"],
    "project list": ["project", "list"],
    "account list": ["account", "list"],
    "unmerge --preview": ["unmerge", "--id", "user", "--preview"],
    "cluster": ["cluster", "user"],
    "log": ["log"],
    "events": ["events", "user"],
    "mappings": ["mappings"],
    "changes": ["changes"],
    "import --dry-run": ["import", "--dry-run", "EVENTS"],
}
WRITING = {
    "project create": ["project", "create", "shop"],
    "project rotate": ["project", "rotate", "1"],
    "account create": ["account", "create", "ci", "--role", "1=admin"],
    "unmerge": ["unmerge", "--link", "1"],
    "delete": ["delete", "nobody", "--no-wait"],
    "resolve as of a time": ["resolve", "user", "--as-of", "NOW"],
}
OWNING = {"import": ["import", "EVENTS"], "key replace": ["key", "replace", "--yes"]}


def fill(server):
    project = server.project
    server.send(project.identify("user", ANONYMOUS), project.merge("user", "other"), project.alias("alias", "user"))
    server.track([project.event("Clicked", "user", n=n, text="x" * 500) for n in range(200)])
    server.request(
        "POST", "/identity/unmerge", json.dumps({"link": 2}),
        {"Content-Type": "application/json", **basic(server.project.secret)})


def run(words, data, tmp_path, now=None):
    events = tmp_path / "events.ndjson"
    events.write_text(json.dumps(
        {"event": "Old", "properties": {"time": 1_600_000_000, "distinct_id": "u", "$insert_id": "one"}}) + "\n")
    words = [{"EVENTS": events, "NOW": now}.get(word, word) for word in words]
    return run_command(*words, "--data", data)


def contents(data):
    return {name: (data / name).read_bytes() if (data / name).exists() else None
            for name in ("selfsame.sqlite", "selfsame.sqlite-wal")}


@pytest.mark.parametrize("name", READING)
@pytest.mark.parametrize("state", ["running", "stopped", "killed"])
def test_a_command_that_reads_changes_no_byte(server, data, tmp_path, state, name):
    running = server(data=data)
    fill(running)
    if state == "stopped":
        running.stop()
    elif state == "killed":
        running.kill()
    before = contents(data)
    assert (state == "stopped") == (not before["selfsame.sqlite-wal"])
    done = run(READING[name], data, tmp_path)
    assert done.returncode == 0, done
    after = contents(data)
    assert after["selfsame.sqlite"] == before["selfsame.sqlite"]
    assert (after["selfsame.sqlite-wal"] or b"") == (before["selfsame.sqlite-wal"] or b"")
    if state == "running":
        assert running.track([running.project.event("Clicked", "user")]).text == "1"
    else:
        assert server(data=data).resolve(ANONYMOUS) == ["user"]


@pytest.mark.parametrize("name", WRITING)
@pytest.mark.parametrize("state", ["running", "stopped", "killed"])
def test_a_command_that_writes_leaves_the_log_to_the_server(server, data, tmp_path, state, name):
    running = server(data=data)
    fill(running)
    now = running.import_([running.project.identify("later", new_anonymous_id())])
    assert now.status == 200
    stamp = past_moment()
    if state == "stopped":
        running.stop()
    elif state == "killed":
        running.kill()
    before = contents(data)
    done = run(WRITING[name], data, tmp_path, stamp)
    assert done.returncode == 0, done
    after = contents(data)
    assert after["selfsame.sqlite"] == before["selfsame.sqlite"], "the write-ahead log was folded in"
    assert len(after["selfsame.sqlite-wal"]) >= len(before["selfsame.sqlite-wal"] or b"")
    assert after["selfsame.sqlite-wal"] != before["selfsame.sqlite-wal"]
    if state != "running":
        running = server(data=data)
    assert command("verify", "--integrity", "--project", "1", "--data", data)
    running.stop()
    assert not (data / "selfsame.sqlite-wal").exists(), "the server folds the log in when it ends"


def past_moment():
    """A time that no entry has passed: it is over, but no earlier than the last entry."""
    now = time.time_ns() // 1_000_000
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 1000)) + f".{now % 1000:03d}Z"


@pytest.mark.parametrize("name", OWNING)
def test_a_command_that_needs_the_store_for_itself_waits_for_nobody(server, data, tmp_path, name):
    running = server(data=data)
    fill(running)
    before = contents(data)
    done = run(OWNING[name], data, tmp_path)
    assert done.returncode != 0 and str(running.pid) in done.stderr, done
    assert contents(data) == before
    running.stop()
    done = run(OWNING[name], data, tmp_path)
    assert done.returncode == 0, done


OTHER_VERSION = """
import fcntl, sqlite3, sys
data, version = sys.argv[1:]
lock = open(data + "/lock", "r+")
fcntl.flock(lock, fcntl.LOCK_EX)
store = sqlite3.connect(data + "/selfsame.sqlite", isolation_level=None)
if version == "a newer":
    store.execute("INSERT INTO grdb_migrations VALUES ('9999')")
else:
    last, = store.execute("SELECT max(identifier) FROM grdb_migrations").fetchone()
    store.execute("DELETE FROM grdb_migrations WHERE identifier = ?", [last])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("version", ["an earlier", "a newer"])
@pytest.mark.parametrize("name", [*READING, *WRITING])
def test_a_store_of_another_version_is_refused_and_left_as_it_is(server, data, tmp_path, name, version):
    running = server(data=data)
    fill(running)
    running.stop()
    # Another process, of another version, has the store open, as its server would; or has been killed.
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER_VERSION, data, version], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "open\n"
        for is_running in (True, False):
            before = contents(data)
            assert before["selfsame.sqlite-wal"]
            done = run({**READING, **WRITING}[name], data, tmp_path, past_moment())
            assert done.returncode != 0 and f"{version} version".lower() in done.stderr.lower(), done
            assert contents(data) == before
            if is_running:
                other.kill()
                other.wait()
    finally:
        other.kill()
        other.wait()


def test_a_server_and_commands_write_side_by_side(server, data):
    running = server(data=data)
    project = running.project
    running.send(*[project.merge(f"a{n}", f"b{n}") for n in range(12)])
    stop = threading.Event()
    acknowledged = []

    def send():
        number = 0
        connection = running.connection()
        while not stop.is_set():
            key = f"{threading.get_ident()}-{number}"
            answer = running.track(
                [project.event("Clicked", "user", **{"$insert_id": key}, text="x" * 2000)], connection=connection)
            assert answer.status == 200, answer
            acknowledged.append(key)
            number += 1
        connection.close()

    with ThreadPoolExecutor(3) as pool:
        senders = [pool.submit(send) for _ in range(2)]
        try:
            for number in range(12):
                command("unmerge", "--link", number + 1, "--project", "1", "--data", data)
                command("resolve", f"a{number}", "--project", "1", "--data", data)
                command("project", "create", f"shop {number}", "--data", data)
        finally:
            stop.set()
        for sender in senders:
            sender.result(60)
    def clicked(server):
        return set(insert_ids(row for row in server.export() if row["event"] == "Clicked"))

    assert clicked(running) == set(acknowledged)
    assert running.clusters() == set()
    running.kill()
    assert clicked(server(data=data)) == set(acknowledged)
    assert command("verify", "--integrity", "--data", data)


def test_what_was_deleted_is_erased_while_commands_commit(server, data):
    running = server("--set", "privacy.deletionDelaySeconds=0", data=data)
    project = running.project
    for start in range(0, 4000, 500):
        records = [
            project.event(
                "Clicked", f"VICTIM-{n}" if n % 5 == 0 else f"other-{n}", time=1_600_000_000 + n * 7919 % 100_000,
                text="x" * (n % 400), **{"$insert_id": f"i{n}"})
            for n in range(start, start + 500)]
        assert running.import_(records).status == 200
    running.send(*[project.merge(f"VICTIM-{n}", f"VICTIM2-{n}") for n in range(0, 100, 5)])
    stop = threading.Event()

    def make_projects():
        number = 0
        while not stop.is_set():
            command("project", "create", f"shop {number}", "--data", data)
            number += 1
        return number

    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(make_projects)
        try:
            delete(running, *[f"VICTIM-{n}" for n in range(0, 4000, 5)])
        finally:
            stop.set()
        assert made.result(120) > 0
    for name, content in contents(data).items():
        assert b"VICTIM" not in (content or b""), name
    assert len(running.export()) == 3200
    assert command("verify", "--integrity", "--data", data)
    running.stop()
    assert b"VICTIM" not in (data / "selfsame.sqlite").read_bytes()
