"""Taking back what joined two ids: unmerge, restore and blocks, over HTTP and by command, on both stores."""

import json
import random
import threading

import pytest
from conftest import LEGACY, ORIGINAL, SIMPLIFIED, basic, command, new_anonymous_id, run_command

A1, A2, A3 = (f"aaaaaaaa-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))


def post(server, path, body, project=ORIGINAL, headers=None):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    own = {"Content-Type": "application/json", **basic(project.secret), **(headers or {})}
    return server.request("POST", path, body, own)


def unmerge(server, **fields):
    answer = post(server, "/identity/unmerge", fields)
    assert answer.status == 200, answer
    return answer.json


def restore(server, sequence, **fields):
    answer = post(server, "/identity/restore", {"unmerge": sequence, **fields})
    assert answer.status == 200, answer
    return answer.json


def last(server):
    return server.log()[-1]


def test_one_link_is_taken_back_and_later_links_stay(running):
    running.send(ORIGINAL.identify("U1", A1), ORIGINAL.identify("U1", A2), ORIGINAL.merge("U1", "U2"))
    for number, sender in enumerate(["U1", A1, A2, "U2"]):
        running.track([ORIGINAL.event("Clicked", sender, time=1_700_000_000 + number)])
    before = running.read("/identity/log").text

    shown = unmerge(running, link=1, preview=True)
    assert shown["preview"] and running.read("/identity/log").text == before
    done = unmerge(running, link=1)
    assert {**done, "preview": True, "time": shown["time"]} == shown
    assert done["sequence"] == 4
    assert done["links"] == [{"sequence": 1, "verb": "$identify", "from": A1, "to": "U1", "together": False}]
    assert [(one["canonical_id"], one["members"]) for one in done["before"]] == [("U1", ["U1", A1, A2, "U2"])]
    assert [(one["canonical_id"], one["members"]) for one in done["after"]] == [
        ("U1", ["U1", A2, "U2"]), (A1, [A1])]
    assert done["moved"] == [{"distinct_id": A1, "from": "U1", "to": A1, "events": 1}]
    assert done["blocked"] == [["U1", A1]] and done["stay_together"] == [] and not done["truncated"]

    assert running.clusters() == {frozenset(["U1", A2, "U2"])}
    exported = {row["properties"]["distinct_id"]: row["properties"].get("$distinct_id_before_identity")
                for row in running.export() if row["event"] == "Clicked" and row["properties"]["distinct_id"] == A1}
    assert exported == {A1: None}
    entry = last(running)
    assert (entry["verb"], entry["outcome"], entry["links"], entry["keep_apart"]) == ("unmerge", "applied", [1], "pair")
    assert entry["ids"] == {"link": 1, "distinct_ids": [A1, "U1"]}
    assert entry["source"] == {"endpoint": "/identity/unmerge", "principal": "secret"}
    assert [link["revoked"] for link in running.read("/identity/cluster", distinct_id=A1).json["links"]] == [4]


def test_what_other_links_keep_together_stays_and_is_named(running):
    running.send(ORIGINAL.identify("U1", A1), ORIGINAL.alias("x", A1), ORIGINAL.merge("x", "U1"))
    done = unmerge(running, link=1)
    assert done["stay_together"] == [[A1, "U1"]] and done["blocked"] == [] and len(done["after"]) == 1
    assert running.cluster("U1") == {"U1", A1, "x"}
    # The $identify is gone all the same: nobody is identified, and the first link that is left gives the place.
    assert running.resolve("x") == ["x"]
    members = running.read("/identity/cluster", distinct_id="x").json["members"]
    assert {member["distinct_id"]: member["roles"] for member in members} == {
        "U1": [], A1: ["anonymous"], "x": ["alias"]}


def test_a_parted_pair_is_not_joined_again_by_an_sdk(running):
    running.send(ORIGINAL.identify("U1", A1))
    unmerge(running, link=1)
    assert running.track([ORIGINAL.identify("U1", A1)]).text == "1"
    assert running.track([ORIGINAL.alias("U1", A1)]).text == "1"
    assert [entry["failure_reason"] for entry in running.log()[2:]] == ["errLinkRevoked", "errLinkRevoked"]
    failed = [row["properties"].get("$failure_reason") for row in running.export()]
    assert failed.count("errLinkRevoked") == 2
    assert running.clusters() == set()
    # Another user may have the device.
    running.send(ORIGINAL.identify("U2", A1))
    assert running.clusters() == {frozenset(["U2", A1])}
    # $merge is sent on purpose: it joins, and lifts the block.
    running.send(ORIGINAL.merge("U1", A1))
    assert running.read("/identity/blocks").json == {"blocks": [], "next": None}
    assert running.cluster("U1") == {"U1", "U2", A1}


def test_without_a_block_the_sdk_joins_them_again(running):
    running.send(ORIGINAL.identify("U1", A1))
    assert unmerge(running, link=1, keep_apart="none")["blocked"] == []
    running.send(ORIGINAL.identify("U1", A1))
    assert running.clusters() == {frozenset(["U1", A1])}
    assert unmerge(running, link=3, keepApart="none")["blocked"] == []
    assert [entry["keep_apart"] for entry in running.log(verb="unmerge")] == ["none", "none"]


def test_every_link_of_an_id(running):
    running.send(
        ORIGINAL.identify("U1", A1), ORIGINAL.identify("U1", A2), ORIGINAL.alias("x", A2),
        ORIGINAL.merge("U1", "U3"))
    done = unmerge(running, distinct_id="U1")
    assert [link["sequence"] for link in done["links"]] == [1, 2, 4]
    assert running.clusters() == {frozenset([A2, "x"])}
    assert post(running, "/identity/unmerge", {"distinct_id": "U1"}).status == 409
    again = restore(running, done["sequence"])
    assert again["unblocked"] and running.clusters() == {frozenset(["U1", A1, A2, "x", "U3"])}
    assert running.read("/identity/blocks").json["blocks"] == []


def test_a_restore_undoes_an_unmerge_once(running):
    running.send(ORIGINAL.identify("U1", A1), ORIGINAL.identify("U1", A2))
    done = unmerge(running, link=2)
    running.send(ORIGINAL.identify("U2", A3))
    assert restore(running, done["sequence"], preview=True)["preview"]
    shown = restore(running, done["sequence"])
    assert shown["moved"] == [{"distinct_id": A2, "from": A2, "to": "U1", "events": 0}]
    assert running.clusters() == {frozenset(["U1", A1, A2]), frozenset(["U2", A3])}
    assert last(running)["ids"]["unmerge"] == done["sequence"]
    again = post(running, "/identity/restore", {"unmerge": done["sequence"]})
    assert again.status == 409 and str(shown["sequence"]) in again.json["error"]
    # It can be parted anew, and that be undone.
    anew = unmerge(running, link=2)
    restore(running, anew["sequence"])
    assert running.cluster(A2) == {"U1", A1, A2}


def test_a_block_can_be_listed_and_lifted(running):
    ids = [f"bbbbbbbb-0000-4000-8000-{number:012d}" for number in range(5)]
    for number, device in enumerate(ids):
        running.send(ORIGINAL.identify("U", device))
        unmerge(running, link=2 * number + 1)
    found, after = [], {}
    while True:
        page = running.read("/identity/blocks", limit=2, **after).json
        found += page["blocks"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert [(set(block["distinct_ids"]), block["unmerge"]) for block in found] == [
        ({"U", device}, 2 * number + 2) for number, device in enumerate(ids)]
    credential = basic(ORIGINAL.secret)
    lifted = running.request("DELETE", "/identity/blocks", json.dumps({"distinct_ids": ["U", ids[0]]}), credential)
    assert lifted.status == 200 and lifted.json["unblocked"] == [["U", ids[0]]]
    assert running.request(
        "DELETE", "/identity/blocks", headers=credential, query={"distinct_id": [ids[1], "U"]}).status == 200
    assert running.request(
        "DELETE", "/identity/blocks", headers=credential, query={"distinct_id": [ids[1], "U"]}).status == 404
    assert len(running.read("/identity/blocks").json["blocks"]) == 3
    running.send(ORIGINAL.identify("U", ids[0]), ORIGINAL.identify("U", ids[2]))
    assert running.clusters() == {frozenset(["U", ids[0]])}
    assert [entry["verb"] for entry in running.log(distinct_id=ids[0])] == ["$identify", "unmerge", "unblock", "$identify"]


def test_profiles_go_home_with_their_ids(running):
    def engage(distinct_id, **verbs):
        record = {"$token": ORIGINAL.token, "$distinct_id": distinct_id, **verbs}
        assert running.request("POST", "/engage", json.dumps([record]), {"Content-Type": "application/json"}).text == "1"

    def profile(distinct_id):
        page = running.read("/api/2.0/engage", distinct_id=distinct_id).json
        return {one["$distinct_id"]: {k: v for k, v in one["$properties"].items() if k != "$last_seen"}
                for one in page["results"]}

    engage("U1", **{"$set": {"name": "Ada"}})
    engage(A1, **{"$set": {"city": "Paris"}})
    running.send(ORIGINAL.identify("U1", A1))
    engage(A1, **{"$add": {"visits": 2}})
    assert profile(A1) == {"U1": {"name": "Ada", "visits": 2}}
    unmerge(running, link=1)
    assert profile("U1") == {"U1": {"name": "Ada"}}
    assert profile(A1) == {A1: {"city": "Paris", "visits": 2}}
    restore(running, 2)
    assert profile("U1") == {"U1": {"name": "Ada", "visits": 2}}


def test_a_simplified_device_goes_free(running):
    running.project = SIMPLIFIED

    def event(user, device, number):
        return SIMPLIFIED.event(
            "Clicked", "", **{"$device_id": device, "$user_id": user, "time": 1_700_000_000 + number})

    running.send(event("U1", "d", 1))
    done = post(running, "/identity/unmerge", {"link": 1}, SIMPLIFIED)
    assert done.status == 200 and done.json["blocked"] == [["U1", "$device:d"]], done
    running.send(event("U1", "d", 2))
    assert running.clusters() == set()
    reasons = {row["properties"]["time"]: row["properties"].get("$identity_failure_reason") for row in running.export()}
    assert reasons == {1_700_000_001: None, 1_700_000_002: "errLinkRevoked"}
    running.send(event("U2", "d", 3))
    assert running.clusters() == {frozenset(["U2", "$device:d"])}
    taken = post(running, "/identity/restore", {"unmerge": 2}, SIMPLIFIED)
    assert taken.status == 409 and "$device:d" in taken.json["error"]


@pytest.mark.parametrize("body, status, says", [
    ({}, 400, "either link or distinct_id"),
    ({"link": 1, "distinct_id": "U1"}, 400, "either link or distinct_id"),
    ({"link": 0}, 400, "link must be a sequence"),
    ({"link": "1"}, 400, "link must be a sequence"),
    ({"link": 99}, 404, "no link has the sequence 99; the project's last sequence is 3"),
    ({"link": 2}, 404, "no link has the sequence 2"),
    ({"distinct_id": "nobody"}, 404, "nobody took part in no identity operation"),
    ({"distinct_id": ""}, 400, "distinct_id must have 1"),
    ({"distinct_id": "U2"}, 409, "U2 has no active link"),
    ({"link": 1, "keep_apart": "all"}, 400, "must be pair or none"),
    ({"link": 1, "preveiw": True}, 400, "preveiw is no field"),
    ({"link": 1, "preview": "yes"}, 400, "preview must be true or false"),
    ({"link": 1, "preview": None}, 400, "preview must be true or false"),
    ({"link": 1, "keep_apart": "none", "keepApart": "pair"}, 400, "keep_apart must be given once"),
    ({"distinct_id": 7}, 400, "distinct_id must be a string"),
    (b'{"link":1,"link":2,"preview":true}', 400, "link must be given once"),
    (b'{"distinct_id":"link","link":1}', 400, "either link or distinct_id"),
    (b"[1]", 400, "must be a JSON object"),
    (b"{\"link\":", 400, "must be a JSON object"),
    (b"\xff", 400, "must be a JSON object"),
])
def test_bad_unmerges_say_what_is_wrong(running, body, status, says):
    running.send(ORIGINAL.identify("U1", A1), ORIGINAL.identify("U2", A1))
    unmerge(running, link=1, keep_apart="none")
    answer = post(running, "/identity/unmerge", body)
    assert answer.status == status and says in answer.json["error"], answer
    assert answer.json["status"] == "error" and len(running.log()) == 3


def test_a_link_is_taken_back_once(running):
    running.send(ORIGINAL.identify("U1", A1))
    unmerge(running, link=1)
    again = post(running, "/identity/unmerge", {"link": 1})
    assert again.status == 409 and "by the unmerge 2" in again.json["error"]


def test_of_two_at_once_one_wins(running):
    for round in range(10):
        device = new_anonymous_id(random.Random(round))
        running.send(ORIGINAL.identify("U", device))
        link = last(running)["sequence"]
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(post(running, "/identity/unmerge", {"link": link}).status))
            for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == [200] + [409] * 7


def test_legacy_projects_have_no_way_back(running):
    running.track([LEGACY.alias("x", "U1")])
    for path, body in [("/identity/unmerge", {"link": 1}), ("/identity/restore", {"unmerge": 1})]:
        answer = post(running, path, body, LEGACY)
        assert answer.status == 400 and "Legacy" in answer.json["error"]


def test_who_may(running):
    running.send(ORIGINAL.identify("U1", A1))
    query = f"?project_id={ORIGINAL.number}"
    reader = basic("ro.222222.mp-service-account", "sa-secret-2")
    owner = basic("ci.111111.mp-service-account", "sa-secret-1")

    def ask(headers, **body):
        return running.request("POST", "/identity/unmerge" + query, json.dumps({"link": 1, **body}), headers)

    assert ask(basic(ORIGINAL.token)).status == 401 and ask({}).status == 401
    assert ask(reader).status == 403 and ask(reader, preview=True).status == 200
    assert running.request("GET", "/identity/blocks" + query, headers=reader).status == 200
    assert running.request(
        "DELETE", "/identity/blocks" + query, json.dumps({"distinct_ids": ["U1", A1]}), reader).status == 403
    assert ask(owner).status == 200
    assert last(running)["source"]["principal"] == "account ci.111111.mp-service-account"
    assert running.request("GET", "/identity/unmerge", headers=owner).status == 405
    assert running.request("POST", "/identity/blocks", headers=owner).headers["allow"] == "GET, HEAD, DELETE, OPTIONS"


def test_by_command_beside_a_running_server(server, data):
    running = server(data=data)
    project = running.project
    running.send(project.identify("U1", A1), project.identify("U1", A2))
    explained = command("explain", A1, A2, "--data", data)
    assert "link 1" in explained and "link 2" in explained and explained.startswith("one: U1\n")
    shown = command("unmerge", "--link", 1, "--preview", "--data", data)
    assert "a preview" in shown and running.cluster("U1") == {"U1", A1, A2}
    done = command("unmerge", "--link", 1, "--data", data)
    assert "unmerge done, as sequence 3" in done and f"moved   {A1}: U1 -> {A1}, 0 events" in done
    assert running.cluster("U1") == {"U1", A2} and last(running)["source"]["principal"] == "command"
    assert command("blocks", "--data", data) == f"U1\t{A1}\t3\n"
    explained = command("explain", A1, "U1", "--data", data)
    assert explained.startswith("two: ") and "errLinkRevoked" not in explained.splitlines()[0]
    assert command("resolve", A1, "--as-of", 2, "--data", data) == f"{A1}\tU1\t3\n"
    again = run_command("unmerge", "--link", 1, "--data", data)
    assert again.returncode != 0 and "taken back already" in again.stderr and "Error: Error" not in again.stderr
    assert "restore done" in command("restore", 3, "--data", data)
    command("unmerge", "--id", A2, "--data", data)
    command("blocks", "--lift", A2, "U1", "--data", data)
    assert command("blocks", "--data", data) == ""
    assert run_command("unmerge", "--data", data).returncode == 64
    assert running.clusters() == {frozenset(["U1", A1])}


def test_it_survives_a_crash(server, data):
    running = server(data=data)
    project = running.project
    running.send(project.identify("U1", A1), project.identify("U1", A2))
    done = post(running, "/identity/unmerge", {"link": 1}, project)
    assert done.status == 200
    running.kill()
    running = server(data=data)
    assert running.cluster("U1") == {"U1", A2}
    assert running.track([project.identify("U1", A1)]).text == "1"
    assert last(running)["failure_reason"] == "errLinkRevoked"
    assert post(running, "/identity/restore", {"unmerge": 3}, project).status == 200
    running.kill()
    assert server(data=data).cluster("U1") == {"U1", A1, A2}


def test_it_touches_its_own_cluster_only(server, data):
    running = server(data=data)
    project = running.project
    randomness = random.Random(5)
    records = [project.identify(f"V{number}", new_anonymous_id(randomness)) for number in range(3000)]
    for start in range(0, len(records), 1000):
        running.track(records[start:start + 1000])
    running.send(project.identify("U1", A1), project.identify("U1", A2))
    mappings = set(running.read("/identity/mappings").text.split("\n"))
    link = last(running)["sequence"]
    done = post(running, "/identity/unmerge", {"link": link}, project).json
    assert [len(one["members"]) for one in done["before"]] == [3]
    changed = set(running.read("/identity/mappings").text.split("\n")) - mappings
    assert [json.loads(line)["distinct_id"] for line in changed] == [A2]


def test_a_preview_that_the_query_asks_for(running):
    """As the field of the body; a name with a slip is an error, for something would be changed."""
    running.send(ORIGINAL.identify("U1", A1))
    for query, shown in [("preview=true", True), ("preview=1", True), ("preview=false", False)]:
        answer = post(running, f"/identity/unmerge?{query}", {"link": 1})
        assert answer.status == 200 and answer.json["preview"] is shown and answer.json["sequence"] == 2
    assert post(running, "/identity/restore?preview=true", {"unmerge": 2}).json["preview"]
    path = f"/identity/blocks?distinct_id=U1&distinct_id={A1}"
    for ending in ("&preview=true", "&preview=1"):
        answer = running.request("DELETE", path + ending, headers=basic(ORIGINAL.secret))
        assert answer.status == 200 and answer.json["preview"]
    assert len(running.log()) == 2
    for query, says in [("preview=maybe", "must be true or false"), ("preview=false&preview=true", "given once"), ("previw=true", "not an option"), ("link=1", "not an option")]:
        answer = post(running, f"/identity/restore?{query}", {"unmerge": 2})
        assert answer.status == 400 and says in answer.json["error"], answer
    answer = post(running, "/identity/restore", b'{"unmerge":2,"\\u0075nmerge":1}')
    assert answer.status == 400 and "given once" in answer.json["error"], answer
    assert len(running.log()) == 2


def cluster_pages(server, distinct_id, limit, between=lambda: None):
    """All members by pages, with something between the first and the second; the status of what was no page."""
    after, members, links, first = {}, [], [], None
    while True:
        answer = server.read("/identity/cluster", distinct_id=distinct_id, limit=limit, **after)
        if answer.status != 200:
            return answer.status
        page = answer.json
        first = first or page
        assert (page["canonical_id"], page["size"]) == (first["canonical_id"], first["size"])
        members += [member["distinct_id"] for member in page["members"]]
        links += [link["sequence"] for link in page["links"]]
        if page["next"] is None:
            return members, links
        if not after:
            between()
        after = {"after": page["next"]}


@pytest.mark.parametrize("limit", [1, 3, 6])
def test_pages_of_a_cluster_are_of_one_moment(running, limit):
    randomness = random.Random(limit)
    devices = [new_anonymous_id(randomness) for _ in range(7)]
    running.send(*[ORIGINAL.identify("U1", device) for device in devices])
    others = [new_anonymous_id(randomness) for _ in range(20)]
    running.send(*[ORIGINAL.identify("V1", device) for device in others])
    members = {"U1", *devices}
    # What is joined between the pages is on none of them: something smaller, and something greater.
    for joined in (new_anonymous_id(randomness), "V1"):
        found, links = cluster_pages(running, devices[0], limit, lambda: running.send(ORIGINAL.merge("U1", joined)))
        assert len(found) == len(members) and set(found) == members
        members |= {joined} if joined != "V1" else {"V1", *others}
        assert len(links) == len(found) - 1
    assert len(cluster_pages(running, "V1", 6)[0]) == 30
    # What is taken apart between them has no next page.
    assert cluster_pages(running, "V1", limit, lambda: unmerge(running, distinct_id=others[3])) == 409
    assert len(cluster_pages(running, "V1", limit)[0]) == 29
    for text, status in [("1", 400), ("a:1", 400), ("1:", 400), ("0:1", 400), ("99999:1", 409), ("1:99999", 409)]:
        answer = running.read("/identity/cluster", distinct_id="V1", after=text)
        assert answer.status == status and "after is" in answer.json["error"], (text, answer)


def test_pages_of_the_past_stay(running):
    devices = [new_anonymous_id(random.Random(n)) for n in range(7)]
    running.send(*[ORIGINAL.identify("U1", device) for device in devices])
    page = running.read("/identity/cluster", distinct_id="U1", limit=3, as_of=7).json
    unmerge(running, distinct_id=devices[2])
    found = [member["distinct_id"] for member in page["members"]]
    while page["next"]:
        page = running.read("/identity/cluster", distinct_id="U1", limit=3, as_of=7, after=page["next"]).json
        found += [member["distinct_id"] for member in page["members"]]
    assert len(found) == 8 and set(found) == {"U1", *devices}
    answer = running.read("/identity/cluster", distinct_id="U1", as_of=6, after="1:7")
    assert answer.status == 409, answer
