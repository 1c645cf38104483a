"""Queries for profiles, conditions on exports, and the question whose credential this is (P 10-5, 10-6, 10-13, 10-14)."""

import base64
import concurrent.futures
import gzip
import json
import urllib.parse

import mixpanel_utils
import pytest
from conftest import FIXTURE, ORIGINAL, Project, basic, insert_ids, new_anonymous_id

DAY_START = 1_600_041_600  # 2020-09-14T00:00:00Z
OTHER = Project(1002, "0000000000000000000000000000bbbb", "5ec0000000000000000000000000bbbb")
OWNER = ("ci.111111.mp-service-account", "sa-secret-1")
READER = ("ro.222222.mp-service-account", "sa-secret-2")
NOBODY = ("other.333333.mp-service-account", "sa-secret-3")


def engage(server, *updates, project=ORIGINAL):
    """Sends profile updates that leave `$last_seen`: pairs of an id and the operators."""
    records = [{"$token": project.token, "$distinct_id": distinct_id, "$ignore_time": True, **verbs}
               for distinct_id, verbs in updates]
    for start in range(0, len(records), 2000):
        answer = server.request(
            "POST", "/engage", json.dumps(records[start:start + 2000]), {"Content-Type": "application/json"})
        assert (answer.status, answer.text) == (200, "1"), answer


def profiles(server, **query):
    """One page of profiles, by GET."""
    answer = server.read("/api/2.0/engage", **query)
    assert answer.status == 200, answer
    assert answer.json["status"] == "ok" and answer.json["page_size"] == int(query.get("page_size", 1000))
    return answer.json


def ids(page):
    return [result["$distinct_id"] for result in page["results"]]


def everyone(server, **query):
    """All pages, as Mixpanel's documentation says to read them: on from each answer, until one is not full."""
    page = profiles(server, **query)
    found = page["results"]
    while len(page["results"]) >= page["page_size"]:
        page = profiles(server, session_id=page["session_id"], page=page["page"] + 1, **query)
        found += page["results"]
    return found


def utilities(server, secret=ORIGINAL.secret, **options):
    found = mixpanel_utils.MixpanelUtils(secret, token=ORIGINAL.token, pool_size=2, **options)
    found.import_api = server.url
    found.raw_api = found.formatted_api = f"{server.url}/api"
    return found


# --- profiles ---


def test_a_page_of_profiles(running):
    empty = profiles(running)
    assert empty["results"] == [] and (empty["page"], empty["total"]) == (0, 0) and empty["session_id"]
    engage(
        running, ("bob", {"$set": {"name": "Bob", "age": 40}}),
        ("alice", {"$set": {"name": "Älice ✓", "list": [1, {"two": 2}], "n": 12345678901234567890}}))
    page = profiles(running)
    assert page["results"] == [
        {"$distinct_id": "alice", "$properties": {
            "name": "Älice ✓", "list": [1, {"two": 2}], "n": 12345678901234567890}},
        {"$distinct_id": "bob", "$properties": {"name": "Bob", "age": 40}},
    ]
    assert (page["page"], page["page_size"], page["total"], page["status"]) == (0, 1000, 2, "ok")
    assert set(page) == {"page", "page_size", "session_id", "status", "total", "results"}


def test_both_paths_and_every_way_to_ask(running):
    engage(running, ("a", {"$set": {"plan": "pro", "n": 1}}), ("b", {"$set": {"plan": "free", "n": 2}}))
    where = 'properties["plan"] == "pro"'
    own = basic(ORIGINAL.secret)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    as_json = {"Content-Type": "application/json"}
    options = {"where": where, "output_properties": '["n"]'}
    encoded = urllib.parse.urlencode(options)
    body = json.dumps({"where": where, "output_properties": ["n"], "page": 0, "distinct_ids": None})
    for path in ("/api/2.0/engage", "/api/query/engage", "/api/2.0/engage/"):
        for answer in (
            running.request("GET", path, headers=own, query=options),
            running.request("POST", path, encoded, {**own, **form}),
            running.request("POST", path, encoded, own),
            running.request("POST", path, body, {**own, **as_json}),
            running.request("POST", path, body, own),
            running.request("POST", path, gzip.compress(body.encode()), {**own, **as_json, "Content-Encoding": "gzip"}),
            running.request("POST", path, "", own, options),
            running.request("POST", path, "where=false", {**own, **form}, options),
        ):
            assert answer.status == 200, answer
            assert answer.headers["content-type"] == "application/json"
            assert answer.json["results"] == [{"$distinct_id": "a", "$properties": {"n": 1}}], "the query wins"
    assert running.request("HEAD", "/api/2.0/engage", headers=own).status == 200
    assert running.request("PUT", "/api/2.0/engage", headers=own).status == 405


def test_ids_are_resolved(running):
    anonymous = new_anonymous_id()
    engage(running, ("user", {"$set": {"name": "U"}}), ("stranger", {"$set": {"name": "S"}}), ("42", {"$set": {"n": 1}}))
    running.track([ORIGINAL.identify("user", anonymous)])
    user = [{"$distinct_id": "user", "$properties": {"name": "U"}}]
    assert profiles(running, distinct_id=anonymous)["results"] == user
    assert profiles(running, distinct_ids=json.dumps([anonymous, "user", "user", "nobody"]))["results"] == user
    page = profiles(running, distinct_ids='["stranger", 42, "user"]')
    assert ids(page) == ["stranger", "42", "user"], "in the order of the request"
    assert page["total"] == 3
    assert ids(profiles(running, distinct_ids='["stranger"]', distinct_id="user")) == ["user", "stranger"]
    assert profiles(running, distinct_ids="[]")["total"] == 0
    assert profiles(running, distinct_id="nobody")["total"] == 0
    assert ids(profiles(running, distinct_ids='["stranger","user"]', where='"U" in properties["name"]')) == ["user"]


def test_output_properties(running):
    engage(running, ("a", {"$set": {"one": 1, "two": [2], "quo\"te": {"x": "y"}, "é": 4}}))

    def chosen(*names):
        return profiles(running, output_properties=json.dumps(names))["results"][0]["$properties"]

    assert chosen("one", "é") == {"one": 1, "é": 4}
    assert chosen('quo"te', "gone", "two") == {"two": [2], 'quo"te': {"x": "y"}}
    assert chosen() == {}


@pytest.mark.parametrize("rule, expected", [
    ("hide", {"name": "U", "late": 1}), ("fill", {"name": "U", "late": 1, "color": "red"})])
def test_a_cluster_has_one_profile(server, rule, expected):
    running = server("--sandbox", "--config", FIXTURE, "--set", f"profiles.onMerge={rule}", project=ORIGINAL)
    anonymous = new_anonymous_id()
    engage(running, (anonymous, {"$set": {"name": "A", "color": "red"}}), ("user", {"$set": {"name": "U"}}))
    assert ids(profiles(running)) == sorted([anonymous, "user"])
    running.track([ORIGINAL.identify("user", anonymous)])
    engage(running, (anonymous, {"$set": {"late": 1}}))
    assert profiles(running)["results"] == [{"$distinct_id": "user", "$properties": expected}]
    assert profiles(running, distinct_id=anonymous)["results"] == profiles(running)["results"]
    assert profiles(running)["total"] == 1
    asked = 'properties["color"] == "red"'
    assert profiles(running, where=asked)["total"] == (1 if rule == "fill" else 0)


def many(count):
    return [(f"id-{n:05}", {"$set": {"n": n, "even": n % 2 == 0}}) for n in range(count)]


def test_a_legacy_alias_shows_what_was_sent_under_it(running):
    """P 9-2: an update under an alias goes to what it stands for; what came before the alias stays its own."""
    legacy = Project(1003, "0000000000000000000000000000cccc", "5ec0000000000000000000000000cccc")

    def shown(distinct_id):
        answer = running.request(
            "GET", f"/api/2.0/engage?distinct_id={distinct_id}", headers=basic(legacy.secret))
        return [row["$properties"] for row in answer.json["results"]]

    engage(running, ("early", {"$set": {"n": 1}}), project=legacy)
    assert running.track([legacy.alias("late", "origin"), legacy.alias("early", "origin")]).text == "1"
    engage(running, ("late", {"$set": {"n": 2}}), ("early", {"$set": {"m": 3}}), project=legacy)
    assert shown("late") == shown("origin") == [{"n": 2, "m": 3}]
    assert shown("early") == [{"n": 1}]


def test_pages(running):
    engage(running, *many(25))
    assert [row["$properties"]["n"] for row in everyone(running, page_size=10)] == list(range(25))
    assert [row["$properties"]["n"] for row in everyone(running, page_size=5)] == list(range(25))
    evens = everyone(running, page_size=4, where='properties["even"]')
    assert [row["$properties"]["n"] for row in evens] == list(range(0, 25, 2))
    first = profiles(running, page_size=10)
    assert first["total"] == 25
    # mixpanel-utils fetches all further pages at once with the session of the first.
    for number, expected in ((2, range(20, 25)), (1, range(10, 20)), (0, range(10)), (3, []), (1000, [])):
        page = profiles(running, page_size=10, session_id=first["session_id"], page=number)
        assert [row["$properties"]["n"] for row in page["results"]] == list(expected)
        assert (page["page"], page["total"]) == (number, 25)
    named = json.dumps([f"id-{n:05}" for n in range(24, -1, -1)])
    rows = everyone(running, page_size=10, distinct_ids=named)
    assert [row["$properties"]["n"] for row in rows] == list(range(24, -1, -1))


def test_no_profile_falls_between_pages_that_change(running):
    engage(running, *many(40))
    before = {f"id-{n:05}" for n in range(40)}
    first = profiles(running, page_size=10)
    engage(running, *((f"id-{n:05}-new", {"$set": {"n": -n}}) for n in range(0, 40, 3)))
    found = [ids(first)]
    for number in range(1, 4):
        found.append(ids(profiles(running, page_size=10, session_id=first["session_id"], page=number)))
    assert before <= {one for page in found for one in page}
    assert all(len(page) <= 20 for page in found)
    # The other way: profiles go while pages are read, and no page comes up short before the last.
    first = profiles(running, page_size=10)
    engage(running, *((f"id-{n:05}-new", {"$delete": ""}) for n in range(0, 40, 3)))
    pages = [ids(first)]
    for number in range(1, 5):
        pages.append(ids(profiles(running, page_size=10, session_id=first["session_id"], page=number)))
    assert before <= {one for page in pages for one in page}


def test_a_session_belongs_to_its_query(running):
    engage(running, *many(12))
    engage(running, ("else", {"$set": {"n": 1}}), project=OTHER)
    asked = {"page_size": 5, "where": 'properties["n"] >= 0'}
    session = profiles(running, **asked)["session_id"]
    assert len(profiles(running, session_id=session, page=1, **asked)["results"]) == 5
    assert len(profiles(running, session_id=session, page=1, output_properties="[]", **asked)["results"]) == 5

    def refused(says, secret=ORIGINAL.secret, **query):
        answer = running.request("GET", "/api/2.0/engage", headers=basic(secret), query=query)
        assert answer.status == 400 and says in answer.json["error"], answer
        assert answer.json["status"] == "error"

    refused("another query", session_id=session, page=1, page_size=5)
    refused("another query", session_id=session, page=1, page_size=6, where=asked["where"])
    refused("another query", session_id=session, page=1, page_size=5, where='properties["n"] > 0')
    refused("another query", session_id=session, page=1, distinct_id="id-00001", **asked)
    refused("another query", secret=OTHER.secret, session_id=session, page=1, **asked)
    refused("needs the session_id", page=1, **asked)
    for place in range(0, len(session), 7):
        forged = session[:place] + ("A" if session[place] != "A" else "B") + session[place + 1:]
        refused("not made by this server", session_id=forged, page=1, **asked)
    for forged in ("x", "0", "1234567890-EXAMPL", session[:-4], "A" * 10_000, session + "AAAA", "é"):
        refused("not made by this server", session_id=forged, page=1, **asked)


def test_many_pages_fit_into_one_session(running):
    engage(running, *((f"{'x' * 200}-{n:05}", {"$set": {"n": n}}) for n in range(300)))
    first = profiles(running, page_size=2)
    assert first["total"] == 300 and len(first["session_id"]) < 3500
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        pages = list(pool.map(
            lambda number: profiles(running, page_size=2, session_id=first["session_id"], page=number), range(150)))
    assert [row["$properties"]["n"] for page in pages for row in page["results"]] == list(range(300))


@pytest.mark.parametrize("query, says", [
    ({"where": 'properties["a"'}, "where is wrong at character 15: expected \"]\", found the end"),
    ({"where": 'properties["a"] = 1'}, "character 17"),
    ({"where": 'event["a"] == 1'}, "character 1:"), ({"where": 'datetime("soon") > 1'}, "this is no time"),
    ({"selector": "é"}, "character 1:"),
    ({"where": "\0"}, "character 1:"), ({"where": " \x01"}, "character 2:"),
    ({"where": "(" * 100}, "nested deeper"),
    ({"where": "x" * 20_000}, "bytes"),
    ({"distinct_ids": "a"}, "distinct_ids must be an array of ids"),
    ({"distinct_ids": '["a"'}, "distinct_ids must be an array of ids"),
    ({"distinct_ids": '["a"]]'}, "distinct_ids must be an array of ids"),
    ({"distinct_ids": '{"distinct_ids":["a"]}'}, "distinct_ids must be an array of ids"),
    ({"distinct_ids": '["a",{}]'}, "distinct_ids[1]"),
    ({"distinct_ids": json.dumps(["x" * 1025])}, "distinct_ids[0]"),
    ({"distinct_ids": json.dumps(["x"] * 2001)}, "at most 2000"),
    ({"distinct_id": ""}, "1 to"),
    ({"output_properties": "name"}, "output_properties must be a JSON array"),
    ({"output_properties": "[1]"}, "output_properties must be a JSON array"),
    ({"page": "-1"}, "page is"), ({"page": "x"}, "page is"),
    ({"page_size": "0"}, "page_size is"), ({"page_size": "1001"}, "page_size is"),
    ({"filter_by_cohort": '{"id":1}'}, "filter_by_cohort"), ({"behaviors": "[]"}, "behaviors"),
    ({"data_group_id": "1"}, "data_group_id"), ({"as_of": "1"}, "as_of"),
], ids=lambda value: str(value)[:60])
def test_a_bad_question_is_400(running, query, says):
    answer = running.request(
        "POST", "/api/2.0/engage", urllib.parse.urlencode(query), basic(ORIGINAL.secret))
    assert answer.status == 400 and says in answer.json["error"], answer
    assert answer.json["status"] == "error"


@pytest.mark.parametrize("body", ["[]", "{", '{"a":1}{}', '{"a":1,}', '{"a" 1}', '{"where":tru}', '{a:1}'])
def test_a_broken_json_body_is_400(running, body):
    own = {**basic(ORIGINAL.secret), "Content-Type": "application/json"}
    answer = running.request("POST", "/api/2.0/engage", body, own)
    assert answer.status == 400 and answer.json["status"] == "error", answer


def test_what_changes_nothing_is_ignored(running):
    engage(running, ("a", {"$set": {"n": 1}}))
    page = profiles(running, include_all_users="true", as_of_timestamp="1", where="", selector=" ", session_id="", x="y")
    assert ids(page) == ["a"]


@pytest.mark.parametrize("path", ["/api/2.0/engage", "/api/query/engage"])
def test_credentials_for_profiles(running, path):
    engage(running, ("a", {"$set": {"n": 1}}))

    def status(headers, body=None, **query):
        return running.request("POST" if body is not None else "GET", path, body, headers, query).status

    for headers in ({}, basic("wrong"), basic(ORIGINAL.token), {"Authorization": "Bearer abc"}, basic(*OWNER),
                    basic("nobody", "x"), basic(OWNER[0], "x")):
        assert status(headers) == 401
    assert status(basic(ORIGINAL.secret)) == status(basic(ORIGINAL.secret), project_id=1001) == 200
    assert status(basic(ORIGINAL.secret), project_id=1002) == 401
    assert status(basic(*READER), project_id=1001) == 200
    assert status(basic(*READER), body="project_id=1001") == 200
    assert status(basic(*READER), body='{"project_id":1001}') == 200
    assert status(basic(*READER), project_id=1002) == status(basic(*NOBODY), project_id=1001) == 403


# --- mixpanel-utils ---


def test_utils_query_engage(running, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    engage(running, *((f"id-{n:05}", {"$set": {"n": n, "city": "Ålesund" if n % 3 else "Bergen"}}) for n in range(3500)))
    for utils in (
        utilities(running),
        utilities(running, READER[1], service_account_username=READER[0], project_id=1001, read_pool_size=4),
    ):
        found = utils.query_engage()
        assert sorted(row["$properties"]["n"] for row in found) == list(range(3500))
        assert len({row["$distinct_id"] for row in found}) == 3500
        some = utils.query_engage({"where": '"Berg" in properties["city"]', "output_properties": ["n"]})
        assert [row["$properties"] for row in some] == [{"n": n} for n in range(0, 3500, 3)]
        named = utils.query_engage({"distinct_ids": ["id-00007", "id-00009", "nobody"]})
        assert [row["$distinct_id"] for row in named] == ["id-00007", "id-00009"]
        assert utils.query_engage({"where": 'properties["n"] < 0'}) == []


def test_utils_change_profiles_that_they_find(running, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    engage(
        running, ("a", {"$set": {"old": 1, "$email": "x@y"}}), ("b", {"$set": {"old": 2}}), ("c", {"$set": {"n": 3}}),
        ("d", {"$set": {"$email": "X@Y", "$last_seen": "2024-01-01T00:00:00"}}))
    utils = utilities(running)
    utils.people_change_property_name("old", "new", backup=False)
    assert {row["$distinct_id"]: row["$properties"].get("new") for row in everyone(running)} == {
        "a": 1, "b": 2, "c": None, "d": None}
    assert all("old" not in row["$properties"] for row in everyone(running))
    utils.people_set({"seen": True}, query_params={"where": 'defined(properties["new"])'}, backup=False)
    assert [row["$distinct_id"] for row in everyone(running, where='properties["seen"]')] == ["a", "b"]
    found = utils.query_engage({"where": '(boolean(properties["$email"]) == true)'})
    assert [row["$distinct_id"] for row in found] == ["a", "d"]


# --- where in the export ---


def test_export_where(running):
    anonymous = new_anonymous_id()
    running.track([
        ORIGINAL.event("Bought", anonymous, time=DAY_START, price=5, plan="pro", **{"$insert_id": "one"}),
        ORIGINAL.event("Bought", "user", time=DAY_START + 1, price=50, tags=["a", "b"], **{"$insert_id": "two"}),
        ORIGINAL.event("Opened", "other", time=DAY_START + 2, price="50", plan="free", **{"$insert_id": "three"}),
        ORIGINAL.identify("user", anonymous, time=DAY_START + 3, **{"$insert_id": "four"}),
    ])

    def found(where, **query):
        return insert_ids(running.export(where=where, **query))

    assert found('properties["price"] > 10') == ["two"]
    assert found('properties["price"] == "50"') == ["three"]
    assert found('"a" in properties["tags"] or properties["plan"] == "pro"') == ["one", "two"]
    assert found('properties["distinct_id"] == "user"') == ["one", "two", "four"], "the canonical id"
    assert found(f'properties["$distinct_id_before_identity"] == "{anonymous}"') == ["one"]
    assert found('properties["$insert_id"] in ["one", "three"]') == ["one", "three"]
    assert found(f'properties["time"] >= {DAY_START + 2}') == ["three", "four"]
    assert found(f'properties["time"] == {DAY_START * 1000}', time_in_ms="true") == ["one"]
    assert found('properties["$mp_api_endpoint"] == "/track"', limit=2) == ["one", "two"]
    assert found('defined(properties["price"])', limit=2, event='["Bought","Opened"]') == ["one", "two"]
    assert found('not defined(properties["price"])') == ["four"]
    assert found('defined(properties["price"])', event='["Opened"]') == ["three"]
    assert found("false") == [] and len(found("true")) == len(found("")) == len(found(" ")) == 4
    for where in ('properties["price"', 'price > 1', 'properties["a"] + 1 > 2', 'properties["a"] == null'):
        answer = running.read("/api/2.0/export", from_date="2020-09-14", to_date="2020-09-14", where=where)
        assert answer.status == 400 and "where is wrong at character" in answer.json["error"], answer


def test_export_where_over_many_pages(running):
    for start in range(0, 6000, 2000):
        running.import_([
            ORIGINAL.event("Bulk", f"id-{n % 50}", time=DAY_START + n, n=n, **{"$insert_id": f"b{n}"})
            for n in range(start, start + 2000)
        ])
    rows = running.export(where='properties["distinct_id"] == "id-7" and properties["n"] >= 100')
    assert [row["properties"]["n"] for row in rows] == list(range(107, 6000, 50))
    assert len(running.export(where='properties["n"] in [1, 5999]')) == 2
    rows = running.export(where='not properties["n"] < 4000', limit=1500)
    assert [row["properties"]["n"] for row in rows] == list(range(4000, 5500))
    packed = running.request(
        "GET", "/api/2.0/export", headers={**basic(ORIGINAL.secret), "Accept-Encoding": "gzip"},
        query={"from_date": "2020-09-14", "to_date": "2020-09-14", "where": 'properties["n"] < 500'})
    assert packed.headers["content-encoding"] == "gzip"
    assert len(gzip.decompress(packed.body).splitlines()) == 500


# --- whose credential ---


def test_me(running):
    def me(*credential, **query):
        answer = running.request("GET", "/api/app/me", headers=basic(*credential), query=query)
        assert answer.status == 200, answer
        assert answer.json["status"] == "ok"
        return answer.json["results"]

    owner = me(*OWNER)
    assert owner["user_name"] == owner["user_email"] == OWNER[0]
    assert {number: (one["name"], one["role"]["name"]) for number, one in owner["projects"].items()} == {
        "1001": ("original", "owner"), "1002": ("simplified", "owner"), "1003": ("legacy", "owner")}
    reader = me(*READER, include_workspace_users="false")
    assert list(reader["projects"]) == ["1001"] and reader["projects"]["1001"]["role"] == {"name": "analyst"}
    # What Mixpanel's Sheets extension asks for before it reads.
    assert "view_base_reports" in reader["projects"]["1001"]["permissions"]
    assert isinstance(reader["organizations"], dict) and isinstance(reader["workspaces"], dict)
    assert me(*NOBODY)["projects"] == {}
    assert list(me(ORIGINAL.secret)["projects"]) == ["1001"]
    assert list(me(ORIGINAL.secret, project_id=1001)["projects"]) == ["1001"]
    # Data connectors send the base64 of a secret without the colon (P 5.2).
    bare = {"Authorization": "Basic " + base64.b64encode(ORIGINAL.secret.encode()).decode()}
    for path, query in (("/api/app/me", {}), ("/api/2.0/export", {"from_date": "2024-01-01", "to_date": "2024-01-02"})):
        assert running.request("GET", path, headers=bare, query=query).status == 200


@pytest.mark.parametrize("headers, says", [
    ({}, "Unauthorized, missing credentials"),
    (basic("wrong"), "Unauthorized, invalid project secret"),
    (basic(ORIGINAL.token), "the project token is public"),
    (basic("nobody", "x"), "Not a valid service account username"),
    (basic(OWNER[0], "x"), "Invalid service account credentials"),
    ({"Authorization": "Bearer abc"}, "only Basic credentials are supported"),
], ids=lambda value: str(value)[:40])
def test_me_without_a_good_credential(running, headers, says):
    answer = running.request("GET", "/api/app/me", headers=headers)
    assert answer.status == 401 and says in answer.json["error"], answer
    assert ORIGINAL.secret not in answer.text
    wrong = running.request("GET", "/api/app/me", headers=basic(ORIGINAL.secret), query={"project_id": 1002})
    assert wrong.status == 401 and "did not match project_id" in wrong.json["error"]
