"""What the acceptance tests share: the real server as a process, and a small client for it.

    python3 -m venv .venv && .venv/bin/pip install -r Tests/Acceptance/requirements.txt
    .venv/bin/pytest Tests/Acceptance

`SELFSAME_BINARY` names the server to test; without it, it is the debug build. Only 127.0.0.1 is used.
"""

import base64
import fcntl
import gzip
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFORMANCE = ROOT / "Tests" / "Conformance"
FIXTURE = CONFORMANCE / "fixture.yaml"
BINARY = Path(os.environ.get("SELFSAME_BINARY", ROOT / ".build/debug/selfsame")).resolve()
READY = re.compile(r"Selfsame listens on https?://127\.0\.0\.1:(\d+)$")

# Moves the descriptors that it is given to 3 and up, and runs a command with them.
INHERITING = """
next=3
for descriptor in $0; do eval "exec $next<&$descriptor $descriptor<&-"; next=$((next + 1)); done
LISTEN_FDS=$((next - 3)) LISTEN_PID=$$ exec "$@"
"""

# The server refuses variables that look like its settings and are none, so ours must not reach it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("SELFSAME_")}

# A machine that is set up for a proxy must still talk to itself directly.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"

sys.path.insert(0, str(CONFORMANCE))


def wait_until(condition, timeout=30, what="the condition"):
    """Asks again and again until the condition gives something true, and returns that."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come within {timeout} s")


def basic(name, password=""):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def new_anonymous_id(randomness=random):
    """A UUID of version 4, as SDKs make them."""
    return str(uuid.UUID(int=randomness.getrandbits(128), version=4))


def strict_json(text):
    """Parses JSON, and fails where an object has a key twice, or a number is none of JSON's."""

    def members(pairs):
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys)), f"a key stands twice in one object: {keys}"
        return dict(pairs)

    def constant(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, object_pairs_hook=members, parse_constant=constant)


def json_lines(text):
    """The objects of a JSONL text. (`splitlines` would also split at U+2028, which JSON leaves as it is.)"""
    return [strict_json(line) for line in text.split("\n") if line]


def run_command(*arguments, env=None, cwd=None, timeout=120):
    """Runs `selfsame` to its end, without looking at its status."""
    return subprocess.run(
        [BINARY, *map(str, arguments)], env={**ENVIRONMENT, **(env or {})}, cwd=cwd, timeout=timeout,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def command(*arguments, **options):
    """Runs `selfsame`, expects success, and returns what it wrote to standard output."""
    done = run_command(*arguments, **options)
    assert done.returncode == 0, f"selfsame {arguments} ended with {done.returncode}:\n{done.stderr}"
    return done.stdout


def fields(text):
    """The `name: value` lines of a text."""
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return strict_json(self.body)

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"


class Project:
    """The keys of one project."""

    def __init__(self, number, token, secret):
        self.number = int(number)
        self.token = token
        self.secret = secret

    @classmethod
    def first(cls, directory):
        """The project that a server makes on its first start."""
        found = fields((Path(directory) / "first-project.txt").read_text())
        return cls(found["project"], found["token"], found["secret"])

    def event(self, name, distinct_id, **properties):
        """A record for /track."""
        return {"event": name, "properties": {"token": self.token, "distinct_id": distinct_id, **properties}}

    def identify(self, identified, anonymous, **properties):
        return self.verb("$identify", **{"$identified_id": identified, "$anon_id": anonymous, **properties})

    def alias(self, alias, distinct_id, **properties):
        return self.verb("$create_alias", alias=alias, distinct_id=distinct_id, **properties)

    def merge(self, one, other, **properties):
        return self.verb("$merge", **{"$distinct_ids": [one, other], **properties})

    def verb(self, name, **properties):
        return {"event": name, "properties": {"token": self.token, **properties}}


# The projects of the fixture.
ORIGINAL = Project(1001, "0000000000000000000000000000aaaa", "5ec0000000000000000000000000aaaa")
SIMPLIFIED = Project(1002, "0000000000000000000000000000bbbb", "5ec0000000000000000000000000bbbb")
LEGACY = Project(1003, "0000000000000000000000000000cccc", "5ec0000000000000000000000000cccc")


class Server:
    """One process of `selfsame serve`."""

    def __init__(self, *arguments, data=None, project=None, env=None, prepare=None, wrapper=(), tls=None,
                 binary=BINARY, sockets=()):
        """Starts the server and waits until it listens.

        `data` is the data directory, `project` the project to speak for (the directory's first, where there is one),
        `prepare` runs in the child before the server does, `wrapper` is a command that runs the server, `tls` is the
        `SSLContext` to speak to it with, `binary` the server to run, and `sockets` are passed to it as systemd passes
        those of a socket unit.
        """
        self.tls = tls
        self.data = Path(data) if data else None
        self.errors = tempfile.TemporaryFile()
        self.lines = []
        options = ["--data", str(data)] if data else []
        descriptors = [fcntl.fcntl(socket, fcntl.F_DUPFD_CLOEXEC, 100) for socket in sockets]
        if descriptors:
            wrapper = [*wrapper, "bash", "-c", INHERITING, " ".join(map(str, descriptors))]
        self.process = subprocess.Popen(
            [*wrapper, str(binary), "serve", "--port", "0", *options, *map(str, arguments)],
            env={**ENVIRONMENT, **(env or {})}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors,
            preexec_fn=prepare, pass_fds=descriptors, text=True)
        for descriptor in descriptors:
            os.close(descriptor)
        self.port = None
        listening = threading.Event()
        self._reader = threading.Thread(target=self._read_output, args=[listening], daemon=True)
        self._reader.start()
        listening.wait(60)
        if self.port is None:
            self.kill()
            raise AssertionError(f"the server did not start:\n{''.join(self.lines)}\n{self.error_text()}")
        if project is None and self.data and (self.data / "first-project.txt").exists():
            project = Project.first(self.data)
        self.project = project

    def _read_output(self, listening):
        for line in self.process.stdout:
            self.lines.append(line)
            if found := READY.match(line):
                self.port = int(found[1])
                listening.set()
        listening.set()

    @property
    def pid(self):
        return self.process.pid

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def is_running(self):
        return self.process.poll() is None

    def output(self):
        return "".join(self.lines)

    def error_text(self):
        size = os.fstat(self.errors.fileno()).st_size
        return os.pread(self.errors.fileno(), size, 0).decode(errors="replace")

    def stop(self, timeout=60):
        """Ends the server as an operator does, and expects status 0."""
        if self.is_running:
            os.kill(self.pid, signal.SIGTERM)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not end within {timeout} s of SIGTERM") from None
        self._reader.join(10)
        assert status == 0, f"the server ended with status {status}:\n{self.error_text()}"

    def kill(self):
        """Ends the server as a crash does."""
        if self.is_running:
            os.kill(self.pid, signal.SIGKILL)
        self.process.wait(30)
        self._reader.join(10)

    def connection(self, timeout=60):
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None, query=None, connection=None, timeout=60):
        """Sends one request, on a connection of its own unless one is given."""
        own = connection or self.connection(timeout)
        target = path + ("?" + urllib.parse.urlencode(query, doseq=True) if query else "")
        try:
            own.request(method, target, body=body, headers=headers or {})
            return Answer(own.getresponse())
        finally:
            if connection is None:
                own.close()

    def track(self, records, query=None, headers=None, **options):
        """POSTs records to /track as JSON, or bytes as they are."""
        body = records if isinstance(records, bytes) else json.dumps(records).encode()
        return self.request(
            "POST", "/track", body, {"Content-Type": "application/json", **(headers or {})}, query, **options)

    def import_(self, records, query=None, headers=None, compress=False, **options):
        """POSTs records to /import, strictly and with the project's secret unless told otherwise."""
        body = records if isinstance(records, bytes) else json.dumps(records).encode()
        own = {"Content-Type": "application/json", **basic(self.project.secret)}
        if compress:
            body = gzip.compress(body, 1)
            own["Content-Encoding"] = "gzip"
        query = {"strict": 1} if query is None else query
        return self.request("POST", "/import", body, {**own, **(headers or {})}, query, **options)

    def send(self, *records):
        """Sends records one by one; $merge goes through /import."""
        for record in records:
            answer = self.import_([record]) if record["event"] == "$merge" else self.track([record])
            assert answer.status == 200, answer

    def read(self, path, **query):
        """GETs one of the paths that read, with the project's secret."""
        return self.request("GET", path, headers=basic(self.project.secret), query=query)

    def resolve(self, *ids, **query):
        """The canonical id of each id."""
        answer = self.read("/identity/resolve", distinct_id=ids, **query)
        assert answer.status == 200, answer
        return [result["canonical_id"] for result in answer.json["results"]]

    def cluster(self, distinct_id):
        answer = self.read("/identity/cluster", distinct_id=distinct_id)
        assert answer.status == 200, answer
        assert answer.json["next"] is None
        return {member["distinct_id"] for member in answer.json["members"]}

    def clusters(self):
        """All clusters of more than one id."""
        answer = self.read("/identity/mappings", format="jsonl")
        assert answer.status == 200, answer
        return clusters_of_mappings(answer.text)

    def log(self, after=0, **query):
        """All entries of the log after a sequence."""
        entries = []
        while after is not None:
            page = self.read("/identity/log", after=after, **query)
            assert page.status == 200, page
            entries += page.json["entries"]
            after = page.json["next"]
        return entries

    def export(self, first="1971-01-01", last="2099-12-31", **query):
        """The exported events of a range of days."""
        answer = self.read("/api/2.0/export", from_date=first, to_date=last, **query)
        assert answer.status == 200, answer
        return json_lines(answer.text)

    def peak_memory(self):
        """The most memory that the server ever had, in bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the system does not tell the peak memory of a process")


def delete(server, *ids):
    """Deletes ids for privacy law, and waits for the end of it."""
    path, token = "/api/app/data-deletions/v3.0/", {"token": server.project.token}
    answer = server.request("POST", path, json.dumps({"distinct_ids": ids}), basic(server.project.secret), token)
    assert answer.status == 201, answer
    task = answer.json["results"][0]["tracking_id"]
    wait_until(
        lambda: server.request("GET", f"{path}{task}/", headers=basic(server.project.secret), query=token)
        .json["results"]["status"] == "SUCCESS", what="the end of a deletion")


def clusters_of_mappings(text):
    clusters = defaultdict(set)
    for row in json_lines(text):
        clusters[row["canonical_id"]].add(row["distinct_id"])
    for canonical, members in clusters.items():
        assert canonical in members, f"{canonical} stands for a cluster that it is not in"
    return {frozenset(members) for members in clusters.values() if len(members) > 1}


def pair_of(entry):
    """The two ids that an entry of the log is about."""
    ids = entry["ids"]
    if entry["verb"] == "$identify":
        return ids["$identified_id"], ids["$anon_id"]
    if entry["verb"] == "$create_alias":
        return ids["distinct_id"], ids["alias"]
    return tuple(ids["$distinct_ids"])


def clusters_of_log(entries):
    """The clusters of more than one id that the merged entries of a log come to."""
    parent = {}

    def root(distinct_id):
        parent.setdefault(distinct_id, distinct_id)
        while parent[distinct_id] != distinct_id:
            distinct_id = parent[distinct_id]
        return distinct_id

    for entry in entries:
        if entry["outcome"] == "merged":
            one, other = map(root, pair_of(entry))
            assert one != other, f"entry {entry['sequence']} merged what was one already"
            parent[one] = other
    clusters = defaultdict(set)
    for distinct_id in parent:
        clusters[root(distinct_id)].add(distinct_id)
    return {frozenset(members) for members in clusters.values()}


def insert_ids(rows):
    return [row["properties"]["$insert_id"] for row in rows]


# Servers whose test has not ended, for the report of a failure.
RUNNING = []


@contextmanager
def servers():
    """Gives a function that starts servers, and stops at the end those that still run."""
    started = []

    def start(*arguments, **options):
        server = Server(*arguments, **options)
        started.append(server)
        RUNNING.append(server)
        return server

    try:
        yield start
        for server in started:
            if server.is_running:
                server.stop()
            elif server.process.returncode not in (0, -signal.SIGKILL):
                raise AssertionError(
                    f"the server ended by itself with {server.process.returncode}:\n{server.error_text()}")
    finally:
        for server in started:
            server.kill()
            RUNNING.remove(server)
            server.errors.close()


@pytest.fixture
def server():
    """Starts servers: `server("--sandbox", data=directory)`."""
    with servers() as start:
        yield start


@pytest.fixture(params=["memory", "sqlite"])
def running(request, server, data):
    """A sandbox on each store, with the projects of the fixture."""
    data = data if request.param == "sqlite" else None
    return server("--sandbox", "--config", FIXTURE, data=data, project=ORIGINAL)


@pytest.fixture
def data(tmp_path):
    """A data directory that is not there yet."""
    return tmp_path / "data"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for server in RUNNING:
            text = server.error_text() or "(nothing)"
            report.sections.append((f"standard error of the server with pid {server.pid}", text[-8000:]))
    return report
