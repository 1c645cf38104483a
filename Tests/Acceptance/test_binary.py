"""The release: one file with Swift's libraries inside, which starts where no Swift is installed."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from conftest import ORIGINAL, ROOT, FIXTURE, Server

RELEASE = ROOT / ".build/release/selfsame"
DYNAMIC = ROOT / ".build/debug/selfsame"


def swift_libraries():
    """The folders of Swift's libraries: nothing of a release may be read from them."""
    top = Path(shutil.which("swift")).resolve().parents[1]
    folders = [top / "lib" / name for name in ("swift", "swift_static") if (top / "lib" / name).is_dir()]
    assert folders, f"Swift keeps no libraries in {top}/lib"
    return folders


def without_swift():
    """A command before a command: it runs in a mount namespace in which Swift's libraries are hidden."""
    hide = "".join(f"mount -t tmpfs none '{folder}' && " for folder in swift_libraries())
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", "--mount", *as_root, "sh", "-c", f'{hide}exec "$@"', "sh"]


def test_the_release_starts_and_answers_without_swift(tmp_path):
    """The debug binary, which is linked to Swift's libraries, shows that they are hidden."""
    hidden = subprocess.run([*without_swift(), DYNAMIC, "--version"], capture_output=True, text=True)
    assert hidden.returncode == 127 and "cannot open shared object file" in hidden.stderr, hidden

    server = Server(
        "--config", FIXTURE, data=tmp_path / "data", project=ORIGINAL, wrapper=without_swift(), binary=RELEASE)
    try:
        server.send(ORIGINAL.identify("ada", "4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e"))
        assert server.resolve("4f9f3c1e-3f3f-4a6b-8f3b-2f6b3a1c9d2e") == ["ada"]
        server.stop()
    finally:
        server.kill()


def test_the_release_is_stripped():
    sections = subprocess.run(["readelf", "--sections", "--wide", RELEASE], capture_output=True, text=True, check=True)
    assert ".text" in sections.stdout
    assert ".symtab" not in sections.stdout and ".debug_info" not in sections.stdout


def test_the_readme_names_what_the_release_needs_of_the_system():
    linked = subprocess.run(["ldd", RELEASE], capture_output=True, text=True, check=True).stdout
    assert "not found" not in linked, linked
    files = re.findall(r"=> (/\S+)", linked)
    packages = {package_of(file) for file in files}
    stated = re.search(r"<!-- needs -->(.*?)<!-- /needs -->", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    assert packages == set(re.findall(r"`([^`]+)`", stated))


def package_of(file):
    """The Debian package of a file, which dpkg may know by its path before or after /lib became a link to /usr/lib."""
    merged = Path(file).resolve()
    for known in (Path(file), merged, Path(str(merged).removeprefix("/usr"))):
        found = subprocess.run(["dpkg-query", "--search", known], capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    raise AssertionError(f"no package has {file}")
