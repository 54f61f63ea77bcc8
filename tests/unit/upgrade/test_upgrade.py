"""Two versions of the collection on one host: this one, and one from before, whose code comes from the history of the repository.

One deploys, the other goes on and rolls back, and the other way round. Each step is a process of its own, forked from one
that has imported the version, see driver.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
DRIVER = Path(__file__).parent / "driver.py"
NEEDED = ("plugins", "tests", "collections", "meta", "galaxy.yml")
# The version before this one; and the last one that knew nothing of formats, which is what hosts have today.
BASES = {
    "the commit before": ("rev-parse", "--verify", "--quiet", "HEAD~1"),
    "before there were formats": ("log", "--diff-filter=A", "--format=%H~1", "-1", "--", "plugins/module_utils/formats.py"),
}


UPGRADES = [
    pytest.param(True, id="an older version, then this one"),
    pytest.param(False, id="this version, then an older one", marks=pytest.mark.deep),
]


def git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=True).stdout


def tree(base: str, directory: Path) -> Path:
    """The files of a version from before. Skips where the history does not go back so far."""
    try:
        commit = git(*BASES[base]).decode().strip()
        archive = git("archive", commit or "none", *NEEDED)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"needs the history of the repository to compare with {base}: this is a shallow clone, or no clone")
    directory.mkdir()
    # Python's own tarfile takes ten times as long.
    subprocess.run(["tar", "--extract", "--directory", directory], input=archive, check=True)
    return directory


class Version:
    """A version of the collection at work: a process that has imported it, and takes one step after the other."""

    def __init__(self, path: Path, errors: Path) -> None:
        self.path, self._errors = path, errors
        paths = f"{path / 'collections'}{os.pathsep}{path}"
        with errors.open("w") as stream:
            self._process = subprocess.Popen(
                [sys.executable, str(DRIVER)],
                cwd=path,
                env={**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
            )

    def step(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            pytest.fail(self._errors.read_text())
        found: dict[str, Any] = json.loads(answer)
        assert found["code"] == str((self.path / "plugins" / "module_utils").resolve()), "the driver works on another version"
        return found

    def end(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def started() -> Iterator[dict[str, Version]]:
    """Those from before, by their name in BASES; all end with the last test, which is charged for none of them."""
    found: dict[str, Version] = {}
    yield found
    for version in found.values():
        version.end()


@pytest.fixture(params=BASES)
def before(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, started: dict[str, Version]) -> Version:
    if request.param not in started:
        directory = tmp_path_factory.mktemp("before")
        started[request.param] = Version(tree(request.param, directory / "version"), directory / "errors")
    return started[request.param]


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Version]:
    version = Version(ROOT, tmp_path_factory.mktemp("now") / "errors")
    yield version
    version.end()


@dataclass
class Host:
    """One host, on which versions of the collection work in turn."""

    root: Path
    containers: list[dict[str, Any]] = field(default_factory=list)
    # Name -> fingerprint of its service.
    releases: dict[str, str] = field(default_factory=dict)
    tokens: list[int] = field(default_factory=list)

    def deploy(self, version: Version, name: str, fingerprint: str = "") -> dict[str, Any]:
        self.releases[name] = fingerprint or f"of {name}"
        return self._step(version, {"what": "deploy", "new": name})

    def roll_back(self, version: Version) -> dict[str, Any]:
        return self._step(version, {"what": "rollback"})

    def _step(self, version: Version, request: dict[str, Any]) -> dict[str, Any]:
        found = version.step({**request, "root": str(self.root), "containers": self.containers, "releases": self.releases})
        assert (found["violations"], found["notes"]) == ([], []), "each must read what the other wrote, and need no other source"
        self.tokens.append(found["token"])
        assert self.tokens == sorted(set(self.tokens)), "tokens only ever grow"
        assert found["owner"] == {"environment": "staging", "claimed": "2026-01-01T00:00:00Z"}
        assert found["edge"] == {"image": "haproxy:3.0", "user": "99:99"}
        self.containers = found["containers"]
        return found


@pytest.fixture
def host(tmp_path: Path) -> Host:
    root = tmp_path / "host"
    (root / "edge").mkdir(parents=True)
    (root / "edge" / "edge.json").write_text('{"image": "haproxy:3.0", "user": "99:99"}\n')
    return Host(root)


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_one_version_deploys_and_another_goes_on_and_rolls_back(before: Version, now: Version, host: Host, upgrade: bool) -> None:
    first, then = (before, now) if upgrade else (now, before)
    assert host.deploy(first, "1.0")["live"] == "1.0"
    assert host.deploy(first, "1.1")["live"] == "1.1"

    found = host.deploy(then, "1.2")
    assert (found["was"], found["live"], found["failures"], found["runs"]) == ("1.1", "1.2", [], ["api of 1.2"] * 2)
    assert found["fates"] == {"1.0-id": "superseded", "1.1-id": "superseded", "1.2-id": "live"}
    assert (found["ids"], found["activated"]) == (["1.0-id", "1.1-id", "1.2-id"], ["compose.yml"])
    assert [word for word in found["history"] if word != "vanished"] == ["deploy"] * 3

    found = host.roll_back(then)
    assert (found["was"], found["live"], found["previous"], found["runs"]) == ("1.2", "1.1", "1.0-id", ["api of 1.1"] * 2)
    found = host.roll_back(then)
    assert (found["live"], found["previous"], found["runs"]) == ("1.0", "", ["api of 1.0"] * 2)
    assert found["fates"] == {"1.2-id": "failed", "1.1-id": "failed", "1.0-id": "live"}

    # And back to the first one, which finds what the other did.
    found = host.deploy(first, "1.3")
    assert (found["was"], found["live"], found["previous"]) == ("1.0", "1.3", "1.0-id")


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_a_release_that_failed_under_one_version_is_no_good_to_the_other(
    before: Version, now: Version, host: Host, upgrade: bool
) -> None:
    first, then = (before, now) if upgrade else (now, before)
    host.deploy(first, "1.0")
    found = host.deploy(first, "1.1", "bad")
    assert (found["live"], found["left"], found["runs"]) == ("1.0", "as_before", ["api of 1.0"] * 2)
    found = host.deploy(then, "1.2")
    assert (found["live"], found["previous"], found["fates"]["1.1-id"]) == ("1.2", "1.0-id", "failed")
    assert host.roll_back(then)["live"] == "1.0"
