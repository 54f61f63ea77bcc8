# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of one stack on one host: what a release consists of, where it lies, which one is live.

<root>/fingerprint.key      key of this host's fingerprints
<root>/secrets/             env files with secrets and file secrets, current ones only; never part of a release
<root>/secrets/values/      secrets that have their value from a variable, of the release that is being run (variable_secrets.py)
<root>/releases/<id>/       manifest.json and files/, never changed after they were written
<root>/content/<hash>/      files of releases as services mount them (compose/contents.py)
<root>/live/                files that change under services (live_files.py)
<root>/project/             Compose's project directory: the files of the release that is being run, and the application's data
<root>/lineage.json         which release is live, which were before it and what became of the others
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import file_mode, is_executable, write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import (
    FINGERPRINT_KEY,
    MANIFEST,
    DamagedError,
    NewerFormatError,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import STACKS_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.contents import ContentStore
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.file_mounts import below
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage import journal, recall
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Lineage, read_lineage, write_lineage
from ansible_collections.morpheus.deploy.plugins.module_utils.release import project_files
from ansible_collections.morpheus.deploy.plugins.module_utils.release.live_files import LiveFiles
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest, name_in
from ansible_collections.morpheus.deploy.plugins.module_utils.release.project_files import Listing, LostListingError
from ansible_collections.morpheus.deploy.plugins.module_utils.release.secret_files import SecretFiles
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import Workspace, link_secrets, place_files
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

KEY_BYTES = 32


class Releases(SecretFiles):
    def __init__(self, stack: str, root: Path = STACKS_ROOT) -> None:
        super().__init__(root / stack / "secrets")
        self.root = root / stack
        self.project = self.root / "project"
        self.contents = ContentStore(self.root / "content")
        self.values = SecretFiles(self.secrets / "values")
        self.live_files = LiveFiles(self.root / "live")
        # What was lost and is recreated, in words for people.
        self.notes: list[str] = []
        # Whether the lineage was among it, and is to be written.
        self.is_recalled = False
        self._new_key = b""
        # What runs of the stack, for when nothing else tells which release is live.
        self.running: Callable[[], Sequence[recall.Running]] = tuple
        self._directory = self.root / "releases"
        self._listing = Listing(self.project)

    def ids(self) -> list[str]:
        return sorted(path.parent.name for path in self._directory.glob("*/manifest.json"))

    def lost(self, known: Iterable[str]) -> list[str]:
        """Ids of releases that are ``known`` to have been here whole, and whose manifest is gone."""
        return sorted(
            identity for identity in known if (self._directory / identity / "files").is_dir() and identity not in self.ids()
        )

    def lineage(self) -> Lineage:
        """One that is lost is recreated from what else remembers, and ``notes`` says so. Raises NewerFormatError."""
        path = self.root / "lineage.json"
        try:
            return read_lineage(path)
        except FileNotFoundError:
            lost = "is missing"
        except DamagedError as exc:
            lost = exc.said
        evidence = self._evidence()
        found = recall.lineage(evidence)
        # Before the first deploy nothing is missing.
        if not (lost == "is missing" and evidence.empty):
            said = recall.sentence(found, evidence)
            self._note(f"{path} {lost}; what it said is taken from {said}. {_anew(path)}")
            self.is_recalled = True
        return found

    def _evidence(self) -> recall.Evidence:
        manifests = {}
        for identity in self.ids():
            manifests[identity] = recall.Kept()
            with suppress(DamagedError):
                found = self.read(identity)
                manifests[identity] = recall.Kept(found.created, found.schema)
        return recall.Evidence(
            manifests, journal.events(self.root / "journal.jsonl"), self.running(), project_files.activated_release(self.project)
        )

    def _note(self, said: str) -> None:
        if said not in self.notes:
            self.notes.append(said)

    def write_lineage(self, found: Lineage) -> None:
        write_lineage(self.root / "lineage.json", found)

    def live(self) -> str:
        """Id of the live release; empty before the first deploy."""
        return self.lineage().live

    def live_release(self) -> str:
        """Name of the live release; empty before the first deploy."""
        live = self.live()
        return (self.read(live).release if self.has(live) else name_in(live)) if live else ""

    def remove(self, identity: str) -> None:
        """Remove a release. Its manifest goes first: without it the rest was never finished."""
        directory = self._directory / identity
        (directory / "manifest.json").unlink(missing_ok=True)
        shutil.rmtree(directory, ignore_errors=True)

    def read(self, identity: str) -> Manifest:
        path = self._directory / identity / "manifest.json"
        try:
            return Manifest.of(MANIFEST.load(path))
        except FileNotFoundError:
            if path.parent.is_dir():
                raise MANIFEST.missing(path) from None
            kept = ", ".join(self.ids()) or "none"
            raise DeployError(f'release "{identity}" is not on this host; retained are: {kept}') from None
        except (TypeError, ValueError, AttributeError) as exc:
            raise MANIFEST.damaged(path, f"it is not what this collection writes: {exc}") from exc

    def has(self, identity: str) -> bool:
        """Whether the release is there whole: one whose manifest cannot be read is written again. Raises NewerFormatError."""
        return not self.problem(identity)

    def problem(self, identity: str) -> str:
        """Why the release cannot be read, with the mend; empty when it can. Raises NewerFormatError."""
        try:
            self.read(identity)
        except NewerFormatError:
            raise
        except DeployError as exc:
            return str(exc)
        return ""

    def workspace(self, identity: str) -> Workspace:
        return Workspace(self._directory / identity / "files", self._directory / identity / "release.env")

    def write_files(
        self, identity: str, release: str, environment: str, files: Mapping[str, bytes], executable: Collection[str] = ()
    ) -> Workspace:
        """The release's files in their place, without its manifest yet: a release without one was never finished."""
        directory = self._directory / identity
        shutil.rmtree(directory / "files", ignore_errors=True)
        place_files(directory, release, environment, files, self.secrets, executable)
        self._directory.chmod(0o700)
        return self.workspace(identity)

    def write_manifest(self, manifest: Manifest) -> None:
        path = self._directory / manifest.id / "manifest.json"
        if path.is_dir():
            raise MANIFEST.damaged(path, "it is a directory")
        text = json.dumps(MANIFEST.numbered(manifest.as_dict()), indent=2, sort_keys=True) + "\n"
        write_atomically(path, text, mode=0o600)

    def activate(self, identity: str, data: Collection[str] = ()) -> None:
        """Make the project directory hold this release's files, and none of another release's.

        The application's data in it is left: what no release brought, and what this release uses as data (``data``), whoever
        brought it. A file that would lie among it is left out: what services mount lies in the content store.
        """
        shipped = self.workspace(identity).shipped()
        self.project.mkdir(parents=True, exist_ok=True)
        before = {name for name in self.activated() if not below(name, data)}
        always = _for_compose(self.read(identity).stack)
        wanted = {name for name in shipped if name in before or below(name, always) or not self._lies_among_data(name, before)}
        self._listing.write(before | wanted)
        for name in before - wanted:
            self._remove_file(name)
        wanted = {name for name in wanted if not (self.project / name).is_dir()}
        for name in sorted(wanted):
            content, mode = shipped[name].read_bytes(), file_mode(is_executable(shipped[name]))
            target = self.project / name
            if not target.is_file() or target.read_bytes() != content or target.stat().st_mode & 0o777 != mode:
                write_atomically(target, content, mode=mode)
        self._listing.write(wanted)
        link_secrets(self.project, self.secrets)

    def activated(self) -> set[str]:
        """Files in the project directory that a release brought; where that is lost, those that a retained release ships."""
        try:
            return self._listing.read()
        except LostListingError as exc:
            self._note(
                f"{self._listing.path} {exc.said}; files that a retained release ships with the same content count as brought by "
                f"it. {_anew(self._listing.path)}"
            )
        kept = [self.workspace(identity).shipped() for identity in self.ids()]
        return {name for shipped in kept for name, source in shipped.items() if _same(source, self.project / name)}

    def _lies_among_data(self, name: str, ours: Collection[str]) -> bool:
        """Whether a file of this name would lie in, or in the place of, what no release brought."""
        path = Path(name)
        there = next((one for one in (path, *path.parents[:-1]) if (self.project / one).exists()), None)
        return there is not None and not any(below(mine, [str(there)]) for mine in ours)

    def mounted(self) -> set[str]:
        """Paths outside the project directory that the files of the live release are mounted from, as its override.json says."""
        return project_files.mounted(self.project)

    def strangers(
        self, stack: Stack, shipped: Mapping[str, Path], mounted: Collection[str], data: Collection[str]
    ) -> dict[str, list[str]]:
        """Of paths that a release ships: what lies there in the project directory and was brought by no release.

        Services would no longer see it. ``mounted``: directories among them; ``data``: what is the application's there, now as
        before.
        """
        ours = self.activated()
        found: dict[str, list[str]] = {}
        for name in sorted({*shipped, *mounted} - {"."}):
            if below(name, [*found, *_for_compose(stack)]):
                continue
            top = self.project / name
            files = [
                str(path.relative_to(self.project)) for path in (top, *top.rglob("*")) if not path.is_dir() and path.exists()
            ]
            foreign = [
                one
                for one in sorted(files)
                if not (one in ours or below(one, data) or (one in shipped and _same(shipped[one], self.project / one)))
            ]
            found |= {name: foreign} if foreign else {}
        return found

    def _remove_file(self, name: str) -> None:
        """Remove a file of another release and the directories that are empty without it."""
        path = self.project / name
        if path.is_dir():
            return
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
        for parent in path.parents:
            if parent == self.project or not parent.is_dir() or any(parent.iterdir()):
                return
            parent.rmdir()

    def key(self, create: bool) -> bytes:
        """The key of this host's fingerprints, made at the first deploy."""
        path = self.root / "fingerprint.key"
        if path.is_dir():
            raise FINGERPRINT_KEY.damaged(path, "it is a directory")
        found = path.read_bytes() if path.exists() else b""
        if len(found) == KEY_BYTES:
            return found
        if path.exists() or (self.project / "override.json").exists():
            lost = f"has {len(found)} bytes where {KEY_BYTES} belong" if path.exists() else "is missing"
            self._note(
                f"{path} {lost}; no replica can be compared with what it should be, so the next deploy makes a new key and "
                "replaces every replica once"
            )
        # Not another one with each question: what is compared with itself must be the same.
        self._new_key = self._new_key or secrets.token_bytes(KEY_BYTES)
        if create:
            write_atomically(path, self._new_key, mode=0o600)
        return self._new_key


def all_manifests(root: Path = STACKS_ROOT) -> list[Manifest]:
    """Manifests of every release of every stack on this host."""
    stacks = [Releases(path.name, root) for path in root.iterdir() if path.is_dir()]
    return [stack.read(identity) for stack in stacks for identity in stack.ids() if stack.has(identity)]


def _anew(path: Path) -> str:
    away = f"Move it away (mv {path} {path}.damaged), and the" if path.is_dir() else "The"
    return f"{away} next deploy restores it"


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()


def _for_compose(stack: Stack) -> list[str]:
    """What Compose itself reads in the project directory."""
    return ["env", *(str(Path(name)) for name in (*stack.compose_files, *stack.brought_files))]
