"""What is committed is answered as done, and who writes beside a server is waited for."""

import json
import sqlite3
import threading

from conftest import basic, command, run_command


def amend(server, path, **body):
    return server.request("POST", path, json.dumps(body), basic(server.project.secret))


def test_an_unmerge_whose_events_cannot_be_counted_is_done_all_the_same(server, data):
    running = server(data=data)
    project = running.project
    running.send(*[project.merge("hub", other) for other in ("a", "b", "c")], project.event("Clicked", "a"))
    file = sqlite3.connect(data / "selfsame.sqlite", isolation_level=None)
    file.execute("UPDATE arrivals SET packed = x'00'")

    preview = amend(running, "/identity/unmerge", link=1, preview=True)
    assert preview.status == 500 and "backup" in preview.text
    done = amend(running, "/identity/unmerge", link=1)
    assert done.status == 200 and done.json["sequence"] == 4, done
    assert [moved["events"] for moved in done.json["moved"]] == [None] and "this is done" in done.json["note"]
    assert [entry["verb"] for entry in running.log(verb="unmerge")] == ["unmerge"]
    assert amend(running, "/identity/unmerge", link=1).status == 409
    assert amend(running, "/identity/restore", unmerge=4).status == 200

    by_command = run_command("unmerge", "--link", 2, "--data", data)
    assert by_command.returncode == 0 and "could not be counted" in by_command.stderr, by_command
    assert by_command.stdout.startswith("unmerge done, as sequence 6"), by_command
    assert running.resolve("b") == ["b"]
    file.close()
    running.stop()


def test_a_large_unmerge_by_command_fails_no_request_of_a_server(server, data):
    running = server("--set", "identity.maxClusterSize=0", data=data)
    project = running.project
    count = 3_000
    for start in range(0, count, 1_000):
        answer = running.import_([project.merge("hub", f"id {number}") for number in range(start, start + 1_000)])
        assert answer.status == 200, answer
    over = threading.Event()
    answers = []

    def send(name):
        number = 0
        while not over.is_set():
            number += 1
            answers.append(running.track([project.event("Clicked", f"{name} {number}"),
                                          project.alias(f"{name} alias {number}", f"{name} {number}")]))
            answers.append(running.request("GET", "/health/ready"))

    senders = [threading.Thread(target=send, args=[name], daemon=True) for name in ("x", "y")]
    for sender in senders:
        sender.start()
    try:
        unmerged = command("unmerge", "--id", "hub", "--data", data, timeout=300)
        sequence = int(unmerged.split()[4])
        alone = running.resolve("id 1", "id 2999")
        restored = command("restore", sequence, "--data", data, timeout=300)
    finally:
        over.set()
        for sender in senders:
            sender.join(60)
    assert unmerged.startswith("unmerge done, as sequence") and alone == ["id 1", "id 2999"]
    assert restored.startswith("restore done, as sequence")
    assert running.resolve("id 1", "id 2999") == ["hub", "hub"]
    assert {answer.status for answer in answers} == {200} and len(answers) > 2
    running.stop()
    assert "the store is what its log says" in command("verify", "--decide", "--data", data)
