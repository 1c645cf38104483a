"""What data connectors ask: times and profiles in conditions, which properties there are, `$last_seen`, and lines that
every reader cuts alike (P 10-8 to 10-10)."""

import json

import pytest
from conftest import (
    FIXTURE, ORIGINAL, basic, command, insert_ids, json_lines, new_anonymous_id, strict_json, wait_until)

DAY_START = 1_600_041_600  # 2020-09-14T00:00:00Z
NOW = 1_700_000_000  # 2023-11-14T22:13:20Z
OWNER = ("ci.111111.mp-service-account", "sa-secret-1")
LISTS = ["/api/2.0/cohorts/list", "/api/query/cohorts/list", "/api/2.0/funnels/list", "/api/query/funnels/list"]
PROFILE_PROPERTIES = ["/api/2.0/engage/properties", "/api/query/engage/properties"]
EVENT_PROPERTIES = ["/api/2.0/events/properties/top", "/api/query/events/properties/top"]
SEPARATORS = ["\u2028", "\u2029", "\u0085"]


@pytest.fixture
def running(running):
    set_clock(running, NOW)
    return running


def engage(server, distinct_id, path="/engage", **members):
    record = {"$token": ORIGINAL.token, "$distinct_id": distinct_id, **{f"${n}": value for n, value in members.items()}}
    answer = server.request("POST", path, json.dumps([record]), {"Content-Type": "application/json"})
    assert (answer.status, answer.text) == (200, "1"), answer


def profile(server, distinct_id):
    rows = server.read("/api/2.0/engage", distinct_id=distinct_id).json["results"]
    return rows[0]["$properties"] if rows else None


def set_clock(server, seconds):
    assert server.request("PUT", "/sandbox/clock", json.dumps({"now": seconds})).status == 200


def event(number, distinct_id, time, **properties):
    return {"event": "Seen", "properties": {
        "time": time, "distinct_id": distinct_id, "$insert_id": f"e{number}", **properties}}


def matching(server, where, **query):
    return insert_ids(server.export("2020-09-14", "2020-09-15", where=where, **query))


# --- conditions ---


@pytest.mark.parametrize("where, found", [
    ('properties["$time"]>=datetime({1})', "123"), ('properties["$time"] > datetime({1})', "23"),
    ('properties["$time"] == {1}', "1"), ('{2} <= properties["$time"]', "23"),
    ('properties["$time"] < "2020-09-14T02:00:00"', "01"), ('properties["$time"] >= "2020-09-15"', "3"),
    ('properties["$time"] in [{0}, {3}]', "03"), ('properties["$time"] not in [{0}]', "123"),
    ('number(properties["$time"]) > {2}', "3"), ('string(properties["$time"]) == "2020-09-14T01:00:00"', "1"),
    ('"T02" in properties["$time"]', "2"), ('defined(properties["$time"])', "0123"),
    ('datetime(properties["time"]) == properties["$time"]', "0123"), ('properties["time"] >= datetime({2})', "23"),
    ('datetime(properties["when"]) > datetime("2020-01-01")', "02"), ('number(properties["size"]) >= 2', "2"),
    ('string(properties["n"]) == "3"', "3"), ('user["plan"] == "pro"', "01"), ('not defined(user["plan"])', "23"),
    ('user["age"] > 30 and properties["n"] == 1', "1"), ('user["$last_seen"] > properties["$time"]', "012"),
    ('properties["nowhere"] > 1', ""), ('user["nowhere"] == properties["nowhere"]', ""),
])
def test_conditions_on_events(running, where, found):
    times = [DAY_START, DAY_START + 3600, DAY_START + 7200, DAY_START + 86_400]
    anonymous = new_anonymous_id()
    records = [
        event(0, "ann", times[0], n=0, when="2020-09-01 12:00:00", size="1"), event(1, anonymous, times[1], n=1, size=" 1.5"),
        event(2, "bob", times[2], n=2, when=1_599_000_000, size="2"), event(3, "nobody", times[3], n=3, size="many")]
    assert running.import_(records).json["num_records_imported"] == 4
    running.send(ORIGINAL.identify("ann", anonymous))
    engage(running, "ann", set={"plan": "pro", "age": 31})
    engage(running, "bob", set={"age": 29})
    assert matching(running, where.format(*times)) == [f"e{n}" for n in found]
    assert matching(running, where.format(*times), time_in_ms="true") == [f"e{n}" for n in found]


def test_an_event_of_its_own_time_is_not_misled(running):
    """An event's own `$time` property is not what `properties["$time"]` asks for, and neither are milliseconds."""
    records = [event(0, "a", DAY_START, **{"$time": 1}), event(1, "a", (DAY_START + 1) * 1000 + 250)]
    assert running.import_(records).json["num_records_imported"] == 2
    assert matching(running, f'properties["$time"] == {DAY_START + 1}') == ["e1"]
    assert matching(running, f'properties["$time"] == {DAY_START + 1}.25', time_in_ms="true") == ["e1"]
    assert matching(running, f'properties["$time"] <= {DAY_START}') == ["e0"]


@pytest.mark.parametrize("where", [
    'properties["$time"] > "soon"', 'properties["$time"] == true', 'properties["$time"] in ["x"]', 'datetime("x") > 1'])
def test_a_time_is_not_compared_with_what_is_none(running, where):
    answer = running.read("/api/2.0/export", from_date="2020-09-14", to_date="2020-09-15", where=where)
    assert answer.status == 400 and "a time is written in seconds" in answer.json["error"], answer


def test_a_past_export_asks_no_profile(running):
    running.send(ORIGINAL.merge("a", "b"))
    query = {"from_date": "2020-09-14", "to_date": "2020-09-15", "as_of": 1}
    answer = running.read("/api/2.0/export", where='user["plan"] == "pro"', **query)
    assert answer.status == 400 and "as_of" in answer.json["error"]
    assert running.read("/api/2.0/export", where='properties["$time"] > 1', **query).status == 200


def test_conditions_on_profiles(running):
    engage(running, "a", set={"n": 1, "since": "2020-09-14"})
    engage(running, "b", set={"n": "2", "since": DAY_START + 86_400})

    def found(where):
        rows = running.read("/api/2.0/engage", where=where).json["results"]
        return "".join(row["$distinct_id"] for row in rows)

    assert found('user["n"] == 1') == found('properties["n"] == 1') == "a"
    assert found('number(properties["n"]) >= 1') == "ab"
    assert found('datetime(properties["since"]) >= datetime("2020-09-15")') == "b"
    assert found('properties["$last_seen"] >= "2023-11-14T22:13:20"') == "ab"
    assert found('properties["$last_seen"] >= "2023-11-14T22:13:21"') == ""
    assert found(f'datetime(properties["$last_seen"]) == datetime({NOW})') == "ab"


# --- what connectors ask before they read ---


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_there_is_none_of(running, method):
    for path in LISTS:
        answer = running.request(method, path, headers=basic(ORIGINAL.secret))
        assert (answer.status, answer.json) == (200, []), path
    for path in ("/api/2.0/annotations", "/api/query/annotations"):
        answer = running.request(method, path, headers=basic(ORIGINAL.secret), query={"from_date": "2020-01-01"})
        assert answer.status == 200 and answer.json["annotations"] == []
    answer = running.request(method, f"/api/app/projects/{ORIGINAL.number}/annotations", headers=basic(*OWNER))
    assert answer.status == 200 and answer.json["results"] == []


def test_what_connectors_ask_needs_a_credential(running):
    for path in LISTS + PROFILE_PROPERTIES + EVENT_PROPERTIES + ["/api/2.0/annotations"]:
        for headers in ({}, basic("wrong"), basic(ORIGINAL.token), basic(*OWNER)):
            assert running.request("GET", path, headers=headers).status == 401, path
        assert running.request("GET", path, headers=basic(*OWNER), query={"project_id": 1001}).status == 200
        assert running.request("POST", path, "project_id=1001", basic(*OWNER)).status == 200
        assert running.request("PUT", path, headers=basic(ORIGINAL.secret)).status == 405
    other = running.request("GET", "/api/app/projects/1009/annotations", headers=basic(*OWNER))
    assert other.status in (401, 403), other


@pytest.mark.parametrize("path", PROFILE_PROPERTIES)
def test_properties_of_profiles(running, path):
    assert running.read(path).json == {"results": {}, "status": "ok"}
    engage(running, "a", set={"name": "A", "age": 3, "ok": True, "at": "2024-05-01T00:00:00", "l": [1], "o": {"k": 1},
                              "none": None, "mixed": 1, 'quo"te': "2024-05-01x", "digits": "1600000000"})
    engage(running, "b", set={"name": "B", "mixed": "x"})
    engage(running, "c", set={"mixed": "y"})
    answer = running.read(path, limit=2000)
    assert answer.status == 200 and "x-selfsame-sampled" not in answer.headers
    assert answer.json["status"] == "ok" and answer.json["results"] == {
        "$last_seen": {"count": 3, "type": "datetime"}, "mixed": {"count": 3, "type": "string"},
        "name": {"count": 2, "type": "string"}, "age": {"count": 1, "type": "number"},
        "ok": {"count": 1, "type": "boolean"}, "at": {"count": 1, "type": "datetime"}, "l": {"count": 1, "type": "list"},
        "o": {"count": 1, "type": "object"}, 'quo"te': {"count": 1, "type": "string"},
        "digits": {"count": 1, "type": "string"}}
    assert list(running.read(path, limit=2).json["results"]) == ["$last_seen", "mixed"]
    assert running.read(path, limit=0).status == 400
    # As everywhere, a cluster is one.
    running.send(ORIGINAL.merge("a", "b"))
    assert running.read(path).json["results"]["mixed"]["count"] == 2


@pytest.mark.parametrize("path", EVENT_PROPERTIES)
def test_properties_of_events(running, path):
    assert running.read(path).json == {}
    records = [event(n, "u", DAY_START + n, plan="x", **({"n": n} if n % 2 else {})) for n in range(10)]
    records.append({"event": "Other", "properties": {"time": DAY_START, "distinct_id": "u", "$insert_id": "o", "only": 1}})
    assert running.import_(records).json["num_records_imported"] == 11
    answer = running.read(path, limit=2000)
    assert answer.status == 200 and "x-selfsame-sampled" not in answer.headers
    found = {name: entry["count"] for name, entry in answer.json.items()}
    assert found == {"plan": 10, "n": 5, "only": 1, "$insert_id": 11, "$import": 11, "mp_processing_time_ms": 11,
                     "$mp_api_endpoint": 11, "$mp_api_timestamp_ms": 11}
    seen = running.read(path, event="Seen").json
    assert seen["plan"]["count"] == 10 and "only" not in seen
    assert running.read(path, event='["Other"]').json["only"]["count"] == 1
    assert running.read(path, event="Nowhere").json == {}
    # The names are those of the export's lines.
    exported = {name for row in running.export() for name in row["properties"]} - {"time", "distinct_id"}
    assert exported == set(found)


def test_many_are_sampled_and_the_answer_says_so(running):
    for start in range(0, 22_000, 2000):
        records = [event(n, "u", DAY_START + n, plan="x") for n in range(start, start + 2000)]
        assert running.import_(records).json["num_records_imported"] == 2000
    running.track([ORIGINAL.event("Fresh", "u", fresh=True, **{"$insert_id": "fresh"})])
    answer = running.read(EVENT_PROPERTIES[0])
    assert int(answer.headers["x-selfsame-sampled"]) >= 20_000
    assert answer.json["plan"]["count"] >= 20_000 and answer.json["fresh"]["count"] == 1, "what is new is in the sample"


# --- $last_seen ---


def test_last_seen(running):
    engage(running, "a", set={"n": 1})
    assert profile(running, "a") == {"n": 1, "$last_seen": "2023-11-14T22:13:20"}
    set_clock(running, NOW + 60)
    engage(running, "a", set={"n": 2}, ignore_time=True)
    assert profile(running, "a") == {"n": 2, "$last_seen": "2023-11-14T22:13:20"}
    engage(running, "a", add={"n": 1}, time=1)
    assert profile(running, "a") == {"n": 3, "$last_seen": "2023-11-14T22:14:20"}
    set_clock(running, NOW + 120)
    engage(running, "a", set={"$last_seen": "2020-01-01T00:00:00"})
    assert profile(running, "a")["$last_seen"] == "2020-01-01T00:00:00"
    engage(running, "quiet", set={"n": 1}, ignore_time=True)
    assert profile(running, "quiet") == {"n": 1}
    engage(running, "a", delete="")
    assert profile(running, "a") is None
    record = {"$token": ORIGINAL.token, "$group_key": "company", "$group_id": "acme", "$set": {"n": 1}}
    assert running.request("POST", "/groups", json.dumps(record), {"Content-Type": "application/json"}).text == "1"
    rows = running.read("/api/2.0/engage", group_key="company", group_id="acme").json["results"]
    assert rows[0]["$properties"] == {"n": 1, "$last_seen": "2023-11-14T22:15:20"}


@pytest.mark.parametrize("rule, expected", [("hide", "2023-11-14T22:13:20"), ("fill", "2023-11-14T22:14:20")])
def test_last_seen_of_a_cluster(server, data, rule, expected):
    """Where profiles are hidden by a merge, so is when they were seen; after an unmerge each is as it was."""
    running = server(
        "--sandbox", "--config", FIXTURE, "--set", f"profiles.onMerge={rule}", data=data, project=ORIGINAL)
    set_clock(running, NOW)
    anonymous = new_anonymous_id()
    engage(running, "user", set={"n": 1})
    set_clock(running, NOW + 60)
    engage(running, anonymous, set={"m": 1})
    running.send(ORIGINAL.identify("user", anonymous))
    assert profile(running, "user")["$last_seen"] == profile(running, anonymous)["$last_seen"] == expected
    set_clock(running, NOW + 120)
    engage(running, anonymous, set={"m": 2})
    assert profile(running, "user")["$last_seen"] == "2023-11-14T22:15:20"
    found = running.read("/api/2.0/engage", where='properties["$last_seen"] == "2023-11-14T22:15:20"').json["results"]
    assert [row["$distinct_id"] for row in found] == ["user"]
    sequence = running.log()[0]["sequence"]
    answer = running.request(
        "POST", "/identity/unmerge", json.dumps({"link": sequence}), basic(ORIGINAL.secret))
    assert answer.status == 200, answer
    assert profile(running, "user")["$last_seen"] == "2023-11-14T22:13:20"
    assert profile(running, anonymous)["$last_seen"] == "2023-11-14T22:15:20"


# --- lines ---


def assert_lines(text):
    """What a reader that cuts lines as Unicode has them finds is what JSON's own reader finds."""
    assert not any(separator in text for separator in SEPARATORS)
    assert [strict_json(line) for line in text.splitlines() if line] == json_lines(text)
    return json_lines(text)


def test_no_line_has_a_separator_in_it(running):
    odd = "one\u2028two\u2029three\u0085four"
    names = {f"n{separator}": f"{separator}\u00e9\u2030\u00c2" for separator in SEPARATORS}
    running.import_([event(0, odd, DAY_START, text=odd, **names)])
    running.send(ORIGINAL.merge(odd, f"{odd}-2"))
    engage(running, odd, set={"text": odd})
    query = {"from_date": "2020-09-14", "to_date": "2020-09-14"}
    (row,) = assert_lines(running.read("/api/2.0/export", **query).text)
    assert row["properties"]["text"] == odd and row["properties"]["distinct_id"] in (odd, f"{odd}-2")
    assert {name: row["properties"][name] for name in names} == names
    assert matching(running, f'properties["text"] == "{odd}" and "\u2029" in properties["text"]') == ["e0"]
    mapped = assert_lines(running.read("/identity/mappings", format="jsonl").text)
    assert {line["distinct_id"] for line in mapped} == {odd, f"{odd}-2"}
    changes = assert_lines(running.read("/identity/changes").text)
    assert {change["distinct_id"] for change in changes} <= {odd, f"{odd}-2"} and changes
    activity = running.read("/identity/events", distinct_id=odd).text
    assert not any(separator in activity for separator in SEPARATORS)
    assert strict_json(activity)["events"][-1]["properties"]["text"] == odd


def test_no_event_of_a_stream_has_a_separator_in_it(running):
    odd = "one\u2028two\u2029three\u0085four"
    running.send(ORIGINAL.merge(odd, f"{odd}-2"))
    connection = running.connection()
    connection.request("GET", "/identity/changes?follow=1", headers=basic(ORIGINAL.secret))
    response = connection.getresponse()
    assert response.status == 200
    text = ""
    while "data: " not in text:
        text += response.readline().decode()
    connection.close()
    data = text.splitlines()[-1]
    assert strict_json(data.removeprefix("data: "))["distinct_id"] in (odd, f"{odd}-2")


def test_neither_has_the_command_s_export_nor_a_retrieval(server, data):
    running = server("--config", FIXTURE, data=data, project=ORIGINAL)
    odd = "one\u2028two\u2029three\u0085four"
    running.import_([event(0, odd, DAY_START, text=odd)])
    engage(running, odd, set={"text": odd})
    path = "/api/app/data-retrievals/v3.0/"
    token = {"token": ORIGINAL.token}
    answer = running.request("POST", path, json.dumps({"distinct_ids": [odd]}), basic(ORIGINAL.secret), token)
    task = answer.json["results"][0]["tracking_id"]
    wait_until(lambda: running.request("GET", f"{path}{task}/", headers=basic(ORIGINAL.secret), query=token)
               .json["results"]["status"] == "SUCCESS", what="the end of a retrieval")
    lines = assert_lines(running.request(
        "GET", f"{path}{task}/download", headers=basic(ORIGINAL.secret), query=token).text)
    assert {line["type"] for line in lines} == {"cluster", "profile", "event"}
    running.stop()
    text = command("export", "--data", data, "--project", ORIGINAL.number, "--from", "2020-09-14", "--to", "2020-09-14")
    assert [row["properties"]["text"] for row in assert_lines(text)] == [odd]
