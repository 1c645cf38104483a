"""The tour in README.md, run as it stands.

Between `<!-- tour -->` and `<!-- /tour -->` every ```sh block is run with bash, in order, in one directory, with
`selfsame` on the PATH and a server listening on port 8080 with the data directory ./data. (For the test 8080 is
replaced by a free port.) Variables that a block sets are there for the next ones. A ```json or ```text block that
follows a ```sh block is what it writes to standard output: JSON has at least what is shown, text is exactly that.
"""

import re
import subprocess

from conftest import BINARY, ENVIRONMENT, ROOT, strict_json
from run import contains

README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def tour():
    """The commands of the tour, each with the language and text of what it should write, or None twice."""
    text = README.read_text()
    assert text.count("<!-- tour -->") == text.count("<!-- /tour -->") == 1, "README.md has no tour"
    inside = text.split("<!-- tour -->")[1].split("<!-- /tour -->")[0]
    blocks = BLOCK.findall(inside)
    steps = []
    for number, (language, content) in enumerate(blocks):
        if language == "sh":
            follows = blocks[number + 1] if number + 1 < len(blocks) else ("", "")
            steps.append((content, *(follows if follows[0] in ("json", "text") else (None, None))))
    return steps


def test_the_tour(server, data, tmp_path):
    steps = tour()
    assert steps, "the tour has no commands"
    running = server(data=data)
    programs, place, variables = tmp_path / "bin", tmp_path / "tour", tmp_path / "variables"
    programs.mkdir()
    place.mkdir()
    (programs / "selfsame").symlink_to(BINARY)
    (place / "data").symlink_to(data)
    variables.write_text("")
    environment = {**ENVIRONMENT, "PATH": f"{programs}:{ENVIRONMENT['PATH']}"}
    for content, language, wanted in steps:
        own = re.sub(r"\b8080\b", str(running.port), content)
        # `set -a` exports what the block sets, for the next one.
        script = f"source {variables}; set -a; trap 'export -p > {variables}' EXIT\n{own}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=place, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{own}\nended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        if language == "json":
            found = strict_json(done.stdout)
            assert contains(found, strict_json(wanted)), f"{own}\nwrote {done.stdout}\nand not {wanted}"
        elif language == "text":
            assert done.stdout.strip("\n") == wanted.replace("8080", str(running.port)).strip("\n"), own
