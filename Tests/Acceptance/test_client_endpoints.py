"""What client SDKs ask beside /track: profiles, groups, flags, settings, recordings (P 4.10, 10-1, 10-3)."""

import base64
import gzip
import json
import urllib.parse

import pytest
from conftest import FIXTURE, ORIGINAL, basic, servers

ORIGIN = "https://shop.example"
FORM = "application/x-www-form-urlencoded"
CONTEXT = json.dumps({"distinct_id": "user", "device_id": "device"})
DECIDE = {
    "automatic_events": False, "config": {"enable_collect_everything": False}, "event_bindings": [], "integrations": [],
    "notifications": [], "surveys": [], "variants": []}
LIMIT = 100_000


@pytest.fixture(scope="module")
def running():
    with servers() as start:
        yield start(
            "--sandbox", "--config", FIXTURE, "--set", f"ingest.bodySizeLimitBytes={LIMIT}", project=ORIGINAL)


def update(**members):
    return {"$token": ORIGINAL.token, "$distinct_id": "user", **members}


def group(**members):
    return {"$token": ORIGINAL.token, "$group_key": "company", "$group_id": "acme", **members}


def encoded(records):
    return base64.b64encode(json.dumps(records).encode()).decode()


RECORDS = {
    "/engage": [
        update(**{"$set": {"plan": "pro"}}), update(**{"$add": {"n": 1}, "$append": {"log": "x"}}),
        update(**{"$delete": "", "$ignore_alias": "true"})],
    "/groups": [group(**{"$set": {"plan": "pro"}}), group(**{"$unset": ["a"]}), group(**{"$union": {"l": [1]}})],
}
# How the SDKs wrap their records: method, query, headers, body.
SHAPES = {
    "javascript": lambda data: ("POST", {"verbose": 1, "ip": 1, "_": 1}, {"Content-Type": FORM, "Origin": ORIGIN},
                                "data=" + urllib.parse.quote(encoded(data), safe="")),
    "beacon": lambda data: ("POST", {"ip": 1}, {"Content-Type": "text/plain;charset=UTF-8", "Origin": ORIGIN},
                            "data=" + urllib.parse.quote(encoded(data), safe="")),
    "python": lambda data: ("POST", {}, {"Content-Type": FORM}, urllib.parse.urlencode(
        {"data": json.dumps(data), "verbose": 1, "ip": 0})),
    "node": lambda data: ("GET", {"ip": 0, "verbose": 0, "data": encoded(data)}, basic(ORIGINAL.secret), None),
    "node batch": lambda data: ("POST", {"ip": 0, "verbose": 0}, {"Content-Type": FORM}, "data=" + encoded(data)),
    "swift": lambda data: ("POST", {"ip": 1}, {"Content-Type": "application/json"}, json.dumps(data)),
    "android": lambda data: (
        "POST", {"ip": 1}, {"Content-Type": FORM + ";charset=utf-8", "Content-Encoding": "gzip"},
        gzip.compress(("data=" + urllib.parse.quote(encoded(data), safe="")).encode())),
    "go": lambda data: ("POST", {}, {"Content-Type": "application/json", "Accept": "text/plain"}, json.dumps(data)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("path", ["/engage", "/engage/", "/groups", "/groups/"])
def test_updates_are_accepted_in_every_form(running, path, shape):
    method, query, headers, body = SHAPES[shape](RECORDS[path.rstrip("/")])
    answer = running.request(method, path, body, headers, query)
    if query.get("verbose") == 1 or shape == "python":
        assert answer.status == 200 and answer.json == {"error": None, "status": 1}
    else:
        assert (answer.status, answer.text) == (200, "1")
    assert "x-selfsame-sequence" in answer.headers
    assert ("access-control-allow-origin" in answer.headers) == ("Origin" in headers)


def test_an_oversized_update_is_413_with_cors(running):
    for path in ("/engage", "/groups", "/record"):
        answer = running.request("POST", path, b" " * (LIMIT + 1), {"Origin": ORIGIN})
        assert answer.status == 413 and answer.json["code"] == 413
        assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("headers, query, status", [
    (basic(ORIGINAL.token), {}, 200),
    (basic(ORIGINAL.secret), {}, 200),
    (basic("ro.222222.mp-service-account", "sa-secret-2"), {"project_id": 1001}, 200),
    ({}, {"token": ORIGINAL.token}, 200),
    ({}, {}, 401),
    ({}, {"token": "nobody"}, 401),
    (basic("nobody"), {"token": ORIGINAL.token}, 401),
    ({"Authorization": "Bearer x"}, {"token": ORIGINAL.token}, 401),
    (basic("other.333333.mp-service-account", "sa-secret-3"), {"project_id": 1001}, 403),
    (basic(ORIGINAL.token), {"context": "{"}, 400),
    (basic(ORIGINAL.token), {"context": '{"device_id":"d"}'}, 400),
])
def test_flags(running, headers, query, status):
    for path in ("/flags", "/flags/"):
        answer = running.request(
            "GET", path, None, {"Origin": ORIGIN, "traceparent": "00-1-1-01", **headers}, {"context": CONTEXT, **query})
        assert answer.status == status, answer
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["content-type"] == "application/json"
        if status == 200:
            assert answer.json == {"code": 200, "flags": {}}
        else:
            assert answer.json == {"error": answer.json["error"], "status": "error"}


@pytest.mark.parametrize("method, path, body, expected", [
    ("GET", "/flags/definitions", None, {"code": 200, "flags": []}),
    ("POST", "/flags/a%20b/first-time-events", b'{"distinct_id":"user"}', {"status": "ok"}),
    ("GET", "/settings/", None, {}),
    ("POST", "/record/", bytes(range(256)) * 300, {"code": 200, "status": "OK"}),
    ("POST", "/record", b"", {"code": 200, "status": "OK"}),
    ("GET", "/decide/", None, DECIDE),
])
def test_the_small_endpoints(running, method, path, body, expected):
    for headers in ({}, basic(ORIGINAL.token), basic("nobody")):
        answer = running.request(
            method, path, body, {"Content-Type": "application/octet-stream", "Origin": ORIGIN, **headers},
            {"token": ORIGINAL.token, "seq": 1})
        assert (answer.status, answer.json) == (200, expected)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_a_chunk_after_another_on_one_connection(running):
    # What was discarded must not be taken for the next request.
    for _ in range(3):
        assert running.request("POST", "/record", b"GET / HTTP/1.1\r\n\r\n" * 4000).status == 200
        assert running.request("GET", "/settings").json == {}


@pytest.mark.parametrize("path", ["/engage/", "/groups/", "/flags/", "/flags/7/first-time-events", "/settings/",
                                  "/record/", "/decide/"])
def test_a_preflight(running, path):
    answer = running.request("OPTIONS", path, None, {
        "Origin": ORIGIN, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, traceparent"})
    assert answer.status == 204 and answer.body == b""
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    allowed = {name.strip() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "content-type", "content-encoding", "traceparent", "x-requested-with"} <= allowed
