"""Makes the table and the file of results from what the benchmarks printed.

    report.py table WORK LABEL RESULT      prints the table and writes RESULT
    report.py check LOADS STORE LOG LAST   fails where an acknowledged request is not in the store
"""
import json
import pathlib
import sqlite3
import statistics
import sys

MB, PER_SECOND, MICROSECONDS = "MB/s", "/s", "µs"

# What a row shows: its title, the name of our figure, the name of the reference's, what the reference is, and the aim
# for the ratio of both ("≥ 0.5", "≤ 2"), or for our figure alone ("ours ≥ 300").
ROWS = [
    ("Engine, decisions in memory",),
    ("$identify, fresh pairs", "engine.identify.fresh", None, "", ""),
    ("$identify, repeats", "engine.identify.repeat", None, "", ""),
    ("$identify, one more device", "engine.identify.returning", None, "", ""),
    ("$identify, refused", "engine.identify.refused", None, "", ""),
    ("merges, many ids known", "engine.join.many_known", "engine.join.few_known", "100,000 ids known", "≥ 0.7"),
    ("join of two large clusters", "engine.join.million_ids", "engine.join.two_ids", "two of 2 ids", "≤ 2"),
    ("the same, by the deepest member", "engine.join.million_ids_deepest", "engine.join.two_ids", "two of 2 ids", ""),
    ("nodes that it writes", "engine.join.million_ids.rows", "engine.join.two_ids.rows", "two of 2 ids", "≤ 2"),
    ("Wire, body to checked events, one core",),
    ("/import, JSON array, strict", "wire.import.json", "wire.simdjson.dom", "simdjson DOM", "ours ≥ 300"),
    ("the same", "wire.import.json", "wire.simdjson.stage1", "simdjson, stage 1", ""),
    ("the same", "wire.import.json", "wire.foundation.json", "JSONSerialization", ""),
    ("/track, JSON array", "wire.track.json", "wire.simdjson.dom", "simdjson DOM", "ours ≥ 300"),
    ("/import, NDJSON, strict", "wire.import.ndjson", "wire.simdjson.dom", "simdjson DOM", "ours ≥ 300"),
    ("/import, gzip, strict", "wire.import.gzip", "wire.simdjson.dom", "simdjson DOM", ""),
    ("/track, form", "wire.track.form", "wire.simdjson.dom", "simdjson DOM", ""),
    ("/track, form, one $identify", "wire.identify.form", None, "", ""),
    ("Store, durable commits",),
    ("one wait for the disk", "disk.fdatasync", None, "", ""),
    ("events, 1 a commit", "store.events.1", "store.events.1", "bare loop", "≥ 0.5"),
    ("events, 100 a commit", "store.events.100", "store.events.100", "bare loop", "≥ 0.5"),
    ("events, 2,000 a commit", "store.events.2000", "store.events.2000", "bare loop", "≥ 0.5"),
    ("the same, processor time", "store.events.2000.cpu", "store.events.2000.cpu", "bare loop", "≤ 2"),
    ("$identify, 1 a commit", "store.identify.1", "store.identify.1", "bare loop", ""),
    ("$identify, 100 a commit", "store.identify.100", "store.identify.100", "bare loop", ""),
    ("$identify, 2,000 a commit", "store.identify.2000", "store.identify.2000", "bare loop", ""),
    ("the same, processor time", "store.identify.2000.cpu", "store.identify.2000.cpu", "bare loop", ""),
    ("Activity of clusters of 5 ids",),
    ("a page, half within", "activity.query.p50", None, "", "ours ≤ 50"),
    ("  99 of 100 within", "activity.query.p99", None, "", ""),
    ("  the slowest", "activity.query.worst", None, "", ""),
    ("  processor time, half within", "activity.query.cpu.p50", None, "", ""),
    ("2,000 events a commit, half within", "activity.commit.p50", "activity.commit.open.p50", "not closed",
     ""),
    ("  99 of 100 within", "activity.commit.p99", "activity.commit.open.p99", "not closed", ""),
    ("  the slowest", "activity.commit.worst", "activity.commit.open.worst", "not closed", ""),
    ("  the slowest, processor time", "activity.commit.cpu.worst", "activity.commit.open.cpu.worst",
     "not closed", ""),
    ("Server, over HTTP, durable",),
    ("/import, 2,000 events, gzip", "http.import.2000.events", "store.events.2000", "bare loop", "≥ 0.6"),
    ("the same, processor time an event", "http.import.2000.event_cpu", "store.events.2000.cpu", "bare loop", ""),
    *[row for count in (1, 8, 64) for row in (
        (f"$identify, {count} connection{'s' * (count > 1)}", f"http.identify.{count}", None, "", ""),
        ("  half of them within", f"http.identify.{count}.p50", None, "", ""),
        ("  99 of 100 within", f"http.identify.{count}.p99", None, "", ""),
        ("  processor time each", f"http.identify.{count}.cpu", "http.health.64.cpu", "/health/live", ""),
        (f"/track, {count} connection{'s' * (count > 1)}", f"http.track.{count}", None, "", ""),
        ("  half of them within", f"http.track.{count}.p50", None, "", ""),
        ("  99 of 100 within", f"http.track.{count}.p99", None, "", ""),
        ("  processor time each", f"http.track.{count}.cpu", "http.health.64.cpu", "/health/live", ""))],
    ("resolve, 64 connections", "http.resolve.64", "http.health.64", "/health/live", "≥ 0.8"),
    ("  processor time each", "http.resolve.64.cpu", "http.health.64.cpu", "/health/live", ""),
    ("resolve, 1 connection, half within", "http.resolve.1.p50", None, "", ""),
    ("resident memory, idle", "server.rss.idle", None, "", ""),
    ("resident memory, after the load", "server.rss.loaded", None, "", ""),
]


def figures(path):
    """The figures of a file by name; those of one name are runs of one measurement."""
    found = {}
    for line in path.read_text().splitlines():
        figure = json.loads(line)
        known = found.setdefault(figure["name"], {**figure, "runs": []})
        known["runs"] += figure["runs"]
        known["value"] = statistics.median(known["runs"])
    return found


def load_figures(path):
    """Figures of the loads that were sent to the server."""
    found = {}
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        name, load = entry["name"], entry["load"]
        cpu = entry["cpu_after"] - entry["cpu_before"]
        values = [("", PER_SECOND, load["requests"] / load["seconds"]), (".p50", MICROSECONDS, load["p50_us"]),
                  (".p99", MICROSECONDS, load["p99_us"]), (".cpu", MICROSECONDS, cpu * 1e6 / load["requests"])]
        if "events" in load:
            values += [(".events", PER_SECOND, load["events"] / load["seconds"]),
                       (".event_cpu", MICROSECONDS, cpu * 1e6 / load["events"])]
        for suffix, unit, value in values:
            found[name + suffix] = {
                "name": name + suffix, "unit": unit, "value": value, "runs": [value],
                "detail": f'{load["requests"]} requests, {entry["connections"]} connections'}
    return found


def shown(figure):
    if figure is None:
        return "–"
    value, unit = figure["value"], figure["unit"].replace("us", "µs").replace("µs/row", "µs")
    unit = "" if unit == "nodes written" else unit
    unit = "/s" if unit.endswith("/s") and unit != MB else unit
    text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def verdict(aim, ours, ratio):
    if not aim:
        return ""
    value = ours["value"] if aim.startswith("ours") else ratio
    sign, limit = aim.split()[-2:]
    if value is None:
        return ""
    return "met" if (value >= float(limit) if sign == "≥" else value <= float(limit)) else "MISSED"


def table(work, label, result_path):
    ours = figures(work / "ours.jsonl") | load_figures(work / "http.jsonl")
    references = figures(work / "reference.jsonl") | ours
    references |= figures(work / "reference.jsonl")
    rows, lines = [], []
    for row in ROWS:
        if len(row) == 1:
            lines.append(row)
            continue
        title, name, reference_name, what, aim = row
        if name not in ours:
            continue
        reference = references.get(reference_name) if reference_name else None
        ratio = ours[name]["value"] / reference["value"] if reference and reference["value"] else None
        outcome = verdict(aim, ours[name], ratio)
        lines.append((
            title, shown(ours[name]), f"{shown(reference)} {what}" if reference else "–",
            f"{ratio:.2f}" if ratio is not None else "", aim.replace("ours ", ""), outcome))
        rows.append({
            "work": title.strip(), "name": name, "ours": round(ours[name]["value"], 4), "unit": ours[name]["unit"],
            "reference": reference and round(reference["value"], 4), "reference_is": what or None,
            "ratio": ratio and round(ratio, 4), "aim": aim or None, "outcome": outcome or None})
    write_table(label, lines)
    result_path.write_text(json.dumps({
        "machine": label, "rows": rows,
        "ours": list(ours.values()), "reference": list(figures(work / "reference.jsonl").values())},
        indent=1, ensure_ascii=False) + "\n")
    print(f"\nKept in {result_path}")


def write_table(label, lines):
    heads = ("work", "ours", "reference", "ratio", "aim", "")
    full = [line for line in lines if len(line) > 1]
    widths = [max(len(line[place]) for line in [heads, *full]) for place in range(len(heads))]
    text = lambda line: "  ".join(
        cell.ljust(width) if place in (0, 2, 5) else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(line, widths))).rstrip()
    print(f"\nSelfsame on {label}\n\n{text(heads)}")
    for place, line in enumerate(lines):
        if len(line) > 1:
            print(text(line))
        elif place + 1 < len(lines) and len(lines[place + 1]) > 1:
            print(f"\n{line[0]}")


def check(loads_path, store_path, log_path, last_sequence):
    """Every acknowledged pair is merged and in the log, every acknowledged event is stored, and nothing was refused."""
    loads = [json.loads(line) for line in pathlib.Path(loads_path).read_text().splitlines()]
    faults = [
        f'{entry["name"]}: {entry["load"]["failed"]} requests failed' for entry in loads if entry["load"]["failed"]]
    # What wrk sent last, and did not wait for, may be stored as well.
    slack = sum(entry["connections"] for entry in loads)
    merges = sum(entry["load"]["requests"] for entry in loads if ".identify." in entry["name"]) + 1
    if not merges <= int(last_sequence or 0) <= merges + slack:
        faults.append(f"{merges} pairs were acknowledged, but the log ends at {last_sequence}")
    if json.loads(pathlib.Path(log_path).read_text())["entries"]:
        faults.append("the log has pairs that were not merged")
    events = merges + sum(
        entry["load"].get("events", entry["load"]["requests"])
        for entry in loads if ".track" in entry["name"] or ".import" in entry["name"])
    stored = sqlite3.connect(store_path).execute("SELECT count(*) FROM event").fetchone()[0]
    if not events <= stored <= events + slack:
        faults.append(f"{events} events were acknowledged, but {stored} are stored")
    for fault in faults:
        print(f"check: {fault}", file=sys.stderr)
    print(
        f"check: {merges} merges and {events} events acknowledged; {last_sequence} and {stored} stored",
        file=sys.stderr)
    return 1 if faults else 0


if sys.argv[1:2] == ["table"]:
    table(pathlib.Path(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4]))
elif sys.argv[1:2] == ["check"]:
    sys.exit(check(*sys.argv[2:]))
else:
    sys.exit(__doc__)
