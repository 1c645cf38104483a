"""Rates: how much a project may send, and how clients are told to come again."""

import time

import pytest

from conftest import FIXTURE, ORIGINAL, SIMPLIFIED, Project, insert_ids


def events(count, project=ORIGINAL, size=0, name="e"):
    return [
        project.event("Event", "user", **{
            "time": 1_600_000_000, "$insert_id": f"{name}{n}", **{f"p{k}": "x" * 95 for k in range(size // 100)}})
        for n in range(count)
    ]


@pytest.fixture
def limited(server):
    def start(*settings, config=FIXTURE, **rates):
        rates = [f"ingest.rateLimit.{key}={value}" for key, value in rates.items()]
        options = [part for setting in (*rates, *settings) for part in ("--set", setting)]
        return server("--sandbox", "--config", config, *options, project=ORIGINAL)

    return start


def delay(answer):
    """The whole seconds of `Retry-After`: SDKs read nothing else."""
    assert answer.headers["retry-after"].isdigit(), answer
    return int(answer.headers["retry-after"])


def test_without_a_limit_nothing_is_refused(limited):
    running = limited()
    for _ in range(20):
        assert running.track(events(500)).text == "1"


def test_import_is_told_as_the_protocol_says(limited):
    running = limited(eventsPerMinute=60, burstSeconds=10)
    assert running.import_(events(10)).status == 200
    answer = running.import_(events(5, name="late"))
    assert answer.status == 429
    assert answer.json == {
        "code": 429, "error": "Project exceeded rate limits. Please retry the request with exponential backoff.",
        "status": "Too Many Requests"}
    assert delay(answer) in (4, 5)
    assert len(running.export()) == 10, "nothing of a refused request is stored"


def test_a_client_that_waits_as_told_is_served(limited):
    running = limited(eventsPerMinute=120, burstSeconds=3)
    assert running.track(events(6)).text == "1"
    answer = running.track(events(3, name="late"))
    assert answer.status == 429
    time.sleep(delay(answer))
    assert running.track(events(3, name="late")).text == "1"
    assert len(running.export()) == 9


def test_a_request_larger_than_the_burst_passes_alone(limited):
    running = limited(eventsPerMinute=60, burstSeconds=2)
    assert running.track(events(500)).text == "1"
    answer = running.track(events(1, name="late"))
    assert answer.status == 429 and delay(answer) == 1


def test_bytes_have_a_limit_of_their_own(limited):
    running = limited(bytesPerMinute=60_000, burstSeconds=10)
    assert running.track(events(1, size=9000)).text == "1"
    answer = running.track(events(1, size=3000, name="late"))
    assert answer.status == 429 and 1 <= delay(answer) <= 3
    assert running.track(events(1, name="small")).text == "1"


@pytest.mark.parametrize(("status", "expected"), [(429, 429), (503, 503)])
def test_the_status_of_client_endpoints_can_be_chosen(limited, status, expected):
    running = limited(f"ingest.overloadStatus={status}", eventsPerMinute=60, burstSeconds=1)
    assert running.track(events(1)).text == "1"
    answer = running.track(events(1, name="late"), headers={"Origin": "https://shop.example"})
    assert answer.status == expected and answer.json["code"] == expected
    assert delay(answer) == 1
    # A page sees the answer, and when to come again.
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert answer.headers["access-control-expose-headers"] == "Retry-After"
    assert running.import_(events(1, name="late")).status == 429


def test_projects_do_not_share_a_limit(limited):
    running = limited(eventsPerMinute=60, burstSeconds=10)
    assert running.track(events(10)).text == "1"
    assert running.track(events(1, name="late")).status == 429
    assert running.track(events(10, SIMPLIFIED)).text == "1"
    # One request for both is refused whole.
    both = events(1, name="both") + events(1, SIMPLIFIED, name="both")
    assert running.track(both).status == 429
    assert insert_ids(running.export()).count("both0") == 0


def test_a_project_has_limits_of_its_own(limited, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(f"""
ingest: {{rateLimit: {{eventsPerMinute: 60, burstSeconds: 1}}}}
projects:
  - {{id: {ORIGINAL.number}, token: {ORIGINAL.token}, secret: {ORIGINAL.secret}}}
  - id: {SIMPLIFIED.number}
    token: {SIMPLIFIED.token}
    secret: {SIMPLIFIED.secret}
    rateLimit: {{eventsPerMinute: 0}}
""")
    running = limited(config=file)
    assert running.track(events(1)).text == "1"
    assert running.track(events(1, name="late")).status == 429
    for _ in range(5):
        assert running.track(events(100, SIMPLIFIED)).text == "1"


def test_what_is_not_stored_is_not_counted(limited):
    running = limited(eventsPerMinute=60, burstSeconds=1)
    for _ in range(5):
        assert running.track(b"not json").text == "0"
        assert running.track([{"event": "Event", "properties": {"token": "nobody"}}]).text == "1"
        assert running.track([{"event": "Event", "properties": {}}]).text == "0"
    assert running.track(events(1)).text == "1"


def test_reads_are_not_limited(limited):
    running = limited(eventsPerMinute=60, burstSeconds=1)
    assert running.track(events(1)).text == "1"
    assert running.track(events(1, name="late")).status == 429
    assert running.resolve("user") == ["user"]
    assert running.request("GET", "/health").status == 200


@pytest.mark.parametrize(("setting", "says"), [
    ("ingest.rateLimit.eventsPerMinute=-1", "ingest.rateLimit.eventsPerMinute"),
    ("ingest.rateLimit.burstSeconds=0", "ingest.rateLimit.burstSeconds"),
    ("ingest.overloadStatus=500", "ingest.overloadStatus"),
])
def test_a_limit_that_cannot_be_used_stops_the_start(limited, setting, says):
    with pytest.raises(AssertionError) as failed:
        limited(setting)
    assert says in str(failed.value)


def test_a_limit_is_also_a_variable(server):
    running = server("--sandbox", "--config", FIXTURE, project=ORIGINAL, env={
        "SELFSAME_INGEST_RATE_LIMIT_EVENTS_PER_MINUTE": "60", "SELFSAME_INGEST_RATE_LIMIT_BURST_SECONDS": "1"})
    assert running.track(events(1)).text == "1"
    assert running.track(events(1, name="late")).status == 429
