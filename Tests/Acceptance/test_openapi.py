"""The server keeps to its own description: schemathesis plays what `/openapi.json` says, and much that it does not say.

Every case comes from one seed, so that a failure is there again in the next run.
"""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import FIXTURE, ORIGINAL, basic, servers, wait_until

SEED = 1
CHECKS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method",
]
# Tracking never refuses content (P 3.2-1), so that what a schema forbids is answered with 200 too: `negative_data_rejection`
# and its counterpart do not apply.


@pytest.fixture(scope="module")
def running():
    with servers() as start:
        yield start("--sandbox", "--config", FIXTURE, project=ORIGINAL)


@pytest.fixture(scope="module")
def document(running, tmp_path_factory):
    """The server's description, with the token of its project written in, so that records are not dropped."""
    answer = running.request("GET", "/openapi.json")
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    described = answer.json
    described["components"]["schemas"]["Token"]["const"] = ORIGINAL.token
    # A sequence that never comes is waited for, and answered with 503 by design; test_concurrency.py has cases of that.
    # Nor does an answer that follows ever end; test_changes.py has those.
    endless = [{"$ref": f"#/components/parameters/{name}"} for name in ("min_sequence", "follow")]
    for operations in described["paths"].values():
        for operation in operations.values():
            operation["parameters"] = [one for one in operation.get("parameters", []) if one not in endless]
    path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    path.write_text(json.dumps(described))
    return path


def play(running, document, directory, *options):
    """Runs schemathesis, which ends with 0 where the server answered everything as it says it does."""
    command = [
        Path(sys.executable).parent / "schemathesis", "run", document, "--url", running.url, "--seed", str(SEED),
        "--checks", ",".join(CHECKS), "--continue-on-failure", "--request-timeout", "60", "--suppress-health-check", "all",
        "--output-sanitize", "false", "--no-shrink", *options]
    done = subprocess.run(
        list(map(str, command)), cwd=directory, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True,
        timeout=600)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    counted = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert counted and counted[1] == counted[2] and int(counted[1]) > 50, done.stdout[-5_000:]
    assert running.is_running


def test_with_the_secret(running, document, tmp_path):
    credential = basic(ORIGINAL.secret)["Authorization"]
    play(
        running, document, tmp_path, "--header", f"Authorization: {credential}", "--phases", "examples,coverage,fuzzing",
        "--max-examples", "10")
    # The projects and the server's clock are as before, or nothing after this could be trusted.
    assert running.request("POST", "/sandbox/reset").status == 200
    assert running.track([ORIGINAL.event("Clicked", "user")]).text == "1"
    assert wait_until(lambda: [row["event"] for row in running.export()], what="the event") == ["Clicked"]


def test_without_a_credential(running, document, tmp_path):
    play(running, document, tmp_path, "--phases", "examples,fuzzing", "--max-examples", "3")


def test_with_a_service_account(running, document, tmp_path):
    credential = "Basic " + base64.b64encode(b"ci.111111.mp-service-account:sa-secret-1").decode()
    described = json.loads(document.read_text())
    described["components"]["parameters"]["project_id"]["required"] = True
    described["components"]["parameters"]["project_id"]["schema"] = {"const": ORIGINAL.number}
    path = tmp_path / "account.json"
    path.write_text(json.dumps(described))
    play(
        running, path, tmp_path, "--header", f"Authorization: {credential}", "--phases", "fuzzing", "--max-examples", "5",
        "--include-tag", "server", "--include-tag", "identity", "--include-tag", "privacy")
