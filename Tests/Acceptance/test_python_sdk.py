"""The official Python packages, pointed at a server and otherwise unchanged."""

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
    found.raw_api = f"{server.url}/api"
    return found


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
