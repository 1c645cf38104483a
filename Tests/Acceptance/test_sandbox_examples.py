"""The examples of docs/sandbox.md, run as they stand: with pytest and the real Python SDK, and with Node's own runner."""

import re
import subprocess
import sys

import pytest
from conftest import BINARY, ENVIRONMENT, ROOT

FILE = re.compile(r"^<!-- file: (\S+) -->\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path):
    """A folder with the files of the page, and `selfsame` on the PATH."""
    text = (ROOT / "docs" / "sandbox.md").read_text()
    files = dict(FILE.findall(text))
    assert set(files) == {"conftest.py", "test_login.py", "login.test.mjs"} and text.count("<!-- file: ") == len(files)
    place, programs = tmp_path / "place", tmp_path / "bin"
    place.mkdir()
    programs.mkdir()
    for name, content in files.items():
        (place / name).write_text(content)
    (programs / "selfsame").symlink_to(BINARY)
    return place


def run(command, folder):
    environment = {**ENVIRONMENT, "PATH": f"{folder.parent / 'bin'}:{ENVIRONMENT['PATH']}"}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_pytest(folder):
    assert "3 passed" in run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], folder)


def test_node(folder):
    text = run(["node", "--test", "login.test.mjs"], folder)
    assert re.search(r"^# pass 2$|^ℹ pass 2$", text, re.MULTILINE), text
