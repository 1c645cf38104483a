"""The official Python packages, pointed at a server and otherwise unchanged."""

import json
import time

import mixpanel
import mixpanel_utils
import pytest
from conftest import basic, command, fields, new_anonymous_id, wait_until

LONG_AGO = 1_600_000_000  # 2020-09-13


@pytest.fixture
def running(server, data):
    return server(data=data)


@pytest.fixture
def account(running):
    """A service account that may import: its name and secret."""
    role = f"{running.project.number}=admin"
    made = fields(command("account", "create", "ci", "--role", role, "--data", running.data))
    own = basic(made["username"], made["secret"])
    query = {"project_id": running.project.number}
    wait_until(lambda: running.request("GET", "/identity/log", None, own, query).status == 200, what="the account")
    return made["username"], made["secret"]


def urls(server):
    # `api_host` always means https.
    return {
        "events_url": f"{server.url}/track", "people_url": f"{server.url}/engage",
        "groups_url": f"{server.url}/groups", "import_url": f"{server.url}/import",
    }


def client(server, **options):
    return mixpanel.Mixpanel(server.project.token, consumer=mixpanel.Consumer(**urls(server), **options))


def utilities(server, secret, **options):
    found = mixpanel_utils.MixpanelUtils(secret, token=server.project.token, pool_size=2, **options)
    found.import_api = server.url
    found.raw_api = found.formatted_api = f"{server.url}/api"
    return found


def profile(server, distinct_id):
    """The properties of the profile that a query for one id gives, or nothing."""
    answer = server.read("/api/2.0/engage", distinct_id=distinct_id)
    assert answer.status == 200, answer
    rows = answer.json["results"]
    assert len(rows) <= 1
    return rows[0]["$properties"] if rows else None


def group(server, key, group_id):
    """The properties of a group, or nothing."""
    answer = server.read("/api/2.0/engage", group_key=key, group_id=group_id)
    assert answer.status == 200, answer
    rows = answer.json["results"]
    assert len(rows) == answer.json["total"] <= 1
    return rows[0]["$properties"] if rows else None


def of_ours(properties):
    """The properties that the test wrote."""
    return {name: value for name, value in properties.items() if not name.startswith("$last_seen")}


def test_track(running):
    now = int(time.time())
    mp = client(running)
    mp.track("user-1", "Signed Up", {"plan": "Größe ✓", "count": 3})
    mp.track("user-1", "Signed Up", {"time": now - 86_400, "$insert_id": "same"})
    mp.track("user-1", "Signed Up", {"time": now - 86_400, "$insert_id": "same"})
    rows = running.export()
    assert [row["event"] for row in rows] == ["Signed Up", "Signed Up"]
    copied, first = (row["properties"] for row in rows)
    assert copied["$insert_id"] == "same"
    assert first["plan"] == "Größe ✓" and first["count"] == 3
    assert first["distinct_id"] == "user-1" and first["mp_lib"] == "python"
    assert len(first["$insert_id"]) == 32 and now <= first["time"] < now + 60
    assert "token" not in first


def test_track_tells_what_is_wrong(running):
    with pytest.raises(mixpanel.MixpanelException, match="token, missing or empty"):
        mixpanel.Mixpanel("", consumer=mixpanel.Consumer(**urls(running))).track("user-1", "Signed Up")
    with pytest.raises(mixpanel.MixpanelException, match="event, missing"):
        client(running).track("user-1", "")
    assert running.export() == []


def test_alias(running, monkeypatch):
    class LocalConsumer(mixpanel.Consumer):
        def __init__(self):
            super().__init__(**urls(running))

    # `alias` makes a consumer of its own, without any option.
    monkeypatch.setattr(mixpanel, "Consumer", LocalConsumer)
    mp = mixpanel.Mixpanel(running.project.token, consumer=LocalConsumer())
    anonymous = new_anonymous_id()
    mp.track(anonymous, "Opened")
    mp.alias("user-1", anonymous)
    assert running.cluster("user-1") == {"user-1", anonymous}
    assert [(e["verb"], e["outcome"]) for e in running.log()] == [("$create_alias", "merged")]
    opened = next(row["properties"] for row in running.export() if row["event"] == "Opened")
    assert opened["distinct_id"] == running.resolve(anonymous)[0] == "user-1"
    assert opened["$distinct_id_before_identity"] == anonymous


def test_merge_with_the_secret(running):
    client(running).merge(None, "user-1", "user-2", api_secret=running.project.secret)
    assert running.cluster("user-1") == {"user-1", "user-2"}
    assert running.log()[0]["source"] == {"endpoint": "/import", "principal": "secret"}


def test_merge_with_a_service_account(running, account):
    credentials = mixpanel.ServiceAccountCredentials(*account, str(running.project.number))
    client(running, credentials=credentials).merge(None, "user-1", "user-2")
    assert running.cluster("user-2") == {"user-1", "user-2"}
    assert running.log()[0]["source"]["principal"] == "account ci"


def test_merge_with_wrong_credentials(running):
    with pytest.raises(mixpanel.MixpanelException, match="invalid project secret"):
        client(running).merge(None, "user-1", "user-2", api_secret="0" * 32)
    with pytest.raises(mixpanel.MixpanelException, match="missing credentials"):
        client(running).merge("an-api-key", "user-1", "user-2")
    with pytest.raises(mixpanel.MixpanelException, match="requires project secret or service account"):
        client(running).merge(None, "user-1", "user-2", api_secret=running.project.token)
    assert running.log() == []


def test_import_data(running, account):
    client(running).import_data(None, "user-1", "Old", LONG_AGO, {"n": 1}, api_secret=running.project.secret)
    credentials = mixpanel.ServiceAccountCredentials(*account, str(running.project.number))
    client(running, credentials=credentials).import_data(None, "user-1", "Old", LONG_AGO + 1, {"n": 2})
    rows = running.export("2020-09-13", "2020-09-13")
    assert [(row["properties"]["time"], row["properties"]["n"]) for row in rows] == [(LONG_AGO, 1), (LONG_AGO + 1, 2)]
    assert all(row["properties"]["$import"] is True for row in rows)


def test_buffered_consumer(running):
    consumer = mixpanel.BufferedConsumer(max_size=20, **urls(running))
    mp = mixpanel.Mixpanel(running.project.token, consumer=consumer)
    for number in range(50):
        mp.track(f"user-{number % 5}", "Clicked", {"number": number})
    assert len(running.export()) == 40, "two buffers of 20 have gone out, ten events wait"
    for number in range(7):
        mp.import_data(None, "user-1", "Old", LONG_AGO + number, api_secret=running.project.secret)
    mp.merge(None, "user-1", "user-2", api_secret=running.project.secret)
    consumer.flush()
    rows = running.export()
    clicked = [row["properties"]["number"] for row in rows if row["event"] == "Clicked"]
    assert sorted(clicked) == list(range(50))
    assert sum(row["event"] == "Old" for row in rows) == 7
    assert running.cluster("user-1") == {"user-1", "user-2"}


def test_a_buffer_that_is_sent_again_counts_once(running):
    consumer = mixpanel.BufferedConsumer(max_size=30, **urls(running))
    mp = mixpanel.Mixpanel(running.project.token, consumer=consumer)

    def flush():
        # `flush` gives up at the first buffer that fails, and keeps that one.
        for endpoint in ("events", "people", "groups"):
            with pytest.raises(mixpanel.MixpanelException):
                consumer._flush_endpoint(endpoint)

    # An event without insert id, as older versions send them, and one without a name.
    mp.track("user-1", "Clicked", {"number": 0, "$insert_id": None})
    mp.track("user-1", "")
    mp.people_increment("user-1", {"count": 1})
    mp.people_append("user-1", {"tags": "x"})
    mp.people_increment("user-1", {"count": "many"})
    mp.group_union("company", "acme", {"offices": ["Ulm"]})
    mp.group_update({"$group_key": "company", "$group_id": "acme", "$add": {"count": 1}})
    mp.group_update({"$group_key": "company", "$add": {"count": 1}})
    for number in range(1, 8):
        flush()
        mp.track("user-1", "Clicked", {"number": number, "$insert_id": None})
        mp.people_increment("user-1", {"count": 1})
    for _ in range(3):
        flush()
    assert sorted(row["properties"]["number"] for row in running.export()) == list(range(8))
    assert of_ours(profile(running, "user-1")) == {"count": 8, "tags": ["x"]}
    assert of_ours(group(running, "company", "acme")) == {"offices": ["Ulm"], "count": 1}


def test_utils_import_events_and_export(running, account, tmp_path, monkeypatch):
    # The package writes a file into the working directory for each batch that it could not send.
    monkeypatch.chdir(tmp_path)
    name, secret = account
    utils = utilities(running, secret, service_account_username=name, project_id=running.project.number)
    events = [
        {"event": "Imported", "properties": {
            "time": LONG_AGO + number, "distinct_id": f"user-{number % 7}", "$insert_id": f"i-{number}", "n": number}}
        for number in range(4500)
    ]
    utils.import_events(events, 0)
    utils.import_events(events[:100], 0)
    assert list(tmp_path.glob("import_backup.txt")) == []
    assert len(running.export()) == 4500
    found = utils.query_export({"from_date": "2020-09-13", "to_date": "2020-09-14"})
    assert sorted(event["properties"]["n"] for event in found) == list(range(4500))
    packed = utils.query_export({"from_date": "2020-09-13", "to_date": "2020-09-14"}, add_gzip_header=True)
    assert packed == found


def test_utils_merge(running, account, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, secret = account
    utils = utilities(running, secret, service_account_username=name, project_id=running.project.number)
    merges = [
        utils._create_merge_event({"user_id": f"user-{number}", "amplitude_id": 1000 + number}) for number in range(30)
    ]
    utils._dispatch_batches(utils.import_api, "import", merges, [{}, utils.token, 0])
    assert list(tmp_path.glob("import_backup.txt")) == []
    assert running.clusters() == {frozenset({f"user-{number}", str(1000 + number)}) for number in range(30)}
    assert {entry["outcome"] for entry in running.log()} == {"merged"}


def test_utils_report_bad_records(running, account, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    name, secret = account
    utils = utilities(running, secret, service_account_username=name, project_id=running.project.number)
    utils.import_events([
        {"event": "Good", "properties": {"time": LONG_AGO, "distinct_id": "u", "$insert_id": "good"}},
        {"event": "Bad", "properties": {"time": LONG_AGO, "distinct_id": "u", "$insert_id": "not good:"}},
    ], 0)
    assert [row["event"] for row in running.export()] == ["Good"]
    assert "must only contain alphanumeric or hyphen '-' characters" in caplog.text


def test_people(running):
    mp = client(running)
    mp.people_set("user-1", {"name": "Größe ✓", "trial": True, "$email": "a@example.org"})
    mp.people_set_once("user-1", {"name": "never", "first": 1})
    mp.people_increment("user-1", {"logins": 3})
    mp.people_increment("user-1", {"logins": -1, "credit": 2.5})
    mp.people_append("user-1", {"tags": "a"})
    mp.people_append("user-1", {"tags": "b"})
    mp.people_union("user-1", {"colors": ["red", "blue"]})
    mp.people_union("user-1", {"colors": ["blue", "green"]})
    mp.people_remove("user-1", {"tags": "a"})
    mp.people_unset("user-1", ["trial"])
    mp.people_track_charge("user-1", 50, {"$time": "2026-01-01T12:00:00"})
    expected = {
        "name": "Größe ✓", "$email": "a@example.org", "first": 1, "logins": 2, "credit": 2.5, "tags": ["b"],
        "colors": ["red", "blue", "green"], "$transactions": [{"$time": "2026-01-01T12:00:00", "$amount": 50}],
    }
    assert of_ours(profile(running, "user-1")) == expected
    mp.people_clear_charges("user-1")
    assert "$transactions" not in profile(running, "user-1")
    mp.people_delete("user-1")
    assert profile(running, "user-1") is None
    assert running.log() == [] and running.export() == []


def test_people_and_groups_tell_what_is_wrong(running):
    nobody = mixpanel.Mixpanel("", consumer=mixpanel.Consumer(**urls(running)))
    with pytest.raises(mixpanel.MixpanelException, match=r"\$token, missing or empty"):
        nobody.people_set("user-1", {"name": "a"})
    with pytest.raises(mixpanel.MixpanelException, match=r"\$token, missing or empty"):
        nobody.group_set("company", "acme", {"name": "a"})
    with pytest.raises(mixpanel.MixpanelException):
        client(running).people_increment("user-1", {"logins": "many"})
    assert profile(running, "user-1") is None


def test_buffered_people(running):
    consumer = mixpanel.BufferedConsumer(max_size=50, **urls(running))
    mp = mixpanel.Mixpanel(running.project.token, consumer=consumer)
    for number in range(120):
        mp.people_increment("user-1", {"count": number})
        mp.group_set("company", f"company-{number}", {"number": number})
    mp.people_append("user-1", {"tags": "last"})
    consumer.flush()
    assert of_ours(profile(running, "user-1")) == {"count": sum(range(120)), "tags": ["last"]}
    assert [of_ours(group(running, "company", f"company-{number}")) for number in (0, 119)] == [
        {"number": 0}, {"number": 119}]


def test_groups(running):
    mp = client(running)
    mp.group_set("company", "acme", {"name": "Größe", "trial": True})
    mp.group_set_once("company", "acme", {"name": "never", "since": 1999})
    mp.group_union("company", "acme", {"offices": ["Ulm", "Köln"]})
    mp.group_union("company", "acme", {"offices": ["Köln", "Bonn"]})
    mp.group_remove("company", "acme", {"offices": "Ulm"})
    mp.group_unset("company", "acme", ["trial"])
    mp.group_update({"$group_key": "company", "$group_id": 42, "$set": {"name": "a number"}})
    assert of_ours(group(running, "company", "acme")) == {"name": "Größe", "since": 1999, "offices": ["Köln", "Bonn"]}
    assert of_ours(group(running, "company", "42")) == {"name": "a number"}
    mp.group_delete("company", "acme")
    assert group(running, "company", "acme") is None
    assert group(running, "acme", "company") is None


def test_half_a_group_is_no_query(running):
    for query in ({"group_key": "company"}, {"group_id": "acme"}, {"group_key": "", "group_id": "acme"},
                  {"group_key": "company", "group_id": "acme", "where": "true"}):
        answer = running.read("/api/2.0/engage", **query)
        assert answer.status == 400 and "group_key" in answer.json["error"], answer
    public = running.request("GET", "/api/2.0/engage", headers=basic(running.project.token), query={
        "group_key": "company", "group_id": "acme"})
    assert public.status == 401


def test_a_profile_follows_a_merge(running):
    mp = client(running)
    mp.people_set("user-1", {"name": "one"})
    mp.people_set("user-2", {"name": "two", "only": 2})
    mp.merge(None, "user-1", "user-2", api_secret=running.project.secret)
    assert profile(running, "user-1") == profile(running, "user-2")
    utils = utilities(running, running.project.secret)
    assert len(utils.query_engage()) == 1, "one someone has one profile"


def test_utils_people(running, account, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, secret = account
    utils = utilities(running, secret, service_account_username=name, project_id=running.project.number)
    utils.import_people([
        {"$distinct_id": f"user-{number:04}", "$properties": {"n": number, "even": number % 2 == 0}} for number in range(2500)
    ])
    assert list(tmp_path.glob("import_backup.txt")) == []
    everyone = utils.query_engage()
    assert sorted(row["$distinct_id"] for row in everyone) == [f"user-{number:04}" for number in range(2500)], "three pages"
    few = utils.query_engage({"where": 'properties["n"] >= 1200 and properties["n"] < 1210'})
    assert sorted(row["$properties"]["n"] for row in few) == list(range(1200, 1210))
    named = utils.query_engage({"distinct_ids": '["user-0001", "user-0002", "nobody"]', "output_properties": '["n"]'})
    assert sorted(row["$distinct_id"] for row in named) == ["user-0001", "user-0002"]
    assert all(set(row["$properties"]) == {"n"} for row in named)

    assert utils.people_operation("$set", {"vip": True}, query_params={"where": 'properties["n"] < 3'}) == 3
    assert utils.people_add({"n": 10_000}, query_params={"where": 'properties["vip"] == true'}) == 3
    changed = utils.query_engage({"where": 'defined(properties["vip"])'})
    assert sorted(row["$properties"]["n"] for row in changed) == [10_000, 10_001, 10_002]
    utils.people_delete(query_params={"where": 'properties["even"] == false'}, backup=False)
    assert len(utils.query_engage()) == 1250
    assert list(tmp_path.glob("import_backup.txt")) == []

    utils.export_people("people.json")
    assert len(json.loads((tmp_path / "people.json").read_text())) == 1250


def test_utils_query_with_the_secret_and_without_rights(running, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    client(running).people_set("user-1", {"name": "one"})
    with_secret = utilities(running, running.project.secret)
    assert [row["$distinct_id"] for row in with_secret.query_engage()] == ["user-1"]
    with pytest.raises(TypeError):  # The package asks an answer that it could not read for its results.
        utilities(running, running.project.token).query_engage()
    assert "HTTP Error Code: 401" in caplog.text


def test_utils_export_with_where(running, account, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, secret = account
    utils = utilities(running, secret, service_account_username=name, project_id=running.project.number)
    utils.import_events([
        {"event": "Imported" if number % 2 else "Other", "properties": {
            "time": LONG_AGO + number, "distinct_id": "u", "$insert_id": f"i-{number}", "n": number}}
        for number in range(40)
    ], 0)
    days = {"from_date": "2020-09-13", "to_date": "2020-09-13"}
    found = utils.query_export({**days, "event": '["Imported"]', "where": 'properties["n"] > 30'})
    assert sorted(event["properties"]["n"] for event in found) == [31, 33, 35, 37, 39]
