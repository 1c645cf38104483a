"""No answer leaves before the disk has what it promises: proved by the system calls of the server.

Needs strace, and a system that lets a process trace its own children.
"""

import re
from pathlib import Path

from conftest import new_anonymous_id, wait_until

REQUESTS = 30
CALL = re.compile(r"^(\d+) +(\w+)\((\d+)<([^>]*)>(.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
SYNCS = {"fdatasync", "fsync"}
WRITES = {"write", "pwrite64", "writev", "pwritev", "sendto", "sendmsg"}


def start_traced(server, data, trace, *arguments):
    """Starts a server under strace. The tracer is a grandchild (-D), so that the child is the server itself."""
    return server(
        *arguments, data=data, wrapper=[
            "strace", "-D", "-f", "-y", "-s", "24", "-o", str(trace), "-e", "signal=none",
            "-e", "trace=" + ",".join(sorted(SYNCS | WRITES))])


def steps(trace):
    """The trace as (what, where) in order: "log" for a write to the WAL, "sync" for a finished sync of it, "answer"."""
    waiting = {}
    for line in Path(trace).read_text(errors="replace").splitlines():
        if call := CALL.match(line):
            thread, name, _, path, rest = call.groups()
            if name in SYNCS and path.endswith("-wal"):
                if "<unfinished" in rest:
                    waiting[thread] = name
                else:
                    assert rest.endswith("= 0"), line
                    yield "sync"
            elif name in WRITES and path.endswith("-wal"):
                yield "log"
            elif name in WRITES and '"HTTP/1.1 ' in rest:
                yield "answer"
        elif (resumed := RESUMED.match(line)) and waiting.get(resumed[1]) == resumed[2]:
            del waiting[resumed[1]]
            assert resumed[3].endswith("= 0"), line
            yield "sync"


def violations(trace):
    """How many answers there are, and the numbers of those that left before their writes were on the disk."""
    early, count, has_written, is_synced = [], 0, False, False
    for step in steps(trace):
        if step == "log":
            has_written, is_synced = True, False
        elif step == "sync":
            is_synced = True
        else:
            count += 1
            if not (has_written and is_synced):
                early.append(count)
            has_written, is_synced = False, False
    return count, early


def send_one_by_one(server):
    connection = server.connection()
    project = server.project
    for number in range(REQUESTS):
        kind = number % 3
        if kind == 0:
            answer = server.track(project.event("Clicked", "user", n=number), connection=connection)
        elif kind == 1:
            answer = server.track(project.identify("user", new_anonymous_id()), connection=connection)
        else:
            answer = server.import_(
                [project.event("Old", "user", time=1_600_000_000 + n, **{"$insert_id": f"{number}-{n}"})
                 for n in range(50)], connection=connection)
        assert answer.status == 200, answer
    connection.close()


def traced_run(server, data, trace, *arguments):
    running = start_traced(server, data, trace, *arguments)
    send_one_by_one(running)
    running.stop()
    # The tracer writes its last lines when the server has gone.
    wait_until(lambda: "+++ exited with" in trace.read_text(errors="replace")[-4000:], what="the end of the trace")
    return violations(trace)


def test_every_answer_follows_a_sync_of_what_it_promises(server, data, tmp_path):
    assert traced_run(server, data, tmp_path / "trace") == (REQUESTS, [])


def test_the_check_can_fail(server, data, tmp_path):
    count, early = traced_run(server, data, tmp_path / "trace", "--set", "store.synchronous=normal")
    assert count == REQUESTS
    assert len(early) > REQUESTS // 2, "without syncs the check must report violations"
