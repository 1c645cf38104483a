"""Deletion and retrieval for privacy law: what was named is gone from the files, and nothing else is."""

import json
import random
import sqlite3
import stat
import struct
import time
import uuid

import pytest
from conftest import FIXTURE, ORIGINAL, Project, Server, basic, json_lines, new_anonymous_id, wait_until

DELETIONS = "/api/app/data-deletions/v3.0/"
RETRIEVALS = "/api/app/data-retrievals/v3.0/"
OWNER = basic("ci.111111.mp-service-account", "sa-secret-1")
ANALYST = basic("ro.222222.mp-service-account", "sa-secret-2")
MASK = (1 << 64) - 1


def siphash(data):
    """SipHash-2-4 with 128 bits of output and a key of zero, as two halves: what decision 0004 stores."""
    v0, v1, v2, v3 = 0x736F6D6570736575, 0x646F72616E646F6D ^ 0xEE, 0x6C7967656E657261, 0x7465646279746573

    def rounds(count):
        nonlocal v0, v1, v2, v3
        for _ in range(count):
            v0 = (v0 + v1) & MASK
            v1 = ((v1 << 13 | v1 >> 51) & MASK) ^ v0
            v0 = (v0 << 32 | v0 >> 32) & MASK
            v2 = (v2 + v3) & MASK
            v3 = ((v3 << 16 | v3 >> 48) & MASK) ^ v2
            v0 = (v0 + v3) & MASK
            v3 = ((v3 << 21 | v3 >> 43) & MASK) ^ v0
            v2 = (v2 + v1) & MASK
            v1 = ((v1 << 17 | v1 >> 47) & MASK) ^ v2
            v2 = (v2 << 32 | v2 >> 32) & MASK

    whole = len(data) // 8 * 8
    words = list(struct.unpack(f"<{whole // 8}Q", data[:whole]))
    words.append(int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    for word in words:
        v3 ^= word
        rounds(2)
        v0 ^= word
    v2 ^= 0xEE
    rounds(4)
    low = v0 ^ v1 ^ v2 ^ v3
    v1 ^= 0xDD
    rounds(4)
    return v0 ^ v1 ^ v2 ^ v3, low


def id_hash(distinct_id):
    """What `arrivals` has of an id."""
    return siphash(distinct_id.encode())[0].to_bytes(8, "big")


def event_hash(name, distinct_id, insert_id):
    """The key of an event."""
    parts = b"".join(len(part).to_bytes(8, "little") + part for part in (p.encode() for p in (name, distinct_id, insert_id)))
    high, low = siphash(parts)
    return high.to_bytes(8, "big") + low.to_bytes(8, "big")


def files(data):
    """What the store's files hold."""
    return {suffix: (data / f"selfsame.sqlite{suffix}").read_bytes() for suffix in ("", "-wal", "-shm")}


def traces(data, needles):
    """Which needles stand in which files."""
    content = files(data)
    return [(suffix, needle) for needle in needles for suffix, text in content.items() if needle in text]


def create(server, path, ids, headers=None, **body):
    answer = server.request(
        "POST", path, json.dumps({"distinct_ids": ids, **body}), headers or basic(server.project.secret),
        {"token": server.project.token})
    assert answer.status == 201, answer
    assert answer.json["status"] == "ok"
    (result,) = answer.json["results"]
    assert result["status"] == "PENDING"
    assert result["distinct_id_count"] == len(ids)
    assert result["task_id"] == result["tracking_id"]
    return result["tracking_id"]


def status(server, path, task, headers=None):
    answer = server.request(
        "GET", f"{path}{task}/", headers=headers or basic(server.project.secret), query={"token": server.project.token})
    assert answer.status == 200, answer
    return answer.json["results"]


def finish(server, path, task, timeout=120):
    return wait_until(
        lambda: (found := status(server, path, task))["status"] == "SUCCESS" and found, timeout, "the end of a task")


def known(server, distinct_id):
    return server.read("/identity/resolve", distinct_id=distinct_id).json["results"][0]["known"]


def records(project, ids, number, randomness):
    """Records of imports, at random times, so that pages of the file are split in their middle."""
    found = []
    for index in range(number):
        distinct_id = randomness.choice(ids)
        found.append({
            "event": "Viewed",
            "properties": {
                "distinct_id": distinct_id, "$insert_id": f"i{index}", "$device_id": f"device of {distinct_id}",
                "time": randomness.randrange(1_577_836_800, 1_700_000_000), "text": "x" * randomness.randrange(700)}})
    return found


def engage(server, distinct_id, **properties):
    answer = server.request(
        "POST", "/engage", json.dumps([{
            "$token": server.project.token, "$distinct_id": distinct_id, "$ignore_time": True, "$set": properties}]),
        {"Content-Type": "application/json"})
    assert answer.text == "1", answer


def closed_runs(data):
    """How many runs the store has: what is in them is in no row of `arrivals` any more."""
    store = sqlite3.connect(f"file:{data}/selfsame.sqlite?mode=ro", uri=True)
    try:
        return store.execute("SELECT count(*) FROM posting_run").fetchone()[0]
    finally:
        store.close()


def import_all(server, found):
    for start in range(0, len(found), 2000):
        answer = server.import_(found[start:start + 2000])
        assert answer.status == 200, answer


def test_the_hash_is_the_documented_one():
    # The first vectors of SipHash-2-4-128's authors have another key; these are of `StableHashTests`.
    assert id_hash("") == siphash(b"")[0].to_bytes(8, "big")
    assert siphash(b"") != siphash(b"\0")


def test_a_deletion_leaves_no_trace_in_any_file_and_takes_nothing_else(tmp_path):
    randomness = random.Random(11)
    server = Server(data=tmp_path)
    try:
        project = server.project
        anonymous, device = new_anonymous_id(randomness), new_anonymous_id(randomness)
        subject, alias, partner = "subject-7d1f@example.org", "subject-alias-91c2", "subject-partner-55aa"
        deleted = [subject, anonymous, device, alias, partner]
        others = [f"other-{number}" for number in range(40)]
        found = records(project, [*others, subject, anonymous, partner], 20_000, randomness)
        import_all(server, found)
        server.track([
            project.identify(subject, anonymous), project.identify(subject, device), project.alias(alias, subject)])
        assert server.import_([{
            "event": "$merge", "properties": {
                "$distinct_ids": [subject, partner], "time": 1_700_000_000, "$insert_id": "m"}}]).status == 200
        engage(server, subject, secret_of="subject-profile-3c77")
        engage(server, anonymous, secret_of="subject-profile-3c77")
        engage(server, "other-1", city="Bern")
        # Another cluster's history and events name the subject's ids.
        server.track([
            project.identify("other-1", anonymous), project.identify("other-1", new_anonymous_id(randomness)),
            project.event("Clicked", "other-2", **{"$device_id": device, "$user_id": "other-2", "plan": "gold"})])
        mine = [record for record in found if record["properties"]["distinct_id"] in deleted]
        needles = [needle for one in deleted for needle in (one.encode(), id_hash(one))] + [b"subject-profile-3c77"]
        needles += [event_hash("Viewed", r["properties"]["distinct_id"], r["properties"]["$insert_id"]) for r in mine]
        before = files(tmp_path)
        missing = [n for n in needles if not any(n in text for text in before.values())]
        # An id that never was an event's is hashed nowhere; everything else is there, or the test proves nothing.
        assert set(missing) <= {id_hash(one) for one in deleted}, missing
        assert id_hash(subject) not in missing
        assert closed_runs(tmp_path) > 0
        log, exported = server.log(), server.export()

        task = create(server, DELETIONS, [alias], compliance_type="CCPA")
        beside = 0
        while status(server, DELETIONS, task)["status"] != "SUCCESS":
            assert server.track([project.event("Beside", "other-3")]).status == 200
            beside += 1
        done = status(server, DELETIONS, task)
        assert done["distinct_ids"] == [] and done["distinct_id_count"] == 1
        assert traces(tmp_path, needles) == []

        for one in deleted:
            assert not known(server, one)
            assert server.log(distinct_id=one) == []
        after = server.export()
        kept = [event for event in exported if event["properties"]["distinct_id"] not in deleted]
        left = [event for event in after if event["event"] != "Beside"]
        assert len(after) - len(left) == beside
        assert len(left) == len(kept) > 17_000
        changed = [(was, now) for was, now in zip(kept, left) if was != now]
        assert len(changed) == 2
        for was, now in changed:
            for name, value in was["properties"].items():
                if value in deleted:
                    assert now["properties"][name] is None
                elif not name.startswith("$failure"):
                    assert now["properties"][name] == value
        entries = server.log()
        assert [entry["sequence"] for entry in entries] == [entry["sequence"] for entry in log]
        for was, now in zip(log, entries):
            if set(json.dumps(was["ids"]).split('"')) & set(deleted):
                assert now == {"sequence": was["sequence"], "verb": was["verb"], "outcome": "deleted"}
            else:
                assert now == was
        assert sum(entry["outcome"] == "deleted" for entry in entries) == 5
        assert {entry["outcome"] for entry in server.log(distinct_id="other-1")} == {"deleted", "merged"}

        # As if never seen: a device that was taken is free, and nothing of old comes back.
        server.track([project.identify("newcomer", anonymous), project.event("Viewed", subject)])
        assert server.cluster(anonymous) == {"newcomer", anonymous}
        assert len([e for e in server.export() if e["properties"]["distinct_id"] == subject]) == 1
        server.stop()
        server = Server(data=tmp_path)
        assert server.cluster(anonymous) == {"newcomer", anonymous}
        assert "subject" not in server.error_text()
    finally:
        server.kill()


def test_a_deletion_that_a_crash_cut_short_is_finished_after_the_next_start(tmp_path):
    randomness = random.Random(12)
    server = Server(data=tmp_path)
    try:
        subjects = [f"subject-{uuid.UUID(int=randomness.getrandbits(128))}" for _ in range(60)]
        others = [f"other-{number}" for number in range(100)]
        found = records(server.project, subjects + others, 20_000, randomness)
        import_all(server, found)
        assert closed_runs(tmp_path) > 0
        merges = [
            {"event": "$merge", "properties": {
                "$distinct_ids": list(pair), "time": 1_700_000_000, "$insert_id": f"m{number}"}}
            for number, pair in enumerate(zip(subjects[::2], subjects[1::2]))]
        assert server.import_(merges).status == 200
        task = create(server, DELETIONS, subjects)
        kills = 0
        delay = 0.02
        while True:
            time.sleep(delay)
            found_status = status(server, DELETIONS, task)["status"]
            if found_status == "SUCCESS":
                break
            server.kill()
            kills += 1
            # A cluster is whole or gone: an id of it is never alone with another's events.
            server = Server(data=tmp_path)
            sizes = {
                result["distinct_id"]: (result["known"], result["cluster_size"])
                for result in server.read("/identity/resolve", distinct_id=subjects).json["results"]}
            assert set(sizes.values()) <= {(True, 2), (False, 1)}
            delay = min(delay * 1.5, 20)
        assert kills >= 2, "the deletion was too quick to be cut short"
        needles = [one.encode() for one in subjects] + [id_hash(one) for one in subjects]
        assert traces(tmp_path, needles) == []
        kept = [record for record in found if record["properties"]["distinct_id"].startswith("other")]
        assert sorted(e["properties"]["distinct_id"] for e in server.export() if e["event"] == "Viewed") == sorted(
            record["properties"]["distinct_id"] for record in kept)
        print(f"killed {kills} times")
    finally:
        server.kill()


def test_a_retrieval_delivers_everything_about_the_clusters_named(tmp_path):
    randomness = random.Random(13)
    server = Server(data=tmp_path)
    try:
        project = server.project
        anonymous = new_anonymous_id(randomness)
        server.track([
            project.event("Opened", anonymous, page="ä\u2028"), project.identify("subject", anonymous),
            project.event("Bought", "subject"), project.event("Bought", "other"),
            project.identify("other", anonymous), project.event("Alone", "loner")])
        engage(server, "subject", city="Bern", n=1)
        engage(server, anonymous, city="Basel")
        engage(server, "other", city="Chur")
        task = create(server, RETRIEVALS, [anonymous, "subject", "loner"])
        done = finish(server, RETRIEVALS, task)
        assert done["result"] == done["results"] == (
            f"{server.url}/api/app/data-retrievals/v3.0/{task}/download?token={project.token}")
        path = done["result"][len(server.url):]
        answer = server.request("GET", path, headers=basic(project.secret))
        assert answer.status == 200
        assert "attachment" in answer.headers["content-disposition"]
        lines = json_lines(answer.text)
        clusters = {frozenset(line["distinct_ids"]) for line in lines if line["type"] == "cluster"}
        assert clusters == {frozenset(["subject", anonymous]), frozenset(["loner"])}
        assert sorted(line["sequence"] for line in lines if line["type"] == "log") == [1, 2]
        profiles = {line["$distinct_id"]: line["$properties"] for line in lines if line["type"] == "profile"}
        assert profiles == {"subject": {"city": "Bern", "n": 1}, anonymous: {"city": "Basel"}}
        events = [line for line in lines if line["type"] == "event"]
        assert sorted(e["event"] for e in events) == ["$identify", "Alone", "Bought", "Opened"]
        assert {e["properties"]["distinct_id"] for e in events} == {"subject", "loner"}
        assert len(clusters) + len(profiles) + 2 + len(events) == len(lines)
        (file,) = (tmp_path / "retrievals").iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        # Only with the credential, which another project's is not.
        assert server.request("GET", path).status == 401
        assert server.request("GET", path, headers=basic(project.token)).status == 401
        assert server.request("GET", path, headers=basic("5" * 32)).status == 401
        assert server.request("DELETE", path.replace("/download", ""), headers=basic(project.secret)).status == 204
        assert list((tmp_path / "retrievals").iterdir()) == []
        assert server.request("GET", path, headers=basic(project.secret)).status == 404
        assert status(server, RETRIEVALS, task)["result"] == ""
    finally:
        server.kill()


@pytest.fixture(scope="module")
def patient():
    """A sandbox in which deletions wait for long."""
    server = Server(
        "--sandbox", "--config", FIXTURE, "--set", "privacy.deletionDelaySeconds=3600", "--set", "privacy.taskLimit=3",
        project=ORIGINAL)
    yield server
    server.kill()


def reset(server):
    assert server.request("POST", "/sandbox/reset").status == 200


def test_a_deletion_can_be_taken_back_until_it_begins(patient):
    reset(patient)
    patient.track([patient.project.event("Bought", "subject")])
    task = create(patient, DELETIONS, ["subject"], headers=OWNER)
    assert status(patient, DELETIONS, task)["distinct_ids"] == ["subject"]
    target = {"path": f"{DELETIONS}{task}", "headers": basic(patient.project.secret)}
    assert patient.request("DELETE", **target).status == 204
    assert status(patient, DELETIONS, task)["status"] == "REVOKED"
    again = patient.request("DELETE", **target)
    assert again.status == 405 and again.headers["allow"] == "GET, HEAD"
    assert len(patient.export()) == 1


def test_a_deletion_begins_when_its_delay_is_over(patient):
    reset(patient)
    patient.track([patient.project.event("Bought", "subject")])
    task = create(patient, DELETIONS, ["subject"])
    assert patient.request("PUT", "/sandbox/clock", json.dumps({"now": int(time.time()) + 7200})).status == 200
    finish(patient, DELETIONS, task)
    assert patient.export() == []
    reset(patient)


def test_who_may_delete_and_what_is_refused(patient):
    reset(patient)
    project = patient.project
    secret = basic(project.secret)

    def post(body, headers=secret, path=DELETIONS, **query):
        text = body if isinstance(body, str) else json.dumps(body)
        return patient.request("POST", path, text, headers, query or {"token": project.token})

    good = {"distinct_ids": ["a"]}
    task = create(patient, DELETIONS, ["a"])
    assert post(good, {}).status == 401
    assert post(good, basic(project.token)).status == 401
    assert post(good, ANALYST).status == 403
    assert post(good, secret, token="1" * 32).status == 401
    assert post(good, secret, token="0000000000000000000000000000bbbb").status == 401
    assert post(good, OWNER, project_id=9).status == 403
    assert status(patient, DELETIONS, task, ANALYST)["status"] == "PENDING"
    assert patient.request("DELETE", DELETIONS + task, headers=ANALYST, query={"token": project.token}).status == 403
    for bad in ("", "[]", "{", {}, {"distinct_ids": []}, {"distinct_ids": [""]}, {"distinct_ids": "a"},
                {"distinct_ids": [{}]}, {"distinct_ids": ["a"] * 2001}, {**good, "compliance_type": "HIPAA"},
                {**good, "compliance_type": 1}, {**good, "disclosure_type": "Sources"}):
        answer = post(bad)
        assert answer.status == 400, (bad, answer)
        assert answer.json["status"] == "error"
    # Another project's credential does not find the task.
    other = basic("5ec0000000000000000000000000bbbb")
    assert patient.request("GET", DELETIONS + task, headers=other).json["results"]["status"] == "NOT_FOUND"
    assert patient.request("DELETE", DELETIONS + task, headers=other).status == 404
    assert patient.request("GET", RETRIEVALS + task, headers=secret).json["results"]["status"] == "NOT_FOUND"
    for method, path, expected in (
            ("GET", DELETIONS, 405), ("PUT", DELETIONS + task, 405), ("GET", f"{DELETIONS}{task}/download", 404),
            ("GET", f"{RETRIEVALS}{task}/download", 404), ("GET", "/api/app/data-deletions/v3.01", 404),
            ("GET", f"{DELETIONS}{task}/x/y", 404)):
        assert patient.request(method, path, headers=secret).status == expected, (method, path)
    for _ in range(2):
        assert post(good).status == 201
    full = post(good)
    assert full.status == 429 and int(full.headers["retry-after"]) > 0
