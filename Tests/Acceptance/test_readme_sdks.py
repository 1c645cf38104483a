"""What README.md says that the Python SDK needs, taken from its text and tried with the real package."""

import re

import mixpanel
import pytest
import requests
from conftest import ROOT

README = (ROOT / "README.md").read_text()
SDKS = [
    "mixpanel-js", "Python", "Node", "Ruby", "PHP", "Go", "Java", "Swift", "Objective-C", "Android", "Flutter",
    "React Native", "Unity",
]


def test_every_official_sdk_has_its_line():
    lines = [line.split("|")[1].strip() for line in README.splitlines() if re.match(r"\| [A-Zm]", line)]
    assert [name for name in lines if name in SDKS] == SDKS


@pytest.fixture
def running(server, data):
    return server(data=data)


@pytest.fixture
def client(running):
    """The client that the line of README.md makes."""
    code = re.search(r"^\| Python \| `(.*?)`", README, re.MULTILINE)[1]
    return eval(code, {
        "Mixpanel": mixpanel.Mixpanel, "Consumer": mixpanel.Consumer, "U": running.url, "TOKEN": running.project.token})


def test_everything_goes_to_the_server(running, client):
    client.track("ada", "Opened")
    client.people_set("ada", {"plan": "free"})
    client.group_set("company", "acme", {"seats": 5})
    client.import_data("", "ada", "Old", 1_600_000_000, api_secret=running.project.secret)
    client.merge("", "ada", "lovelace", api_secret=running.project.secret)
    assert {row["event"] for row in running.export()} == {"Opened", "Old", "$merge"}
    assert running.read("/api/2.0/engage").json["results"][0]["$properties"]["plan"] == "free"
    group = running.read("/api/2.0/engage", group_key="company", group_id="acme")
    found = group.json["results"][0]["$properties"]
    assert found == {"seats": 5, "$last_seen": found["$last_seen"]}
    assert running.resolve("lovelace") == ["ada"]


def test_the_alias_goes_to_the_server_as_the_note_says(running, client):
    code = re.search(r"`mp\.(track\(.*?\))`", README)[1]
    eval("mp." + code, {"mp": client})
    assert running.resolve("ada@example.com") == ["ada"]


def test_the_sdks_own_alias_does_not(client, monkeypatch):
    """As long as this is so, the note is needed."""
    targets = []

    def send(self, request, **options):
        targets.append(request.url)
        raise requests.ConnectionError("nothing leaves this machine")

    monkeypatch.setattr(requests.Session, "send", send)
    with pytest.raises(mixpanel.MixpanelException):
        client.alias("ada@example.com", "ada")
    assert targets == ["https://api.mixpanel.com/track"]
