"""The command: help, projects, accounts, import, export, and a configuration that stops the start when it is wrong."""

import gzip
import json
import os
import re
import signal
import stat
import subprocess
import time

import pytest
from conftest import (
    BINARY, ENVIRONMENT, FIXTURE, ORIGINAL, Project, basic, command, fields, insert_ids,
    json_lines, new_anonymous_id, run_command, strict_json, wait_until)

LONG_AGO = 1_600_041_600  # 2020-09-14T00:00:00Z
COMMANDS = [
    [], ["serve"], ["project"], ["project", "create"], ["project", "list"], ["project", "rotate"], ["account"],
    ["account", "create"], ["account", "list"], ["resolve"], ["cluster"], ["explain"], ["log"], ["events"], ["changes"],
    ["mappings"], ["unmerge"], ["restore"], ["blocks"], ["export"], ["import"], ["delete"], ["retrieve"], ["verify"],
]


@pytest.fixture
def made(server, data):
    """A data directory with its first project, and no server on it."""
    server(data=data).stop()
    return Project.first(data)


def exported(data):
    return json_lines(command("export", "--from", "1971-01-01", "--to", "2099-12-31", "--data", data))


def without_arrival(rows):
    """Rows without what depends on when they came, as a sorted list."""
    for row in rows:
        row.pop("selfsame_log", None)
        for key in ("mp_processing_time_ms", "$mp_api_timestamp_ms", "$selfsame_sequence"):
            row["properties"].pop(key, None)
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "selfsame")
def test_help(words):
    for flag in ("--help", "-h"):
        done = run_command(*words, flag)
        assert (done.returncode, done.stderr) == (0, "")
        assert "USAGE: selfsame" in done.stdout
        assert re.search(r"^EXAMPLES?$", done.stdout, re.MULTILINE), f"no example in:\n{done.stdout}"
        assert "  selfsame " + " ".join(words) in done.stdout.split("EXAMPLE", 1)[1]


def test_help_names_every_command():
    text = run_command("--help").stdout
    for words in COMMANDS[1:]:
        assert re.search(rf"^  {words[0]} ", text, re.MULTILINE), words[0]


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", command("--version"))


@pytest.mark.parametrize("arguments", [
    ["nonsense"], ["serve", "--nonsense"], ["project", "rotate"], ["project", "rotate", "x"], ["resolve"],
    ["export", "--from", "2020-01-01"], ["import"],
], ids=" ".join)
def test_a_wrong_call_says_so(arguments, tmp_path):
    done = run_command(*arguments, cwd=tmp_path)
    assert done.returncode != 0 and done.stdout == "" and "Error: " in done.stderr, done


@pytest.mark.parametrize("arguments", [
    ["project", "create", "x"], ["project", "list"], ["project", "rotate", "1"], ["account", "create", "x"],
    ["account", "list"], ["resolve", "x"], ["export", "--from", "2020-01-01", "--to", "2020-01-02"],
    ["cluster", "x"], ["explain", "x", "y"], ["log"], ["events", "x"], ["changes"], ["changes", "--follow"],
    ["mappings"], ["unmerge", "--link", "1"], ["restore", "1"], ["blocks"], ["delete", "x", "--yes"],
    ["retrieve", "x"], ["verify"],
], ids=" ".join)
def test_a_directory_without_a_store_is_named(arguments, tmp_path):
    done = run_command(*arguments, "--data", tmp_path / "nowhere")
    assert done.returncode != 0 and str(tmp_path / "nowhere") in done.stderr, done
    assert not (tmp_path / "nowhere").exists()


def test_the_first_start(server, data):
    running = server(data=data)
    first = data / "first-project.txt"
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "secret.key").stat().st_mode) == 0o600
    project = Project.first(data)
    assert re.fullmatch("[0-9a-f]{32}", project.secret) and re.fullmatch("[0-9a-f]{32}", project.token)
    wait_until(lambda: project.token in running.output() and str(first) in running.output(), what="the greeting")
    running.stop()
    for text in (running.output(), running.error_text()):
        assert project.secret not in text, "a secret is printed to a terminal only"
    for path in data.iterdir():
        if path != first:
            assert project.secret.encode() not in path.read_bytes(), f"{path.name} holds the secret in the clear"

    # A second start makes no other project.
    before = first.read_text()
    again = server(data=data)
    assert first.read_text() == before
    assert again.resolve("x") == ["x"]
    assert command("project", "list", "--data", data).count("\n") == 1


def test_the_first_call_that_is_shown_works(server, data):
    running = server(data=data)
    wait_until(lambda: "/identity/cluster" in running.output(), what="the greeting")
    script = "\n".join(line for line in running.output().splitlines() if line.startswith("  curl "))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
    assert done.returncode == 0, done
    answer, cluster = done.stdout[0], strict_json(done.stdout[1:])
    assert answer == "1" and cluster["size"] == 2 and cluster["canonical_id"] == "user-1"


def test_projects(server, data, made):
    shop = fields(command("project", "create", "Web shop", "--data", data))
    assert shop["project"] == str(made.number + 1)
    staging = fields(command(
        "project", "create", "staging", "--id", "1001", "--system", "simplified", "--max-cluster-size", "0",
        "--anon-form", "any", "--data", data))
    assert staging["project"] == "1001"
    keys = [made.token, made.secret, shop["token"], shop["secret"], staging["token"], staging["secret"]]
    assert len(set(keys)) == 6
    listed = [line.split("\t") for line in command("project", "list", "--data", data).splitlines()]
    assert listed == [
        [str(made.number), "first", "original", made.token], [shop["project"], "Web shop", "original", shop["token"]],
        ["1001", "staging", "simplified", staging["token"]]]
    for arguments in (["--id", "1001"], ["--id", "0"], ["--system", "other"], ["--max-cluster-size", "1"],
                      ["--anon-form", "other"]):
        done = run_command("project", "create", "again", *arguments, "--data", data)
        assert done.returncode != 0 and done.stderr, arguments
    assert len(command("project", "list", "--data", data).splitlines()) == 3


def test_a_project_made_while_the_server_runs_takes_events(server, data):
    running = server(data=data)
    shop = fields(command("project", "create", "shop", "--data", data))
    project = Project(shop["project"], shop["token"], shop["secret"])
    own = basic(project.secret)
    began = time.monotonic()
    wait_until(lambda: running.request("GET", "/identity/log", headers=own).status == 200, 10, "the new project")
    assert time.monotonic() - began < 2
    assert running.track([project.event("Clicked", "user")]).text == "1"
    running.project = project
    assert [row["event"] for row in running.export()] == ["Clicked"]
    assert running.import_([project.merge("a", "b")]).json["num_records_imported"] == 1


def test_a_rotated_secret_stops(server, data):
    running = server(data=data)
    old = running.project.secret
    new = fields(command("project", "rotate", running.project.number, "--data", data))["secret"]
    assert new != old
    began = time.monotonic()

    def status(secret):
        return running.request("GET", "/identity/log", headers=basic(secret)).status

    wait_until(lambda: status(old) == 401, 10, "the end of the old secret")
    assert time.monotonic() - began < 2
    assert status(new) == 200
    assert running.track([running.project.event("Clicked", "user")]).text == "1", "the token stays"
    running.stop()
    again = server(data=data)
    assert again.request("GET", "/identity/log", headers=basic(old)).status == 401
    assert again.request("GET", "/identity/log", headers=basic(new)).status == 200


def test_accounts_and_roles(server, data):
    running = server(data=data)
    number = running.project.number
    other = fields(command("project", "create", "other", "--data", data))["project"]
    secrets = {}
    for role in ("owner", "admin", "analyst", "consumer"):
        made = fields(command("account", "create", role, "--role", f"{number}={role}", "--data", data))
        assert made["username"] == role
        secrets[role] = made["secret"]
    secrets["nobody"] = fields(command("account", "create", "nobody", "--data", data))["secret"]
    listed = command("account", "list", "--data", data)
    assert sorted(listed.splitlines()) == [
        f"admin\t{number}=admin", f"analyst\t{number}=analyst", f"consumer\t{number}=consumer", "nobody\t",
        f"owner\t{number}=owner"]
    assert not any(secret in listed for secret in secrets.values())

    body = json.dumps([running.project.event("Clicked", "user", time=LONG_AGO, **{"$insert_id": "one"})])

    def post(role, project=number, **query):
        return running.request(
            "POST", "/import", body, {"Content-Type": "application/json", **basic(role, secrets[role])},
            {"strict": 1, "project_id": project, **query})

    wait_until(lambda: post("nobody").status != 401, 10, "the accounts")
    for role in ("owner", "admin"):
        assert post(role).status == 200
    for role in ("analyst", "consumer"):
        answer = post(role)
        assert answer.status == 403 and answer.json["code"] == 403 and answer.json["status"] == "Forbidden", answer
        assert answer.json["error"].startswith("insufficient role"), answer
        read = running.request(
            "GET", "/identity/resolve", headers=basic(role, secrets[role]),
            query={"project_id": number, "distinct_id": "user"})
        assert read.status == 200, read
    for role, project in (("nobody", number), ("owner", other), ("owner", 999)):
        answer = post(role, project)
        assert answer.status == 403 and "not a project member" in answer.json["error"], answer
    answer = running.request(
        "POST", "/import", body, {"Content-Type": "application/json", **basic("owner", "wrong")},
        {"strict": 1, "project_id": number})
    assert answer.status == 401 and answer.json["error"] == "Invalid service account credentials", answer
    for arguments in (["owner"], ["x", "--role", "1"], ["x", "--role", f"{number}=king"], ["x", "--role", "999=owner"],
                      ["a:b"], [""]):
        done = run_command("account", "create", *arguments, "--data", data)
        assert done.returncode != 0 and done.stderr, arguments


def test_resolve_and_export(server, data):
    running = server(data=data)
    project = running.project
    anonymous = new_anonymous_id()
    running.track([
        project.event("Opened", anonymous, time=LONG_AGO, **{"$insert_id": "one"}),
        project.identify("user", anonymous),
    ])
    for _ in ("while it runs", "and after"):
        assert command("resolve", anonymous, "user", "stranger", "--data", data) == (
            f"{anonymous}\tuser\t2\nuser\tuser\t2\nstranger\tstranger\t1\tunknown\n")
        day = ["--from", "2020-09-14", "--to", "2020-09-14", "--data", data]
        row, = json_lines(command("export", *day))
        assert row["event"] == "Opened" and row["properties"]["distinct_id"] == "user"
        assert row["properties"]["time"] == LONG_AGO
        row, = json_lines(command("export", "--time-in-ms", *day))
        assert row["properties"]["time"] == LONG_AGO * 1000
        if running.is_running:
            assert sorted(map(json.dumps, exported(data))) == sorted(map(json.dumps, running.export()))
            running.stop()


def test_export_is_told_what_is_wrong(data, made):
    for days in (["2020-13-01", "2020-12-01"], ["2020-01-01", "x"], ["2020-01-02", "2020-01-01"]):
        done = run_command("export", "--from", days[0], "--to", days[1], "--data", data)
        assert done.returncode != 0 and done.stdout == "" and "_date" in done.stderr, done


def test_a_project_must_be_named_where_there_are_several(data, made):
    command("project", "create", "shop", "--data", data)
    for words in (["resolve", "x"], ["export", "--from", "2020-01-01", "--to", "2020-01-02"]):
        done = run_command(*words, "--data", data)
        assert done.returncode != 0 and "--project" in done.stderr and "shop" in done.stderr, done
        assert run_command(*words, "--project", "2", "--data", data).returncode == 0
        done = run_command(*words, "--project", "77", "--data", data)
        assert done.returncode != 0 and "77" in done.stderr, done


def records(count=50):
    """Events with and without insert id, and verbs, in an order that matters."""
    found = []
    for number in range(count):
        anonymous = f"{number:08x}-0000-4000-8000-000000000000"
        event = {"event": "Read ✓", "properties": {"time": LONG_AGO + number, "distinct_id": anonymous, "n": number,
                                                  "text": 'a "quoted" {brace} [bracket], \\ and a comma,'}}
        if number % 2:
            event["properties"]["$insert_id"] = f"i{number}"
        found.append(event)
        if number % 5 == 0:
            found.append({"event": "$identify", "properties": {
                "$identified_id": f"user-{number % 10}", "$anon_id": anonymous, "time": LONG_AGO + number}})
    return found


def good_records(count):
    return [
        {"event": "Good", "properties": {"time": LONG_AGO, "distinct_id": "u", "$insert_id": f"g{number}"}}
        for number in range(count)
    ]


def as_lines(items):
    return "".join(json.dumps(item) + "\n" for item in items)


def as_lines_with_blanks(items):
    return "\ufeff" + "\r\n\r\n".join(json.dumps(item, ensure_ascii=False) for item in items)


def as_array(items):
    return json.dumps(items)


def as_pretty_array(items):
    return json.dumps(items, indent=2)


def as_pretty_objects(items):
    return "\n".join(json.dumps(item, indent=4) for item in items)


FORMS = [as_lines, as_lines_with_blanks, as_array, as_pretty_array, as_pretty_objects]


def write(path, text, compress=False):
    data = text.encode()
    if compress:
        # Two members, as `cat a.gz b.gz` makes them.
        half = len(data) // 2
        data = gzip.compress(data[:half]) + gzip.compress(data[half:])
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module")
def imported_once(tmp_path_factory):
    """What `records()` come to: rows without arrival, and clusters."""
    place = tmp_path_factory.mktemp("once")
    return import_into_new_store(place, write(place / "events", as_lines(records())))


def import_into_new_store(place, *paths):
    data = place / "data"
    make_store(data)
    command("import", *paths, "--data", data)
    return state_of(data)


def make_store(data):
    """A store with one project that is the same every time, made by a start of the server."""
    config = data.parent / "one.yaml"
    config.write_text(
        f"projects:\n  - id: 1\n    name: one\n    token: {ORIGINAL.token}\n    secret: {ORIGINAL.secret}\n")
    process = subprocess.Popen(
        [BINARY, "serve", "--port", "0", "--config", config, "--data", data], env=ENVIRONMENT, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout.readline().startswith("Selfsame listens")
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.stdout.read()
        assert process.wait(60) == 0


def state_of(data):
    rows = exported(data)
    ids = sorted({i for row in rows for i in (
        row["properties"]["distinct_id"], row["properties"].get("$distinct_id_before_identity")) if i})
    resolved = [tuple(line.split("\t")) for line in command("resolve", *ids, "--data", data).splitlines()]
    return without_arrival(rows), resolved


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_import_takes_every_form(tmp_path, imported_once, form, compress):
    path = write(tmp_path / "events", form(records()), compress)
    data = tmp_path / "data"
    make_store(data)
    said = command("import", path, "--data", data)
    assert said == "60 records read, 60 stored, 0 rejected; merged=10, unchanged=0, refused=0\n"
    assert state_of(data) == imported_once
    # Again: nothing is added, whatever the form was before.
    said = command("import", write(tmp_path / "again", as_lines(records())), "--data", data)
    assert said == (
        "60 records read, 0 stored, 60 already there, 0 rejected; merged=0, unchanged=10, refused=0\n")
    assert state_of(data) == imported_once


def test_several_files_are_one_import(tmp_path, imported_once):
    items = records()
    paths = [write(tmp_path / f"part-{n}", FORMS[n % len(FORMS)](items[n * 12:n * 12 + 12]), n % 2) for n in range(5)]
    assert import_into_new_store(tmp_path, *paths) == imported_once


@pytest.mark.parametrize("form", [as_lines, as_array, as_pretty_objects], ids=lambda form: form.__name__)
def test_a_broken_record_costs_no_neighbour(data, made, tmp_path, form):
    marks = {f"BROKEN-{n}": text for n, text in enumerate([
        '{"event":"Bad","properties":{"time":1600041600,"n":01}}', '{"event":"Bad","properties":[]}', '17',
        '{"event":"","properties":{"time":1600041600}}', '{"event":"Bad","properties":{"time":"yesterday"}}',
        '{"event":"$merge","properties":{"$distinct_ids":["one"]}}',
        '{"event":"Bad","properties":{"time":1600041600,"x":' + "[" * 500 + "]" * 500 + '}}',
    ])}
    if form is as_pretty_objects:
        del marks["BROKEN-2"]  # Not an object, so it has no end of its own.
    good = good_records(8)
    items = [item for pair in zip(good, marks) for item in pair] + good[len(marks):]
    text = form(items)
    for mark, broken in marks.items():
        assert f'"{mark}"' in text
        text = text.replace(f'"{mark}"', broken)
    path = write(tmp_path / "events", text)
    done = run_command("import", path, "--data", data)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{8 + len(marks)} records read, 8 stored, {len(marks)} rejected; ")
    # A rejection names the file, and the record by its place from 1.
    for ordinal, item in enumerate(items, start=1):
        assert (f"{path}, record {ordinal}: " in done.stderr) == (item in list(marks)), (ordinal, done.stderr)
    assert sorted(insert_ids(exported(data))) == sorted(f"g{n}" for n in range(8))


def test_a_line_that_is_cut_off_costs_no_neighbour(data, made, tmp_path):
    good = [json.dumps(record) for record in good_records(3)]
    lines = [good[0], good[1][:40], '{"event":"' + "[" * 100_000, good[1], '"', good[2], good[0][:-1]]
    done = run_command("import", write(tmp_path / "events", "\n".join(lines)), "--data", data)
    assert done.returncode == 1 and done.stdout.startswith("7 records read, 3 stored, 4 rejected"), done
    assert sorted(insert_ids(exported(data))) == ["g0", "g1", "g2"]


def test_a_huge_record_costs_no_neighbour(data, made, tmp_path):
    good = good_records(2)
    huge = {"event": "Huge", "properties": {"time": LONG_AGO, "distinct_id": "u", "x": "x" * (3 << 20)}}
    for form in (as_lines, as_array, as_pretty_objects):
        done = run_command("import", write(tmp_path / "events", form([good[0], huge, good[1]])), "--data", data)
        assert done.returncode == 1 and done.stdout.startswith("3 records read, "), done
        assert "0 stored, 2 already there, 1 rejected" in done.stdout or "2 stored, 1 rejected" in done.stdout, done
    assert sorted(insert_ids(exported(data))) == ["g0", "g1"]


def test_a_damaged_gzip_file_is_named(data, made, tmp_path):
    path = tmp_path / "events.gz"
    path.write_bytes(gzip.compress(as_lines(records(2000)).encode())[:-2000])
    done = run_command("import", path, "--data", data)
    assert done.returncode != 0 and str(path) in done.stderr and "damaged or cut off" in done.stderr, done
    for missing in (tmp_path / "nothing", tmp_path):
        done = run_command("import", missing, "--data", data)
        assert done.returncode != 0 and str(missing) in done.stderr, done


def test_an_empty_file_is_no_fault(data, made, tmp_path):
    for text in ("", " \n\n", "[]"):
        said = command("import", write(tmp_path / "events", text), "--data", data)
        assert said.startswith("0 records read, 0 stored, 0 rejected"), (text, said)


def test_identical_records_without_insert_id_stay_apart(data, made, tmp_path):
    same = {"event": "Same", "properties": {"time": LONG_AGO, "distinct_id": "u"}}
    path = write(tmp_path / "events", as_lines([same] * 5 + [{**same, "event": "Other"}] + [same] * 2))
    for _ in range(3):
        command("import", path, "--data", data)
        rows = exported(data)
        assert sorted(row["event"] for row in rows) == ["Other"] + ["Same"] * 7
        keys = insert_ids(rows)
        assert len(set(keys)) == 8
    # The ids depend on the content, not on the form of the file.
    command("import", write(tmp_path / "events", as_pretty_array([same] * 7)), "--data", data)
    assert sorted(insert_ids(exported(data))) == sorted(keys)


@pytest.mark.parametrize("fault", [b'{"event":"x","properties":{"a":"\xff"}}', b"\xff\xfe\x00", b'"open', b"{} {}", b"[{}", b"1"])
def test_a_line_that_is_no_text_costs_no_neighbour(data, made, tmp_path, fault):
    lines = [json.dumps(record).encode() for record in good_records(3000)]
    path = tmp_path / "events"
    path.write_bytes(b"\n".join([*lines[:1500], fault, *lines[1500:]]))
    done = run_command("import", path, "--data", data)
    assert done.returncode == 1 and done.stdout.startswith("3001 records read, 3000 stored, 1 rejected"), done
    assert "record 1501" in done.stderr
    assert len(exported(data)) == 3000


def test_an_array_that_is_cut_off_is_imported_as_far_as_it_goes(data, made, tmp_path):
    text = as_array(good_records(100))
    path = write(tmp_path / "events", text[:-20])
    done = run_command("import", path, "--data", data)
    assert done.returncode == 1 and done.stdout.startswith("100 records read, 99 stored, 1 rejected"), done
    assert "record 100" in done.stderr and len(exported(data)) == 99


def test_what_came_before_the_damage_is_imported(data, made, tmp_path):
    path = tmp_path / "events.gz"
    path.write_bytes(gzip.compress(as_lines(good_records(30_000)).encode(), 1)[:-20_000])
    done = run_command("import", path, "--data", data)
    assert done.returncode != 0 and "damaged or cut off" in done.stderr, done
    stored = int(done.stdout.split(" stored")[0].split(", ")[-1])
    assert stored > 1000 and len(exported(data)) == stored, done


def test_times_are_kept_whatever_the_file_says_of_itself(data, made, tmp_path):
    path = write(tmp_path / "events", as_lines(records(20)))
    for changed in (1_000_000_000, 1_700_000_000, 4_000_000_000):
        os.utime(path, (changed, changed))
        command("import", path, "--data", data)
        rows = exported(data)
        assert len(rows) == len(records(20)) and min(row["properties"]["time"] for row in rows) == LONG_AGO


def test_an_unusable_insert_id_is_kept(data, made, tmp_path):
    """One with other characters tells copies; one that everybody sends does not, so the record's content does."""
    for insert_id, count in (("api:abc:1", 2), ("undefined", 3)):
        one = {"event": "Odd", "properties": {"time": LONG_AGO, "distinct_id": "u", "$insert_id": insert_id}}
        path = write(tmp_path / "events", as_lines([one, one, {**one, "event": "Other"}]))
        for _ in range(2):
            command("import", path, "--data", data)
            assert insert_ids(exported(data)).count(insert_id) == count


def test_commands_find_the_directory_as_the_server_does(data, made, tmp_path):
    wanted = command("project", "list", "--data", data)
    assert command("project", "list", env={"SELFSAME_STORE_DIRECTORY": str(data)}, cwd=tmp_path) == wanted
    config = tmp_path / "c.yaml"
    config.write_text(f"store:\n  directory: {data}\n")
    assert command("project", "list", "--config", config, cwd=tmp_path) == wanted


def test_a_store_without_its_key_does_not_start(server, data, made):
    key = data / "secret.key"
    kept = key.read_bytes()
    key.unlink()
    done = run_command("serve", "--port", "0", "--data", data, timeout=20)
    assert done.returncode != 0 and "secret.key" in done.stderr and "backup" in done.stderr, done
    assert not key.exists()
    key.write_bytes(kept)
    assert server(data=data).resolve("x") == ["x"]


def test_the_first_secret_is_kept_through_a_rotation(server, data, made):
    said = fields(command("project", "rotate", "1", "--data", data))
    assert fields((data / "first-project.txt").read_text())["secret"] == said["secret"]


def test_a_record_without_time(data, made, tmp_path):
    items = [
        {"event": "Timeless", "properties": {"distinct_id": "u"}},
        {"event": "Good", "properties": {"distinct_id": "u", "time": LONG_AGO, "$insert_id": "good"}},
    ]
    path = write(tmp_path / "events", as_lines(items))
    changed = LONG_AGO + 86_400
    os.utime(path, (changed, changed))
    done = run_command("import", path, "--data", data)
    assert done.returncode == 1 and "time" in done.stderr and "record 1" in done.stderr, done
    assert [row["event"] for row in exported(data)] == ["Good"]
    for _ in range(2):
        command("import", path, "--time-now", "--data", data)
        times = {row["event"]: row["properties"]["time"] for row in exported(data)}
        assert times == {"Good": LONG_AGO, "Timeless": changed}
        assert len(exported(data)) == 2


def many_records():
    """A file that takes a while: 12,000 events, a third of them without insert id and some of them alike, and verbs."""
    for number in range(12_000):
        if number % 50 == 0:
            anonymous = f"{number % 5000:08x}-0000-4000-8000-000000000000"
            yield {"event": "$identify", "properties": {"$identified_id": f"user-{number % 700}", "$anon_id": anonymous}
                   | {"time": LONG_AGO + number}}
        else:
            properties = {"time": LONG_AGO + number // 10, "distinct_id": f"user-{number % 70}", "filler": "x" * 200,
                          "n": number // 3}
            if number % 3:
                properties["$insert_id"] = f"i-{number}"
            yield {"event": "Bulk", "properties": properties}


def test_an_import_that_was_killed_is_simply_run_again(tmp_path):
    path = write(tmp_path / "events", as_lines(many_records()), compress=True)
    (tmp_path / "once").mkdir()
    wanted = import_into_new_store(tmp_path / "once", path)
    assert len(wanted[0]) == 12_000

    data = tmp_path / "data"
    make_store(data)
    log_file = data / "selfsame.sqlite-wal"
    for _ in range(2):
        size = log_file.stat().st_size if log_file.exists() else 0
        process = subprocess.Popen([BINARY, "import", path, "--data", data], env=ENVIRONMENT,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: process.poll() is not None or (
                log_file.exists() and log_file.stat().st_size > size + (1 << 20)), 60, "some commits")
            assert process.poll() is None, "the import ended before it could be killed"
        finally:
            process.kill()
            process.wait(30)
        assert 0 < len(exported(data)) < 12_000
    command("import", path, "--data", data)
    assert state_of(data) == wanted


def test_import_while_a_server_holds_the_directory(server, data, tmp_path):
    running = server(data=data)
    path = write(tmp_path / "events", as_lines(records()))
    done = run_command("import", path, "--data", data)
    assert done.returncode != 0 and done.stdout == ""
    assert "is using this data directory" in done.stderr and str(running.pid) in done.stderr, done.stderr
    assert running.export() == []
    # A second server is refused in the same way.
    done = run_command("serve", "--port", "0", "--data", data)
    assert done.returncode != 0 and "is using this data directory" in done.stderr, done
    assert running.track([running.project.event("Clicked", "user")]).text == "1"


def test_import_rejects_what_it_names_at_most_twenty_times(data, made, tmp_path):
    path = write(tmp_path / "events", "{}\n" * 50)
    done = run_command("import", path, "--data", data)
    assert done.returncode == 1 and done.stderr.count(", record ") == 20 and "30 more" in done.stderr, done


BAD_VALUES = [
    ("server.port", "65536", "0 to 65535"), ("server.port", "http", "0 to 65535"), ("server.port", "-1", "0 to 65535"),
    ("server.port", "", "0 to 65535"), ("server.connectionLimit", "0", "1 to 1000000"),
    ("server.idleTimeoutSeconds", "0", "1 to 86400"), ("server.idleTimeoutSeconds", "1.5", "1 to 86400"),
    ("server.shutdownTimeoutSeconds", "5000", "1 to 3600"), ("store.synchronous", "off", "full or normal"),
    ("store.synchronous", "FULL", "full or normal"), ("store.memoryLimitBytes", "1024", "1048576"),
    ("identity.maxClusterSize", "1", "from 2"), ("identity.anonForm", "guid", "mixpanel, uuid4 or any"),
    ("ingest.bodySizeLimitBytes", "10MB", "1024 to 1073741824"), ("ingest.recordLimit", "100001", "1 to 100000"),
    ("ingest.queueLimitBytes", "1", "1048576"), ("ingest.inFlightLimitBytes", "1", "1048576"),
    ("ingest.outcomeHeader", "yes", "true or false"), ("query.sequenceTimeoutSeconds", "61", "0 to 60"),
    ("sandbox.enabled", "maybe", "true or false"), ("log.level", "loud", "info"),
]


def variable(key):
    return "SELFSAME_" + re.sub(r"([A-Z])", r"_\1", key).replace(".", "_").upper()


def start_fails(*arguments, env=None, cwd):
    """Runs `serve` where it must not start, and returns what it says."""
    done = run_command("serve", *arguments, env=env, cwd=cwd, timeout=30)
    assert done.returncode not in (0, -signal.SIGSEGV, -signal.SIGILL, -signal.SIGABRT), done
    assert done.stdout == "", done
    assert "Fatal error" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(("key", "value", "allowed"), BAD_VALUES, ids=str)
@pytest.mark.parametrize("source", ["flag", "variable", "file"])
def test_a_bad_value_stops_the_start(tmp_path, source, key, value, allowed):
    if source == "flag":
        said = start_fails("--set", f"{key}={value}", cwd=tmp_path)
    elif source == "variable":
        said = start_fails(env={variable(key): value}, cwd=tmp_path)
    else:
        group, name = key.split(".")
        (tmp_path / "config.yaml").write_text(f"{group}:\n  {name}: '{value}'\n")
        said = start_fails("--config", "config.yaml", cwd=tmp_path)
    assert key in said and f'"{value}"' in said and allowed in said, said
    assert not (tmp_path / "data").exists(), "a start that fails leaves nothing behind"


@pytest.mark.parametrize(("text", "wanted"), [
    ("server:\n  prot: 80", ["config.yaml:2: server.prot", "did you mean server.port?"]),
    ("sever: {port: 80}", ["config.yaml:1: sever.port", "did you mean server.port?"]),
    ("log: {level: info}\nserver:\n  host: 127.0.0.1\n  port: many", ["config.yaml:4: server.port", '"many"']),
    ("server:\n  trustedProxies: [nobody]", ["config.yaml:2: server.trustedProxies", "nobody"]),
    ("tls:\n  certificate: a.pem", ["config.yaml:2: tls.key must be given too"]),
    ("server:\n  host: 0.0.0.0\nsandbox:\n  enabled: true", ["config.yaml:2: server.host", "sandbox.allowRemote"]),
    ("projects: {id: 1}", ["config.yaml:1: projects", "list"]),
    ("projects:\n  - {id: 1, token: a}", ["config.yaml:2: projects[0].secret"]),
    ("projects:\n  - {id: x, token: a, secret: b}", ["config.yaml:2: projects[0].id", '"x"']),
    ("projects:\n  - id: 1\n    token: a\n    secret: b\n    colour: red", ["config.yaml:5: projects[0].colour", "token"]),
    ("projects:\n  - {id: 1, token: a, sercet: b}", ["config.yaml:2: projects[0].sercet", "did you mean secret?"]),
    ("projects:\n  - {id: 1, token: a, secret: b, identity: {system: modern}}",
     ["projects[0].identity.system", "original, simplified or legacy"]),
    ("projects:\n  - {id: 1, token: a, secret: b, identity: {maxClusterSize: 1}}",
     ["projects[0].identity.maxClusterSize", "from 2"]),
    ("projects:\n  - {id: 1, token: a, secret: b, identity: {anonForm: x}}",
     ["projects[0].identity.anonForm", "uuid4"]),
    ("projects:\n  - {id: 1, token: a, secret: b}\n  - {id: 1, token: c, secret: d}", ["config.yaml:3: ", "same id"]),
    ("projects:\n  - {id: 1, token: a, secret: b}\n  - {id: 2, token: a, secret: d}", ["config.yaml:3: ", "same token"]),
    ("accounts:\n  - {username: x, secret: y, roles: {1: king}}", ["king", "owner"]),
    ("accounts:\n  - {username: x, secret: y, roles: {a: owner}}", ["accounts[0].roles", '"a"']),
    ("accounts:\n  - {username: x}", ["accounts[0].secret"]),
    ("log: {level: info}\nserver: [", ["config.yaml:", "configuration file", "YAML"]),
    ("server:\n  port: 1\nserver:\n  port: 2", ["config.yaml:", "server twice"]),
    ("- 1", ["config.yaml:1: the configuration file", "map"]),
], ids=lambda value: value[:50] if isinstance(value, str) else "")
def test_a_bad_file_stops_the_start(tmp_path, text, wanted):
    (tmp_path / "config.yaml").write_text(text)
    said = start_fails("--config", "config.yaml", cwd=tmp_path)
    assert all(part in said for part in wanted), said
    assert said.startswith("Error: config.yaml:") and "Usage" not in said and said.count("\n") == 1, said


@pytest.mark.parametrize(("arguments", "env", "wanted"), [
    (["--set", "server.prot=1"], {}, ["server.prot on the command line", "did you mean server.port?"]),
    (["--set", "Server.Port=1"], {}, ["did you mean server.port?"]),
    (["--set", "store.dir=1"], {}, ["store.dir", "store.directory"]),
    (["--prot", "1"], {}, ["--prot", "--port"]),
    ([], {"SELFSAME_SERVER_PROT": "1"}, ["SELFSAME_SERVER_PROT", "did you mean SELFSAME_SERVER_PORT?"]),
    ([], {"SELFSAME_SEVER_PORT": "1"}, ["SELFSAME_SEVER_PORT", "did you mean SELFSAME_SERVER_PORT?"]),
    ([], {"SELFSAME_LOGLEVEL": "info"}, ["SELFSAME_LOGLEVEL", "did you mean SELFSAME_LOG_LEVEL?"]),
    ([], {"SELFSAME_PROJCT": "1"}, ["SELFSAME_PROJCT", "did you mean SELFSAME_PROJECT?"]),
    ([], {"SELFSAME_SERVER_PORT": "many"}, ["SELFSAME_SERVER_PORT: server.port", '"many"']),
], ids=str)
def test_a_mistyped_setting_names_the_nearest(tmp_path, arguments, env, wanted):
    said = start_fails(*arguments, env=env, cwd=tmp_path)
    assert all(part in said for part in wanted) and "Usage" not in said, said
    assert not (tmp_path / "data").exists()


def test_variables_of_a_container_runtime_are_nobodys_mistake(server):
    kubernetes = {
        "SELFSAME_PORT": "tcp://10.0.0.1:80", "SELFSAME_PORT_80_TCP_ADDR": "10.0.0.1", "SELFSAME_SERVICE_HOST": "10.0.0.1",
        "SELFSAME_SERVICE_PORT": "80", "SELFSAME_SERVICE_PORT_HTTP": "80"}
    assert server("--sandbox", env=kubernetes).is_running


@pytest.mark.parametrize(("arguments", "wanted"), [
    (["resolv", "x"], "no command selfsame resolv (did you mean resolve?)"),
    (["project", "craete", "x"], "no command selfsame project craete (did you mean create?)"),
    (["unmerge"], "either --link or --id"), (["log", "--latset"], "--latest"), (["delete"], "ids"),
    (["project", "create", "x", "--system", "orignal"], "original"),
    (["export", "--from", "x", "--to", "y"], "YYYY-MM-DD"),
], ids=str)
def test_a_wrong_call_prints_no_usage_that_does_not_help(arguments, wanted, tmp_path):
    done = run_command(*arguments, cwd=tmp_path)
    assert done.returncode != 0 and done.stdout == "" and wanted in done.stderr, done
    assert "Usage" not in done.stderr, done.stderr


def test_usage_is_shown_where_an_argument_is_missing():
    said = run_command("cluster").stderr
    assert "Missing expected argument" in said and "Usage: selfsame cluster <id>" in said, said


def test_other_bad_starts(tmp_path):
    assert "key=value" in start_fails("--set", "server.port", cwd=tmp_path)
    assert "nowhere.yaml" in start_fails("--config", "nowhere.yaml", cwd=tmp_path)
    said = start_fails("--sandbox", "--host", "0.0.0.0", "--port", "0", cwd=tmp_path)
    assert "server.host" in said and "sandbox.allowRemote" in said
    (tmp_path / "file").write_text("")
    assert "file" in start_fails("--data", "file", "--port", "0", cwd=tmp_path)


def test_a_port_that_is_taken_stops_the_start(server, data, tmp_path):
    running = server("--sandbox", "--config", FIXTURE)
    try:
        done = run_command("serve", "--sandbox", "--port", running.port, cwd=tmp_path, timeout=10)
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"the server neither listens nor ends; it said {error.stderr!r}") from None
    assert done.returncode not in (0, -signal.SIGSEGV, -signal.SIGILL, -signal.SIGABRT) and done.stdout == "", done
    assert str(running.port) in done.stderr or "in use" in done.stderr, done.stderr


def test_flags_win_over_variables_and_variables_over_the_file(server, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(FIXTURE.read_text() + "ingest: {recordLimit: 1}\n")

    def limit(*arguments, **env):
        running = server("--sandbox", "--config", config, *arguments, env=env, project=ORIGINAL)
        return next(n for n in range(1, 9) if running.track([ORIGINAL.event("Clicked", "user")] * (n + 1)).text == "0")

    assert limit() == 1
    assert limit(SELFSAME_INGEST_RECORD_LIMIT="2") == 2
    assert limit("--set", "ingest.recordLimit=3", SELFSAME_INGEST_RECORD_LIMIT="2") == 3


def test_the_identity_system_of_a_project_with_data_stays(server, data, tmp_path):
    config = tmp_path / "config.yaml"

    def configure(system):
        config.write_text(
            f"projects:\n  - id: 1\n    token: {ORIGINAL.token}\n    secret: {ORIGINAL.secret}\n"
            f"    identity: {{system: {system}}}\n")

    # While it holds nothing, it may change.
    for system in ("original", "legacy", "simplified"):
        configure(system)
        running = server("--config", config, data=data, project=ORIGINAL)
        if system == "simplified":
            assert running.track([ORIGINAL.event("Clicked", "user", time=LONG_AGO)]).text == "1"
        running.stop()
    configure("original")
    said = start_fails("--config", config, "--data", data, "--port", "0", cwd=tmp_path)
    assert "project 1" in said and "system" in said, said
    configure("simplified")
    assert len(server("--config", config, data=data, project=ORIGINAL).export()) == 1


def test_a_sandbox_and_real_data_do_not_share_a_directory(server, tmp_path):
    real, sandbox, other = tmp_path / "real", tmp_path / "sandbox", tmp_path / "other"
    server(data=real).stop()
    before = sorted(path.name for path in real.iterdir())
    assert str(real) in start_fails("--sandbox", "--port", "0", "--data", real, cwd=tmp_path)
    assert sorted(path.name for path in real.iterdir()) == before
    other.mkdir()
    (other / "file").write_text("")
    assert str(other) in start_fails("--sandbox", "--port", "0", "--data", other, cwd=tmp_path)
    assert [path.name for path in other.iterdir()] == ["file"]
    server("--sandbox", "--config", FIXTURE, data=sandbox).stop()
    server("--sandbox", "--config", FIXTURE, data=sandbox).stop()
    assert str(sandbox) in start_fails("--port", "0", "--data", sandbox, cwd=tmp_path)


def test_a_sandbox_on_disk_keeps_its_events(server, data):
    running = server("--sandbox", "--config", FIXTURE, data=data, project=ORIGINAL)
    running.track([ORIGINAL.event("Clicked", "user", **{"$insert_id": "one"})])
    running.kill()
    assert insert_ids(server("--sandbox", "--config", FIXTURE, data=data, project=ORIGINAL).export()) == ["one"]


SANDBOX = [("POST", "/sandbox/reset", None), ("PUT", "/sandbox/clock", '{"now":1700000000}')]


@pytest.mark.parametrize(("method", "path", "body"), SANDBOX, ids=["reset", "clock"])
def test_the_sandbox_is_for_tests_on_this_machine(server, method, path, body):
    running = server("--sandbox", "--config", FIXTURE, "--set", "server.hostNames=tests.example", project=ORIGINAL)
    running.track([ORIGINAL.event("Clicked", "user")])
    for headers in ({"Origin": "https://evil.example"}, {"Origin": running.url}, {"Origin": "null"},
                    {"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example"}, {"Host": f"10.0.0.1:{running.port}"}):
        answer = running.request(method, path, body, headers)
        assert answer.status == 403 and answer.json["status"] == "error", (headers, answer)
    assert len(running.export()) == 1
    for host in ("localhost", f"127.0.0.1:{running.port}", "LOCALHOST:80", "[::1]:80", "tests.example", "127.1.2.3"):
        assert running.request(method, path, body, {"Host": host}).status == 200, host
    for wrong in ("GET", "DELETE", "PUT") if method == "POST" else ("DELETE", "POST"):
        assert running.request(wrong, path, body).status == 405


def test_the_sandbox_clock(server):
    running = server("--sandbox", "--config", FIXTURE, project=ORIGINAL)
    assert running.request("PUT", "/sandbox/clock", '{"now":1700000000}').status == 200
    running.track([ORIGINAL.event("Clicked", "user")])
    assert running.export()[0]["properties"]["time"] == 1_700_000_000
    for body in ("", "1700000000", '{"now":"x"}', '{"now":-1}', '{"now":1e30}', '{"now":true}'):
        answer = running.request("PUT", "/sandbox/clock", body)
        assert answer.status == 400 and answer.json["error"], (body, answer)
    assert running.request("PUT", "/sandbox/clock", '{"now":null}').status == 200
    running.track([ORIGINAL.event("Later", "user")])
    later = next(row for row in running.export() if row["event"] == "Later")
    assert abs(later["properties"]["time"] - time.time()) < 60


@pytest.mark.parametrize(("method", "path", "body"), SANDBOX, ids=["reset", "clock"])
def test_without_a_sandbox_there_is_no_reset(server, data, method, path, body):
    running = server(data=data)
    answer = running.request(method, path, body, basic(running.project.secret))
    assert answer.status == 404 and answer.json == {"error": "not found", "status": "error"}, answer


def test_a_log_holds_no_secret(server, data):
    running = server("--set", "log.level=trace", data=data)
    project = running.project
    account = fields(command("account", "create", "ci", "--role", f"{project.number}=admin", "--data", data))
    running.track([project.identify("someone-secret", new_anonymous_id())])
    running.import_([project.merge("someone-secret", "other")])
    running.resolve("someone-secret")
    # The mistake that is made most often: the secret where the token belongs.
    running.track([{"event": "x", "properties": {"token": project.secret, "distinct_id": "u"}}])
    for credentials in (basic("wrong-secret-1234"), basic("ci", "wrong-secret-5678"), basic("ci", account["secret"])):
        running.request(
            "POST", "/import", "[]", {"Content-Type": "application/json", **credentials},
            {"project_id": project.number})
    running.stop()
    said = running.output() + running.error_text()
    for secret in (project.secret, account["secret"], "wrong-secret-1234", "wrong-secret-5678",
                   basic(project.secret)["Authorization"][6:], basic("ci", account["secret"])["Authorization"][6:]):
        assert secret not in said
