"""A real browser, on a page of another site, sends what mixpanel-browser sends: all of it arrives, and CORS is in no one's way."""

import functools
import http.server
import json
import threading
import urllib.parse
from pathlib import Path

import pytest
from chromium import Chromium
from conftest import FIXTURE, ORIGINAL, servers, wait_until

PAGES = Path(__file__).parent / "browser"
SUCCESS = {"error": None, "status": 1}


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def running():
    with servers() as start:
        yield start("--sandbox", "--config", FIXTURE, "--set", "ingest.bodySizeLimitBytes=20000", project=ORIGINAL)


@pytest.fixture(scope="module")
def browser(running, tmp_path_factory):
    """A browser on the page. `localhost` and `127.0.0.1` are different sites, not just different origins."""
    pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=PAGES))
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    browser = Chromium(tmp_path_factory.mktemp("chromium"))
    query = urllib.parse.urlencode({"host": running.url, "token": ORIGINAL.token})
    try:
        browser.open(f"http://localhost:{pages.server_port}/index.html?{query}")
        yield browser
    finally:
        browser.close()
        pages.shutdown()


@pytest.fixture
def page(browser):
    """The page, whose log is empty now and must be so at the end, but for what the test takes out."""
    browser.messages.clear()
    yield browser
    assert browser.messages == []


def events(running):
    return {row["event"]: row["properties"] for row in running.export()}


def test_everything_that_a_page_tracks_arrives(running, page):
    found = page.evaluate("trackEverything()")
    for name in ("batch", "identify", "ownHeaders", "json"):
        assert found[name]["status"] == 200 and json.loads(found[name]["text"]) == SUCCESS, (name, found[name])
    for name in ("single", "alias"):
        assert found[name] == {"status": 200, "text": "1"}, name
    assert found["beacon"] is True
    assert found["pixel"] == "1x1"
    assert found["jsonp"] == SUCCESS
    assert found["rejected"]["status"] == 200
    assert json.loads(found["rejected"]["text"]) == {"error": "token, missing or empty", "status": 0}

    expected = {
        "Opened", "Clicked", "$identify", "$create_alias", "With headers of its own", "Sent by fetch", "Sent by beacon",
        "Sent by pixel", "Sent by script",
    }
    wait_until(lambda: set(events(running)) >= expected, timeout=60, what="every event")
    assert set(events(running)) == expected
    assert len(running.export()) == len(expected) + 1, "two clicks"
    opened = events(running)["Opened"]
    assert opened["greeting"] == "Grüße 👋 +/?&="
    anonymous = "$device:19a0b1c2-d3e4-4f50-8a6b-7c8d9e0f1a2b"
    assert opened["distinct_id"] == "browser-user" and opened["$distinct_id_before_identity"] == anonymous
    assert running.cluster("browser-user") == {"browser-user", anonymous, "browser-alias"}


def test_profiles_arrive(running, page):
    found = page.evaluate("updateProfiles()")
    for name in ("people", "groups"):
        assert found[name]["status"] == 200 and json.loads(found[name]["text"]) == SUCCESS, (name, found[name])
    assert found["single"] == {"status": 200, "text": "1"}
    assert found["beacon"] is True

    def properties():
        answer = running.read("/api/2.0/engage", distinct_id="browser-user")
        assert answer.status == 200, answer
        return {} if not answer.json["results"] else answer.json["results"][0]["$properties"]

    wait_until(lambda: "left" in properties(), timeout=60, what="the update by beacon")
    written = properties()
    acme = running.read("/api/2.0/engage", group_key="company", group_id="acme").json["results"][0]
    assert acme["$properties"]["name"] == "Acme"
    assert written["name"] == "Größe" and written["logins"] == 2 and written["tags"] == ["new"]


def test_what_needs_a_preflight_is_answered(page):
    found = page.evaluate("askForSettings()")
    assert {name: answer["status"] for name, answer in found.items()} == dict.fromkeys(found, 200), found
    assert json.loads(found["flags"]["text"])["flags"] == {}
    assert isinstance(json.loads(found["settings"]["text"]), dict)
    assert json.loads(found["record"]["text"])["code"] == 200


def expect_failures(page, *statuses):
    """Takes out of the log what the browser notes of each failed answer. A line about CORS would stay."""
    for status in statuses:
        line = wait_until(
            lambda: next((m for m in page.messages if f"responded with a status of {status} " in m), None), timeout=60,
            what=f"the line about status {status}")
        page.messages.remove(line)


def test_a_page_can_read_why_tracking_failed(page):
    found = page.evaluate("failToTrack(5_000_000)")
    for name in ("large", "veryLarge"):
        assert found[name]["status"] == 413, (name, found[name])
        assert json.loads(found[name]["text"])["error"] == "request exceeds max limit of 20000 bytes"
    # PUT is none of the methods that a preflight allows.
    assert found["method"]["status"] == 0
    wait_until(lambda: any("CORS" in message for message in page.messages), timeout=60, what="the refused method")
    page.messages[:] = [m for m in page.messages if "/track/" not in m or "status of 413" in m]
    expect_failures(page, 413, 413)


def test_a_page_can_read_that_its_credentials_are_wrong(page):
    found = page.evaluate("failToAsk()")
    assert found["wrong"]["status"] == 401, found
    assert found["without"]["status"] == 401, found
    assert all(isinstance(json.loads(answer["text"])["error"], str) for answer in found.values())
    expect_failures(page, 401, 401)


def test_a_page_that_goes_away_has_its_last_events_sent(running, page):
    assert "Left" not in events(running)
    page.open("about:blank")
    wait_until(lambda: "Left" in events(running), timeout=60, what="the beacon of the page that went away")
