"""The documents name what there is: paths, settings, commands and their options."""

import re

import pytest
from conftest import ROOT, command, run_command, servers

DOCS = [ROOT / "README.md"] + sorted((ROOT / "docs").glob("*.md"))
TEXTS = {path.name: path.read_text() for path in DOCS}
PATH = re.compile(r"(?<![\w.:/}])/(?:identity|sandbox|health|api|openapi\.json)(?:/[\w.-]+)*")
SETTING = re.compile(r"`((?:server|tls|store|identity|profiles|ingest|query|privacy|sandbox|log)(?:\.[a-z]\w*)+)`")
FILES = re.compile(r"\.(?:md|py|yaml|ndjson|sqlite|swift|txt|key)$")


@pytest.fixture(scope="module")
def described():
    """The paths that the server describes, up to what stands for a value."""
    with servers() as start:
        document = start("--sandbox").request("GET", "/openapi.json").json
    return {path.split("/{")[0].rstrip("/") for path in document["paths"]}


@pytest.mark.parametrize("name", TEXTS)
def test_every_path_is_served(name, described):
    prefixes = {"/identity", "/sandbox", "/api"}
    for path in PATH.findall(TEXTS[name]):
        assert path.rstrip("/.") in described | prefixes, f"{name} names {path}"


def test_the_protocol_names_every_path(described):
    text = TEXTS["wire-protocol.md"]
    for path in described:
        assert path in text, f"wire-protocol.md does not name {path}"


@pytest.mark.parametrize("name", TEXTS)
def test_every_setting_is_one(name):
    # A project of the file has a system of its own; the server has none for all.
    known = {"identity.system", *re.findall(r"^### (\S+)$", TEXTS["configuration.md"], re.MULTILINE)}
    for key in SETTING.findall(TEXTS[name]):
        if not FILES.search(key):
            assert key in known or any(one.startswith(key + ".") for one in known), f"{name} names {key}"


def test_every_command_and_option_is_one():
    helps = {}

    def options(words):
        if words not in helps:
            done = run_command(*words, "--help")
            assert done.returncode == 0, f"there is no command selfsame {' '.join(words)}"
            helps[words] = set(re.findall(r"--[a-z][\w-]*", done.stdout))
        return helps[words]

    subcommands = set(re.findall(r"^  ([a-z]+) ", command("--help").split("SUBCOMMANDS:")[1], re.MULTILINE))
    for name, text in TEXTS.items():
        for line in re.findall(r"(?<![\w/.])selfsame ((?:[a-z]+|--\S+)[^\n`|#]*)", text.replace("\\\n", " ")):
            words = line.split()
            if words[0] not in subcommands:
                continue
            named = (words[0],)
            if len(words) > 1 and words[0] in ("project", "account", "key") and re.fullmatch("[a-z]+", words[1]):
                named = (words[0], words[1])
            for option in re.findall(r"(?<!\S)--[a-z][\w-]*", line.split(" > ")[0]):
                assert option in options(named) or option == "--help", f"{name}: selfsame {line}"
            options(named)
