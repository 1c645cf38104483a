"""What the command reads and takes back: the same answers as HTTP's, beside a running server and without one."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading

import pytest
from conftest import (
    BINARY, ENVIRONMENT, Project, basic, command, fields, json_lines, new_anonymous_id, run_command, strict_json,
    wait_until)

LONG_AGO = 1_600_041_600  # 2020-09-14T00:00:00Z


@pytest.fixture
def running(server, data):
    """A server with a little history: merges, a refusal, an unmerge, and events."""
    running = server(data=data)
    running.anonymous = [new_anonymous_id() for _ in range(3)]
    first, second, third = running.anonymous
    running.track([
        running.project.event("Opened", first, time=LONG_AGO, **{"$insert_id": "one", "colour": "red"}),
        running.project.identify("ada", first), running.project.identify("ada", second),
        running.project.identify("grace", first), running.project.identify("grace", third),
        running.project.event("Closed", "ada", time=LONG_AGO + 60, **{"$insert_id": "two"}),
    ])
    answer = running.request(
        "POST", "/identity/unmerge", json.dumps({"link": 2}), basic(running.project.secret))
    assert answer.status == 200, answer
    return running


def as_json(running, *words):
    """What a command writes with --json, which must be one line."""
    text = command(*words, "--json", "--data", running.data)
    assert text.endswith("}\n") and text.count("\n") == 1, text
    return strict_json(text)


def lines(running, *words):
    return [line.split("\t") for line in command(*words, "--data", running.data).splitlines()]


@pytest.mark.parametrize(("words", "path", "query"), [
    (["resolve", "ada", "grace", "stranger"], "resolve", {"distinct_id": ["ada", "grace", "stranger"]}),
    (["resolve", "ada", "--as-of", "2"], "resolve", {"distinct_id": "ada", "as_of": 2}),
    (["cluster", "ada"], "cluster", {"distinct_id": "ada"}),
    (["cluster", "ada", "--limit", "1"], "cluster", {"distinct_id": "ada", "limit": 1}),
    (["cluster", "stranger"], "cluster", {"distinct_id": "stranger"}),
    (["cluster", "ada", "--as-of", "1"], "cluster", {"distinct_id": "ada", "as_of": 1}),
    (["explain", "ada", "grace"], "explain", {"from": "ada", "to": "grace"}),
    (["log"], "log", {}),
    (["log", "--latest"], "log", {"latest": 1}),
    (["log", "--latest", "--before", "4", "--limit", "2"], "log", {"latest": 1, "before": 4, "limit": 2}),
    (["log", "--outcome", "refused"], "log", {"outcome": "refused"}),
    (["log", "--id", "ada", "--verb", "identify", "--after", "1"], "log",
     {"distinct_id": "ada", "verb": "identify", "after": 1}),
    (["events", "ada"], "events", {"distinct_id": "ada"}),
    (["events", "ada", "--limit", "1"], "events", {"distinct_id": "ada", "limit": 1}),
    (["events", "ada", "--before", "2020-09-14T00:00:30Z"], "events",
     {"distinct_id": "ada", "before": "2020-09-14T00:00:30Z"}),
    (["blocks"], "blocks", {}),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_json_is_what_http_answers(running, words, path, query):
    wanted = running.read(f"/identity/{path}", **query)
    assert wanted.status == 200, wanted
    assert as_json(running, *words) == wanted.json


def test_mappings_and_changes_are_what_http_writes(running):
    for words, path, query in [
        (["mappings"], "mappings", {}), (["mappings", "--after", "3"], "mappings", {"after": 3}),
        (["mappings", "--as-of", "2"], "mappings", {"as_of": 2}), (["changes"], "changes", {}),
        (["changes", "--after", "1", "--limit", "1"], "changes", {"after": 1, "limit": 1}),
    ]:
        wanted = running.read(f"/identity/{path}", **query)
        assert wanted.status == 200 and wanted.text, wanted
        assert command(*words, "--json", "--data", running.data) == wanted.text
        rows = json_lines(wanted.text)
        if path == "mappings":
            assert lines(running, *words) == [
                [row["distinct_id"], row["canonical_id"], "-" if row["since"] is None else str(row["since"])]
                for row in rows]
        else:
            assert lines(running, *words) == [
                [row["cursor"], row["distinct_id"], row["from"], row["to"], row["cause"]] for row in rows]
    csv = subprocess.run(
        [BINARY, "mappings", "--csv", "--data", running.data], env=ENVIRONMENT, capture_output=True, timeout=60)
    assert csv.stdout == running.read("/identity/mappings", format="csv").body
    assert csv.stderr.decode() == f"cursor: {running.read('/identity/mappings').headers['x-selfsame-cursor']}\n"


def test_text_is_in_lines_and_columns(running):
    first, second, third = running.anonymous
    members = lines(running, "cluster", "ada")
    assert members[0] == ["cluster", "ada", "2 ids"]
    assert sorted(row[1:3] for row in members if row[0] == "member") == sorted([["ada", "identified"], [first, "anonymous"]])
    assert [row[1:4] for row in members if row[0] == "link"][0] == ["1", "$identify", f"{first} -> ada"]
    assert any("taken back by 5" in row for row in members if row[0] == "link")
    assert lines(running, "cluster", "stranger")[0][:3] == ["cluster", "stranger", "1 id"]
    assert "unknown" in lines(running, "cluster", "stranger")[0][3]
    log = lines(running, "log", "--latest")
    assert [row[0] for row in log] == ["5", "4", "3", "2", "1"]
    assert log[0][2] == "unmerge" and log[0][4] == "applied"
    assert log[2][2:6] == ["$identify", f"grace, {first}", "refused", "errAnonDistinctIdAssignedAlready"]
    events = lines(running, "events", "ada")
    assert [row[1] for row in events[:2]] == ["$identify", "$identify"]
    assert [row[1:] for row in events[2:]] == [["Closed", "ada", "two"], ["Opened", first, "one"]]
    assert events[3][0] == "2020-09-14T00:00:00Z"
    assert lines(running, "resolve", "ada", "nobody") == [["ada", "ada", "2"], ["nobody", "nobody", "1", "unknown"]]
    done = run_command("log", "--limit", "2", "--data", running.data)
    assert done.stdout.count("\n") == 2 and "--after 2" in done.stderr
    done = run_command("log", "--latest", "--limit", "2", "--data", running.data)
    assert done.stdout.count("\n") == 2 and "--before 4" in done.stderr


def test_an_id_that_a_terminal_would_obey_stays_in_its_column(running):
    strange = "a\tb\x1b[31m\nc%00&=é"
    running.send(running.project.merge(strange, "plain"))
    assert as_json(running, "resolve", strange)["results"][0] == {
        "distinct_id": strange, "canonical_id": strange, "cluster_size": 2, "known": True}
    for words in (["resolve", strange], ["cluster", strange], ["log", "--id", strange], ["mappings"], ["changes"]):
        text = command(*words, "--data", running.data)
        assert "\x1b" not in text and all(len(line.split("\t")) > 1 for line in text.splitlines()), text


@pytest.mark.parametrize(("words", "says"), [
    (["log", "--outcome", "mergd"], "merged, unchanged or refused"), (["log", "--limit", "0"], "from 1 to 1000"),
    (["cluster", ""], "1 to"), (["cluster", "ada", "--after", "x"], "next of the page before"),
    (["cluster", "ada", "--as-of", "99"], "last sequence is 5"), (["changes", "--after", "x"], "cursor"),
    (["changes", "--after", "99"], "the project is at 5"), (["events", "ada", "--before", "noon"], "time"),
    (["mappings", "--after", "1", "--as-of", "1"], "as_of"), (["mappings", "--csv", "--json"], "--json"),
    (["changes", "--follow", "--limit", "3"], "--limit"),
    (["retrieve", "--status", "0"], "no such task"), (["delete", "ada", "--status", "0"], "either ids"),
], ids=str)
def test_what_is_wrong_is_said(running, words, says):
    done = run_command(*words, "--data", running.data)
    assert done.returncode != 0 and done.stdout == "" and says in done.stderr, done
    assert "Usage" not in done.stderr and "QueryFault" not in done.stderr


def test_changes_are_followed(running):
    process = subprocess.Popen(
        [BINARY, "changes", "--follow", "--json", "--data", running.data], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A test run in the background ignores the interrupt, and its children would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    rows = []
    reader = threading.Thread(target=lambda: rows.extend(strict_json(line) for line in process.stdout), daemon=True)
    reader.start()
    try:
        wanted = json_lines(running.read("/identity/changes").text)
        wait_until(lambda: len(rows) >= len(wanted), what="what was there")
        running.send(running.project.merge("late", "later"), running.project.merge("late", "latest"))
        wait_until(lambda: len(rows) >= len(wanted) + 2, what="what came")
    finally:
        os.kill(process.pid, signal.SIGINT)
        process.wait(30)
    reader.join(10)
    assert rows == json_lines(running.read("/identity/changes").text)
    tail = command("changes", "--after", rows[-2]["cursor"], "--json", "--data", running.data)
    assert json_lines(tail) == rows[-1:]


def test_a_project_by_name_or_variable_in_every_command(server, data, tmp_path):
    running = server(data=data)
    shop = fields(command("project", "create", "Web shop", "--data", data))
    project = Project(shop["project"], shop["token"], shop["secret"])
    wait_until(
        lambda: running.request("GET", "/identity/log", headers=basic(project.secret)).status == 200, what="the project")
    running.project = project
    running.track([project.identify("ada", new_anonymous_id()), project.event("Opened", "ada")])
    events = tmp_path / "events"
    events.write_text(json.dumps({"event": "Old", "properties": {"time": LONG_AGO, "distinct_id": "ada"}}) + "\n")
    words = [
        ["resolve", "ada"], ["cluster", "ada"], ["explain", "ada", "x"], ["log"], ["events", "ada"], ["changes"],
        ["mappings"], ["blocks"], ["unmerge", "--link", "1", "--preview"], ["verify"], ["retrieve", "ada"],
        ["export", "--from", "2020-01-01", "--to", "2099-01-01"], ["import", "--dry-run", events],
    ]
    for one in words:
        named = command(*one, "--project", "Web shop", "--data", data)
        assert named or one == ["blocks"], one
        numbered = command(*one, "--project", shop["project"], "--data", data)
        by_variable = command(*one, "--data", data, env={"SELFSAME_PROJECT": "Web shop"})
        if one[0] != "retrieve":
            assert named == numbered == by_variable, one
        done = run_command(*one, "--project", "Web shp", "--data", data)
        assert done.returncode != 0 and "did you mean Web shop?" in done.stderr, done
        # An option wins over the variable.
        command(*one, "--project", "Web shop", "--data", data, env={"SELFSAME_PROJECT": "nobody"})
    done = run_command("log", "--data", data)
    assert done.returncode != 0 and "SELFSAME_PROJECT" in done.stderr and "Web shop" in done.stderr
    role = command("account", "create", "ci", "--role", "Web shop=admin", "--data", data)
    assert "username: ci" in role
    assert f"ci\t{shop['project']}=admin" in command("account", "list", "--data", data)
    rotated = fields(command("project", "rotate", "Web shop", "--data", data))
    assert rotated["project"] == shop["project"] and rotated["secret"] != shop["secret"]
    again = fields(command("project", "rotate", "--data", data, env={"SELFSAME_PROJECT": "Web shop"}))
    assert again["secret"] != rotated["secret"]
    command("project", "create", "Web shop", "--data", data)
    done = run_command("log", "--project", "Web shop", "--data", data)
    assert done.returncode != 0 and "Several projects" in done.stderr


@pytest.mark.parametrize("serves", [True, False], ids=["beside a server", "without one"])
def test_delete(running, serves):
    first = running.anonymous[0]
    if not serves:
        running.stop()
    preview = run_command("delete", "ada", "--preview", "--data", running.data)
    assert preview.returncode == 0 and preview.stderr == "", preview
    assert preview.stdout.startswith("cluster of ada: ") and first in preview.stdout
    shown = as_json(running, "delete", "ada", "stranger", "--preview")["clusters"]
    assert [(one["canonical_id"], one["size"]) for one in shown] == [
        ("ada", len(shown[0]["members"])), ("stranger", 1)]
    assert {"ada", first} <= set(shown[0]["members"]) and shown[1]["members"] == ["stranger"]
    assert len(lines(running, "events", "ada")) == 4
    text = command("delete", "ada", "stranger", "--data", running.data)
    assert text.startswith("deletion ") and text.endswith(": SUCCESS\n"), text
    task = text.split()[1].rstrip(":")
    status = as_json(running, "delete", "--status", task)
    assert status["status"] == "ok" and status["results"]["status"] == "SUCCESS"
    assert status["results"]["requesting_user"] == "command" and status["results"]["distinct_ids"] == []
    assert lines(running, "resolve", "ada", first) == [["ada", "ada", "1", "unknown"], [first, first, "1", "unknown"]]
    assert command("events", "ada", "--data", running.data) == ""
    assert "deleted" in {row[4] for row in lines(running, "log")}
    assert "what its log says" in command("verify", "--data", running.data)
    again = as_json(running, "delete", "grace", "--law", "ccpa")
    assert again["results"]["status"] == "SUCCESS" and again["results"]["compliance_type"] == "ccpa"
    done = run_command("delete", "--cancel", task, "--data", running.data)
    assert done.returncode != 0 and "cannot be taken back" in done.stderr
    if serves:
        answer = running.request(
            "GET", f"/api/app/data-deletions/v3.0/{task}", headers=basic(running.project.secret))
        assert answer.json == status


def test_a_deletion_needs_no_key(running):
    running.stop()
    (running.data / "secret.key").unlink()
    assert command("delete", "ada", "--data", running.data).endswith(": SUCCESS\n")
    assert command("events", "ada", "--data", running.data) == ""


@pytest.mark.parametrize("kind", ["delete", "retrieve"])
def test_what_becomes_of_a_task_whose_command_fails_is_said(running, server, kind):
    running.stop()
    lock = running.data / "lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    done = run_command(kind, "ada", "--data", running.data)
    assert done.returncode != 0 and "stays queued" in done.stderr, done
    found = re.search(rf"selfsame {kind} --cancel (\S+)`", done.stderr)
    assert found, done
    assert as_json(running, kind, "--cancel", found[1])["results"]["status"] == "REVOKED"
    lock.rmdir()
    server(data=running.data).stop()
    assert len(lines(running, "events", "ada")) == 4


def test_the_error_of_another_task_does_not_end_a_deletion(running):
    running.stop()
    command("retrieve", "grace", "--no-wait", "--data", running.data)
    shutil.rmtree(running.data / "retrievals", ignore_errors=True)
    (running.data / "retrievals").write_text("in the way")
    done = run_command("delete", "ada", "--data", running.data)
    assert done.returncode == 0 and done.stdout.endswith(": SUCCESS\n"), done
    assert "will be tried again" in done.stderr


def test_a_deletion_that_waits_can_be_taken_back(server, data, tmp_path):
    running = server("--set", "privacy.deletionDelaySeconds=1000", data=data)
    running.track([running.project.identify("ada", new_anonymous_id())])
    made = as_json(running, "delete", "ada", "--no-wait")
    task = made["results"][0]
    assert task["status"] == "PENDING" and task["distinct_id_count"] == 1
    assert as_json(running, "delete", "--cancel", task["tracking_id"])["results"]["status"] == "REVOKED"
    config = tmp_path / "config.yaml"
    config.write_text("privacy: {deletionDelaySeconds: 1000}\n")
    waits = command("delete", "ada", "--config", config, "--data", data)
    assert waits.endswith(": PENDING\n")
    assert lines(running, "resolve", "ada")[0] == ["ada", "ada", "2"]


@pytest.mark.parametrize("serves", [True, False], ids=["beside a server", "without one"])
def test_retrieve(running, serves, tmp_path):
    if not serves:
        running.stop()
    rows = json_lines(command("retrieve", "ada", "--data", running.data))
    assert {row["type"] for row in rows} >= {"cluster", "log", "event"}
    assert [row for row in rows if row["type"] == "cluster"][0]["canonical_id"] == "ada"
    assert sorted(row["event"] for row in rows if row["type"] == "event" and "colour" in row["properties"]) == ["Opened"]
    assert json_lines(command("retrieve", "ada", "--json", "--data", running.data)) == rows
    path = tmp_path / "ada.jsonl"
    status = as_json(running, "retrieve", "ada", "--output", path)
    assert status["results"]["status"] == "SUCCESS"
    assert json_lines(path.read_text()) == rows and path.stat().st_mode & 0o777 == 0o600
    assert not list((running.data / "retrievals").iterdir()), "the server's own copies are taken away"
    done = run_command("retrieve", "ada", "--output", path, "--data", running.data)
    assert done.returncode != 0 and str(path) in done.stderr
