"""Options of queries: our own endpoints refuse what they do not have, and Mixpanel's ignore it."""

import json

import pytest
from conftest import FIXTURE, ORIGINAL, basic, servers

OWN = [
    ("GET", "/identity/resolve", {"distinct_id": "a"}, "distinctid", "distinct_id"),
    ("GET", "/identity/resolve", {"distinct_id": "a"}, "as-of", "as_of"),
    ("POST", "/identity/resolve", {}, "distinct_id", "as_of"),
    ("GET", "/identity/cluster", {"distinct_id": "a"}, "limt", "limit"),
    ("GET", "/identity/log", {}, "outcomes", "outcome"),
    ("GET", "/identity/log", {}, "lastest", "latest"),
    ("GET", "/identity/log", {}, "Limit", "limit"),
    ("GET", "/identity/explain", {"from": "a", "to": "b"}, "form", "from"),
    ("GET", "/identity/events", {"distinct_id": "a"}, "befor", "before"),
    ("GET", "/identity/changes", {}, "folow", "follow"),
    ("GET", "/identity/mappings", {}, "fromat", "format"),
    ("GET", "/identity/blocks", {}, "afterr", "after"),
    ("DELETE", "/identity/blocks", {}, "limit", "preview"),
    ("POST", "/identity/preview", {}, "strct", "strict"),
    ("POST", "/identity/unmerge", {}, "previw", "preview"),
    ("POST", "/identity/restore", {}, "previw", "preview"),
    ("GET", "/identity/log", {}, "project", "project_id"),
    ("GET", "/identity/log", {}, "minsequence", "min_sequence"),
    ("GET", "/health", {}, "verbose", None), ("GET", "/health/live", {}, "x", None),
    ("GET", "/health/ready", {}, "x", None), ("GET", "/openapi.json", {}, "x", None),
    ("POST", "/sandbox/reset", {}, "projectid", "project_id"), ("PUT", "/sandbox/clock", {}, "now", None),
    ("GET", "/sandbox/clock", {}, "now", None),
]
MIXPANEL = [
    ("POST", "/track", b"[]"), ("POST", "/import", b"[]"), ("POST", "/engage", b"[]"), ("POST", "/groups", b"[]"),
    ("GET", "/settings", None), ("GET", "/decide", None), ("GET", "/api/app/me", None), ("GET", "/api/2.0/engage", None),
    ("GET", "/api/2.0/export", None), ("GET", "/flags/definitions", None),
]


@pytest.fixture(scope="module")
def running():
    with servers() as start:
        running = start("--sandbox", "--config", FIXTURE, project=ORIGINAL)
        running.send(ORIGINAL.merge("a", "b"))
        yield running


def ask(running, method, path, query, body=None):
    sandbox = path.startswith("/sandbox")
    return running.request(method, path, body, {} if sandbox else basic(ORIGINAL.secret), query)


@pytest.mark.parametrize(("method", "path", "query", "wrong", "nearest"), OWN, ids=str)
def test_an_option_that_is_none_is_refused_with_the_nearest(running, method, path, query, wrong, nearest):
    body = {"POST /identity/resolve": '{"distinct_ids":["a"]}'}.get(f"{method} {path}")
    for target in (path, path + "/"):
        answer = ask(running, method, target, {**query, wrong: "1"}, body)
        assert answer.status == 400 and answer.json["status"] == "error", answer
        assert answer.json["error"].startswith(f"{wrong} is not an option of {path}"), answer
        if nearest:
            assert nearest in answer.json["error"].split(";")[1], answer
        else:
            assert "it has none" in answer.json["error"], answer
    if nearest and wrong.lower() not in (nearest, "limit", "distinct_id", "project"):
        assert f"did you mean {nearest}?" in answer.json["error"], answer
    if method == "GET":
        assert ask(running, "HEAD", path, {**query, wrong: "1"}).status == 400


def test_a_name_of_any_bytes_is_refused(running):
    for query in ("%00=1", "%ff%fe=1", "a%20b", "=1", "limit%5B%5D=1", "x" * 200 + "=1", "&&&nothing=&"):
        answer = running.request("GET", f"/identity/log?{query}", headers=basic(ORIGINAL.secret))
        assert answer.status == 400 and "is not an option" in answer.json["error"], (query, answer)
    many = "&".join(f"distinct_id={n}" for n in range(500))
    answer = running.request("GET", f"/identity/resolve?{many}&distinctid=1", headers=basic(ORIGINAL.secret))
    assert answer.status == 400 and "distinctid" in answer.json["error"]


def test_a_credential_is_asked_for_first(running):
    assert running.request("GET", "/identity/log?limt=1").status == 401


@pytest.mark.parametrize(("method", "path", "body"), MIXPANEL, ids=str)
def test_mixpanels_paths_ignore_what_they_do_not_know(running, method, path, body):
    headers = {**basic(ORIGINAL.secret), "Content-Type": "application/json"}
    query = {"from_date": "2020-01-01", "to_date": "2020-01-02"} if path.endswith("export") else {}
    plain = running.request(method, path, body, headers, query)
    other = running.request(method, path, body, headers, {**query, "mp_lib": "web", "limt": "1", "distinctid": "x"})
    assert (plain.status, plain.headers.get("content-type")) == (other.status, other.headers.get("content-type"))


@pytest.mark.parametrize(("path", "body", "wrong"), [
    ("/identity/resolve", {"distinct_ids": ["a"], "as-of": 1}, "as-of"),
    ("/identity/resolve", {"distinct_ids": ["a"], "Distinct_ids": []}, "Distinct_ids"),
    ("/identity/unmerge", {"lnk": 1}, "lnk"), ("/identity/restore", {"unmrge": 1}, "unmrge"),
    ("/sandbox/reset", {"projectid": 1}, "projectid"), ("/sandbox/clock", {"now": 1, "tz": "utc"}, "tz"),
], ids=str)
def test_a_member_of_a_body_that_is_none_is_refused(running, path, body, wrong):
    method = "PUT" if path.endswith("clock") else "POST"
    answer = ask(running, method, path, {}, json.dumps(body))
    assert answer.status == 400 and f"{wrong} is no field of this request" in answer.json["error"], answer


def test_a_flag_is_true_or_false(running):
    for path in ("/identity/log?latest=yes", "/identity/changes?follow=on"):
        answer = running.request("GET", path, headers=basic(ORIGINAL.secret))
        assert answer.status == 400 and "must be true or false" in answer.json["error"], answer
    for value in ("0", "false"):
        assert running.read("/identity/changes", follow=value).headers["content-type"].startswith("application/jsonl")


def test_answers_of_our_own_end_with_a_newline(running):
    own = [
        ("/identity/resolve?distinct_id=a", 200), ("/identity/resolve", 400), ("/identity/cluster?distinct_id=a", 200),
        ("/identity/log", 200), ("/identity/explain?from=a&to=b", 200), ("/identity/events?distinct_id=a", 200),
        ("/identity/blocks", 200), ("/identity/mappings", 200), ("/identity/changes", 200), ("/health", 200),
        ("/health/live", 200), ("/health/ready", 200), ("/openapi.json", 200), ("/sandbox/clock", 200),
        ("/identity/unmerge", 405),
    ]
    for path, status in own:
        answer = running.request("GET", path, headers=basic(ORIGINAL.secret))
        assert answer.status == status and answer.body.endswith(b"\n") and not answer.body.endswith(b"\n\n"), answer
        assert int(answer.headers.get("content-length", len(answer.body))) == len(answer.body)
    assert running.request("GET", "/identity/log").body.endswith(b"}\n"), "401 too"
    assert running.request("POST", "/sandbox/clock", "{}").body.endswith(b"\n"), "405 too"


def test_mixpanels_answers_are_byte_for_byte_theirs(running):
    assert running.track([ORIGINAL.event("x", "u")]).body == b"1"
    assert running.track([{}]).body == b"0"
    assert running.track([ORIGINAL.event("x", "u")], query={"verbose": 1}).body == b'{"error":null,"status":1}'
    assert running.request("GET", "/nowhere").body == b'{"error":"not found","status":"error"}\n'
    for path in ("/settings", "/decide"):
        answer = running.request("GET", f"{path}?token={ORIGINAL.token}", headers=basic(ORIGINAL.token))
        assert not answer.body.endswith(b"\n"), answer


def test_the_log_newest_first(running):
    running.send(*[ORIGINAL.merge("z", f"z{number}") for number in range(5)])
    every = running.log()
    sequences = [entry["sequence"] for entry in every]
    newest = running.read("/identity/log", latest=1).json
    assert newest["entries"] == every[::-1] and newest["next"] is None
    found, before = [], None
    while True:
        page = running.read("/identity/log", latest="true", limit=2, **({"before": before} if before else {})).json
        found += [entry["sequence"] for entry in page["entries"]]
        before = page["next"]
        if before is None:
            break
        assert before == found[-1]
    assert found == sequences[::-1]
    middle = running.read("/identity/log", latest=1, after=2, before=5).json
    assert [entry["sequence"] for entry in middle["entries"]] == [4, 3]
    assert [entry["sequence"] for entry in running.read("/identity/log", before=3).json["entries"]] == [1, 2]
    one = running.read("/identity/log", latest=1, limit=1, distinct_id="z").json
    assert one["entries"] == every[-1:] and one["next"] == sequences[-1]
    for wrong in ("0", "-1", "x"):
        assert running.read("/identity/log", before=wrong).status == 400
