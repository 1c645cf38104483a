"""The examples in README.md and in the pages of docs, run as they stand: a test for each page that has a tour.

Between `<!-- tour -->` and `<!-- /tour -->` every ```sh block is run with bash, in order, in one directory, with
`selfsame` on the PATH and a server of the page's own listening on port 8080 with the data directory ./data. (For the
test 8080 is replaced by a free port.) Variables that a block sets are there for the next ones. A page may have several
such parts: they are one tour.

All tours are run in one folder, too, in random orders: a tour has ids of its own, looks up the sequences that it needs,
and shows nothing that others change.

A block that follows a ```sh block is what that writes to standard output:

- ```json has at least what is shown: members may come beside those of an object, and elements after those of an array.
- ```jsonl is as many lines, each of which has at least what is shown.
- ```text is exactly that.

`…` stands for what differs from run to run: in a string of JSON or a line of text for any characters, alone in a
string of JSON for any value that is there, and alone on a line for any number of lines.
"""

import os
import random
import re
import subprocess

import pytest

from conftest import BINARY, ENVIRONMENT, ROOT, strict_json

BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"^<!-- (/?tour) -->$", re.MULTILINE)
OUTPUTS = ("json", "jsonl", "text")
PAGES = [ROOT / "README.md"] + [
    page for page in sorted((ROOT / "docs").rglob("*.md")) if "<!-- tour -->" in page.read_text()]


def tour(text):
    """The commands of a page's tour, each with the language and text of what it should write, or None twice."""
    parts = MARK.split(text)
    assert parts[1::2] == ["tour", "/tour"] * (len(parts) // 4), "a tour does not end, or ends before it begins"
    steps = []
    for part in parts[2::4]:
        begun = len(steps)
        for language, content in BLOCK.findall(part):
            if language == "sh":
                steps.append((content, None, None))
            elif language in OUTPUTS:
                assert len(steps) > begun and steps[-1][1] is None, f"no command writes this:\n{content}"
                steps[-1] = (steps[-1][0], language, content)
    return steps


def is_like(found, wanted):
    """Whether a text is the one that is wanted, with any characters for each `…`."""
    pattern = ".*".join(re.escape(part) for part in wanted.split("…"))
    return re.fullmatch(pattern, found, re.DOTALL) is not None


def has(found, wanted):
    """Whether a JSON value has everything that is wanted. Arrays go by index; a wanted null is null or absent."""
    if wanted == "…":
        return found is not None
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            found.get(key) is None if value is None else key in found and has(found[key], value)
            for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) >= len(wanted) and all(map(has, found, wanted))
    if isinstance(wanted, str):
        return isinstance(found, str) and is_like(found, wanted)
    # In Python True == 1, in JSON it is not.
    return type(found) is type(wanted) and found == wanted


def have(found, wanted, test):
    """Whether lines pass a test against the wanted ones, one by one, with any number of lines for each `…`."""
    if not wanted:
        return not found
    if wanted[0] == "…":
        return any(have(found[count:], wanted[1:], test) for count in range(len(found) + 1))
    return bool(found) and test(found[0], wanted[0]) and have(found[1:], wanted[1:], test)


def is_as_shown(language, found, wanted):
    """Whether what a command wrote is what the page shows."""
    if language == "json":
        return has(strict_json(found), strict_json(wanted))
    lines, shown = found.strip("\n").split("\n"), wanted.strip("\n").split("\n")
    if language == "text":
        return have(lines, shown, is_like)
    return have(lines, shown, lambda line, whole: has(strict_json(line), strict_json(whole)))


class Place:
    """A folder with a server of its own, in which tours are run."""

    def __init__(self, server, data, directory):
        self.running = server(data=data)
        programs, self.place, self.variables = directory / "bin", directory / "tour", directory / "variables"
        programs.mkdir()
        self.place.mkdir()
        (programs / "selfsame").symlink_to(BINARY)
        (self.place / "data").symlink_to(data)
        self.variables.write_text("")
        self.environment = {**ENVIRONMENT, "PATH": f"{programs}:{ENVIRONMENT['PATH']}"}

    def run(self, page):
        """Runs the tour of a page from its beginning to its end."""
        steps = tour(page.read_text())
        assert steps, "the tour has no commands"
        port = str(self.running.port)
        for content, language, wanted in steps:
            own = re.sub(r"\b8080\b", port, content)
            # `set -a` exports what the block sets, for the next one.
            script = f"source {self.variables}; set -a; trap 'export -p > {self.variables}' EXIT\n{own}"
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script], cwd=self.place, env=self.environment,
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, f"{own}\nended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            if language:
                wanted = re.sub(r"\b8080\b", port, wanted)
                assert is_as_shown(language, done.stdout, wanted), f"{own}\nwrote {done.stdout}\nand not {wanted}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_tour(page, server, data, tmp_path):
    Place(server, data, tmp_path).run(page)


@pytest.mark.parametrize("order", range(3))
def test_tours_run_in_any_order_in_one_folder(order, server, data, tmp_path):
    """A reader goes from page to page with the server that they have: no tour harms another."""
    seed = int(os.environ.get("SELFSAME_SEED", random.getrandbits(32))) + order
    pages = PAGES[:]
    random.Random(seed).shuffle(pages)
    names = ", ".join(str(page.relative_to(ROOT)) for page in pages)
    place = Place(server, data, tmp_path)
    for page in pages:
        try:
            place.run(page)
        except AssertionError as error:
            raise AssertionError(
                f"{page.relative_to(ROOT)} failed among {names} (SELFSAME_SEED={seed - order})") from error


@pytest.mark.parametrize("language, found, shown, passes", [
    ("json", '{"a":1,"b":[1,2],"c":"x"}', '{"a":1,"b":[1]}', True),
    ("json", '{"a":1}', '{"a":2}', False),
    ("json", '{"a":1}', '{"a":true}', False),
    ("json", '{"a":1}', '{"b":"…"}', False),
    ("json", '{"a":null}', '{"a":"…"}', False),
    ("json", '{"a":[7]}', '{"a":"…"}', True),
    ("json", '{"a":"2026-01-01"}', '{"a":"20…-01"}', True),
    ("json", '{"a":"2026-01-02"}', '{"a":"20…-01"}', False),
    ("json", '{"a":[1]}', '{"a":[1,2]}', False),
    ("json", '{"a":1}', '{"a":1,"b":null}', True),
    ("jsonl", '{"a":1,"b":2}\n{"a":2}\n', '{"a":1}\n{"a":2}', True),
    ("jsonl", '{"a":1}\n{"a":2}\n', '{"a":1}', False),
    ("jsonl", '{"a":1}\n', '{"a":1}\n{"a":2}', False),
    ("jsonl", '{"a":1}\n{"a":2}\n{"a":3}\n', '{"a":1}\n…\n{"a":3}', True),
    ("text", "one\ntwo\n", "one\ntwo", True),
    ("text", "one\ntwo\n", "one", False),
    ("text", "one two three\n", "one … three", True),
    ("text", "one two.three\n", "one two,three", False),
    ("text", "one\ntwo\nthree\n", "one\n…", True),
    ("text", "one\ntwo\nthree\n", "…\ntwo", False),
])
def test_the_comparison(language, found, shown, passes):
    assert is_as_shown(language, found, shown) is passes


@pytest.mark.parametrize("text", [
    "<!-- tour -->\n```sh\ntrue\n```\n",
    "<!-- /tour -->\n<!-- tour -->\n",
    "<!-- tour -->\n```json\n{}\n```\n<!-- /tour -->\n",
    "<!-- tour -->\n```sh\ntrue\n```\n```text\na\n```\n```text\nb\n```\n<!-- /tour -->\n",
])
def test_a_tour_that_cannot_be_run(text):
    with pytest.raises(AssertionError):
        tour(text)
