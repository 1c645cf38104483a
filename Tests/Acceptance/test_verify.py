"""`selfsame verify`: a store is what its log says, beside a running server too, and where it is not, that is said."""

import json
import random
import sqlite3

import pytest
from conftest import Project, basic, command, delete, new_anonymous_id, run_command

SOUND = "the store is what its log says"
DAMAGED = "THE STORE IS NOT WHAT ITS LOG SAYS"


@pytest.fixture
def filled(server, data):
    """A data directory with some history, and no server on it."""
    running = server(data=data)
    project, phone = running.project, "4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e"
    records = [
        project.identify("ada", phone), project.alias("ada@example.com", "ada"), project.identify("grace", phone),
        project.merge("x", "y"), project.event("Seen", "ada"),
    ]
    for record in records:
        record["properties"].update({"time": 1_760_000_000, "$insert_id": new_anonymous_id()})
    assert running.import_(records).status == 200
    update = {"$token": project.token, "$distinct_id": "ada", "$set": {"city": "Bern"}}
    assert running.request("POST", "/engage", json.dumps([update]).encode(),
                           {"Content-Type": "application/json"}).text == "1"
    running.stop()
    return data


def damage(data, sql):
    connection = sqlite3.connect(data / "selfsame.sqlite")
    with connection:
        assert connection.execute(sql).rowcount > 0, f"{sql} changes nothing"
    connection.close()


def test_a_sound_store(filled):
    done = run_command("verify", "--data", filled)
    assert done.returncode == 0
    assert done.stdout == (
        f"project 1 (first): {SOUND}\n"
        "  4 entries, 6 ids in 3 clusters, 3 links, 0 blocks, 1 profiles, 5 events\n")
    assert done.stderr.startswith("project 1 took ") and done.stderr.endswith(" s\n")
    assert "events" not in command("verify", "--without-events", "--data", filled)
    assert "4 entries decided anew: 0 verdicts differ" in command("verify", "--decide", "--data", filled)


@pytest.mark.parametrize("sql, sequence, subject", [
    ("UPDATE identity SET size = 9 WHERE distinct_id = CAST('ada' AS BLOB)", 2, "id ada"),
    ("UPDATE log SET outcome = 2 WHERE sequence = 1", 1, "what the entry says of itself"),
    ("DELETE FROM link WHERE sequence = 4", 4, "link 4"),
    ("UPDATE profile SET root = 3", 2, "the profile of ada"),
    ("UPDATE event SET sequence = 77 WHERE sequence = 4", 4, "an event"),
])
def test_a_damaged_store(filled, sql, sequence, subject):
    damage(filled, sql)
    done = run_command("verify", "--data", filled)
    assert done.returncode == 1
    assert done.stdout.startswith(f"project 1 (first): {DAMAGED}\n")
    assert f", the first at sequence {sequence}: {subject}\n    by the log:   " in done.stdout
    assert "restore a backup" in done.stdout


def test_a_verdict_that_the_rules_do_not_give_is_listed(filled):
    damage(filled, "UPDATE log SET refusal = 5 WHERE sequence = 3")
    assert SOUND in command("verify", "--data", filled)
    done = run_command("verify", "--decide", "--data", filled)
    assert done.returncode == 1
    assert "4 entries decided anew: 1 verdicts differ\n    3  $identify grace, 4f9f3c1e" in done.stdout
    assert "refused (errAliasAlreadyExists) in the log, refused (errAnonDistinctIdAssignedAlready) anew" in done.stdout


def test_every_project_is_verified_or_the_one_that_is_named(filled):
    command("project", "create", "second", "--id", "7", "--system", "legacy", "--data", filled)
    assert command("verify", "--data", filled).count(SOUND) == 2
    assert command("verify", "--project", "7", "--data", filled).startswith("project 7 (second)")
    damage(filled, "DELETE FROM link WHERE sequence = 4")
    assert run_command("verify", "--data", filled).returncode == 1
    assert run_command("verify", "--project", "7", "--data", filled).returncode == 0


def test_a_store_that_cannot_be_read(filled, tmp_path):
    done = run_command("verify", "--project", "99", "--data", filled)
    assert done.returncode == 2 and "There is no project 99" in done.stderr and done.stdout == ""
    damage(filled, "UPDATE log SET verb = 77 WHERE sequence = 2")
    done = run_command("verify", "--data", filled)
    assert done.returncode == 2 and "Restore it from a backup" in done.stderr and done.stdout == ""
    (filled / "selfsame.sqlite").write_bytes(b"no store" * 4096)
    for name in ("selfsame.sqlite-wal", "selfsame.sqlite-shm"):
        (filled / name).unlink(missing_ok=True)
    assert run_command("verify", "--data", filled).returncode == 2
    assert run_command("verify", "--data", tmp_path / "nowhere").returncode == 2


def amend(server, path, body):
    answer = server.request("POST", path, json.dumps(body), basic(server.project.secret))
    assert answer.status == 200, answer
    return answer.json["sequence"]


@pytest.fixture
def parted(server, data):
    """A data directory with links that were taken back and came again, and no server on it."""
    running = server(data=data)
    running.send(*[running.project.merge("u", other) for other in ("a", "b", "c")])
    for sequence in [amend(running, "/identity/unmerge", {"link": link}) for link in (1, 2)]:
        amend(running, "/identity/restore", {"unmerge": sequence})
    amend(running, "/identity/unmerge", {"link": 3})
    running.stop()
    assert SOUND in command("verify", "--data", data)
    return data


@pytest.mark.parametrize("sql", [
    "DELETE FROM identity", "DELETE FROM identity WHERE distinct_id IN (x'61', x'62')",
    "UPDATE block SET low_key = 1000000", "UPDATE block SET high_key = 0", "DELETE FROM link_state", "DELETE FROM link",
])
def test_damage_around_amendments(parted, sql):
    damage(parted, sql)
    done = run_command("verify", "--data", parted, timeout=60)
    assert done.returncode == 1 and DAMAGED in done.stdout, done


def test_a_store_that_lost_its_projects(filled):
    damage(filled, "INSERT INTO log SELECT 7, sequence, " + columns(filled, "log", 2) + " FROM log")
    done = run_command("verify", "--data", filled)
    assert done.returncode == 1 and "there are rows of project 7, but there is no such project" in done.stdout, done
    damage(filled, "DELETE FROM project")
    done = run_command("verify", "--data", filled)
    assert done.returncode == 2 and "the store has no project" in done.stderr
    store = filled / "selfsame.sqlite"
    store.write_bytes(b"")
    done = run_command("verify", "--data", filled)
    assert done.returncode == 2 and "is empty" in done.stderr and store.stat().st_size == 0


def columns(data, table, count):
    """The names of a table's columns after the first few."""
    connection = sqlite3.connect(data / "selfsame.sqlite")
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    connection.close()
    return ", ".join(names[count:])


def test_an_index_that_lacks_rows(parted):
    connection = sqlite3.connect(parted / "selfsame.sqlite", isolation_level=None)
    (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'link_from'").fetchone()
    connection.executescript(f"DROP INDEX link_from; {sql} WHERE sequence > 1;")
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'link_from'", [sql])
    connection.close()
    done = run_command("verify", "--integrity", "--data", parted)
    assert done.returncode == 1 and "THE STORE IS NOT SOUND: " in done.stdout and "link_from" in done.stdout, done


def test_a_revision_that_a_row_does_not_have_after_a_deletion(server, data):
    running = server(data=data)
    project = running.project
    running.send(project.merge("u", "a"), project.merge("a", "b"), project.merge("b", "c"))
    amend(running, "/identity/unmerge", {"link": 3})
    amend(running, "/identity/unmerge", {"link": 2, "keep_apart": "none"})
    running.send(project.merge("u", "b"))
    delete(running, "c")
    running.stop()
    assert SOUND in command("verify", "--data", data)
    damage(data, "UPDATE identity SET revised_sequence = 0")
    done = run_command("verify", "--data", data)
    assert done.returncode == 1 and "revised_sequence" in done.stdout, done


def test_beside_a_running_server(server, data):
    """Whatever is committed meanwhile, each verification sees one state."""
    running = server(data=data)
    project, chance = Project.first(data), random.Random(7)
    users = [f"user-{number}" for number in range(40)]
    for round in range(6):
        records = []
        for _ in range(300):
            one, other = chance.sample(users, 2)
            records.append(chance.choice([
                project.identify(one, new_anonymous_id(chance)), project.alias(f"alias of {other} {round}", one),
                project.merge(one, other)]))
            records[-1]["properties"].update({"time": 1_760_000_000, "$insert_id": new_anonymous_id(chance)})
        assert running.import_(records).status == 200
        assert SOUND in command("verify", "--decide", "--data", data)
    assert running.resolve("user-1") == running.resolve("user-1")
