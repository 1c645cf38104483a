"""Regions: where a project's data is at home, and what another server answers."""

import json

import pytest

from conftest import Project, basic, command, fields, run_command

EU = Project(1, "e0000000000000000000000000000000", "5ece0000000000000000000000000000")
US = Project(2, "a0000000000000000000000000000000", "5eca0000000000000000000000000000")
ANY = Project(3, "f0000000000000000000000000000000", "5ecf0000000000000000000000000000")
HOSTS = {"eu": "api-eu.example.com", "us": "api.example.com", "in": "api-in.example.com"}


@pytest.fixture
def regional(server, tmp_path):
    """Starts servers with a project of each kind."""
    def start(*arguments, hosts=True):
        file = tmp_path / "regions.yaml"
        named = "server:\n  regionHosts:\n" + "".join(f"    {name}: {host}\n" for name, host in HOSTS.items())
        file.write_text((named if hosts else "") + f"""
projects:
  - {{id: {EU.number}, token: {EU.token}, secret: {EU.secret}, region: eu}}
  - {{id: {US.number}, token: {US.token}, secret: {US.secret}, region: us}}
  - {{id: {ANY.number}, token: {ANY.token}, secret: {ANY.secret}}}
accounts:
  - {{username: sa, secret: sa-secret, roles: {{{EU.number}: owner, {US.number}: owner}}}}
""")
        return server("--sandbox", "--config", file, *arguments, project=EU)

    return start


def events(project, name="e"):
    return [project.event("Event", "user", **{"time": 1_600_000_000, "$insert_id": name})]


def stored(server, project):
    answer = server.request(
        "GET", "/api/2.0/export?from_date=2020-01-01&to_date=2021-01-01", headers=basic(project.secret))
    assert answer.status == 200, answer
    return len(answer.text.splitlines())


def assert_sent_away(answer, host, shape="error"):
    assert answer.status == 403, answer
    assert host in answer.json["error"] and "region us" in answer.json["error"]
    assert answer.json["status"] == shape
    if shape == "Forbidden":
        assert answer.json["code"] == 403


def test_without_regions_every_project_is_served(regional):
    running = regional(hosts=False)
    for project in (EU, US, ANY):
        assert running.track(events(project)).text == "1"
        assert stored(running, project) == 1


def test_a_project_of_another_region_is_sent_to_the_right_host(regional):
    running = regional("--region", "eu")
    assert_sent_away(running.track(events(US)), HOSTS["us"])
    profile = json.dumps([{"$token": US.token, "$distinct_id": "user", "$set": {"a": 1}}])
    group = json.dumps([{"$token": US.token, "$group_key": "k", "$group_id": "g", "$set": {"a": 1}}])
    for path, body in (("/engage", profile), ("/groups", group)):
        assert_sent_away(running.request("POST", path, body, {"Content-Type": "application/json"}), HOSTS["us"])
    assert_sent_away(running.import_(events(US), headers=basic(US.secret)), HOSTS["us"], "Forbidden")
    assert_sent_away(running.import_(events(US), headers=basic(US.token)), HOSTS["us"], "Forbidden")
    account = running.import_(events(US), {"strict": 1, "project_id": US.number}, basic("sa", "sa-secret"))
    assert_sent_away(account, HOSTS["us"], "Forbidden")
    for project in (EU, ANY):
        assert running.track(events(project)).text == "1"
        assert stored(running, project) == 1


@pytest.mark.parametrize("path", [
    "/api/2.0/export?from_date=2020-01-01&to_date=2021-01-01", "/identity/resolve?distinct_id=user",
    "/identity/cluster?distinct_id=user", "/identity/log", "/identity/mappings", "/api/2.0/engage",
    "/api/app/data-deletions/v3.0/1",
])
def test_queries_are_sent_away_too(regional, path):
    running = regional("--region", "eu")
    assert_sent_away(running.request("GET", path, headers=basic(US.secret)), HOSTS["us"])
    assert running.request("GET", path, headers=basic(EU.secret)).status == 200


def test_nothing_of_a_mixed_request_is_stored(regional):
    running = regional("--region", "eu")
    answer = running.track(events(EU) + events(US) + events(ANY), headers={"Origin": "https://shop.example"})
    assert_sent_away(answer, HOSTS["us"])
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert stored(running, EU) == stored(running, ANY) == 0


def test_records_that_are_not_stored_are_sent_away_too(regional):
    running = regional("--region", "eu")
    assert_sent_away(running.track([US.event("Event", "user", **{"$ignore": True})]), HOSTS["us"])
    path = f"/flags/?token={US.token}&context=%7B%22distinct_id%22%3A%22u%22%7D"
    assert_sent_away(running.request("GET", path), HOSTS["us"])
    assert running.request("GET", path.replace(US.token, EU.token)).json == {"code": 200, "flags": {}}


def test_nothing_of_a_foreign_project_reaches_the_files(regional, data):
    running = regional("--region", "eu", "--data", data)
    mark = "nowhere-to-be-found"
    assert_sent_away(running.track([US.event("Event", mark)]), HOSTS["us"])
    assert_sent_away(running.import_([US.event("Event", mark)], headers=basic(US.secret)), HOSTS["us"], "Forbidden")
    assert running.track(events(EU)).text == "1"
    for path in data.iterdir():
        assert mark.encode() not in path.read_bytes(), path


def test_a_server_may_hold_several_regions(regional):
    running = regional("--region", "us", "--region", "in")
    assert running.track(events(US)).text == "1"
    answer = running.track(events(EU))
    assert answer.status == 403 and HOSTS["eu"] in answer.json["error"]


@pytest.mark.parametrize(("host", "served"), [
    ("api-eu.example.com", "eu"), ("API-EU.example.com:443", "eu"), ("api.example.com", "us"),
    ("api-in.example.com", None), ("127.0.0.1", "both"), ("other.example.com", "both"),
])
def test_a_host_name_serves_its_region(regional, host, served):
    running = regional()
    for project, region in ((EU, "eu"), (US, "us")):
        answer = running.track(events(project), headers={"Host": host})
        if served in ("both", region):
            assert (answer.status, answer.text) == (200, "1"), (host, region)
        else:
            assert answer.status == 403 and HOSTS[region] in answer.json["error"], (host, region)
    assert running.track(events(ANY), headers={"Host": host}).text == "1"


def test_without_a_known_host_the_region_is_named(regional):
    running = regional("--region", "eu", hosts=False)
    answer = running.track(events(US))
    assert answer.status == 403 and "region us" in answer.json["error"]


def test_an_unknown_token_is_no_matter_of_regions(regional):
    running = regional("--region", "eu")
    answer = running.track([{"event": "Event", "properties": {"token": "nobody"}}])
    assert (answer.status, answer.text) == (200, "1")


def test_the_region_of_a_project_is_kept(server, data):
    server(data=data).stop()
    shop = fields(command("project", "create", "shop", "--region", "us", "--data", data))
    listed = [line.split("\t") for line in command("project", "list", "--data", data).splitlines()]
    assert [row[4:] for row in listed] == [[], ["us"]]
    rotated = fields(command("project", "rotate", shop["project"], "--data", data))
    running = server("--region", "eu", data=data)
    project = Project(shop["project"], shop["token"], rotated["secret"])
    assert running.track(events(project)).status == 403
    running.stop()
    assert server("--region", "us", data=data).track(events(project)).text == "1"
    done = run_command("project", "create", "again", "--region", "E U", "--data", data)
    assert done.returncode != 0 and "--region" in done.stderr


@pytest.mark.parametrize("setting", [
    "server.regions=EU", "server.regions=eu;us", "server.regionHosts=eu", "server.regionHosts=eu=",
    "server.regionHosts=E U=host",
])
def test_a_region_that_cannot_be_one_stops_the_start(setting):
    done = run_command("serve", "--sandbox", "--port", "0", "--set", setting)
    assert done.returncode != 0 and setting.split("=")[0] in done.stderr
