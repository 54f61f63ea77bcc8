# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the releases of one stack on one host: which was live after which, and which is no good.

Order is the order of events, never of clocks: ``trail`` is a stack of what went live, and a rollback takes from its end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import LINEAGE

# More than anybody retains; what is older can be found in the history.
TRAIL_LENGTH = 50


class Status(str, Enum):
    PREPARED = "prepared"
    LIVE = "live"
    SUPERSEDED = "superseded"
    FAILED = "failed"


class Kind(str, Enum):
    """Why a host is switched. What a rollback leaves behind counts as failed; a take-back is the end of a failed deploy."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class Rolling:
    """A rollout that has begun and not ended: its run is at work, or was killed."""

    id: str
    kind: Kind


@dataclass
class Fate:
    """``at``: when it came to this, UTC, for people."""

    status: Status
    at: str = ""
    why: str = ""


@dataclass
class Schema:
    """The database's schema after the last migration from this host: its version, and the oldest that code may be made for."""

    head: str = ""
    compatible_since: str = ""
    # Version -> digest of the files that were applied as it (see schema_files); none of what was applied before this was kept.
    files: dict[str, str] = field(default_factory=dict)

    def knows(self, release: Mapping[str, str]) -> bool:
        """Whether the migration of a release with this ``schema`` in its manifest would tell nothing new."""
        return not Schema(self.head, self.compatible_since).migrated(release)

    def migrated(self, release: Mapping[str, str]) -> bool:
        """Whether the migration of a release with this ``schema`` in its manifest told anything new. It only ever goes up."""
        before = (self.head, self.compatible_since)
        self.head = newest([self.head, release["head"]])
        self.compatible_since = newest([self.compatible_since, release["compatible_since"]])
        return before != (self.head, self.compatible_since)

    def applied(self, files: Mapping[str, str]) -> bool:
        """Whether that these files are applied is anything new."""
        before = dict(self.files)
        self.files.update(files)
        return before != self.files


def version_key(version: str) -> int:
    """Order of schema versions, which are decimal numbers; none comes first."""
    return int(version or -1)


def newest(versions: Sequence[str]) -> str:
    """Of versions in the order in which they came. Those of some tools are names without an order: then the last one is."""
    said = [version for version in versions if version]
    if all(version.isdecimal() for version in said):
        return max(said, key=version_key, default="")
    return said[-1]


@dataclass
class Lineage:
    trail: list[str] = field(default_factory=list)
    rolling: Rolling | None = None
    # Release id -> its fate; the one that changed last stands last.
    fates: dict[str, Fate] = field(default_factory=dict)
    schema: Schema = field(default_factory=Schema)
    # Release id -> jobs that have ended well for it on this host.
    jobs: dict[str, list[str]] = field(default_factory=dict)

    @property
    def live(self) -> str:
        """Id of the release that passed its rollout last; empty before the first one."""
        return self.trail[-1] if self.trail else ""

    def previous(self, retained: Collection[str] | None = None) -> str:
        """The last release before the live one that was live and has not failed since; empty when there is none."""
        good = (
            identity
            for identity in reversed(self.trail[:-1])
            if identity != self.live and self.status(identity) is not Status.FAILED
        )
        return next((identity for identity in good if retained is None or identity in retained), "")

    def status(self, identity: str) -> Status:
        return self.fates[identity].status if identity in self.fates else Status.PREPARED

    def prepared(self, identity: str) -> None:
        if identity not in self.fates:
            self._mark(identity, Status.PREPARED)

    def has_run(self, identity: str, job: str) -> None:
        names = self.jobs.setdefault(identity, [])
        names += [] if job in names else [job]

    def is_due(self, identity: str, job: str) -> bool:
        """Whether a job is yet to be run for a release. No host goes live before the jobs of its release have ended well, on
        whichever host they ran.
        """
        return identity not in self.trail and job not in self.jobs.get(identity, [])

    def begin(self, identity: str, kind: Kind) -> None:
        self.rolling = Rolling(identity, kind)

    def went_live(self, identity: str, kind: Kind) -> None:
        left = self.live
        self.rolling = None
        if kind is Kind.ROLLBACK and identity in self.trail:
            del self.trail[_last(self.trail, identity) + 1 :]
        elif identity != left:
            self.trail = [*self.trail, identity][-TRAIL_LENGTH:]
        if left and left != identity:
            if kind is Kind.ROLLBACK:
                self._mark(left, Status.FAILED, "rolled back from")
            else:
                self._mark(left, Status.SUPERSEDED)
        self._mark(identity, Status.LIVE)

    def failed(self, identity: str, why: str, *, unfinished: bool) -> None:
        """``unfinished``: the host was not taken back, so the rollout still counts as begun."""
        if not unfinished:
            self.rolling = None
        if identity != self.live:
            self._mark(identity, Status.FAILED, why)

    def doomed(self, present: Sequence[str], retain: int, pinned: Collection[str]) -> list[str]:
        """Ids among ``present`` that need not be kept: all but live, previous, rolling and pinned ones and the newest ``retain``.

        ``pinned``: ids, or names of releases, which stand before the last dash of an id.
        """
        order = [identity for identity in self.fates if identity in present]
        known = [*(identity for identity in sorted(present) if identity not in order), *order]
        keep = {self.live, self.previous(present), self.rolling.id if self.rolling else ""}
        keep |= {identity for identity in known if identity in pinned or identity.rpartition("-")[0] in pinned}
        for identity in reversed(known):
            if len(keep - {""}) >= retain:
                break
            keep.add(identity)
        return [identity for identity in known if identity not in keep]

    def forget(self, identity: str) -> None:
        self.fates.pop(identity, None)
        self.jobs.pop(identity, None)
        self.trail = [one for one in self.trail if one != identity]

    def _mark(self, identity: str, status: Status, why: str = "") -> None:
        self.fates.pop(identity, None)
        self.fates[identity] = Fate(status, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), why)


def _last(items: Sequence[str], wanted: str) -> int:
    return max(index for index, item in enumerate(items) if item == wanted)


def read_lineage(path: Path) -> Lineage:
    """Raises FileNotFoundError, DamagedError, and NewerFormatError."""
    found = LINEAGE.load(path)
    try:
        rolling = found["rolling"]
        return Lineage(
            list(found["trail"]),
            Rolling(rolling["id"], Kind(rolling["kind"])) if rolling else None,
            {identity: Fate(Status(fate.pop("status")), **fate) for identity, fate in found["fates"].items()},
            Schema(**found["schema"]),
            {identity: list(names) for identity, names in found.get("jobs", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise LINEAGE.damaged(path, f"it is not what this collection writes: {exc!r}") from exc


def write_lineage(path: Path, lineage: Lineage) -> None:
    if path.is_dir():
        raise LINEAGE.damaged(path, "it is a directory")
    # Not sorted: the order of the fates says which release is the newest.
    write_atomically(path, json.dumps(LINEAGE.numbered(asdict(lineage)), indent=2) + "\n", mode=0o600)
