"""Every conformance vector, on both stores."""

import subprocess
import sys

import pytest
import run as conformance
from conftest import CONFORMANCE, FIXTURE, servers

VECTORS = list(conformance.load([conformance.VECTORS]))


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def sandbox(request, tmp_path_factory):
    data = tmp_path_factory.mktemp("conformance") / "data" if request.param == "sqlite" else None
    with servers() as start:
        yield start("--sandbox", "--config", FIXTURE, data=data)


@pytest.fixture(scope="module")
def client(sandbox):
    return conformance.Client(sandbox.url)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
def test_vector(client, vector):
    found = conformance.faults(client, vector)
    assert not found, f"{vector['title']} (P {vector['ref']}):\n" + "\n".join(found)


def test_the_runner_counts_what_it_plays(sandbox):
    def runner(*arguments):
        return subprocess.run(
            [sys.executable, CONFORMANCE / "run.py", "--url", sandbox.url, *arguments],
            capture_output=True, text=True, timeout=300)

    one = runner("--only", VECTORS[0]["id"])
    assert (one.returncode, one.stdout.splitlines()[-1]) == (0, "1 passed, 0 failed"), one.stdout
    skipped = runner("--only", VECTORS[0]["id"], "--skip-tags", ",".join(VECTORS[0]["tags"]))
    assert skipped.stdout == "0 passed, 0 failed\n"


def test_the_runner_tells_failures(sandbox, tmp_path):
    wrong = tmp_path / "wrong.jsonl"
    text = conformance.VECTORS.read_text().splitlines()[0]
    wrong.write_text(text.replace('"body": "1"', '"body": "2"', 1) + "\n")
    assert wrong.read_text() != text + "\n"
    done = subprocess.run(
        [sys.executable, CONFORMANCE / "run.py", "--url", sandbox.url, wrong],
        capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "0 passed, 1 failed"), done.stdout
