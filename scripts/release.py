#!/usr/bin/env python3
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release of the collection, as its workflow makes it: nothing is signed before everything fits.

check: ends well when galaxy.yml, the changelog and its fragments say that this version is to be released, and when the public
key is there by which it can be verified, else every reason why not.
sign: signs the archive, its manifest (which ansible-galaxy verifies) and the tag of a commit, with the secret key in the
variable SIGNING_KEY. Only a key whose public half is in .github/release-key.asc signs, since nobody could verify another.

Both are called in the root of the repository.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path()
PUBLIC_KEY = Path(".github", "release-key.asc")
_VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")


class ReleaseError(Exception):
    """What a person is told."""


def problems(root: Path, version: str) -> Iterator[str]:
    """Each reason why ``version`` cannot be released from the files below ``root``."""
    if not _VERSION.fullmatch(version):
        yield f"{version!r} is no version; it looks like 1.2.0"
        return
    found = re.search(r"^version: *(\S+)$", (root / "galaxy.yml").read_text(), re.MULTILINE)
    if not found or found[1] != version:
        yield f"galaxy.yml: version is {found[1] if found else 'missing'}, expected {version}"
    changelog = (root / "changelogs" / "changelog.yaml").read_text()
    if not re.search(rf"^  ['\"]?{re.escape(version)}['\"]?:", changelog, re.MULTILINE):
        yield f"changelogs/changelog.yaml: has no notes of {version}; run make release-notes and commit what it writes"
    left = sorted(path.name for path in (root / "changelogs" / "fragments").glob("*.y*ml"))
    if left:
        yield f"changelogs/fragments: not in the notes yet: {', '.join(left)}; run make release-notes and commit what it writes"
    if not (root / PUBLIC_KEY).exists():
        yield f"{PUBLIC_KEY}: is missing, and without it nobody can verify a release; CONTRIBUTING.md says how to make the key"


class Keys:
    """GnuPG in a home of its own, which holds the secret key while it is needed."""

    def __init__(self, home: Path) -> None:
        self._environment = {**os.environ, "GNUPGHOME": str(home)}

    def run(self, *words: str, given: str | None = None) -> str:
        done = subprocess.run(words, env=self._environment, input=given, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ReleaseError(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def gpg(self, *words: str, given: str | None = None) -> str:
        return self.run("gpg", "--batch", "--quiet", *words, given=given)

    def fingerprints(self, listing: str) -> list[str]:
        return re.findall(r"^fpr:+([0-9A-F]+):$", self.gpg("--with-colons", listing), re.MULTILINE)

    def sign(self, path: Path, fingerprint: str) -> Path:
        signature = path.with_name(f"{path.name}.asc")
        self.gpg("--yes", "--armor", "--local-user", fingerprint, "--output", str(signature), "--detach-sign", str(path))
        self.gpg("--verify", str(signature), str(path))
        return signature

    def tag(self, repository: Path, version: str, commit: str, fingerprint: str) -> None:
        git = ("git", "-C", str(repository), "-c", "user.name=morpheus.deploy", "-c", "user.email=release@morpheus.deploy")
        self.run(*git, "tag", "--force", "--local-user", fingerprint, "--message", f"morpheus.deploy {version}", version, commit)
        self.run(*git, "verify-tag", version)

    def end(self) -> None:
        """GnuPG's agent would outlive this process, with the key."""
        subprocess.run(["gpgconf", "--kill", "all"], env=self._environment, capture_output=True, check=False)


def key(keys: Keys, root: Path, environment: Mapping[str, str]) -> str:
    """The fingerprint of the secret key, once it and its public half are known."""
    keys.gpg("--import", str(root / PUBLIC_KEY))
    known = keys.fingerprints("--list-keys")
    if not environment.get("SIGNING_KEY"):
        raise ReleaseError("SIGNING_KEY is empty. It is a secret of the environment release (CONTRIBUTING.md)")
    keys.gpg("--import", given=environment["SIGNING_KEY"])
    secret = keys.fingerprints("--list-secret-keys")
    if not secret or secret[0] not in known:
        raise ReleaseError(f"SIGNING_KEY is {secret[0] if secret else 'no secret key'}, expected one of {PUBLIC_KEY}: {known[0]}")
    return secret[0]


def manifest(archive: Path) -> Path:
    """A copy of the archive's manifest beside it: that names every file in the archive with its sum."""
    target = archive.with_name(f"{archive.name.removesuffix('.tar.gz')}.MANIFEST.json")
    with tarfile.open(archive) as opened:
        member = opened.extractfile("MANIFEST.json")
        if member is None:
            raise ReleaseError(f"{archive}: has no MANIFEST.json")
        target.write_bytes(member.read())
    return target


def signed(root: Path, archive: Path, version: str, commit: str, environment: Mapping[str, str]) -> list[Path]:
    """What is to be published, once the tag is there."""
    # A socket's path has at most 108 bytes, so the home is not below a directory that somebody else has chosen.
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        keys = Keys(Path(home))
        try:
            fingerprint = key(keys, root, environment)
            copy = manifest(archive)
            files = [archive, keys.sign(archive, fingerprint), keys.sign(copy, fingerprint)]
            keys.tag(root, version, commit, fingerprint)
        finally:
            keys.end()
    copy.unlink()
    return files


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks and signs a release of the collection.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("check").add_argument("version")
    sign = verbs.add_parser("sign")
    sign.add_argument("version")
    sign.add_argument("--archive", type=Path, required=True)
    sign.add_argument("--commit", required=True)
    said = parser.parse_args()
    wrong = list(problems(ROOT, said.version))
    if wrong:
        sys.stderr.write("".join(f"release: {one}\n" for one in wrong))
        return 2
    if said.verb == "sign":
        try:
            for path in signed(ROOT, said.archive, said.version, said.commit, os.environ):
                sys.stdout.write(f"{path}\n")
        except ReleaseError as error:
            sys.stderr.write(f"release: {error}\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
