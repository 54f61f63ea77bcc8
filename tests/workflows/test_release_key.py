"""The key of releases, a throw-away one: made as CONTRIBUTING.md says, it signs in the workflow what SECURITY.md verifies."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.documented import section
from tests.workflows.forge import Environment, Event, Run
from tests.workflows.scenarios import held
from tests.workflows.world import World

# In one process: keys are made once, which takes longest here.
pytestmark = pytest.mark.xdist_group("release key")

VERSION = "1.2.0"
# A secret that `gh secret set NAME --env ENVIRONMENT` is given on its standard input.
GH = """#!/usr/bin/env bash
set -euo pipefail
[ "$1 $2 $4" = 'secret set --env' ]
mkdir -p "$GITHUB/$5"
cat >"$GITHUB/$5/$3"
"""


def blocks(page: str, heading: str) -> list[str]:
    """What a person copies from below a heading, block by block."""
    return [
        re.sub("^ {4}", "", one, flags=re.MULTILINE)
        for one in re.findall(r"(?:^ {4}.*\n)+", section(f"../{page}", heading), re.M)
    ]


MAKE, REVOKE = blocks("CONTRIBUTING.md", "### The key that signs")
VERIFY_ARCHIVE, VERIFY_INSTALLED, VERIFY_TAG = blocks("SECURITY.md", "## Verify a release")


def typed(lines: str, where: Path, **variables: str | Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"PATH": path, "HOME": str(where), "LC_ALL": "C.UTF-8"} | {name: str(one) for name, one in variables.items()}
    words = ["bash", "-euo", "pipefail", "-c", lines]
    return subprocess.run(words, cwd=where, env=environment, capture_output=True, text=True, check=False)


class Maintainer:
    """At the keyboard, in a clone of the repository."""

    def __init__(self, directory: Path) -> None:
        self.clone, self.github, programs = directory / "clone", directory / "github", directory / "programs"
        for one in (self.clone / ".github", self.github, programs):
            one.mkdir(parents=True)
        (programs / "gh").write_text(GH)
        (programs / "gh").chmod(0o755)
        self._path = f"{programs}{os.pathsep}{os.environ['PATH']}"

    def types(self, lines: str, offline: Path) -> None:
        offline.mkdir(exist_ok=True)
        # Short, for a socket's path has at most 108 bytes; and gone with its agent, should a command have failed.
        with tempfile.TemporaryDirectory(dir="/tmp") as temporary:
            done = typed(lines, self.clone, PATH=self._path, OFFLINE=offline, GITHUB=self.github, TMPDIR=temporary)
        assert done.returncode == 0, done.stderr

    @property
    def public(self) -> str:
        return (self.clone / ".github" / "release-key.asc").read_text()

    @property
    def secrets(self) -> dict[str, dict[str, str]]:
        """GitHub's environment -> its secrets."""
        return {there.name: {one.name: one.read_text() for one in there.iterdir()} for there in self.github.iterdir()}


@dataclass(frozen=True)
class Keys:
    """The public file of the repository, and what GitHub's environments hold beside it."""

    public: str
    secrets: dict[str, dict[str, str]]


@dataclass
class Release:
    """How the workflow ended, and what it has published."""

    run: Run
    world: World

    @property
    def repository(self) -> Path:
        [machine] = self.run.directory.glob("publish-*")
        return machine / "work"

    @property
    def files(self) -> list[Path]:
        """As ``gh release create`` got them."""
        created = [one["words"] for one in self.world.called("gh") if one["words"][:2] == ["release", "create"]]
        return [self.repository / one for words in created for one in words if one.startswith("collection/morpheus-deploy-")]


def released(directory: Path, archive: Path, keys: Keys) -> Release:
    """What release.yml makes of main, which holds the public file."""
    world = World(directory)
    held(world, VERSION)
    world.write(".github/release-key.asc", keys.public)
    who = ["-c", "user.name=anna", "-c", "user.email=anna@example.com", "-c", "commit.gpgsign=false"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "All"]):
        subprocess.run(["git", *who, *words], cwd=directory / "sources", check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=directory / "sources", capture_output=True, text=True, check=True)
    world.forge.environments["release"] = Environment(keys.secrets["release"], reviewers=True)
    world.forge.answers["release"] = "granted"
    world.script["archive"] = str(archive)
    event = Event("workflow_dispatch", "refs/heads/main", actor="carol", sha=head.stdout.strip(), inputs={"version": VERSION})
    return Release(world.happens(event, "release")["release"], world)


class User:
    """Has the public key from the repository, what a release has published, and has installed that."""

    def __init__(self, directory: Path, release: Release, keys: Keys) -> None:
        self.directory, self._release = directory, release
        directory.mkdir()
        (directory / "release-key.asc").write_text(keys.public)
        for path in release.files:
            (directory / path.name).write_bytes(path.read_bytes())
        done = self._types(f"ansible-galaxy collection install --no-deps --offline morpheus-deploy-{VERSION}.tar.gz")
        assert done.returncode == 0, done.stderr

    @property
    def installed(self) -> Path:
        return self.directory / "collections" / "ansible_collections" / "morpheus" / "deploy"

    def _types(self, lines: str, **variables: str | Path) -> subprocess.CompletedProcess[str]:
        # A socket's path has at most 108 bytes: the keyring is not below a directory that pytest has chosen.
        with tempfile.TemporaryDirectory(dir="/tmp") as keyring:
            own = {"GNUPGHOME": keyring, "ANSIBLE_COLLECTIONS_PATH": str(self.directory / "collections")}
            try:
                return typed(lines, self.directory, **own, **variables)
            finally:
                subprocess.run(["gpgconf", "--homedir", keyring, "--kill", "all"], check=True)

    def believes(self) -> dict[str, bool]:
        """By the commands of SECURITY.md: the archive, what is installed of it, the tag."""
        (self.directory / "release-key.gpg").unlink(missing_ok=True)
        tag = f"gpg --import release-key.asc\n{VERIFY_TAG}"
        done = {
            "archive": self._types(VERIFY_ARCHIVE),
            "installed": self._types(VERIFY_INSTALLED),
            "tag": self._types(tag, GIT_DIR=self._release.repository / ".git"),
        }
        return {what: one.returncode == 0 for what, one in done.items()}


ALL = {"archive": True, "installed": True, "tag": True}
NOTHING = dict.fromkeys(ALL, False)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection of this name, with so little in it that it is built in a second."""
    there = tmp_path_factory.mktemp("collection")
    (there / "galaxy.yml").write_text(
        f"namespace: morpheus\nname: deploy\nversion: {VERSION}\nreadme: README.md\nauthors: [anna]\n"
    )
    (there / "README.md").write_text("A collection.\n")
    done = typed("ansible-galaxy collection build", there)
    assert done.returncode == 0, done.stderr
    return there / f"morpheus-deploy-{VERSION}.tar.gz"


@dataclass(frozen=True)
class Story:
    """What a maintainer has typed, in this order: the first key, one in its place, and that the first is revoked."""

    first: Keys
    second: Keys
    revoked: Keys
    # On the medium that keeps the first key, and in the clone.
    offline: str
    clone: list[str]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    directory = tmp_path_factory.mktemp("maintainer")
    maintainer, first = Maintainer(directory), directory / "first"

    def keys(lines: str, offline: Path) -> Keys:
        maintainer.types(lines, offline)
        return Keys(maintainer.public, maintainer.secrets)

    found = keys(MAKE, first), keys(MAKE, directory / "second"), keys(REVOKE, first)
    return Story(*found, (first / "release-key.secret.asc").read_text(), [path.name for path in maintainer.clone.iterdir()])


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, archive: Path, story: Story) -> Release:
    """The first release."""
    return released(tmp_path_factory.mktemp("release") / "world", archive, story.first)


def test_a_key_made_as_documented_signs_what_users_verify_as_documented(tmp_path: Path, first: Release, story: Story) -> None:
    assert first.run.conclusion == "success", first.world.log(first.run)
    stem = f"morpheus-deploy-{VERSION}"
    assert [path.name for path in first.files] == [f"{stem}.MANIFEST.json.asc", f"{stem}.tar.gz", f"{stem}.tar.gz.asc"]
    assert User(tmp_path / "user", first, story.first).believes() == ALL


@pytest.mark.deep
def test_users_notice_what_was_changed_behind_the_signature(tmp_path: Path, first: Release, story: Story) -> None:
    user = User(tmp_path / "user", first, story.first)
    with (user.installed / "README.md").open("a") as file:
        file.write("Changed.\n")
    with (user.directory / f"morpheus-deploy-{VERSION}.tar.gz").open("ab") as file:
        file.write(b"more")
    assert user.believes() == {"archive": False, "installed": False, "tag": True}


def test_only_github_and_the_medium_keep_the_secret_half(story: Story) -> None:
    secret = story.first.secrets["release"]["SIGNING_KEY"]
    assert "PRIVATE KEY" in secret
    assert secret == story.offline
    assert "PRIVATE KEY" not in story.first.public
    # GnuPG's usual directory would be in the home of whoever types, which is the clone here.
    assert story.clone == [".github"]


@pytest.mark.deep
def test_with_another_key_older_releases_are_still_verified(tmp_path: Path, archive: Path, first: Release, story: Story) -> None:
    second = released(tmp_path / "world", archive, story.second)
    assert second.run.conclusion == "success", second.world.log(second.run)
    assert User(tmp_path / "of_first", first, story.second).believes() == ALL
    assert User(tmp_path / "of_second", second, story.second).believes() == ALL
    assert User(tmp_path / "without", second, story.first).believes() == NOTHING


@pytest.mark.deep
def test_a_revoked_key_signs_nothing_and_is_not_believed(tmp_path: Path, archive: Path, first: Release, story: Story) -> None:
    refused = released(tmp_path / "leaked", archive, Keys(story.revoked.public, story.first.secrets))
    steps = refused.run.jobs["publish"].steps
    assert (refused.run.conclusion, steps["Sign"], steps["Tag and publish"]) == ("failure", "failure", "skipped")
    assert refused.files == []
    second = released(tmp_path / "world", archive, story.revoked)
    assert second.run.conclusion == "success", second.world.log(second.run)
    assert User(tmp_path / "of_second", second, story.revoked).believes() == ALL
    assert User(tmp_path / "of_first", first, story.revoked).believes()["installed"] is False


def test_without_the_public_key_nothing_is_built(tmp_path: Path) -> None:
    world = World(tmp_path)
    held(world, VERSION)
    event = Event("workflow_dispatch", "refs/heads/main", actor="carol", inputs={"version": VERSION})
    run = world.happens(event, "release")["release"]
    assert (run.results["build"], run.results["publish"]) == ("failure", "skipped")
    assert ".github/release-key.asc: is missing" in world.log(run)
