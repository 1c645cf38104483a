#!/usr/bin/env bash
# Runs every test: Swift's, then those that drive a server process. The last line counts them: N passed, M failed.
set -uo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
passed=0
failed=0

swift test --skip-build 2>&1 | tee "$log/swift"
swift_status=${PIPESTATUS[0]}
summary=$(grep -aoE 'Test run with [0-9]+ tests?( in [0-9]+ suites?)? (passed|failed).*' "$log/swift" | tail -n 1)
total=$(grep -oE 'with [0-9]+' <<<"$summary" | grep -oE '[0-9]+')
if [ -z "${total:-}" ]; then
    echo "swift test ran no test" >&2
    failed=$((failed + 1))
else
    broken=$(grep -acE '^.{0,4}Test .* failed after ' "$log/swift")
    [ "$swift_status" -ne 0 ] && [ "$broken" -eq 0 ] && broken=1
    passed=$((passed + total - broken))
    failed=$((failed + broken))
fi

venv=.build/venv
if [ ! -x "$venv/bin/pytest" ]; then python3 -m venv "$venv"; fi
if "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement Tests/Acceptance/requirements.txt; then
    SELFSAME_BINARY=${SELFSAME_BINARY:-.build/release/selfsame} \
        "$venv/bin/pytest" Tests/Acceptance --junitxml="$log/pytest.xml" -q --durations=10 2>&1 | tee "$log/pytest"
    counts=$("$venv/bin/python" - "$log/pytest.xml" <<'PYTHON'
import sys, xml.etree.ElementTree as tree
suites = tree.parse(sys.argv[1]).getroot().iter("testsuite")
total = bad = 0
for suite in suites:
    total += int(suite.get("tests"))
    # A test that is switched off proves nothing, so it counts as failed.
    bad += int(suite.get("failures")) + int(suite.get("errors")) + int(suite.get("skipped"))
print(total - bad, bad if total else 1)
PYTHON
    ) || counts="0 1"
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
else
    echo "the packages of Tests/Acceptance/requirements.txt could not be installed" >&2
    failed=$((failed + 1))
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
