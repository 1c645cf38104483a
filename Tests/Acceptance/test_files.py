"""Files: nobody else reads them, and a lost key does not lose the store."""

import os
import pty
import re
import shutil
import sqlite3
import stat
import subprocess

import pytest
from conftest import (BINARY, ENVIRONMENT, ORIGINAL, Project, basic, command, fields, new_anonymous_id, run_command,
                      wait_until)


def modes(data):
    return {path: stat.S_IMODE(path.stat().st_mode) for path in [data, *data.rglob("*")]}


def assert_closed(data):
    opened = {str(path): oct(mode) for path, mode in modes(data).items() if mode & 0o077}
    assert not opened, opened


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o277])
def test_whatever_the_mask_nothing_is_for_others(server, data, mask):
    running = server("--set", "privacy.deletionDelaySeconds=0", data=data, prepare=lambda: os.umask(mask))
    running.send(running.project.identify("user", new_anonymous_id()))
    assert (data / "selfsame.sqlite-wal").exists()
    task = running.request(
        "POST", "/api/app/data-retrievals/v3.0/", '{"distinct_ids": ["user"]}', basic(running.project.secret),
        {"token": running.project.token})
    assert task.status == 201, task
    wait_until(lambda: list(data.glob("retrievals/*.jsonl")), what="the retrieval")
    assert_closed(data)
    running.stop()
    assert_closed(data)


def test_the_key_is_never_for_others(data):
    """By the system calls of a first start: every file is made for its owner only, and gets its name when it is whole."""
    trace = data.parent / "trace"
    process = subprocess.Popen(
        ["strace", "-f", "-o", str(trace), "-e", "trace=openat,chmod,fchmod,fchmodat,rename,umask", str(BINARY), "serve",
         "--port", "0", "--data", str(data)], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, preexec_fn=lambda: os.umask(0), start_new_session=True)
    assert process.stdout.readline().startswith("Selfsame listens")
    os.killpg(process.pid, 9)
    process.stdout.read()
    process.wait(30)
    calls = trace.read_text(errors="replace").splitlines()
    made = [line for line in calls if "O_CREAT" in line and str(data) in line]
    assert len(made) > 4
    masked = next(number for number, line in enumerate(calls) if "umask(077)" in line)
    assert masked < calls.index(made[0])
    keys = [line for line in made if "secret.key" in line or "first-project" in line]
    assert len(keys) == 2 and all("O_EXCL" in line and "0600" in line and ".new" in line for line in keys), keys
    assert not [line for line in calls if "chmod" in line and f"{data}/" in line]
    assert [line for line in calls if "rename(" in line and 'secret.key"' in line]


def open_to_others(data):
    for path, mode in modes(data).items():
        path.chmod(mode | (0o055 if path.is_dir() else 0o044))


def test_what_others_can_read_is_taken_from_them_with_a_warning(server, data):
    running = server(data=data)
    running.send(running.project.identify("user", new_anonymous_id()))
    running.kill()
    open_to_others(data)
    again = server(data=data)
    assert_closed(data)
    text = again.error_text()
    for name in ("", "/secret.key", "/selfsame.sqlite", "/first-project.txt"):
        assert re.search(rf"path={re.escape(str(data) + name)} .*others could read", text), (name, text)
    again.stop()
    assert "others could read" not in (quiet := server(data=data)).error_text()
    quiet.stop()
    open_to_others(data)
    events = data.parent / "none.ndjson"
    events.touch()
    done = run_command("import", events, "--data", data)
    assert "Others could read" in done.stderr, done
    assert_closed(data)


def test_a_file_of_another_user_that_others_can_read_is_refused(server, data):
    running = server(data=data)
    running.stop()
    (data / "secret.key").chmod(0o644)
    # The system says no to the change of the mode, as it does where the file is another user's.
    done = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "-e", "trace=chmod,fchmodat", "-e", "inject=chmod,fchmodat:error=EPERM",
         str(BINARY), "serve", "--port", "0", "--data", str(data)],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and str(data / "secret.key") in done.stderr and "chmod" in done.stderr, done


def credentials(text):
    """The secrets of a file of new secrets, by project and account."""
    found, owner = {}, None
    for line in text.splitlines():
        if line.startswith(("project: ", "account: ")):
            owner = line
        elif line.startswith("secret: "):
            found[owner] = line.removeprefix("secret: ")
    return found


def lose(key):
    key.unlink()


def damage(key):
    key.write_text("0123\n")


def empty(key):
    key.write_text("")


def replace_by_another(key):
    key.write_text("5a" * 32 + "\n")


def make_unreadable(key):
    key.unlink()
    key.mkdir()


@pytest.mark.parametrize("fault", [lose, damage, empty, replace_by_another], ids=lambda fault: fault.__name__)
def test_a_lost_key_ends_every_secret_and_nothing_else(server, data, fault):
    running = server(data=data)
    project = running.project
    anonymous = new_anonymous_id()
    running.send(project.identify("user", anonymous))
    running.track([project.event("Clicked", anonymous)])
    shop = fields(command("project", "create", "shop", "--data", data))
    account = fields(command("account", "create", "ci.1", "--role", "1=admin", "--data", data))
    running.stop()
    key = data / "secret.key"
    fault(key)
    broken = key.read_bytes() if key.exists() else None

    # No key is made silently, and every command that needs it says what to do.
    for words in (["serve", "--port", "0"], ["project", "create", "x"], ["project", "rotate", "1"],
                  ["account", "create", "x"]):
        done = run_command(*words, "--data", data)
        assert done.returncode != 0 and "selfsame key replace" in done.stderr and str(key) in done.stderr, done
        assert "backup" in done.stderr
        assert (key.read_bytes() if key.exists() else None) == broken
    assert command("resolve", anonymous, "--project", "1", "--data", data).split("\t")[1] == "user"

    # It asks; without a terminal it does not go on.
    before = (data / "selfsame.sqlite").read_bytes()
    done = run_command("key", "replace", "--data", data)
    assert done.returncode != 0 and "--yes" in done.stderr, done
    assert (data / "selfsame.sqlite").read_bytes() == before
    for name in ("project 1 (first)", "project 2 (shop)", "ci.1", "session"):
        assert name in done.stderr, done

    done = run_command("key", "replace", "--data", data, "--yes")
    assert done.returncode == 0, done
    path = done.stdout.split()[-1]
    assert path.startswith(str(data))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 == stat.S_IMODE(key.stat().st_mode)
    with open(path) as file:
        new = credentials(file.read())
    assert set(new) == {"project: 1", "project: 2", "account: ci.1"}
    assert len({*new.values(), project.secret, shop["secret"], account["secret"]}) == 6
    assert not any(secret in done.stdout + done.stderr for secret in new.values())
    assert not list(data.glob("*.new"))

    again = server(data=data)
    assert Project.first(data).secret == new["project: 1"], "the file of the first project has its new secret"
    assert again.resolve(anonymous) == ["user"] and len(again.export()) == 2

    def status(*credential, **query):
        return again.request("GET", "/identity/log", headers=basic(*credential), query=query).status

    for old, secret in ((project.secret, new["project: 1"]), (shop["secret"], new["project: 2"])):
        assert (status(old), status(secret)) == (401, 200)
    assert status("ci.1", account["secret"], project_id=1) == 401
    assert status("ci.1", new["account: ci.1"], project_id=1) == 200
    assert again.track([project.event("Clicked", "user")]).text == "1", "tokens stay"
    again.stop()
    assert command("verify", "--data", data)


def test_a_key_that_cannot_be_read_is_told_apart(data, server):
    server(data=data).stop()
    make_unreadable(data / "secret.key")
    done = run_command("serve", "--port", "0", "--data", data)
    assert done.returncode != 0 and "cannot be read" in done.stderr, done


@pytest.mark.parametrize("answer", ["yes", "no", ""])
def test_a_terminal_is_asked(server, data, answer):
    running = server(data=data)
    running.stop()
    key = (data / "secret.key").read_bytes()
    main, side = pty.openpty()
    process = subprocess.Popen(
        [BINARY, "key", "replace", "--data", data], env=ENVIRONMENT, stdin=side, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    os.close(side)
    os.write(main, (answer + "\n").encode())
    _, errors = process.communicate(timeout=60)
    os.close(main)
    assert "Type yes" in errors and "need not be replaced" in errors and "A replacement ends:" in errors
    assert (process.returncode == 0) == (answer == "yes") == ((data / "secret.key").read_bytes() != key)
    assert server(data=data).resolve("x") == ["x"]


def test_secrets_that_the_configuration_gives_stay(server, data, tmp_path):
    config = tmp_path / "selfsame.yaml"
    config.write_text(
        f"projects:\n  - {{id: 1, token: {ORIGINAL.token}, secret: {ORIGINAL.secret}}}\n"
        "accounts:\n  - {username: ci, secret: the-secret-of-ci, roles: {1: owner}}\n")
    server("--config", config, data=data).stop()
    command("project", "create", "other", "--data", data)
    (data / "secret.key").unlink()
    done = run_command("key", "replace", "--yes", "--config", config, "--data", data)
    assert done.returncode == 0 and "project 2 (other)" in done.stderr, done
    assert "project 1" not in done.stderr and "account" not in done.stderr, "what stays is listed as ending"
    new = credentials((data / "new-secrets.txt").read_text())
    assert ORIGINAL.secret not in (data / "new-secrets.txt").read_text()
    assert re.fullmatch("[0-9a-f]{32}", new["project: 2"])
    running = server("--config", config, data=data)
    for credential, query in (((ORIGINAL.secret,), {}), ((new["project: 2"],), {}),
                              (("ci", "the-secret-of-ci"), {"project_id": 1})):
        answer = running.request("GET", "/identity/log", headers=basic(*credential), query=query)
        assert answer.status == 200, (credential, answer)


def test_a_backup_of_a_running_server_is_whole(server, data):
    running = server(data=data)
    anonymous = new_anonymous_id()
    running.send(running.project.identify("user", anonymous))
    backup = data.parent / "backup"
    backup.mkdir(mode=0o700)
    before = (data / "selfsame.sqlite").read_bytes()
    with sqlite3.connect(data / "selfsame.sqlite") as store, sqlite3.connect(backup / "selfsame.sqlite") as copy:
        store.backup(copy)
    store.close()
    copy.close()
    assert (data / "selfsame.sqlite").read_bytes() == before
    shutil.copy(data / "secret.key", backup)
    restored = server(data=backup, project=running.project)
    assert restored.resolve(anonymous) == ["user"]
    assert command("verify", "--integrity", "--data", backup)


CALLS = "openat,write,pwrite64,ftruncate,fsync,fdatasync,rename,unlink"


def replace_killed(data, number, calls=CALLS):
    """A replacement whose every thread is killed at its call number `number`, before the call; whether it was."""
    paths = [part for name in ("selfsame.sqlite", "selfsame.sqlite-wal", "secret.key", "secret.key.new",
                               "new-secrets.txt", "new-secrets.txt.new", "first-project.txt", "first-project.txt.new")
             for part in ("-P", str(data / name))]
    done = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", *paths, "-e", f"trace={calls}",
         "-e", f"inject={calls}:signal=SIGKILL:when={number}",
         str(BINARY), "key", "replace", "--yes", "--data", str(data)],
        env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return done.returncode != 0


def test_a_replacement_that_is_killed_is_done_or_not_done(server, data):
    running = server(data=data)
    anonymous = new_anonymous_id()
    running.send(running.project.identify("user", anonymous))
    running.stop()
    kept = data.parent / "kept"
    data.rename(kept)
    old = Project.first(kept).secret


    def attempt(number, calls=CALLS):
        """Whether the replacement was killed, and whether it is done after the next start."""
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(kept, data)
        is_killed = replace_killed(data, number, calls)
        again = server(data=data)
        # The file of the first project always has the secret that works.
        assert again.resolve(anonymous) == ["user"], number
        assert not list(data.glob("*.new")), number
        is_done = again.project.secret != old
        if is_done:
            assert credentials((data / "new-secrets.txt").read_text())["project: 1"] == again.project.secret
        again.stop()
        return is_killed, is_done

    number = 1
    while attempt(number)[0]:
        number += 1
    assert number > 8
    assert attempt(1) == (True, False), "killed at the first call"
    # Once the store has the new digests, the next start finishes what is left.
    assert [attempt(number, "rename") for number in (1, 2, 3)] == [(True, True)] * 3
    assert attempt(4, "rename") == (False, True)
