"""Browsers of other origins may track, and nothing else (P 4.9)."""

import pytest
from conftest import FIXTURE, ORIGINAL, basic, servers

ORIGIN = "https://shop.example"
ALLOWED = {"authorization", "content-type", "content-encoding", "traceparent", "x-requested-with"}


@pytest.fixture(scope="module")
def running():
    with servers() as start:
        yield start("--sandbox", "--config", FIXTURE, "--set", "ingest.bodySizeLimitBytes=10000", project=ORIGINAL)


def cors_headers(answer):
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def assert_cors(answer, origin=ORIGIN):
    assert answer.headers["access-control-allow-origin"] == origin, answer
    assert answer.headers["access-control-allow-credentials"] == "true", answer
    assert "origin" in answer.headers["vary"].lower(), answer
    assert answer.headers["access-control-expose-headers"].lower() == "retry-after", answer


@pytest.mark.parametrize("path", ["/track", "/track/", "//track"])
def test_a_simple_request(running, path):
    record = '{"event":"Clicked","properties":{"token":"%s"}}' % ORIGINAL.token
    answer = running.request(
        "POST", path, "data=" + record, {"Content-Type": "application/x-www-form-urlencoded", "Origin": ORIGIN})
    assert (answer.status, answer.text) == (200, "1")
    assert_cors(answer)


def test_a_beacon(running):
    record = '{"event":"Clicked","properties":{"token":"%s"}}' % ORIGINAL.token
    answer = running.request("POST", "/track/", "data=" + record, {"Content-Type": "text/plain", "Origin": "null"})
    assert (answer.status, answer.text) == (200, "1")
    assert_cors(answer, "null")


def test_without_an_origin_there_are_no_headers(running):
    answer = running.track([ORIGINAL.event("Clicked", "user")])
    assert answer.text == "1" and cors_headers(answer) == {}


def test_a_preflight(running):
    answer = running.request("OPTIONS", "/track/", headers={
        "Origin": ORIGIN, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, X-My-Header"})
    assert answer.status == 204 and answer.body == b""
    assert_cors(answer)
    methods = {method.strip() for method in answer.headers["access-control-allow-methods"].split(",")}
    assert methods == {"GET", "POST", "OPTIONS"}
    headers = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert headers == ALLOWED | {"x-my-header"}
    assert answer.headers["access-control-max-age"] == "86400"


def test_errors_have_the_headers_too(running):
    answer = running.track(b" " * 10_001, headers={"Origin": ORIGIN})
    assert answer.status == 413
    assert_cors(answer)
    answer = running.track(b"nonsense", headers={"Origin": ORIGIN})
    assert answer.text == "0"
    assert_cors(answer)
    answer = running.request("PUT", "/track", headers={"Origin": ORIGIN})
    assert answer.status == 405
    assert_cors(answer)


CLOSED = ["/import", "/identity/resolve", "/identity/cluster", "/identity/log", "/identity/mappings", "/api/2.0/export",
          "/sandbox/reset", "/sandbox/clock", "/", "/nowhere"]


@pytest.mark.parametrize("path", CLOSED)
def test_no_other_path_has_cors(running, path):
    for headers in ({}, basic(ORIGINAL.secret)):
        for method in ("GET", "POST", "PUT", "HEAD"):
            answer = running.request(
                method, path, headers={"Origin": ORIGIN, **headers},
                query={"distinct_id": "user", "from_date": "2020-01-01", "to_date": "2020-01-01"})
            assert cors_headers(answer) == {}, (method, answer)


@pytest.mark.parametrize("path", CLOSED[:-2])
def test_a_preflight_elsewhere_allows_nothing(running, path):
    answer = running.request("OPTIONS", path, headers={
        "Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"})
    assert answer.status == 204 and cors_headers(answer) == {}, answer


def test_a_large_import_has_no_cors(running):
    answer = running.import_(b" " * 10_001, headers={"Origin": ORIGIN})
    assert answer.status == 413 and cors_headers(answer) == {}, answer
