"""`selfsame import`: into a server, from standard input, into a new directory, of profiles, and what it says."""

import base64
import json
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import BINARY, ENVIRONMENT, Project, basic, command, json_lines, run_command, wait_until

LONG_AGO = 1_600_041_600  # 2020-09-14T00:00:00Z


def events(count, **more):
    return [
        {"event": "Read", "properties": {
            "time": LONG_AGO + n, "distinct_id": f"u{n % 7}", "$insert_id": f"i{n}", "n": n, **more}}
        for n in range(count)
    ]


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def insert_ids(data):
    rows = json_lines(command("export", "--data", data))
    return sorted(row["properties"]["$insert_id"] for row in rows)


class Recorder(BaseHTTPRequestHandler):
    """A server that answers what the test says, and keeps what it got."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        status, headers, answer = self.server.answer(self.path, json.loads(body))
        payload = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(payload)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_):
        pass


@pytest.fixture
def recorder():
    serving = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    serving.requests = []
    serving.answer = lambda path, records: (200, {}, {"error": None, "status": 1})
    serving.url = f"http://127.0.0.1:{serving.server_port}"
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield serving
    serving.shutdown()
    thread.join()
    serving.server_close()


SECRET = {"SELFSAME_SECRET": "5ec0"}
ONE = Project(1, "0000000000000000000000000000eeee", "5ec0000000000000000000000000eeee")


def test_requests_are_split_by_records_and_by_bytes(recorder, tmp_path):
    write(tmp_path / "many", events(4500))
    write(tmp_path / "large", events(30, text=["x" * 250] * 200))
    command("import", tmp_path / "many", "--url", recorder.url, env=SECRET)
    sizes = [len(json.loads(body)) for _, _, body in recorder.requests]
    assert sum(sizes) == 4500 and max(sizes) <= 2000
    for path, headers, body in recorder.requests:
        assert path.startswith("/import?") and "strict=0" in path.split("?")[1].split("&")
        assert headers["Authorization"] == "Basic " + base64.b64encode(b"5ec0:").decode()
        assert len(body) <= 1_000_000
    recorder.requests.clear()
    command("import", tmp_path / "large", "--url", recorder.url + "/base/", env=SECRET)
    assert len(recorder.requests) > 1 and all(len(body) <= 1_000_000 for _, _, body in recorder.requests)
    assert all(path.startswith("/base/import?") for path, _, _ in recorder.requests)
    numbers = [record["properties"]["n"] for _, _, body in recorder.requests for record in json.loads(body)]
    assert numbers == list(range(30))


def test_a_server_that_is_busy_is_waited_for(recorder, tmp_path):
    answers = iter([(429, {"Retry-After": "1"}, {"error": "slower", "status": 0}),
                    (503, {"Retry-After": "0"}, {"error": "later", "status": 0}),
                    (200, {}, {"error": None, "status": 1})])
    recorder.answer = lambda path, records: next(answers)
    done = run_command("import", write(tmp_path / "f", events(3)), "--url", recorder.url, env=SECRET)
    assert done.returncode == 0 and done.stdout.startswith("3 records read, 3 stored, 0 rejected"), done
    assert "waiting 1 s: 429 slower" in done.stderr and len(recorder.requests) == 3
    assert len({body for _, _, body in recorder.requests}) == 1


def test_a_request_that_is_too_large_is_halved(recorder, tmp_path):
    recorder.answer = lambda path, records: (
        (413, {}, {"error": "too large", "status": "error"}) if len(records) > 40
        else (200, {}, {"error": None, "status": 1}))
    said = command("import", write(tmp_path / "f", events(100)), "--url", recorder.url, env=SECRET)
    assert said.startswith("100 records read, 100 stored, 0 rejected")
    taken = [json.loads(body) for _, _, body in recorder.requests if len(json.loads(body)) <= 40]
    assert [r["properties"]["n"] for records in taken for r in records] == list(range(100))


def test_records_that_the_server_rejects_are_found_and_named(recorder, tmp_path):
    bad = {17, 61}
    recorder.answer = lambda path, records: (
        (200, {}, {"error": "no such thing", "status": 0})
        if any(r["properties"]["n"] in bad for r in records) else (200, {}, {"error": None, "status": 1}))
    path = write(tmp_path / "f", events(100))
    done = run_command("import", path, "--url", recorder.url, env=SECRET)
    assert done.returncode == 1 and done.stdout.startswith("100 records read, 98 stored, 2 rejected"), done
    for n in bad:
        assert f"{path}, record {n + 1}: line {n + 1}, column 1: rejected by the server: no such thing" in done.stderr


def test_a_wrong_credential_ends_it_at_once(recorder, tmp_path):
    recorder.answer = lambda path, records: (401, {}, {"error": "Unauthorized, invalid", "status": "Unauthorized"})
    path = write(tmp_path / "f", events(3))
    done = run_command("import", path, "--url", recorder.url, env=SECRET)
    assert done.returncode != 0 and "401 Unauthorized, invalid" in done.stderr and len(recorder.requests) == 1, done
    done = run_command("import", path, "--url", recorder.url)
    assert done.returncode != 0 and "SELFSAME_SECRET" in done.stderr and len(recorder.requests) == 1, done


def test_a_running_server_takes_files_and_standard_input(server, data, tmp_path):
    running = server(data=data)
    path = write(tmp_path / "f", events(2500) + [
        {"event": "No insert id", "properties": {"time": LONG_AGO, "distinct_id": "u"}}] * 2)
    secret_file = data / "first-project.txt"
    said = command("import", path, "--url", running.url, "--secret-file", secret_file)
    assert said == "2502 records read, 2502 stored, 0 rejected; merged=0, unchanged=0, refused=0\n"
    assert len(running.export()) == 2502
    # The same insert ids as an import into the directory gives: again, another way, adds nothing.
    done = subprocess.run(
        [BINARY, "import", "-", "--url", running.url], input=path.read_bytes(), capture_output=True, timeout=120,
        env={**ENVIRONMENT, "SELFSAME_SECRET": running.project.secret})
    assert done.returncode == 0, done
    assert done.stdout.startswith(b"2502 records read, 0 stored, 2502 already there, 0 rejected"), done
    running.stop()
    said = command("import", path, "--data", data)
    assert said.startswith("2502 records read, 0 stored, 2502 already there, 0 rejected"), said


def test_an_account_imports_too(server, data, tmp_path):
    running = server(data=data)
    made = command("account", "create", "loader", "--role", "1=admin", "--data", data)
    secret = dict(line.split(": ") for line in made.splitlines())["secret"]
    wait_until(lambda: running.request(
        "GET", "/api/app/me", headers=basic("loader", secret)).status == 200, what="the account")
    path = write(tmp_path / "f", events(3))
    done = run_command("import", path, "--url", running.url, env={"SELFSAME_SECRET": f"loader:{secret}"})
    assert done.returncode != 0 and "--project" in done.stderr, done
    command("import", path, "--url", running.url, "--project", "1", env={"SELFSAME_SECRET": f"loader:{secret}"})
    assert len(running.export()) == 3


def test_a_directory_without_a_store_gets_one(server, tmp_path):
    target = tmp_path / "new"
    done = run_command("import", write(tmp_path / "f", events(3)), "--data", target)
    assert done.returncode == 0 and "A store was made" in done.stderr, done
    project = Project.first(target)
    assert project.secret not in done.stdout + done.stderr
    assert (target.stat().st_mode & 0o777, (target / "first-project.txt").stat().st_mode & 0o777) == (0o700, 0o600)
    running = server(data=target)
    assert running.project.secret == project.secret and len(running.export()) == 3
    missing = run_command("import", tmp_path / "nothing", "--data", tmp_path / "never")
    assert missing.returncode != 0 and "nothing" in missing.stderr and not (tmp_path / "never").exists()


@pytest.mark.parametrize("marked, ordinal", [
    ('{"event": "A", "properties": {"time": 1600041600}}\n{"event": "B", "properties": {"time": 0‸1}}\n', 2),
    ('{"event": "A", "properties": {"time": 1600041600, "é": "ü" ‸x}}', 1),
    ('[\n  {"event": "A", "properties": {"time": 1600041600}},\n  {"event": "B",\n   "properties": ‸tru}\n]', 2),
    ('{"event": "A", "properties": {"time": 1600041600}}\n\n  ‸{"event": "", "properties": {}}\n', 2),
    ('{"event": "A", "properties": {"time": 1600041600}}\n{"event": "B", "properties": {"time"‸', 2),
])
def test_what_is_wrong_is_named_by_line_and_column(tmp_path, marked, ordinal):
    before = marked[:marked.index("‸")]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    path = tmp_path / "events"
    path.write_text(marked.replace("‸", ""))
    done = run_command("import", path, "--data", tmp_path / "data")
    assert done.returncode == 1, done
    assert f"{path}, record {ordinal}: line {line}, column {column}: " in done.stderr, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_import_that_is_stopped_says_how_to_go_on(tmp_path, number):
    data = tmp_path / "data"
    records = [json.dumps(record) + "\n" for record in events(5000)]
    process = subprocess.Popen(
        [BINARY, "import", "-", "--data", data], env=ENVIRONMENT, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write("".join(records[:4500]))
    process.stdin.flush()
    # A read of the store shows what is committed; the rest waits for more input.
    wait_until(lambda: (data / "selfsame.sqlite").exists() and len(insert_ids(data)) >= 4000, what="two commits")
    process.send_signal(number)
    process.wait(60)
    stored = int(process.stdout.read().split(" stored")[0].split(", ")[-1])
    assert process.returncode == 130 and stored == 4000
    assert "run the same command again to go on" in process.stderr.read()
    process.stdin.close()
    said = command("import", write(tmp_path / "f", events(5000)), "--data", data)
    assert said.startswith("5000 records read, 1000 stored, 4000 already there, 0 rejected"), said
    assert len(insert_ids(data)) == 5000


def test_profiles_move(server, tmp_path):
    source = server(data=tmp_path / "source")
    token = source.project.token
    source.send(source.project.identify("U1", "4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e"))
    for update in ({"$distinct_id": "U1", "$set": {"$name": "Ada", "list": [1, {"a": None}]}},
                   {"$distinct_id": "U2", "$set": {"plan": "free"}}):
        assert source.request("POST", "/engage", json.dumps([{"$token": token, **update}])).text == "1"
    source.stop()
    text = command("export", "--profiles", "--data", source.data)
    profiles = {row["$distinct_id"]: row["$properties"] for row in json_lines(text)}
    assert profiles["U1"]["$name"] == "Ada" and profiles["U2"]["plan"] == "free"
    path = tmp_path / "profiles.jsonl"
    path.write_text(text)
    said = command("import", "--profiles", path, "--data", tmp_path / "target")
    assert said.startswith("2 records read, 2 stored, 0 rejected")
    target = server(data=tmp_path / "target")
    said = command(
        "import", "--profiles", path, "--url", target.url, "--token", target.project.token,
        env={"SELFSAME_SECRET": target.project.secret})
    assert said.startswith("2 records read, 2 stored, 0 rejected")
    target.stop()
    again = {row["$distinct_id"]: row["$properties"] for row in json_lines(
        command("export", "--profiles", "--data", target.data))}
    for id, properties in profiles.items():
        assert {k: v for k, v in again[id].items() if k != "$last_seen"} == {
            k: v for k, v in properties.items() if k != "$last_seen"}


def test_profiles_with_an_unknown_token_end_with_an_error(server, tmp_path):
    running = server(data=tmp_path / "target")
    path = write(tmp_path / "profiles", [{"$distinct_id": "U1", "$properties": {"plan": "free"}}])
    done = run_command(
        "import", "--profiles", path, "--url", running.url, "--token", "f" * 32,
        env={"SELFSAME_SECRET": running.project.secret})
    assert done.returncode != 0 and "knows no project with the token" in done.stderr, done


def test_what_is_stored_beside_rejected_records_is_counted(server, tmp_path):
    """An id that only the server reserves is found by it alone, after it has stored the others."""
    configuration = tmp_path / "reserved.yaml"
    configuration.write_text(
        f"projects:\n  - {{id: 1, name: one, token: {ONE.token}, secret: {ONE.secret}}}\n"
        "identity:\n  reservedIDs: guest\n")
    running = server("--config", configuration, data=tmp_path / "target", project=ONE)
    bad = ONE.identify("guest", "4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e", time=LONG_AGO, **{"$insert_id": "bad"})
    good = ONE.identify("U1", "4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2f", time=LONG_AGO, **{"$insert_id": "good"})
    path = write(tmp_path / "f", [good, bad, *events(9)])
    done = run_command("import", path, "--url", running.url, env={"SELFSAME_SECRET": ONE.secret})
    assert done.returncode == 1 and f"{path}, record 2: " in done.stderr, done
    assert done.stdout.startswith("11 records read, 10 stored, "), done
    assert "1 rejected; merged=1, " in done.stdout, done
    done = run_command("import", path, "--url", running.url, env={"SELFSAME_SECRET": ONE.secret})
    assert done.stdout.startswith("11 records read, 0 stored, 10 already there, 1 rejected; merged=0, "), done


def test_more_rejected_records_than_are_looked_for_are_counted(server, tmp_path):
    configuration = tmp_path / "reserved.yaml"
    configuration.write_text(
        f"projects:\n  - {{id: 1, name: one, token: {ONE.token}, secret: {ONE.secret}}}\n"
        "identity:\n  reservedIDs: guest\n")
    running = server("--config", configuration, data=tmp_path / "target", project=ONE)
    bad = [ONE.identify("guest", f"{n:08x}-0000-4000-8000-000000000000", time=LONG_AGO) for n in range(300)]
    records = [record for pair in zip(bad, events(300)) for record in pair]
    path = write(tmp_path / "f", records)
    done = run_command("import", path, "--url", running.url, env={"SELFSAME_SECRET": ONE.secret})
    assert done.stdout.startswith("600 records read, 300 stored, 300 rejected"), done


def test_profiles_of_every_form(server, tmp_path):
    """Mixpanel's export of profiles, and updates as /engage and /groups take them, with and without a token."""
    path = tmp_path / "profiles"
    path.write_text("\n".join(json.dumps(record) for record in [
        {"$distinct_id": "a", "$properties": {"$email": "a@example.com", "text": '"$properties": {}'}},
        {"$token": "another", "$distinct_id": "b", "$set": {"n": 1}},
        {"$group_key": "company", "$group_id": "acme", "$set": {"size": 7}},
        {"$distinct_id": "c", "$set": 7},
    ]))
    done = run_command("import", "--profiles", path, "--data", tmp_path / "data")
    assert done.returncode == 1 and done.stdout.startswith("4 records read, 3 stored, 1 rejected"), done
    assert f"{path}, record 4: line 4, column 1: " in done.stderr, done
    running = server(data=tmp_path / "data")
    answer = running.request("POST", "/api/2.0/engage", headers=basic(running.project.secret))
    found = {row["$distinct_id"]: row["$properties"] for row in answer.json["results"]}
    assert found["a"]["$email"] == "a@example.com" and found["a"]["text"] == '"$properties": {}'
    assert found["b"]["n"] == 1 and "c" not in found
    group = running.request(
        "GET", "/api/2.0/engage", headers=basic(running.project.secret),
        query={"group_key": "company", "group_id": "acme"})
    assert group.status == 200 and "7" in group.text
