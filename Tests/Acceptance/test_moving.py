"""Export, then import: a project that moves keeps its identities, and what cannot come along is counted and said."""

import json
import random
import re
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import (
    SIMPLIFIED, BINARY, ENVIRONMENT, Project, Server, basic, command, delete, fields, json_lines, new_anonymous_id, run_command,
    wait_until)

LONG_AGO = 1_600_041_600  # 2020-09-14T00:00:00Z


def exported(data, *arguments):
    return json_lines(command("export", *arguments, "--data", data))


def config(place, limit=499, form="mixpanel", system="original"):
    """A configuration file with one project, whose rules may change from start to start."""
    path = place / f"rules-{limit}-{form}-{system}.yaml"
    path.write_text(
        f"projects:\n  - id: 1\n    name: one\n    token: {PROJECT.token}\n    secret: {PROJECT.secret}\n"
        f"    identity: {{system: {system}, maxClusterSize: {limit}, anonForm: {form}}}\n")
    return path


PROJECT = Project(1, "0000000000000000000000000000dddd", "5ec0000000000000000000000000dddd")


def identity(running):
    """What must be the same after a move: clusters, canonical ids, blocks, and what the log says of each operation."""
    answer = running.read("/identity/mappings", format="jsonl")
    mappings = {row["distinct_id"]: row["canonical_id"] for row in json_lines(answer.text)}
    blocks = {frozenset(block["distinct_ids"]) for block in running.read("/identity/blocks").json["blocks"]}
    log = [(entry["sequence"], entry["verb"], json.dumps(entry["ids"], sort_keys=True), entry["outcome"],
            entry.get("failure_reason")) for entry in running.log()]
    return mappings, blocks, log


def moved_events(rows):
    """Events by what came with them, whatever the time of their import."""
    own = ("mp_processing_time_ms", "$mp_api_timestamp_ms", "$mp_api_endpoint", "$import", "$selfsame_sequence",
           "$selfsame_revoked")
    return sorted(
        json.dumps([row["event"], {k: v for k, v in row["properties"].items() if k not in own}], sort_keys=True)
        for row in rows if "event" in row)


def unmerge(running, **body):
    answer = running.request(
        "POST", "/identity/unmerge", json.dumps(body), basic(running.project.secret))
    assert answer.status == 200, answer
    return answer.json["sequence"]


@pytest.fixture
def history(server, data, tmp_path):
    """A data directory with all that a log may hold."""
    anonymous = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(8)]
    running = server("--config", config(tmp_path), data=data, project=PROJECT)
    running.track([PROJECT.event("Viewed", anonymous[0], time=LONG_AGO, **{"$insert_id": "early"})])
    running.send(
        PROJECT.identify("U2", anonymous[0], time=LONG_AGO + 20, **{"$insert_id": "v1"}),
        PROJECT.alias("U1", anonymous[0], time=LONG_AGO + 10, **{"$insert_id": "v2"}),
        PROJECT.identify("U1", anonymous[1], time=LONG_AGO + 5, **{"$insert_id": "v3"}),
        PROJECT.identify("U3", anonymous[0], **{"$insert_id": "refused"}),
        PROJECT.identify("U3", "not-a-uuid", **{"$insert_id": "form"}),
        PROJECT.merge("U2", "U1", **{"$insert_id": "redundant"}),
        PROJECT.identify("U4", anonymous[2], **{"$insert_id": "v4"}),
        PROJECT.merge("U4", "U5", **{"$insert_id": "v5"}))
    links = {(link["verb"], link["from"], link["to"]): link["sequence"]
             for link in running.read("/identity/cluster", distinct_id="U4").json["links"]}
    first = unmerge(running, link=links[("$identify", anonymous[2], "U4")])
    running.send(PROJECT.identify("U4", anonymous[2], **{"$insert_id": "blocked"}))
    second = unmerge(running, distinct_id="U5", keep_apart="none")
    answer = running.request(
        "POST", "/identity/restore", json.dumps({"unmerge": second}), basic(PROJECT.secret))
    assert answer.status == 200, answer
    unmerge(running, distinct_id="U2")
    # A copy of a record that says something else replaces it: its first statement is told by no event any more.
    running.send(
        PROJECT.identify("U6", anonymous[3], time=LONG_AGO, **{"$insert_id": "copy"}),
        PROJECT.identify("U6", anonymous[4], time=LONG_AGO, **{"$insert_id": "copy"}))
    running.stop()
    running = server("--config", config(tmp_path, limit=3, form="any"), data=data, project=PROJECT)
    running.send(
        PROJECT.identify("U6", "any-form", **{"$insert_id": "any"}),
        PROJECT.identify("U6", anonymous[5], **{"$insert_id": "many"}))
    running.track([
        PROJECT.event("Viewed", anonymous[4], time=LONG_AGO + 100, n=1),
        PROJECT.event("Viewed", anonymous[2], time=LONG_AGO + 100, **{"$insert_id": "undefined"}),
        PROJECT.event("Viewed", "", time=LONG_AGO + 100, **{"$insert_id": "nobody"})])
    wanted, rows = identity(running), moved_events(running.export())
    assert len(wanted[2]) == 18 and first == 9, wanted
    running.stop()
    return data, wanted, rows


def test_an_empty_directory_that_takes_an_export_ends_with_the_same_identities(history, server, tmp_path):
    data, wanted, rows = history
    path = tmp_path / "export.jsonl"
    path.write_text(command("export", "--data", data))
    target = tmp_path / "target"
    said = command("import", path, "--data", target)
    assert "0 rejected" in said and "did not come along" not in said, said
    assert "already there" not in said
    command("verify", "--decide", "--data", target)
    moved = server(data=target)
    assert moved.project.number == 1
    assert identity(moved) == wanted
    assert moved_events(moved.export()) == rows
    moved.stop()
    # Run again, it adds nothing: no event, no entry, no amendment.
    said = command("import", path, "--data", target)
    assert " 0 stored, " in said and "already there" in said and "merged=0, unchanged=0, refused=0" in said, said
    again = server(data=target)
    assert identity(again) == wanted and moved_events(again.export()) == rows


def test_standard_input_takes_an_export_too(history, server, tmp_path):
    data, wanted, rows = history
    target = tmp_path / "target"
    done = subprocess.run(
        f"'{BINARY}' export --data '{data}' | '{BINARY}' import - --data '{target}'", shell=True, text=True,
        env=ENVIRONMENT, capture_output=True, timeout=120)
    assert done.returncode == 0, done
    moved = server(data=target)
    assert identity(moved) == wanted and moved_events(moved.export()) == rows


def test_an_export_goes_into_a_running_server(history, server, tmp_path):
    data, wanted, rows = history
    path = tmp_path / "export.jsonl"
    path.write_text(command("export", "--data", data))
    running = server(data=tmp_path / "running")
    secret = {"SELFSAME_SECRET": running.project.secret}
    said = command("import", path, "--url", running.url, env=secret)
    assert "0 rejected" in said, said
    assert identity(running) == wanted and moved_events(running.export()) == rows
    said = command("import", path, "--url", running.url, env=secret)
    assert " 0 stored, " in said and "merged=0, unchanged=0, refused=0" in said, said
    assert identity(running) == wanted
    wrong = run_command("import", path, "--url", running.url, env={"SELFSAME_SECRET": "5ec"})
    assert wrong.returncode != 0 and "401" in wrong.stderr, wrong


def test_a_raw_export_over_http_gives_the_same_clusters(server, tmp_path):
    """Without amendments between its verbs, rows say all, in whatever order they stand."""
    anonymous = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(3)]
    running = server(data=tmp_path / "source")
    project = running.project
    running.send(
        project.identify("U2", anonymous[0], time=LONG_AGO + 20, **{"$insert_id": "a"}),
        project.alias("U1", anonymous[0], time=LONG_AGO + 10, **{"$insert_id": "b"}),
        project.identify("U1", anonymous[1], time=LONG_AGO + 5, **{"$insert_id": "c"}),
        project.identify("U3", anonymous[0], time=LONG_AGO, **{"$insert_id": "d"}))
    wanted, rows = running.clusters(), running.export()
    assert [row["properties"]["$selfsame_sequence"] for row in rows] == [4, 3, 2, 1], "rows stand in order of time"
    ours = tmp_path / "ours.jsonl"
    theirs = tmp_path / "theirs.jsonl"
    ours.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for row in rows:
        # Mixpanel knows when it took a record, and nothing of our log.
        row["properties"]["mp_processing_time_ms"] = 1000 + row["properties"].pop("$selfsame_sequence")
    theirs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for path in (ours, theirs):
        target = tmp_path / f"target-{path.stem}"
        said = command("import", path, "--data", target)
        assert said == "4 records read, 4 stored, 0 rejected; merged=3, unchanged=0, refused=0\n"
        moved = server(data=target)
        assert moved.clusters() == wanted
        refused = [row for row in moved.export() if "$failure_reason" in row["properties"]]
        assert [row["properties"]["$insert_id"] for row in refused] == ["d"]
        moved.stop()
    stream = run_command_with_input(ours.read_text(), "import", "-", "--data", tmp_path / "stream")
    assert stream.returncode == 0 and "taken as they come" in stream.stderr, stream


def test_a_revoked_verb_of_a_raw_export_joins_nothing(server, tmp_path):
    running = server(data=tmp_path / "source")
    one, two = new_anonymous_id(), new_anonymous_id()
    running.send(running.project.identify("U1", one), running.project.identify("U1", two))
    revoked = unmerge(running, link=1)
    rows = {row["properties"]["$anon_id"]: row["properties"] for row in running.export()}
    assert rows[one]["$selfsame_revoked"] == revoked and "$selfsame_revoked" not in rows[two]
    target = server(data=tmp_path / "target")
    assert target.import_(running.export(), {"strict": 0}).text == "1"
    assert target.cluster("U1") == {"U1", two}
    assert "$failure_reason" not in json.dumps(target.export())


def test_a_parted_device_of_a_simplified_project_stays_parted(server, tmp_path):
    """Every event with both ids says that their link was taken back, not only the one that made it."""
    configuration = config(tmp_path, system="simplified")
    source = server("--config", configuration, data=tmp_path / "source", project=PROJECT)
    both = {"$device_id": "D", "$user_id": "U"}
    source.track([PROJECT.event("Viewed", "U", n=n, **both, **{"$insert_id": f"i{n}"}) for n in range(3)])
    assert source.cluster("U") == {"U", "$device:D"}
    revoked = unmerge(source, link=1, keep_apart="none")
    rows = source.export()
    assert [row["properties"].get("$selfsame_revoked") for row in rows] == [revoked] * 3
    target = server("--config", configuration, data=tmp_path / "target", project=PROJECT)
    assert target.import_(rows, {"strict": 0}).text == "1"
    assert target.cluster("U") == {"U"} and target.cluster("$device:D") == {"$device:D"}
    # The next one links them again, here and there.
    for running in (source, target):
        running.track([PROJECT.event("Viewed", "U", **both)])
        assert running.cluster("U") == {"U", "$device:D"}


def raw_row(name, distinct_id, insert_id, **properties):
    return {"event": name, "properties": {
        "time": LONG_AGO, "distinct_id": distinct_id, **({"$insert_id": insert_id} if insert_id else {}), **properties}}


D1, D2, D3 = (f"{n:08x}-0000-4000-8000-000000000000" for n in range(3))

# Rows of a raw export, and the clusters that they come to.
RAW_ROWS = {
    "original": ([
        raw_row("$identify", "U2", "c", **{"$identified_id": "U2", "$anon_id": D1, "$selfsame_sequence": 3}),
        raw_row("$identify", "U1", "a", **{"$identified_id": "U1", "$anon_id": D1, "$selfsame_sequence": 1}),
        raw_row("$identify", "U1", "b", **{
            "$identified_id": "U1", "$anon_id": D2, "$selfsame_sequence": 2, "$selfsame_revoked": 4}),
        raw_row("$identify", "U3", None, **{
            "$identified_id": "U3", "$anon_id": D3, "$failure_reason": "errSameIDs"}),
        raw_row("Read", "U1", "d", **{"$distinct_id_before_identity": D1, "properties": {"a": "}"}}),
        raw_row("Read", "U1", None, **{"$distinct_id_before_identity": D1}),
    ], {frozenset({"U1", D1})}),
    "simplified": ([
        raw_row("Read", "U2", "c", **{"$device_id": "A", "$user_id": "U2", "$selfsame_sequence": 2}),
        raw_row("Read", "U1", "a", **{"$device_id": "A", "$user_id": "U1", "$selfsame_sequence": 1}),
        raw_row("Read", "U3", None, **{
            "$device_id": "B", "$user_id": "U3", "$identity_failure_reason": "errDeviceInUse"}),
        raw_row("Read", "U4", "d", **{
            "$device_id": "C", "$user_id": "U4", "$selfsame_sequence": 5, "$selfsame_revoked": 6}),
        raw_row("Read", "U5", "e", **{"$device_id": "E", "$user_id": "U5"}),
    ], {frozenset({"U1", "$device:A"})}),
    "legacy": ([
        raw_row("Read", "person", "a", **{"$distinct_id_before_identity": "dev"}),
        raw_row("Read", "person", None, **{"$distinct_id_before_identity": "dev"}),
        raw_row("Read", "dev", "b"),
    ], set()),
}


@pytest.mark.parametrize("system", RAW_ROWS)
def test_a_raw_export_into_a_directory_and_into_a_server_gives_the_same(server, tmp_path, system):
    rows, wanted = RAW_ROWS[system]
    path = tmp_path / "raw.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    configuration = config(tmp_path, system=system)
    found = []
    for kind in ("directory", "server"):
        data = tmp_path / kind
        running = server("--config", configuration, data=data, project=PROJECT)
        where = ["--url", running.url]
        if kind == "directory":
            running.stop()
            where = ["--data", data]
        done = run_command("import", path, *where, env={"SELFSAME_SECRET": PROJECT.secret})
        assert done.returncode == 0 and done.stdout.startswith(f"{len(rows)} records read, {len(rows)} stored"), done
        again = run_command("import", path, *where, env={"SELFSAME_SECRET": PROJECT.secret})
        assert again.returncode == 0 and " 0 stored, " in again.stdout, again
        if kind == "directory":
            running = server("--config", configuration, data=data, project=PROJECT)
        moved = running.export()
        for row in moved:
            if len(row["properties"]["$insert_id"]) > 1:
                row["properties"]["$insert_id"] = "generated"
        found.append((done.stdout, running.clusters(), moved_events(moved)))
        assert running.clusters() == wanted, kind
        running.stop()
    assert found[0] == found[1]
    if system == "legacy":
        assert sum('"distinct_id": "person"' in row for row in found[1][2]) == 2, found[1][2]


def test_what_a_deletion_took_is_counted(server, data, tmp_path):
    running = server(data=data)
    gone = new_anonymous_id()
    running.send(running.project.identify("U1", gone), running.project.identify("U2", new_anonymous_id()))
    delete(running, "U1")
    running.stop()
    done = run_command("export", "--data", data)
    assert done.returncode == 0 and "1 entries of the log were deleted" in done.stderr, done
    path = tmp_path / "export"
    path.write_text(done.stdout)
    said = command("import", path, "--data", tmp_path / "target")
    assert "merged=1" in said and gone not in done.stdout


def own_line(sequence, one="U1", other=None, **more):
    """A line of our own for a statement, as `selfsame export` writes it."""
    line = {"type": "log_entry", "sequence": sequence, "verb": "$identify",
            "ids": {"$identified_id": one, "$anon_id": new_anonymous_id() if other is None else other}, **more}
    return json.dumps(line, separators=(",", ":"))


def own_header(log="0123456789abcdef", sequence=9):
    rules = {"identity_system": "original", "max_cluster_size": 499, "anon_form": "mixpanel"}
    return json.dumps({"type": "log", "log": log, "sequence": sequence, "rules": rules}, separators=(",", ":"))


def post_log(running, *lines):
    return running.request(
        "POST", "/identity/log", "\n".join(lines).encode(), basic(running.project.secret))


@pytest.mark.parametrize("sequence", [2**63 - 1, 10**17 + 1, 0, -5])
def test_a_number_that_no_log_has_is_refused_and_stored_nowhere(server, data, tmp_path, sequence):
    running = server(data=data)
    assert post_log(running, own_header(), own_line(3)).json["merged"] == 1
    for lines in (
            [own_header(), own_line(sequence)], [own_header(sequence=sequence), own_line(4)],
            [own_header(), own_line(4, verb="unmerge", ids={"link": sequence}, links=[3])],
            [own_header(), own_line(4, verb="unmerge", ids={"link": 3}, links=[3, sequence])],
            [own_header(), own_line(4, verb="restore", ids={"unmerge": sequence})]):
        answer = post_log(running, *lines)
        assert answer.status == 400 and "sequence must be 1 to 100000000000000000" in answer.text, answer
    assert len(running.log()) == 1
    running.stop()
    path = tmp_path / "crafted"
    path.write_text(own_header() + "\n" + own_line(sequence) + "\n")
    done = run_command("import", path, "--data", data)
    assert done.returncode > 0 and "line 2" in done.stderr, done
    # The greatest number that a log may have is followed by others.
    running = server(data=data)
    for line in (own_line(10**17), own_line(4)):
        assert post_log(running, own_header(), line).status == 200
    assert [entry["source"]["principal"] for entry in running.log()] == [
        f"command, entry {n} of 0123456789abcdef" for n in (3, 10**17)]


def test_lines_of_a_log_name_no_id_that_records_may_not_name(server, data):
    running = server(data=data)
    bad = ["u" * 1025, "undefined", "Null", " ", "", "00000000-0000-0000-0000-000000000000"]
    lines = [own_line(2 * n + 1, one=one) for n, one in enumerate(bad)]
    lines += [own_line(2 * n + 2, other=one) for n, one in enumerate(bad)]
    lines.append(own_line(90, verb="unmerge", ids={"distinct_id": "u" * 5000}, links=[1]))
    answer = post_log(running, own_header(), *lines, own_line(99, one="u" * 1024))
    assert answer.status == 200 and answer.json["merged"] == 1 and answer.json["lost"] == len(lines), answer
    assert len(answer.json["warnings"]) == len(lines) and len(running.log()) == 1


@pytest.mark.parametrize("log", ["", "a" * 65, "a" * 400_000, "A1", "a b", "../x"])
def test_a_log_has_a_short_name(server, data, log):
    running = server(data=data)
    answer = post_log(running, own_header(log=log), own_line(1))
    assert answer.status == 400 and len(answer.text) < 1000, answer
    assert running.log() == []


def test_an_event_of_a_type_that_begins_like_ours_is_an_event(server, data, tmp_path):
    path = tmp_path / "events"
    rows = [{"type": kind, "event": "Login", "properties": {"distinct_id": "U", "time": LONG_AGO, "$insert_id": kind}}
            for kind in ("login", "log", "log_entry", "logs")]
    path.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))
    said = command("import", path, "--data", data)
    assert "4 records read, 4 stored, 0 rejected" in said, said
    running = server(data=data)
    assert len(running.export()) == 4
    assert post_log(running, own_header(), *path.read_text().splitlines()).json["already_there"] == 4


@pytest.mark.parametrize("mark", [17, "17", True, [17], {"n": 17}])
def test_a_verb_that_joined_nothing_joins_nothing_wherever_it_moves(server, tmp_path, mark):
    path = tmp_path / "rows"
    row = PROJECT.identify("U1", new_anonymous_id(), time=LONG_AGO, **{"$insert_id": "v"})
    row["properties"]["$selfsame_revoked"] = mark
    path.write_text(json.dumps(row) + "\n")
    for number in range(3):
        data = tmp_path / str(number)
        said = command("import", path, "--data", data)
        assert "1 stored, 0 rejected; merged=0, unchanged=0, refused=0" in said, said
        path.write_text(command("export", "--data", data))
    client = server("--config", config(tmp_path), data=tmp_path / "client", project=PROJECT)
    client.track([row])
    assert client.cluster("U1") != {"U1"} and "$selfsame_revoked" not in json.dumps(client.export())


@pytest.mark.parametrize("into", ["data", "url"])
def test_two_exports_in_one_file_are_refused_at_the_second(server, tmp_path, into):
    texts = []
    for n in range(2):
        running = server(data=tmp_path / f"source{n}")
        running.send(*(running.project.identify(f"U{n}{i}", new_anonymous_id(), time=LONG_AGO) for i in range(2)))
        unmerge(running, link=1)
        running.stop()
        texts.append(command("export", "--data", tmp_path / f"source{n}"))
    rows = [json.loads(line) for line in texts[1].splitlines()]
    header = rows[0].pop("selfsame_log")
    as_line = json.dumps({"type": "log", **header}, separators=(",", ":"))
    running = server(data=tmp_path / "target")
    secret = {"SELFSAME_SECRET": running.project.secret}
    where = ("--url", running.url) if into == "url" else ("--data", tmp_path / "target")
    if into == "data":
        running.stop()
    for second in (texts[1], "\n".join([as_line, *map(json.dumps, rows)])):
        path = tmp_path / "both"
        path.write_text(texts[0] + second)
        done = run_command("import", path, *where, env=secret if into == "url" else {})
        assert done.returncode > 0 and "line 4: another export begins here" in done.stderr, done
    # One export twice is one export.
    path.write_text(texts[0] * 2)
    done = run_command("import", path, *where, env=secret if into == "url" else {})
    assert done.returncode == 0 and " 0 stored" in done.stdout, done
    if into == "data":
        running = server(data=tmp_path / "target")
    assert len(running.log()) == 3


def run_command_with_input(text, *arguments):
    return subprocess.run(
        [BINARY, *map(str, arguments)], input=text, text=True, env=ENVIRONMENT, capture_output=True, timeout=120)


@pytest.mark.parametrize("last", ["$device_id", "$user_id", "distinct_id", "x"])
def test_a_void_event_keeps_its_reason_wherever_its_ids_stand(running, last):
    """What an event says of its failure stays beside its ids, which are written anew, repeated or not."""
    running.project = SIMPLIFIED
    properties = {
        "$identity_failure_reason": "errDeviceInUse", "$user_id": "U", "$device_id": "D", "distinct_id": "U", "x": 1,
        "time": 1_600_000_000, "$insert_id": last.strip("$"),
    }
    properties[last] = properties.pop(last)
    text = json.dumps({"event": "Read", "properties": properties})
    repeated = text.replace('"$device_id": "D"', '"$device_id": "other", "$device_id": "D"').replace('"Read"', '"Again"')
    answer = running.import_(f"[{text},{repeated}]".encode(), query={"strict": 0})
    assert answer.text == "1", answer
    rows = running.export()
    assert sorted(row["event"] for row in rows) == ["Again", "Read"]
    for row in rows:
        found = row["properties"]
        assert found["$identity_failure_reason"] == "errDeviceInUse", row
        assert found["$device_id"] == "D" and found["$user_id"] == "U" and found["x"] == 1, row
    assert running.resolve("$device:D") == ["$device:D"]
