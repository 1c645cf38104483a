"""Text as mixpanel-js spells it, each UTF-16 unit by itself, and bytes that are no UTF-8 at all (P 2-11)."""

import base64
import gzip
import json
import urllib.parse

import pytest
from conftest import ORIGINAL, SIMPLIFIED, basic, insert_ids, json_lines, run_command

TREE, SMILE = "\U0001F333", "\U0001F600"
DEVICE = "aaaaaaaa-0000-4000-8000-000000000001"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
NOW = 1700000000


def units(text):
    """The bytes of mixpanel-js: each UTF-16 unit as if it were a character."""
    pairs = text.encode("utf-16-be", "surrogatepass")
    both = (chr(pairs[place] << 8 | pairs[place + 1]) for place in range(0, len(pairs), 2))
    return b"".join(unit.encode("utf-8", "surrogatepass") for unit in both)


def high_escaped(text):
    """The same, the first half of each pair as an escape."""
    return units(text).replace(b"\xed\xa0\xbc", b"\\ud83c").replace(b"\xed\xa0\xbd", b"\\uD83D")


def low_escaped(text):
    """The same, the second half of each pair as an escape."""
    return units(text).replace(b"\xed\xbc\xb3", b"\\udf33").replace(b"\xed\xb8\x80", b"\\uDE00")


SPELLINGS = {"units": units, "high escaped": high_escaped, "low escaped": low_escaped}


def spelt(records, spelling):
    return SPELLINGS[spelling](json.dumps(records, ensure_ascii=False))


def quoted(data):
    return urllib.parse.quote_from_bytes(data, safe="").encode()


def post(headers, body):
    return lambda data: ("POST", "", headers, body(data))


def lines(data):
    return b"\n".join(units(json.dumps(record, ensure_ascii=False)) for record in json.loads(joined(data)))


def joined(data):
    """Text in any of the spellings, read as Python reads it."""
    text = data.decode("utf-8", "surrogatepass")
    return json.dumps(json.loads(text)).encode("ascii")


# Every form of a body (P 2-3, 2-5): method, query, headers and body.
FORMS = {
    "form, base64": post(FORM, lambda data: b"data=" + quoted(base64.b64encode(data))),
    "form, bare base64": post(FORM, lambda data: b"data=" + base64.b64encode(data)),
    "form, URL-safe base64": post(FORM, lambda data: b"data=" + base64.urlsafe_b64encode(data)),
    "form, JSON": post(FORM, lambda data: b"data=" + quoted(data)),
    "form, raw JSON": post(FORM, lambda data: b"data=" + data),
    "form, gzip": post({**FORM, "Content-Encoding": "gzip"}, lambda data: gzip.compress(b"data=" + quoted(data))),
    "beacon": post({"Content-Type": "text/plain;charset=UTF-8"}, lambda data: b"data=" + quoted(base64.b64encode(data))),
    "JSON": post(JSON, lambda data: data),
    "JSON, gzip": post({**JSON, "Content-Encoding": "gzip"}, gzip.compress),
    "JSON without a type": post({"Content-Type": "application/octet-stream"}, lambda data: data),
    "JSON with a byte order mark": post(JSON, lambda data: b"\xef\xbb\xbf" + data),
    "base64 without a type": post({"Content-Type": "text/plain"}, base64.b64encode),
    "NDJSON": post({"Content-Type": "application/x-ndjson"}, lines),
    "GET, base64": lambda data: ("GET", "data=" + quoted(base64.b64encode(data)).decode(), {}, None),
    "GET, URL-safe base64": lambda data: ("GET", "data=" + base64.urlsafe_b64encode(data).decode(), {}, None),
    "GET, JSON": lambda data: ("GET", "data=" + quoted(data).decode(), {}, None),
}


def send(server, path, data, form, query="", headers=None):
    method, own, more, body = FORMS[form](data)
    target = path + "?" + "&".join(part for part in (own, query) if part)
    return server.request(method, target, body, {**more, **(headers or {})})


def insert(number):
    return {"$insert_id": f"i{number}", "time": NOW - 100 + number}


def expect_batch(server):
    """What must be there after the records of `batch`."""
    assert server.clusters() == {frozenset([f"ada {TREE}", DEVICE, f"alias {SMILE}"])}
    rows = {row["event"]: row["properties"] for row in server.export()}
    assert set(rows) == {"$identify", "$create_alias", f"Plant {TREE}", "Plain"}
    planted = rows[f"Plant {TREE}"]
    assert planted["distinct_id"] == f"ada {TREE}" and planted[f"key {TREE}"] == {"list": [f"{SMILE}{TREE}"]}
    assert planted["note"] == f"Grüße {TREE}\u2764" and planted["$distinct_id_before_identity"] == f"alias {SMILE}"


def batch(project=ORIGINAL):
    return [
        project.identify(f"ada {TREE}", DEVICE, **insert(1)), project.alias(f"alias {SMILE}", f"ada {TREE}", **insert(2)),
        project.event(
            f"Plant {TREE}", f"alias {SMILE}", note=f"Grüße {TREE}\u2764",
            **{f"key {TREE}": {"list": [f"{SMILE}{TREE}"]}}, **insert(3)),
        project.event("Plain", f"ada {TREE}", **insert(4)),
    ]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_batch_arrives_in_every_form_of_a_body(running, spelling):
    data = spelt(batch(), spelling)
    with pytest.raises(UnicodeDecodeError):
        data.decode()
    for form in FORMS:
        assert running.request("POST", "/sandbox/reset").status == 200
        answer = send(running, "/track", data, form)
        assert (answer.status, answer.text) == (200, "1"), form
        expect_batch(running)
        assert running.request("POST", "/sandbox/reset").status == 200
        answer = send(running, "/import", data, form, "strict=1", basic(ORIGINAL.secret))
        assert answer.json == {"code": 200, "num_records_imported": 4, "status": "OK"}, form
        expect_batch(running)
        # The same records in UTF-8 are the same events.
        assert running.track(batch()).text == "1"
        expect_batch(running)


def profile(server, **query):
    """The properties of a profile or a group, without the time at which it was last seen."""
    results = server.read("/api/2.0/engage", **query).json["results"]
    if not results:
        return None
    properties = results[0]["$properties"]
    assert properties.pop("$last_seen")
    return properties


def test_profiles_and_groups_arrive_in_every_form_of_a_body(running):
    for form in FORMS:
        assert running.request("POST", "/sandbox/reset").status == 200
        updates = [
            {"$token": ORIGINAL.token, "$distinct_id": f"ada {TREE}", "$set": {f"city {TREE}": f"Köln {SMILE}"}},
            {"$token": ORIGINAL.token, "$distinct_id": f"ada {TREE}", "$union": {"tags": [TREE]}},
        ]
        assert send(running, "/engage", spelt(updates, "units"), form).text == "1", form
        assert profile(running, distinct_id=f"ada {TREE}") == {f"city {TREE}": f"Köln {SMILE}", "tags": [TREE]}, form
        group = {"$token": ORIGINAL.token, "$group_key": TREE, "$group_id": SMILE, "$set": {"name": TREE}}
        assert send(running, "/groups", spelt([group], "units"), form).text == "1", form
        assert profile(running, group_key=TREE, group_id=SMILE) == {"name": TREE}, form


BAD = {
    "lone byte": b"\xff", "continuation": b"\x80", "overlong": b"\xc0\x80", "overlong of three": b"\xe0\x80\x80",
    "overlong of four": b"\xf0\x80\x80\x80", "too large": b"\xf4\x90\x80\x80", "five bytes": b"\xf8\x88\x80\x80\x80",
    "cut after one": b"\xf0", "cut after three": b"\xf0\x9f\x8c", "half of a half": b"\xed\xa0",
}


@pytest.mark.parametrize("bad", BAD)
def test_a_byte_that_is_no_utf8_costs_its_own_record(running, bad):
    good = [units(json.dumps(record, ensure_ascii=False)) for record in batch()[2:]]
    wrong = json.dumps(ORIGINAL.event("Bad", "x", p="@", **insert(9))).encode().replace(b"@", BAD[bad])
    body = b"[" + b",".join([good[0], wrong, good[1]]) + b"]"
    for form in FORMS:
        if form == "NDJSON":
            continue
        assert running.request("POST", "/sandbox/reset").status == 200
        assert send(running, "/track", body, form).text == "0", form
        assert sorted(insert_ids(running.export())) == ["i3", "i4"], form
    answer = running.track(b"\n".join([good[0], wrong, good[1]]), {"verbose": 1}, {"Content-Type": "application/x-ndjson"})
    assert answer.json == {"error": "1: properties.p is invalid: string should be valid utf8", "status": 0}
    answer = running.import_(body)
    assert answer.status == 400 and answer.json["num_records_imported"] == 2
    assert answer.json["failed_records"] == [{
        "index": 1, "insert_id": "i9", "$insert_id": "i9", "field": "properties.p",
        "message": "properties.p is invalid: string should be valid utf8"}]
    told = running.request("POST", "/identity/preview", body, {**JSON, **basic(ORIGINAL.secret)}).json
    assert told["counts"]["rejected"] == 1 and told["counts"]["plain"] == 2
    assert sorted(insert_ids(running.export())) == ["i3", "i4"]


def test_a_byte_that_is_no_utf8_costs_its_own_update(running):
    update = '{"$token":"%s","$distinct_id":"%%s","$set":{"p":"%%s"}}' % ORIGINAL.token
    body = b"[%s,%s,%s]" % tuple(
        (update % pair).encode().replace(b"@", b"\xff") for pair in [("a", "1"), ("b", "@"), ("c", "2")])
    answer = running.request("POST", "/engage", body, JSON, {"verbose": 1})
    assert answer.json == {"error": "1: '$set.p' is invalid: string should be valid utf8", "status": 0}
    assert [profile(running, distinct_id=name) for name in "abc"] == [{"p": "1"}, None, {"p": "2"}]


HALVES = {"three bytes": b"\xed\xa0\xbc", "an escape": b"\\ud83c"}


@pytest.mark.parametrize("half", HALVES)
def test_half_a_pair_is_kept_in_names_and_values(running, half):
    record = json.dumps(ORIGINAL.event("E@", "x", **{"$insert_id": "i@", "k@": ["v@", {"@": TREE}]}), ensure_ascii=False)
    body = units(record).replace(b"@", HALVES[half])
    assert running.track(body).text == "1"
    assert running.track(body.replace(b'"k', b'"j')).text == "1"
    raw = running.read("/api/2.0/export", from_date="1971-01-01", to_date="2099-12-31")
    assert b'"E\\ud83c"' in raw.body and b'"i\\ud83c"' in raw.body and b'["v\\ud83c",{"\\ud83c":' in raw.body
    raw.body.decode("utf-8", "strict")
    names = [row["event"] for row in json_lines(raw.text)]
    assert set(names) == {"E\ud83c"}
    activity = running.read("/identity/events", distinct_id="x")
    assert {event["event"] for event in activity.json["events"]} == {"E\ud83c"}
    assert running.request("POST", "/engage", units(json.dumps(
        {"$token": ORIGINAL.token, "$distinct_id": "x", "$set": {"k@": f"{TREE}@"}}, ensure_ascii=False)
    ).replace(b"@", HALVES[half]), JSON).text == "1"
    assert profile(running, distinct_id="x") == {"k\ud83c": f"{TREE}\ud83c"}


@pytest.mark.parametrize("half", HALVES)
def test_half_a_pair_refuses_its_record_in_an_id(running, half):
    token = ORIGINAL.token
    good = json.dumps(ORIGINAL.event("Good", "x", note=TREE), ensure_ascii=False)
    for wrong in (
        '{"event":"E","properties":{"token":"%s","distinct_id":"a@"}}' % token,
        '{"event":"E","properties":{"token":"%s@","distinct_id":"a"}}' % token,
        '{"event":"$identify","properties":{"token":"%s","$identified_id":"a@","$anon_id":"%s"}}' % (token, DEVICE),
        '{"event":"$identify","properties":{"token":"%s","distinct_id":"a","$anon_distinct_id":"@%s"}}' % (token, DEVICE),
        '{"event":"$create_alias","properties":{"token":"%s","distinct_id":"a","alias":"@"}}' % token,
        '{"event":"E","properties":{"token":"%s","$user_id":"a@"}}' % SIMPLIFIED.token,
    ):
        body = units(f"[{good},{wrong}]").replace(b"@", HALVES[half])
        assert running.track(body).text == "0", wrong
    for path, wrong in (
        ("/engage", '{"$token":"%s","$distinct_id":"a@","$set":{"p":1}}' % token),
        ("/engage", '{"$token":"%s@","$distinct_id":"a","$set":{"p":1}}' % token),
        ("/groups", '{"$token":"%s","$group_key":"a@","$group_id":"g","$set":{"p":1}}' % token),
        ("/groups", '{"$token":"%s","$group_key":"k","$group_id":"@g","$set":{"p":1}}' % token),
    ):
        body = wrong.encode().replace(b"@", HALVES[half])
        answer = running.request("POST", path, body, JSON, {"verbose": 1})
        assert answer.json["status"] == 0 and "string should be valid utf8" in answer.json["error"], wrong
    assert {row["event"] for row in running.export()} == {"Good"}
    assert running.clusters() == set()


def test_questions_find_an_id_in_the_same_spellings(running):
    assert running.track(batch()).text == "1"
    split = units(f"ada {TREE}")
    asked = "distinct_id=" + quoted(split).decode()
    for path in ("/identity/resolve", "/identity/cluster", "/identity/events", "/identity/log", "/api/2.0/engage"):
        plain = running.read(path, distinct_id=f"ada {TREE}")
        answer = running.request("GET", f"{path}?{asked}", headers=basic(ORIGINAL.secret))
        assert answer.status == plain.status == 200, answer
        skipped = ("session_id", "computed_at")
        assert {k: v for k, v in answer.json.items() if k not in skipped} == {
            k: v for k, v in plain.json.items() if k not in skipped}, path
    headers = {**JSON, **basic(ORIGINAL.secret)}
    body = units(json.dumps({"distinct_ids": [f"ada {TREE}", f"alias {SMILE}"]}, ensure_ascii=False))
    answer = running.request("POST", "/identity/resolve", body, headers)
    assert [found["canonical_id"] for found in answer.json["results"]] == [f"ada {TREE}"] * 2
    explained = running.request(
        "GET", f"/identity/explain?from={quoted(split).decode()}&to={DEVICE}", headers=headers)
    assert explained.json["connected"] is True
    body = units(json.dumps({"distinct_id": f"ada {TREE}", "preview": True}, ensure_ascii=False))
    assert running.request("POST", "/identity/unmerge", body, headers).json["before"]
    where = quoted(units(f'properties["note"] == "Grüße {TREE}\u2764"')).decode()
    rows = running.request(
        "GET", f"/api/2.0/export?from_date=1971-01-01&to_date=2099-12-31&where={where}", headers=headers)
    assert len(json_lines(rows.text)) == 1
    for junk in ("%FF", "%ED%A0%BC", "a%C3"):
        for path in ("/identity/resolve", "/identity/cluster"):
            answer = running.request("GET", f"{path}?distinct_id={junk}", headers=headers)
            assert (answer.status, answer.json) == (400, {"error": "a distinct_id must be UTF-8", "status": "error"})


def test_files_take_the_same_spellings(server, data, tmp_path):
    running = server(data=data)
    project = running.project
    running.stop()
    records = batch(project)
    bad = json.dumps(project.event("Bad", "x", p="@", **insert(9))).encode().replace(b"@", b"\xc3")
    path = tmp_path / "events"
    for name, text in {
        "array": spelt(records, "units")[:-1] + b"," + bad + b"]",
        "lines": lines(spelt(records, "high escaped")) + b"\n" + bad + b"\n",
        "gzip": gzip.compress(lines(spelt(records, "low escaped")) + b"\n" + bad + b"\n"),
    }.items():
        path.write_bytes(text)
        done = run_command("import", path, "--data", data)
        assert done.returncode == 1 and "string should be valid utf8" in done.stderr, (name, done)
    running = server(data=data)
    expect_batch(running)
    assert len(running.export()) == 4


def test_one_emoji_costs_nothing_of_a_batch_of_a_page(running):
    page = [ORIGINAL.verb("$identify", distinct_id="ada", **{"$anon_distinct_id": DEVICE})]
    page += [ORIGINAL.event(f"View {number}", "ada", title=f"{number} {TREE}" if number == 7 else "x") for number in range(20)]
    answer = send(running, "/track/", spelt(page, "units"), "form, base64", "verbose=1&ip=1&_=1")
    assert answer.json == {"error": None, "status": 1}
    assert len(running.export()) == 21 and running.cluster("ada") == {"ada", DEVICE}
