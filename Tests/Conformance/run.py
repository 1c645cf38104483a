#!/usr/bin/env python3
"""Plays the conformance vectors against a running sandbox, and says which of them the server does not meet.

    selfsame serve --sandbox --config Tests/Conformance/fixture.yaml
    python3 Tests/Conformance/run.py --url http://127.0.0.1:8080

docs/wire-protocol.md, section 12, describes a vector. Each one begins with an empty store and the clock at 1700000000.
The last line is `N passed, M failed`; the status is 1 where something failed. Nothing but Python's own library is used.
"""

import argparse
import base64
import http.client
import json
import sys
import urllib.parse
from collections import defaultdict
from pathlib import Path

START_OF_TIME = 1700000000
VECTORS = Path(__file__).with_name("vectors.jsonl")
SECRETS = {
    "original": "5ec0000000000000000000000000aaaa",
    "simplified": "5ec0000000000000000000000000bbbb",
    "legacy": "5ec0000000000000000000000000cccc",
}


class Client:
    """One kept-alive connection to the server."""

    def __init__(self, url, timeout=60):
        address = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(address.hostname, address.port or 80, timeout=timeout)

    def send(self, method, path, query=None, headers=None, body=None):
        """Returns the status, the headers with names in lower case, and the body of the answer."""
        target = path + ("?" + urllib.parse.urlencode(query) if query else "")
        for is_last_attempt in (False, True):
            try:
                self.connection.request(method, target, body=body, headers=headers or {})
                answer = self.connection.getresponse()
                return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
            except (http.client.HTTPException, ConnectionError):
                # A server may close an idle connection at any time; it may not do so twice in a row.
                self.connection.close()
                if is_last_attempt:
                    raise

    def read(self, mode, path, **query):
        """Asks one of the paths that read, as the project of that mode, and returns the body as text."""
        credentials = base64.b64encode(f"{SECRETS[mode]}:".encode()).decode()
        status, _, body = self.send("GET", path, query, {"Authorization": f"Basic {credentials}"})
        if status != 200:
            raise AssertionError(f"GET {path} {query} answered {status}: {clip(body)}")
        return body.decode()

    def read_lines(self, mode, path, **query):
        # JSON leaves U+2028 as it is, and `splitlines` would split there.
        return [json.loads(line) for line in self.read(mode, path, **query).split("\n") if line]

    def prepare(self):
        """Empties the store and stops the clock."""
        for method, path, body in (
            ("POST", "/sandbox/reset", None),
            ("PUT", "/sandbox/clock", json.dumps({"now": START_OF_TIME})),
        ):
            status, _, answer = self.send(method, path, headers={"Content-Type": "application/json"}, body=body)
            if status not in (200, 204):
                raise AssertionError(f"{method} {path} answered {status}: {clip(answer)}")


def clip(value, length=240):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= length else text[:length] + "…"


def contains(found, wanted):
    """Whether `found` has everything that `wanted` has. Arrays go by index; a wanted null is null or absent."""
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            return False
        return all(
            found.get(key) is None if value is None else key in found and contains(found[key], value)
            for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) >= len(wanted)
            and all(contains(part, whole) for part, whole in zip(found, wanted))
        )
    if isinstance(wanted, bool) or isinstance(found, bool):
        # In Python True == 1, on the wire it is not.
        return wanted is found
    return wanted == found


def same(found, wanted):
    """Whether two JSON values are equal, with 1 and true kept apart."""
    return json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True)


def answer_faults(expect, status, headers, body):
    if status != expect["status"]:
        yield f"status is {status}, not {expect['status']}; the body is {clip(body)}"
    for name, value in expect.get("headers", {}).items():
        if headers.get(name.lower(), "").lower() != value.lower():
            yield f"header {name} is {headers.get(name.lower())!r}, not {value!r}"
    content_type = headers.get("content-type", "")
    if not content_type.startswith(expect.get("content_type", "")):
        yield f"Content-Type is {content_type!r} and does not begin with {expect['content_type']!r}"
    if "body" in expect and body != expect["body"].encode():
        yield f"body is {clip(body)}, not {clip(expect['body'])}"
    if "body_prefix_b64" in expect and not body.startswith(base64.b64decode(expect["body_prefix_b64"])):
        yield f"body begins otherwise: {body[:48]!r}"
    if "json" in expect or "json_subset" in expect:
        yield from json_faults(expect, body)


def json_faults(expect, body):
    try:
        found = json.loads(body)
    except ValueError:
        yield f"body is not JSON: {clip(body)}"
        return
    if "json" in expect and not same(found, expect["json"]):
        yield f"JSON is {clip(json.dumps(found))}, not {clip(json.dumps(expect['json']))}"
    if "json_subset" in expect and not contains(found, expect["json_subset"]):
        yield f"JSON is {clip(json.dumps(found))} and lacks part of {clip(json.dumps(expect['json_subset']))}"


class State:
    """What a project of the server holds, asked for once."""

    def __init__(self, client, mode):
        self.client = client
        self.mode = mode
        self._clusters = {}

    def cluster(self, distinct_id):
        """The canonical id of an id, and all ids of its cluster."""
        if distinct_id not in self._clusters:
            page = json.loads(
                self.client.read(self.mode, "/identity/cluster", distinct_id=distinct_id, limit=1000))
            self._clusters[distinct_id] = page["canonical_id"], {m["distinct_id"] for m in page["members"]}
        return self._clusters[distinct_id]

    def canonical(self, distinct_id):
        return self.cluster(distinct_id)[0]

    def mapped_clusters(self):
        clusters = defaultdict(set)
        for row in self.client.read_lines(self.mode, "/identity/mappings", format="jsonl"):
            clusters[row["canonical_id"]].add(row["distinct_id"])
        return list(clusters.values())

    def log(self):
        entries, after = [], 0
        while after is not None:
            page = json.loads(self.client.read(self.mode, "/identity/log", after=after, limit=1000))
            entries += page["entries"]
            after = page["next"]
        return entries

    def events(self):
        return self.client.read_lines(
            self.mode, "/api/2.0/export", from_date="1971-01-01", to_date="2023-11-15")

    def profile(self, distinct_id):
        found = json.loads(self.client.read(self.mode, "/api/2.0/engage", distinct_id=distinct_id))["results"]
        return found[0]["$properties"] if found else None


def cluster_faults(state, wanted):
    if state.mode != "legacy":
        # A Legacy project has a map, but no clusters that a mapping would show.
        found = sorted(sorted(cluster) for cluster in state.mapped_clusters() if len(cluster) > 1)
        expected = sorted(sorted(cluster) for cluster in wanted if len(cluster) > 1)
        if found != expected:
            yield f"/identity/mappings has the clusters {clip(json.dumps(found))}, not {clip(json.dumps(expected))}"
    for ids in wanted:
        for distinct_id in ids if len(ids) <= 4 else (ids[0], ids[-1]):
            canonical, members = state.cluster(distinct_id)
            if members != set(ids):
                yield f"{distinct_id!r} is with {clip(str(sorted(members)))}, not with {clip(str(sorted(ids)))}"
            if canonical not in members:
                yield f"{canonical!r} stands for the cluster of {distinct_id!r} and is not in it"


def canonical_faults(state, wanted):
    for distinct_id, canonical in wanted.items():
        if state.canonical(distinct_id) != canonical:
            yield f"{distinct_id!r} has the canonical id {state.canonical(distinct_id)!r}, not {canonical!r}"


def canonical_choice_faults(state, wanted):
    for distinct_id, choices in wanted:
        if state.canonical(distinct_id) not in choices:
            yield f"{distinct_id!r} has the canonical id {state.canonical(distinct_id)!r}, none of {choices}"


def common_canonical_faults(state, wanted):
    found = {state.canonical(distinct_id) for distinct_id in wanted}
    if len(found) != 1:
        yield f"{wanted} have several canonical ids: {sorted(found)}"


def apart_faults(state, wanted):
    for one, other in wanted:
        if state.canonical(one) == state.canonical(other):
            yield f"{one!r} and {other!r} are one and must not be"


def cluster_size_faults(state, wanted):
    largest = max((len(cluster) for cluster in state.mapped_clusters()), default=0)
    if largest > wanted:
        yield f"a cluster has {largest} ids; at most {wanted} are allowed"


def entry_faults(entry, wanted):
    found = entry["verb"], entry.get("failure_reason")
    if found != (wanted["event"], wanted["failure_reason"]):
        yield f"the log has {found}, not {(wanted['event'], wanted['failure_reason'])}"
    if not (entry.get("failure_description") or "").startswith(wanted.get("description_prefix", "")):
        yield f"description {entry.get('failure_description')!r} does not begin {wanted['description_prefix']!r}"


def log_faults(state, wanted):
    entries = state.log()
    if len(entries) != len(wanted):
        yield f"the log has {len(entries)} entries, not {len(wanted)}"
    for entry, want in zip(entries, wanted):
        yield from entry_faults(entry, want)


def last_entry_faults(state, wanted):
    entries = state.log()
    if entries:
        yield from entry_faults(entries[-1], wanted)
    else:
        yield "the log is empty"


def count_faults(state, wanted):
    count = len(state.events())
    if count != wanted:
        yield f"{count} events are exported, not {wanted}"


def export_faults(state, wanted):
    rows = state.events()
    for want in wanted:
        if not any(contains(row, want) for row in rows):
            yield f"no exported event matches {clip(json.dumps(want))}; there are {clip(json.dumps(rows))}"


def profile_faults(state, wanted):
    for distinct_id, want in wanted.items():
        found = state.profile(distinct_id)
        if (found is None) != (want is None) or want is not None and not contains(found, want):
            yield f"the profile of {distinct_id!r} is {found}, not {want}"


STATE_CHECKS = {
    "clusters": cluster_faults,
    "canonical": canonical_faults,
    "canonical_in": canonical_choice_faults,
    "same_canonical": common_canonical_faults,
    "not_same": apart_faults,
    "max_cluster_size": cluster_size_faults,
    "verb_events": log_faults,
    "last_verb_event": last_entry_faults,
    "stored_events": count_faults,
    # One event is kept for each deduplication key, so both counts are the same here (P 6.5).
    "query_events": count_faults,
    "export_rows": count_faults,
    "export": export_faults,
    "profiles": profile_faults,
}


def play(client, vector):
    """Plays one vector and yields what is wrong; nothing where the server meets it."""
    client.prepare()
    for number, step in enumerate(vector["steps"], start=1):
        request = step["request"]
        body = request.get("body", "").encode()
        if "body_b64" in request:
            body = base64.b64decode(request["body_b64"])
        answer = client.send(
            request["method"], request["path"], request.get("query"), request.get("headers"), body or None)
        for fault in answer_faults(step["expect"], *answer):
            yield f"request {number}: {fault}"
    state = State(client, vector["mode"])
    for name, wanted in vector["after"].items():
        yield from STATE_CHECKS[name](state, wanted)


def faults(client, vector):
    """All that is wrong with one vector. A lost connection is a fault of the vector that met it."""
    try:
        return list(play(client, vector))
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


def load(paths):
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            yield from map(json.loads, filter(str.strip, lines))


def is_selected(vector, only=frozenset(), tags=frozenset(), skipped_tags=frozenset()):
    own = set(vector["tags"])
    return (not only or vector["id"] in only) and (not tags or bool(tags & own)) and not skipped_tags & own


def main():
    def names(text):
        return {name for name in text.split(",") if name}

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="where the sandbox listens")
    parser.add_argument("--only", type=names, default=set(), help="ids of vectors, with commas between")
    parser.add_argument("--tags", type=names, default=set(), help="play vectors with one of these tags")
    parser.add_argument("--skip-tags", type=names, default=set(), help="leave out vectors with one of these tags")
    parser.add_argument("--verbose", action="store_true", help="name the vectors that pass, too")
    parser.add_argument("files", nargs="*", default=[VECTORS], help="files of vectors")
    options = parser.parse_args()

    client, passed, failed = Client(options.url), 0, 0
    for vector in load(options.files):
        if not is_selected(vector, options.only, options.tags, options.skip_tags):
            continue
        found = faults(client, vector)
        passed, failed = passed + (not found), failed + bool(found)
        if found or options.verbose:
            verdict = "FAIL" if found else "pass"
            print(f"{verdict} {vector['id']} (P {vector['ref']}, {vector['confidence']}): {vector['title']}")
        for fault in found[:5]:
            print(f"     {fault}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
