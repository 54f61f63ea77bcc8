"""What is signed fits what is said of it, and can be verified by whoever has the public key."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.unit.scripts.programs import program

release = program("scripts/release.py")


@dataclass
class Owner:
    """Whoever has the secret key."""

    secret: str
    public: str
    home: str

    def verifies(self, *words: str) -> bool:
        environment = {**os.environ, "GNUPGHOME": self.home}
        return subprocess.run(words, env=environment, capture_output=True, check=False).returncode == 0


def owner(home: str, name: str) -> Owner:
    def gpg(*words: str) -> str:
        words = ("gpg", "--batch", "--quiet", "--homedir", home, *words)
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    gpg("--passphrase", "", "--quick-generate-key", f"{name} <{name}@example.com>", "ed25519", "sign", "never")
    return Owner(gpg("--armor", "--export-secret-keys", name), gpg("--armor", "--export", name), home)


@pytest.fixture(scope="module")
def owners() -> Iterator[tuple[Owner, Owner]]:
    """Ours, and somebody else."""
    with tempfile.TemporaryDirectory(dir="/tmp") as ours, tempfile.TemporaryDirectory(dir="/tmp") as theirs:
        yield owner(ours, "ours"), owner(theirs, "theirs")
        for home in (ours, theirs):
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A repository whose 0.2.0 can be released."""
    root = tmp_path / "sources"
    (root / "changelogs" / "fragments").mkdir(parents=True)
    (root / ".github").mkdir()
    (root / "galaxy.yml").write_text("namespace: morpheus\nname: deploy\nversion: 0.2.0\n")
    (root / "changelogs" / "changelog.yaml").write_text("---\nancestor: null\nreleases:\n  0.1.0:\n  0.2.0:\n")
    (root / ".github" / "release-key.asc").write_text("not read before something is signed")
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "All"]):
        who = ["-c", "user.name=anna", "-c", "user.email=anna@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *words], cwd=root, check=True)
    return root


def commit_of(root: Path, name: str) -> str:
    return subprocess.run(["git", "rev-parse", name], cwd=root, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "morpheus-deploy-0.2.0.tar.gz"
    with tarfile.open(path, "w:gz") as opened:
        member = tarfile.TarInfo("MANIFEST.json")
        member.size = 2
        opened.addfile(member, io.BytesIO(b"{}"))
    return path


def test_what_fits_can_be_released(sources: Path) -> None:
    assert list(release.problems(sources, "0.2.0")) == []


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("v0.2.0", ["'v0.2.0' is no version; it looks like 1.2.0"]),
        ("0.2", ["'0.2' is no version; it looks like 1.2.0"]),
        (
            "0.3.0",
            [
                "galaxy.yml: version is 0.2.0, expected 0.3.0",
                "changelogs/changelog.yaml: has no notes of 0.3.0; run make release-notes and commit what it writes",
            ],
        ),
        ("0.1.0", ["galaxy.yml: version is 0.2.0, expected 0.1.0"]),
    ],
)
def test_a_version_that_does_not_fit_is_refused(sources: Path, version: str, said: list[str]) -> None:
    assert list(release.problems(sources, version)) == said


def test_a_change_without_a_note_is_refused(sources: Path) -> None:
    (sources / "changelogs" / "fragments" / "till.yml").write_text("---\nbugfixes: [The till counts.]\n")
    said = "changelogs/fragments: not in the notes yet: till.yml; run make release-notes and commit what it writes"
    assert list(release.problems(sources, "0.2.0")) == [said]


def test_what_nobody_can_verify_is_refused_before_it_is_built(sources: Path) -> None:
    (sources / ".github" / "release-key.asc").unlink()
    said = "without it nobody can verify a release; CONTRIBUTING.md says how to make the key"
    assert list(release.problems(sources, "0.2.0")) == [f".github/release-key.asc: is missing, and {said}"]


def test_archive_manifest_and_tag_are_signed(sources: Path, archive: Path, owners: tuple[Owner, Owner]) -> None:
    ours, theirs = owners
    (sources / ".github" / "release-key.asc").write_text(ours.public)
    head = commit_of(sources, "HEAD")
    files = release.signed(sources, archive, "0.2.0", head, {"SIGNING_KEY": ours.secret})
    names = ["morpheus-deploy-0.2.0.tar.gz", "morpheus-deploy-0.2.0.tar.gz.asc", "morpheus-deploy-0.2.0.MANIFEST.json.asc"]
    assert [path.name for path in files] == names
    assert sorted(path.name for path in archive.parent.glob("morpheus*")) == sorted(names)
    (manifest := archive.parent / "MANIFEST.json").write_text("{}")
    for who, believes in ((ours, True), (theirs, False)):
        assert who.verifies("gpg", "--verify", str(files[1]), str(archive)) is believes
        assert who.verifies("gpg", "--verify", str(files[2]), str(manifest)) is believes
        assert who.verifies("git", "-C", str(sources), "verify-tag", "0.2.0") is believes
    assert commit_of(sources, "0.2.0^{commit}") == head


def test_a_second_try_signs_again(sources: Path, archive: Path, owners: tuple[Owner, Owner]) -> None:
    (sources / ".github" / "release-key.asc").write_text(owners[0].public)
    for _ in range(2):
        release.signed(sources, archive, "0.2.0", commit_of(sources, "HEAD"), {"SIGNING_KEY": owners[0].secret})
    assert owners[0].verifies("gpg", "--verify", f"{archive}.asc", str(archive))


def test_a_key_that_nobody_can_verify_signs_nothing(sources: Path, archive: Path, owners: tuple[Owner, Owner]) -> None:
    ours, theirs = owners
    head = commit_of(sources, "HEAD")

    def refusal(secret: str) -> str:
        with pytest.raises(release.ReleaseError) as caught:
            release.signed(sources, archive, "0.2.0", head, {"SIGNING_KEY": secret})
        assert list(archive.parent.glob("*.asc")) == []
        assert secret == "" or secret not in str(caught.value)
        return str(caught.value)

    (sources / ".github" / "release-key.asc").write_text(ours.public)
    assert refusal("").startswith("SIGNING_KEY is empty. ")
    assert refusal(ours.public).startswith("SIGNING_KEY is no secret key, expected one of .github/release-key.asc: ")
    assert "expected one of .github/release-key.asc: " in refusal(theirs.secret)


def agents() -> set[str]:
    """Of every agent of GnuPG its command line, which names its home."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return {line for line in found if line.startswith("gpg-agent ")}


def test_no_agent_with_the_key_is_left(
    sources: Path, archive: Path, owners: tuple[Owner, Owner], monkeypatch: pytest.MonkeyPatch
) -> None:
    (sources / ".github" / "release-key.asc").write_text(owners[0].public)
    seen = []
    end = release.Keys.end

    def ending(keys: Any) -> None:
        # Others on this machine have agents as well. And an agent whose home is gone ends by itself, some time later.
        home = f" {keys._environment['GNUPGHOME']} "
        of_it = [line for line in agents() if home in line]
        end(keys)
        seen.append((len(of_it), ended(home)))

    monkeypatch.setattr(release.Keys, "end", ending)
    release.signed(sources, archive, "0.2.0", commit_of(sources, "HEAD"), {"SIGNING_KEY": owners[0].secret})
    assert seen == [(1, True)]


def ended(home: str) -> bool:
    """Whether its agent ends; it is told to, and does so a moment later."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if not any(home in line for line in agents()):
            return True
        time.sleep(0.05)
    return False
