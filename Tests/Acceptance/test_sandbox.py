"""The sandbox for scripts: its keys, where it is, its clock, and emptying one project."""

import json
import os
import signal
import stat
import subprocess

import pytest
from conftest import (
    BINARY, ENVIRONMENT, FIXTURE, LEGACY, ORIGINAL, SIMPLIFIED, Project, basic, new_anonymous_id, run_command,
    strict_json, wait_until)


def printed_keys(running):
    """The token and the secret of each project that a server printed."""
    wait_until(lambda: "Try it" in running.output(), what="the greeting")
    lines = running.output().splitlines()
    return [
        (line.split("token ")[1], lines[place + 1].removeprefix("Secret: "))
        for place, line in enumerate(lines) if line.startswith("Project ")]


def test_a_sandbox_prints_its_keys_where_nobody_sees_them_too(server):
    running = server("--sandbox")
    (token, secret), = printed_keys(running)
    running.project = Project(1, token, secret)
    running.send(running.project.merge("a", "b"))
    assert running.resolve("b") == ["a"]
    configured = server("--sandbox", "--config", FIXTURE)
    assert printed_keys(configured) == [(one.token, one.secret) for one in (ORIGINAL, SIMPLIFIED, LEGACY)]


def test_a_sandbox_on_disk_prints_the_same_keys_again(server, data):
    first = server("--sandbox", data=data)
    keys = printed_keys(first)
    assert keys == [(first.project.token, first.project.secret)]
    first.stop()
    assert printed_keys(server("--sandbox", data=data)) == keys


def test_the_files_for_scripts(server, tmp_path):
    port, ready = tmp_path / "port", tmp_path / "ready.json"
    port.write_text("stale")
    ready.write_text("stale")
    running = server("--sandbox", "--config", FIXTURE, "--port-file", port, "--ready-file", ready, project=ORIGINAL)
    wait_until(ready.exists, what="the ready file")
    assert port.read_text() == f"{running.port}\n"
    said = strict_json(ready.read_text())
    assert said["url"] == running.url and said["port"] == running.port and said["pid"] == running.pid
    assert [(one["id"], one["token"], one["secret"]) for one in said["projects"]] == [
        (one.number, one.token, one.secret) for one in (ORIGINAL, SIMPLIFIED, LEGACY)]
    for path in (port, ready):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert running.track([ORIGINAL.event("x", "u")]).text == "1"
    running.stop()
    assert sorted(path.name for path in tmp_path.iterdir()) == [], "both are gone with the server"


def test_a_second_start_leaves_the_files_of_a_running_server(server, tmp_path):
    port, ready = tmp_path / "port", tmp_path / "ready.json"
    files = ["--port-file", port, "--ready-file", ready]
    running = server("--sandbox", *files)
    wait_until(ready.exists, what="the ready file")
    before = port.read_text(), ready.read_text()
    done = run_command("serve", "--sandbox", "--port", str(running.port), *files)
    assert done.returncode != 0 and "in use" in done.stderr, done
    assert (port.read_text(), ready.read_text()) == before
    running.kill()
    assert ready.exists(), "a killed server leaves its files"
    done = run_command("serve", "--sandbox", "--set", "tls.certificate=nowhere", "--set", "tls.key=nowhere", *files)
    assert done.returncode != 0 and not ready.exists() and not port.exists(), "a start takes them away first"


def test_a_server_takes_away_only_its_own_files(server, tmp_path):
    ready = tmp_path / "ready.json"
    first = server("--sandbox", "--ready-file", ready)
    wait_until(ready.exists, what="the ready file")
    second = server("--sandbox", "--ready-file", ready)
    wait_until(lambda: strict_json(ready.read_text())["pid"] == second.pid, what="the second server's file")
    first.stop()
    assert strict_json(ready.read_text())["pid"] == second.pid


def test_a_server_writes_no_secret_for_scripts(server, data, tmp_path):
    ready = tmp_path / "ready.json"
    running = server(data=data, env={"SELFSAME_SERVER_READY_FILE": str(ready)})
    wait_until(ready.exists, what="the ready file")
    assert strict_json(ready.read_text())["projects"] == []
    assert running.project.secret not in ready.read_text() + running.output()


def test_the_ready_file_appears_whole(tmp_path):
    """Whoever waits for the file may read it at once."""
    ready = tmp_path / "ready.json"
    for _ in range(3):
        process = subprocess.Popen(
            [BINARY, "serve", "--sandbox", "--port", "0", "--ready-file", ready], env=ENVIRONMENT,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            text = wait_until(lambda: ready.exists() and ready.read_text(), what="the ready file")
            assert strict_json(text)["pid"] == process.pid
        finally:
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(60) == 0
        assert not ready.exists()


def test_a_file_that_cannot_be_written_stops_the_start(tmp_path):
    done = run_command(
        "serve", "--sandbox", "--port", "0", "--port-file", tmp_path / "nowhere" / "port", cwd=tmp_path, timeout=30)
    assert done.returncode != 0 and "nowhere" in done.stderr and done.stdout == "", done


def test_the_clock_is_told(server):
    running = server("--sandbox", "--config", FIXTURE, project=ORIGINAL)

    def clock():
        answer = running.request("GET", "/sandbox/clock")
        assert answer.status == 200, answer
        return answer.json

    assert clock()["running"] is True and clock()["now"] > 1_700_000_000
    assert running.request("PUT", "/sandbox/clock", '{"now":1700000000}').status == 200
    assert clock() == {"now": 1_700_000_000, "running": False}
    assert running.request("PUT", "/sandbox/clock", '{"now":1700000000.25}').status == 200
    assert clock() == {"now": 1_700_000_000.25, "running": False}
    assert running.request("HEAD", "/sandbox/clock").status == 200
    assert running.request("POST", "/sandbox/reset").status == 200
    assert clock()["running"] is True
    assert running.request("GET", "/sandbox/clock", headers={"Origin": "https://evil.example"}).status == 403
    assert running.request("POST", "/sandbox/clock").headers["allow"] == "GET, HEAD, PUT, OPTIONS"


@pytest.fixture(params=["memory", "disk"])
def both(request, server, tmp_path):
    """A sandbox on each store, with something in two projects."""
    data = tmp_path / "data" if request.param == "disk" else None
    running = server("--sandbox", "--config", FIXTURE, data=data, project=ORIGINAL)
    running.request("PUT", "/sandbox/clock", '{"now":1700000000}')
    for project in (ORIGINAL, SIMPLIFIED):
        running.project = project
        assert running.track([project.event("Clicked", "ada", **{"$device_id": "d", "$user_id": "ada"})]).text == "1"
        profile = [{"$token": project.token, "$distinct_id": "ada", "$set": {"plan": "x"}}]
        assert running.request("POST", "/engage", json.dumps(profile), {"Content-Type": "application/json"}).text == "1"
    running.project = ORIGINAL
    running.send(ORIGINAL.identify("ada", new_anonymous_id()))
    return running


@pytest.mark.parametrize("form", ["body", "query"])
def test_one_project_is_emptied(both, form):
    running = both
    if form == "body":
        answer = running.request("POST", "/sandbox/reset", json.dumps({"project_id": ORIGINAL.number}))
    else:
        answer = running.request("POST", "/sandbox/reset", query={"project_id": ORIGINAL.number})
    assert answer.status == 200 and answer.json == {"status": "ok"}, answer
    assert running.export() == [] and running.log() == []
    assert running.read("/api/2.0/engage").json["total"] == 0
    assert running.resolve("ada") == ["ada"] and running.clusters() == set()
    assert running.request("GET", "/sandbox/clock").json == {"now": 1_700_000_000, "running": False}
    running.project = SIMPLIFIED
    assert len(running.export()) == 1 and len(running.log()) == 1
    assert running.read("/api/2.0/engage").json["total"] == 1
    # Sequences of the project begin anew.
    running.project = ORIGINAL
    running.send(ORIGINAL.merge("x", "y"))
    assert [entry["sequence"] for entry in running.log()] == [1]
    assert running.resolve("y") == ["x"]


def test_a_reset_that_names_nothing_right_empties_nothing(both):
    running = both
    for query, body, status in [
        ({"project_id": 77}, None, 404), ({"project_id": "x"}, None, 404), ({}, '{"project_id":77}', 404),
        ({}, '{"project_id":"1001"}', 400), ({}, '{"project":1001}', 400), ({"project": 1001}, None, 400),
        ({"project_id": 1001}, '{"project_id":1001}', 400), ({"project_id": [1001, 1002]}, None, 400), ({}, "[1001]", 400),
    ]:
        answer = running.request("POST", "/sandbox/reset", body, query=query)
        assert answer.status == status, (query, body, answer)
    assert len(running.export()) == 2


def test_followers_of_a_project_that_is_emptied_are_let_go(both):
    running = both
    connection = running.connection()
    connection.request("GET", "/identity/changes?follow=1", headers=basic(ORIGINAL.secret))
    response = connection.getresponse()
    assert b"id: 1" in response.read(200)
    assert running.request("POST", "/sandbox/reset", query={"project_id": ORIGINAL.number}).status == 200
    response.read()
    connection.close()
