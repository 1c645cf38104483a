"""The raw export (P 10-5)."""

import datetime
import gzip
import json
import threading

import pytest
from conftest import FIXTURE, ORIGINAL, basic, insert_ids, json_lines, new_anonymous_id, wait_until

DAY_START = 1_600_041_600  # 2020-09-14T00:00:00Z
DAY = 86_400


def by_event(rows):
    found = {row["event"]: row["properties"] for row in rows}
    assert len(found) == len(rows)
    return found


def test_a_row(running):
    sent = {"time": DAY_START + 5.25, "$insert_id": "one", "text": "Größe ✓ 😀", "n": 12345678901234567890,
            "f": 0.1, "list": [1, "two", None, {"three": 3}], "none": None, "yes": True}
    assert running.track([ORIGINAL.event("Clicked", "user", **sent)]).text == "1"
    assert running.import_([ORIGINAL.event("Imported", "user", **{**sent, "$insert_id": "two"})]).status == 200
    answer = running.read("/api/2.0/export", from_date="2020-09-14", to_date="2020-09-14")
    assert answer.headers["content-type"].startswith("text/plain")
    rows = by_event(json_lines(answer.text))
    for name, endpoint, insert_id in (("Clicked", "/track", "one"), ("Imported", "/import", "two")):
        row = rows[name]
        for key in ("text", "n", "f", "list", "none", "yes"):
            assert row[key] == sent[key], key
        assert row["time"] == DAY_START + 5 and row["distinct_id"] == "user" and row["$insert_id"] == insert_id
        assert "token" not in row and "$distinct_id_before_identity" not in row
        assert row["$mp_api_endpoint"].endswith(endpoint)
        assert isinstance(row["mp_processing_time_ms"], int) and isinstance(row["$mp_api_timestamp_ms"], int)
    assert rows["Imported"]["$import"] is True and "$import" not in rows["Clicked"]


def test_canonical_ids(running):
    anonymous = new_anonymous_id()
    running.track([
        ORIGINAL.event("Before", anonymous),
        ORIGINAL.identify("user", anonymous),
        ORIGINAL.event("After", anonymous),
        ORIGINAL.event("Known", "user"),
        ORIGINAL.event("Nobody", ""),
        ORIGINAL.event("Other", "stranger"),
    ])
    rows = by_event(running.export())
    for name in ("Before", "After"):
        assert rows[name]["distinct_id"] == "user"
        assert rows[name]["$distinct_id_before_identity"] == anonymous
    for name, distinct_id in (("Known", "user"), ("$identify", "user"), ("Nobody", ""), ("Other", "stranger")):
        assert rows[name]["distinct_id"] == distinct_id
        assert "$distinct_id_before_identity" not in rows[name]


def test_a_refused_verb_says_why(running):
    anonymous = new_anonymous_id()
    running.track([
        ORIGINAL.identify("user-1", anonymous, **{"$insert_id": "merged"}),
        ORIGINAL.identify("user-2", anonymous, **{"$insert_id": "refused", "kept": "yes"}),
    ])
    rows = {row["properties"]["$insert_id"]: row["properties"] for row in running.export()}
    assert "$failure_reason" not in rows["merged"]
    refused = rows["refused"]
    assert refused["$failure_reason"] == "errAnonDistinctIdAssignedAlready"
    assert refused["$failure_description"] == f"$anon_distinct_id already identified: {anonymous}"
    assert refused["$anon_id"] == anonymous and refused["$identified_id"] == "user-2" and refused["kept"] == "yes"


def test_what_only_the_server_stamps_is_not_taken_from_clients(running):
    stamps = {"$failure_reason": "x", "$failure_description": "x", "$distinct_id_before_identity": "x",
              "$import": "x", "mp_processing_time_ms": "x", "$mp_api_endpoint": "x", "$mp_api_timestamp_ms": "x"}
    running.track([ORIGINAL.event("Clicked", "user", **stamps)])
    assert "x" not in running.export()[0]["properties"].values()


def test_the_latest_copy_is_the_one(running):
    one = {"time": DAY_START, "$insert_id": "same"}
    for version in (1, 2, 3):
        running.track([ORIGINAL.event("Clicked", "user", version=version, **one)])
    running.track([
        ORIGINAL.event("Clicked", "other", version=4, **one),
        ORIGINAL.event("Opened", "user", version=5, **one),
        ORIGINAL.event("Clicked", "user", version=6, **{**one, "time": DAY_START + 1}),
        ORIGINAL.event("Clicked", "user", version=7, **{**one, "$insert_id": "another"}),
    ])
    assert sorted(row["properties"]["version"] for row in running.export()) == [3, 4, 5, 6, 7]
    # The id as sent is part of the key, so that a retry after a merge is still the same event.
    running.import_([ORIGINAL.merge("other", "user")])
    running.track([ORIGINAL.event("Clicked", "user", version=8, **one)])
    rows = [row["properties"]["version"] for row in running.export() if "version" in row["properties"]]
    assert sorted(rows) == [4, 5, 6, 7, 8]


def test_days_are_included_at_both_ends(running):
    next_day, after = DAY_START + DAY, DAY_START + 2 * DAY
    times = [DAY_START - 1, DAY_START, next_day - 1, next_day, after - 1, after]
    running.track([
        ORIGINAL.event("Clicked", "user", time=moment, **{"$insert_id": f"t{n}"}) for n, moment in enumerate(times)
    ])
    assert insert_ids(running.export("2020-09-14", "2020-09-15")) == ["t1", "t2", "t3", "t4"], "in the order of time"
    assert insert_ids(running.export("2020-09-14", "2020-09-14")) == ["t1", "t2"]
    assert insert_ids(running.export("2020-09-13", "2020-09-13")) == ["t0"]
    last = DAY_START * 1000 + DAY * 1000 - 1
    running.track([ORIGINAL.event("Last", "user", time=last, **{"$insert_id": "last"})])
    assert insert_ids(running.export("2020-09-14", "2020-09-14")) == ["t1", "t2", "last"]


@pytest.mark.parametrize("query", [
    {}, {"from_date": "2020-01-01"}, {"to_date": "2020-01-01"}, {"from_date": "", "to_date": ""},
    {"from_date": "2020-02-30", "to_date": "2020-03-01"}, {"from_date": "2020-1-1", "to_date": "2020-01-02"},
    {"from_date": "01/02/2020", "to_date": "2020-01-02"}, {"from_date": "2020-01-01", "to_date": "tomorrow"},
    {"from_date": "2020-01-02", "to_date": "2020-01-01"}, {"from_date": "2020-01-01T00:00:00", "to_date": "2020-01-02"},
    {"from_date": "2020-01-01", "to_date": "2020-01-02", "limit": "0"},
    {"from_date": "2020-01-01", "to_date": "2020-01-02", "limit": "100001"},
    {"from_date": "2020-01-01", "to_date": "2020-01-02", "event": "Clicked"},
    {"from_date": "2020-01-01", "to_date": "2020-01-02", "where": "x"},
], ids=str)
def test_a_bad_question_is_400(running, query):
    answer = running.read("/api/2.0/export", **query)
    assert answer.status == 400, answer
    assert answer.json["status"] == "error" and answer.json["error"]


def test_credentials_are_needed(running):
    days = {"from_date": "2020-01-01", "to_date": "2020-01-01"}
    for headers in ({}, basic("wrong"), basic(ORIGINAL.token), {"Authorization": "Bearer abc"}):
        answer = running.request("GET", "/api/2.0/export", headers=headers, query=days)
        assert answer.status == 401 and answer.json["error"], answer
    account = basic("ro.222222.mp-service-account", "sa-secret-2")
    assert running.request("GET", "/api/2.0/export", headers=account, query={**days, "project_id": 1001}).status == 200
    assert running.request("GET", "/api/2.0/export", headers=account, query={**days, "project_id": 1002}).status == 403


def test_options(running):
    running.track([
        ORIGINAL.event(f"Event {n % 3}", "user", time=DAY_START + n + 0.007, **{"$insert_id": f"e{n}"})
        for n in range(9)
    ])
    assert [row["properties"]["time"] for row in running.export(limit=2)] == [DAY_START, DAY_START + 1]
    assert [row["properties"]["time"] for row in running.export(time_in_ms="true", limit=2)] == [
        DAY_START * 1000 + 7, DAY_START * 1000 + 1007]
    assert insert_ids(running.export(event=json.dumps(["Event 1"]))) == ["e1", "e4", "e7"]
    assert insert_ids(running.export(event=json.dumps(["Event 1", "Event 2", "None"]), limit=3)) == ["e1", "e2", "e4"]
    assert running.export(event="[]") == []


def test_events_without_insert_id_get_one(running):
    records = [ORIGINAL.event("Clicked", "user", time=DAY_START, n=n) for n in range(3)]
    running.track(records)
    running.track(records)
    keys = insert_ids(running.export())
    assert len(set(keys)) == 6 and all(keys)
    assert keys == insert_ids(running.export()), "the ids that were made up stay the same"


def test_no_key_stands_twice(running):
    """`export` parses strictly; here are the properties that the server writes itself."""
    body = json.dumps([ORIGINAL.event("Twice", "user", time=DAY_START, **{"$insert_id": "one"})])
    own = '"time":1,"time":%d,"distinct_id":"x","distinct_id":"user","$insert_id":"two","$insert_id":"one",' % DAY_START
    own += '"a":1,"a":2,"\\u0061":3,"$import":false,"$mp_api_endpoint":"x","o":{"k":1,"k":2},'
    body = body.replace('"time"', own + '"time"')
    assert running.track(body.encode()).text == "1"
    properties = running.export()[0]["properties"]
    assert properties["a"] == 3 and properties["o"] == {"k": 2}
    assert (properties["distinct_id"], properties["$insert_id"]) == ("user", "one")


def test_strange_text_comes_back(running):
    texts = ["\u0000\u0001\u001f\u007f", '"\\/\b\f\n\r\t', "\u2028\u2029", "e\u0301", "\u00e9",
             "\U0001F469\u200d\U0001F680", "\ufeff"]
    records = [ORIGINAL.event(text + " event", "id " + text, **{"key " + text: text, "$insert_id": f"s{n}"})
               for n, text in enumerate(texts)]
    assert running.track(records).text == "1"
    rows = {row["properties"]["$insert_id"]: row for row in running.export()}
    for number, text in enumerate(texts):
        row = rows[f"s{number}"]
        assert row["event"] == text + " event"
        assert row["properties"]["distinct_id"] == "id " + text
        assert row["properties"]["key " + text] == text


def test_lone_surrogates_come_back(running):
    body = json.dumps([ORIGINAL.event("Cut", "user", text="MARK")]).replace("MARK", r"cut \ud83d here")
    assert running.track(body.encode()).text == "1"
    assert running.export()[0]["properties"]["text"] == "cut \ud83d here"


COUNT = 20_000


def test_a_long_export_with_a_slow_reader_and_ingest(running):
    for start in range(0, COUNT, 2000):
        answer = running.import_([
            ORIGINAL.event(
                "Bulk", f"id-{n % 100}", time=DAY_START + n, n=n, filler="x" * 200, **{"$insert_id": f"b{n}"})
            for n in range(start, start + 2000)
        ], compress=True)
        assert answer.status == 200, answer

    stop = threading.Event()
    counts = {"answered": 0}
    faults = []

    def ingest():
        """Events of other days, and merges of the exported ids."""
        connection = running.connection()
        try:
            while not stop.is_set():
                number = counts["answered"]
                records = [ORIGINAL.event("Live", "live", **{"$insert_id": f"live-{number}"})]
                if number < 99:
                    records.append(ORIGINAL.merge("id-0", f"id-{number + 1}", time=DAY_START - DAY))
                answer = running.import_(records, {}, connection=connection)
                assert (answer.status, answer.text) == (200, "1"), answer
                counts["answered"] += 1
        except Exception as error:
            faults.append(error)
        finally:
            connection.close()

    connection = running.connection()
    last = datetime.datetime.fromtimestamp(DAY_START + COUNT, datetime.timezone.utc).strftime("%Y-%m-%d")
    connection.request(
        "GET", f"/api/2.0/export?from_date=2020-09-14&to_date={last}", headers=basic(ORIGINAL.secret))
    response = connection.getresponse()
    assert response.status == 200
    text = response.read(200_000)
    thread = threading.Thread(target=ingest, daemon=True)
    thread.start()
    try:
        # The reader stands still; ingest must not.
        while counts["answered"] < 150 and not faults:
            thread.join(0.01)
        assert not faults, faults
        text += response.read()
    finally:
        stop.set()
        thread.join(60)
        connection.close()
    rows = json_lines(text.decode())
    assert [row["properties"]["n"] for row in rows] == list(range(COUNT))
    for row in rows:
        own = f"id-{row['properties']['n'] % 100}"
        assert row["properties"]["distinct_id"] == own, "identities are those of the moment at which the export began"
    assert running.resolve("id-99") == ["id-0"]
    after = running.export("2020-09-14", last, limit=100)
    assert {row["properties"]["distinct_id"] for row in after} == {"id-0"}


def test_a_reader_that_leaves_does_no_harm(running):
    running.import_([
        ORIGINAL.event("Bulk", "id", time=DAY_START + n, filler="x" * 250, more="y" * 250, **{"$insert_id": f"b{n}"})
        for n in range(2000)
    ])
    for _ in range(20):
        connection = running.connection()
        connection.request(
            "GET", "/api/2.0/export?from_date=2020-09-14&to_date=2020-09-14", headers=basic(ORIGINAL.secret))
        response = connection.getresponse()
        assert response.status == 200 and len(response.read(1000)) == 1000
        response.close()
        connection.close()
    assert len(running.export()) == 2000


def test_gzip_is_sent_where_it_is_asked_for(running):
    def get(headers):
        return running.request(
            "GET", "/api/2.0/export", headers={**basic(ORIGINAL.secret), **headers},
            query={"from_date": "2020-09-14", "to_date": "2020-09-14"})

    running.track([ORIGINAL.event("Clicked", "user", time=DAY_START, **{"$insert_id": "one"})])
    assert "content-encoding" not in get({"Accept-Encoding": "gzip"}).headers, "shorter than 1,400 bytes"
    running.track([
        ORIGINAL.event("Clicked", "user", time=DAY_START + n, **{"$insert_id": f"g{n}"}) for n in range(100)
    ])
    plain, packed = get({}), get({"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers and len(json_lines(plain.text)) == 101
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


def test_head_has_no_body(running):
    answer = running.request(
        "HEAD", "/api/2.0/export", headers=basic(ORIGINAL.secret),
        query={"from_date": "2020-09-14", "to_date": "2020-09-14"})
    assert (answer.status, answer.body) == (200, b"")


def test_only_so_many_streams_are_written_at_once(server):
    running = server("--sandbox", "--config", FIXTURE, "--set", "query.streamLimit=1", project=ORIGINAL)
    fillers = {f"filler{n}": "x" * 250 for n in range(4)}
    for start in range(0, COUNT, 2000):
        running.import_([
            ORIGINAL.event("Bulk", "id", time=DAY_START + n, **fillers, **{"$insert_id": f"b{n}"})
            for n in range(start, start + 2000)
        ], compress=True)
    query = {"from_date": "2020-09-14", "to_date": "2020-09-15"}

    def get(path="/api/2.0/export", **query):
        return running.request("GET", path, headers=basic(ORIGINAL.secret), query=query)

    connection = running.connection()
    connection.request(
        "GET", "/api/2.0/export?from_date=2020-09-14&to_date=2020-09-15", headers=basic(ORIGINAL.secret))
    response = connection.getresponse()
    response.read(1000)
    for refused in (get(**query), get("/identity/mappings")):
        assert refused.status == 429 and int(refused.headers["retry-after"]) > 0, refused
    assert running.resolve("id") == ["id"], "short answers are not held up"
    response.close()
    connection.close()
    wait_until(lambda: get(limit=1, **query).status == 200, what="a place for the next export")
