#!/usr/bin/env bash
# Measures this build beside reference programs, prints a table, and keeps the figures in Benchmarks/Results.
#
#     Benchmarks/compare.sh                  about six minutes
#     BENCH_QUICK=1 Benchmarks/compare.sh    under two
#     BENCH_PARTS="wire store" …             only some of: engine wire store activity http
#
# A figure that misses its aim is shown as such and fails nothing. An error in what is measured fails the run.
set -euo pipefail
cd "$(dirname "$0")/.."

quick=${BENCH_QUICK:-0}
parts=${BENCH_PARTS:-engine wire store activity http}
benchmarks=${BENCH_PROGRAM:-.build/release/Benchmarks}
selfsame=${BENCH_SERVER:-.build/release/selfsame}
work=.build/bench
server=
# What is measured is the server as it is by default, whatever this shell has set.
for name in $(compgen -e SELFSAME_ || true); do unset "$name"; done

note() { printf '%s\n' "$*" >&2; }
fail() { note "compare.sh: $*"; exit 1; }

clean_up() {
    [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
rm -rf "$work"
mkdir -p "$work" Benchmarks/Results
: >"$work/ours.jsonl"
: >"$work/reference.jsonl"
: >"$work/http.jsonl"

options=()
seconds=3
runs=3
load_seconds=10
[ "$quick" = 1 ] && options=(--quick) && seconds=1 && load_seconds=3
[ -x "$benchmarks" ] || fail "$benchmarks is not there: swift build -c release"
has() { [[ " $parts " == *" $1 "* ]]; }

measure_engine() { "$benchmarks" engine "${options[@]}" --runs "$runs" >>"$work/ours.jsonl"; }

# Ours and the reference by turns, so that both meet the same weather.
measure_wire() {
    c++ -O2 -std=c++17 -o "$work/json_simdjson" Benchmarks/Reference/json_simdjson.cpp -lsimdjson
    for _ in $(seq "$runs"); do
        "$benchmarks" wire "${options[@]}" --runs 2 --write-body "$work/body.json" >>"$work/ours.jsonl"
        "$work/json_simdjson" "$work/body.json" 2 >>"$work/reference.jsonl"
    done
}

measure_store() {
    local kind batch rows
    cc -O2 -o "$work/events_sqlite" Benchmarks/Reference/events_sqlite.c -lsqlite3
    python3 Benchmarks/disk_wait.py "$work" >>"$work/ours.jsonl"
    for kind in events identify; do
        for batch in 1 100 2000; do
            case $kind/$batch in
            */1) rows=2000 ;;
            */100) rows=30000 ;;
            events/*) rows=200000 ;;
            *) rows=60000 ;;
            esac
            [ "$quick" = 1 ] && rows=$((rows / 3))
            for _ in $(seq "$runs"); do
                "$benchmarks" store --runs 1 --directory "$work" --kind "$kind" --batch "$batch" --rows "$rows" \
                    --seconds "$seconds" >>"$work/ours.jsonl"
                rm -f "$work"/bare.sqlite*
                "$benchmarks" empty-store "$work/bare.sqlite"
                "$work/events_sqlite" "$kind" "$work/bare.sqlite" "$batch" "$rows" "$seconds" >>"$work/reference.jsonl"
            done
        done
    done
    rm -f "$work"/bare.sqlite*
}

# Ten million events take about six gigabytes.
measure_activity() { "$benchmarks" activity "${options[@]}" --directory "$work" >>"$work/ours.jsonl"; }

start_server() {
    "$selfsame" serve --port 0 --data "$work/data" >"$work/server.out" 2>"$work/server.err" &
    server=$!
    for _ in $(seq 100); do
        url=$(sed -n 's/^Selfsame listens on //p' "$work/server.out")
        [ -n "$url" ] && break
        kill -0 "$server" 2>/dev/null || fail "the server ended: $(cat "$work/server.err")"
        sleep 0.1
    done
    [ -n "$url" ] || fail "the server did not start"
    token=$(sed -n 's/^token: //p' "$work/data/first-project.txt")
    secret=$(sed -n 's/^secret: //p' "$work/data/first-project.txt")
    basic=$(printf '%s:' "$secret" | base64 -w 0)
}

stop_server() {
    kill "$server"
    wait "$server" || fail "the server ended with $?: $(tail -n 3 "$work/server.err")"
    server=
}

# Seconds of processor time that the server has used.
server_seconds() { awk -v tick="$(getconf CLK_TCK)" '{print ($14 + $15) / tick}' "/proc/$server/stat"; }

resident() {
    awk -v name="$1" '/^VmRSS:/ {printf "{\"name\":\"%s\",\"unit\":\"MB\",\"value\":%.1f,\"runs\":[%.1f]}\n", name,
        $2 / 1024, $2 / 1024}' "/proc/$server/status" >>"$work/ours.jsonl"
}

# load NAME CONNECTIONS SECONDS SCRIPT ARGUMENTS…: runs wrk, and keeps its figures with the server's processor time.
load() {
    local name=$1 connections=$2 duration=$3 script=$4 before after figures
    shift 4
    before=$(server_seconds)
    figures=$(wrk --threads 1 --connections "$connections" --duration "$duration" --timeout 10s \
        --script "Benchmarks/$script" "$url" -- "$@" | sed -n '/^figures:/{n;p;}')
    after=$(server_seconds)
    printf '{"name":"%s","connections":%d,"load":%s,"cpu_before":%s,"cpu_after":%s}\n' \
        "$name" "$connections" "$figures" "$before" "$after" >>"$work/http.jsonl"
    note "  $name: $figures"
}

measure_http() {
    local run=1 known connections imports=100
    [ -x "$selfsame" ] || fail "$selfsame is not there: swift build -c release --product selfsame"
    [ -r /proc/self/stat ] || { note "http: needs Linux, skipped"; return; }
    [ "$quick" = 1 ] && imports=40
    note "http: $load_seconds s each"
    start_server
    sleep 1
    resident server.rss.idle
    load warm-up.track 8 2 track.lua "$token" 99
    for connections in 1 8 64; do
        load "http.track.$connections" "$connections" "$load_seconds" track.lua "$token" "$run"
        load "http.identify.$connections" "$connections" "$load_seconds" identify.lua "$token" "$run"
        run=$((run + 1))
    done
    known=$(python3 -c 'import json,sys; print(json.loads(sys.stdin.readlines()[-1])["load"]["requests"])' \
        <"$work/http.jsonl")
    load http.health.64 64 "$load_seconds" health.lua
    load http.resolve.64 64 "$load_seconds" resolve.lua "$basic" "$((run - 1))" "$known"
    load http.resolve.1 1 "$load_seconds" resolve.lua "$basic" "$((run - 1))" "$known"
    python3 Benchmarks/import_load.py http.import.2000 "$url" "$secret" "$imports" 2 "$server" >>"$work/http.jsonl"
    note "  $(tail -n 1 "$work/http.jsonl")"
    resident server.rss.loaded
    check_log
    stop_server
    python3 Benchmarks/report.py check "$work/http.jsonl" "$work/data/selfsame.sqlite" "$work/log.json" "$last_sequence"
}

# One more pair: its sequence is the number of all merges, for sequences have no gaps. And whatever did not merge.
check_log() {
    local event='{"event":"$identify","properties":{"$identified_id":"last",'
    event+='"$anon_id":"ffffffff-ffff-4fff-afff-ffffffffffff","token":"'$token'"}}'
    last_sequence=$(curl --silent --show-error --dump-header - --output /dev/null "$url/track" \
        --data-urlencode "data=$event" |
        tr -d '\r' | sed -n 's/^x-selfsame-sequence: //Ip')
    curl --silent --show-error --fail --user "$secret:" --output "$work/log.json" \
        "$url/identity/log?outcome=refused,unchanged&limit=1"
}

if has engine; then measure_engine; fi
if has wire; then measure_wire; fi
if has store; then measure_store; fi
if has activity; then measure_activity; fi
if has http; then measure_http; fi

label="$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m)-$(getconf _NPROCESSORS_ONLN)core"
[ "$quick" = 1 ] && label="$label-quick"
python3 Benchmarks/report.py table "$work" "$label" "Benchmarks/Results/$label-$(date -u +%F).json"
