"""Which secrets and tokens a start takes."""

import re

import pytest
from conftest import basic, command, fields, run_command

TOKEN, OTHER_TOKEN = "0000000000000000000000000000aaaa", "0000000000000000000000000000bbbb"
SECRET, OTHER_SECRET = "5ec0000000000000000000000000aaaa", "5ec0000000000000000000000000bbbb"


def configuration(tmp_path, *projects, account="a-secret-of-an-account"):
    path = tmp_path / "selfsame.yaml"
    lines = "".join(
        f'  - {{id: {number}, token: "{token}", secret: "{secret}"}}\n'
        for number, (token, secret) in enumerate(projects, start=1))
    path.write_text(f'projects:\n{lines}accounts:\n  - {{username: ci, secret: "{account}", roles: {{1: owner}}}}\n')
    return path


REFUSED = {
    "its own": ([(SECRET, SECRET)], {}, ["projects[0].token", "projects[0].secret"]),
    "another's": ([(TOKEN, SECRET), (SECRET, OTHER_SECRET)], {}, ["projects[1].token", "projects[0].secret"]),
    "an earlier one's": ([(OTHER_SECRET, SECRET), (TOKEN, OTHER_SECRET)], {}, ["projects[0].token", "projects[1].secret"]),
    "an account's": ([(TOKEN, SECRET)], {"account": TOKEN}, ["projects[0].token", "accounts[0].secret"]),
    "a colon": ([(TOKEN, "0123456789:abcdef")], {}, ["projects[0].secret", "colon"]),
    "a colon first": ([(TOKEN, ":0123456789abcdef")], {}, ["projects[0].secret", "colon"]),
    "short": ([(TOKEN, SECRET), (OTHER_TOKEN, "0123456789abcde")], {}, ["projects[1].secret", "16"]),
    "short in characters": ([(TOKEN, "ä" * 15)], {}, ["projects[0].secret", "15", "16"]),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("place", ["directory", "sandbox"])
def test_a_secret_that_others_know_or_that_cannot_be_sent_is_refused(tmp_path, data, name, place):
    projects, account, parts = REFUSED[name]
    path = configuration(tmp_path, *projects, **account)
    where = ["--sandbox"] if place == "sandbox" else ["--data", data]
    done = run_command("serve", "--port", "0", "--config", path, *where)
    assert done.returncode != 0 and done.stdout == "", done
    for part in parts:
        assert part in done.stderr, done
    for secret in {secret for _, secret in projects}:
        assert secret not in done.stderr, "a secret stands in a message"
    assert not data.exists(), "nothing is made for a configuration that is refused"


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_server_refuses_no_command_stores(server, tmp_path, data, name):
    server(data=data).stop()
    before = (data / "selfsame.sqlite").read_bytes(), (data / "secret.key").read_bytes()
    projects, account, parts = REFUSED[name]
    path = configuration(tmp_path, *projects, **account)
    events = tmp_path / "events.jsonl"
    events.write_text("")
    new = tmp_path / "new"
    for words, where in ((["import", events], new), (["key", "replace", "--yes"], data)):
        done = run_command(*words, "--config", path, "--data", where)
        assert done.returncode != 0, done
        for part in parts:
            assert part in done.stderr, done
    assert ((data / "selfsame.sqlite").read_bytes(), (data / "secret.key").read_bytes()) == before
    command("import", events, "--config", configuration(tmp_path, (TOKEN, SECRET)), "--data", new)


def test_secrets_that_work_are_taken(server, tmp_path, data):
    account = "with:colons:in it"
    path = configuration(tmp_path, (TOKEN, "ä" * 16), (OTHER_TOKEN, "0123456789abcdef"), account=account)
    running = server("--config", path, data=data)
    for credential, query in ((("ä" * 16,), {}), (("0123456789abcdef",), {}), (("ci", account), {"project_id": 1})):
        answer = running.request("GET", "/identity/log", headers=basic(*credential), query=query)
        assert answer.status == 200, answer
    assert "short" not in running.error_text()


@pytest.mark.parametrize("secret", ["sa-secret-1", ":"])
def test_the_short_secret_of_an_account_is_warned_about(server, tmp_path, data, secret):
    path = configuration(tmp_path, (TOKEN, SECRET), account=secret)
    running = server("--config", path, data=data)
    warnings = [line for line in running.error_text().splitlines() if "accounts[0].secret" in line]
    assert len(warnings) == 1 and re.search("warning.*short", warnings[0]), running.error_text()
    if len(secret) > 1:
        assert secret not in running.error_text()
    answer = running.request("GET", "/identity/log", headers=basic("ci", secret), query={"project_id": 1})
    assert answer.status == 200, answer


def test_a_token_that_is_the_secret_of_a_stored_project_is_refused(server, tmp_path, data):
    server(data=data).stop()
    shop = fields(command("project", "create", "shop", "--id", "7", "--data", data))
    made = fields(command("account", "create", "ci.1", "--role", "7=admin", "--data", data))
    before = command("project", "list", "--data", data)
    for secret, owner in ((shop["secret"], "project 7"), (made["secret"], "ci.1")):
        path = configuration(tmp_path, (TOKEN, OTHER_SECRET), (secret, SECRET))
        done = run_command("serve", "--port", "0", "--config", path, "--data", data)
        assert done.returncode != 0 and "project 2" in done.stderr and owner in done.stderr, done
        assert secret not in done.stderr
    # And a secret that is the token of a stored project.
    path = configuration(tmp_path, (TOKEN, SECRET), (OTHER_TOKEN, shop["token"]))
    done = run_command("serve", "--port", "0", "--config", path, "--data", data)
    assert done.returncode != 0 and "project 7" in done.stderr and "project 2" in done.stderr, done
    assert command("project", "list", "--data", data) == before, "nothing of a refused configuration is stored"
    server(data=data)
