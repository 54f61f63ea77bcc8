# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a release runs on the database as it is, by the database's own ledger and the migrations that hosts retain. Pure.

``ledgers``: name of the host -> the result of the module stack_ledger. ``schemas``: what hosts remember of the migrations that
were run from them, which counts where no ledger tells more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.applied import Row, Standing, standing
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.shipped import Shipped
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.tools import Ledger
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import newest

LIVE, SEEN, NONE = "live", "seen", "none"
_MOST_NAMED = 3
_NO_LEDGER = Ledger("", "")


@dataclass(frozen=True)
class Evidence:
    """What a judgement goes by. ``source``: "live" for the database's own answer, "seen" for one that ``host`` got at ``at``,
    "none" for what hosts remember of their migrations; ``why``: what kept the database from answering.
    """

    source: str = NONE
    host: str = ""
    at: str = ""
    why: str = ""
    ledger: Ledger = _NO_LEDGER
    rows: Sequence[Row] = ()

    @classmethod
    def of(cls, ledgers: Mapping[str, Mapping[str, Any]]) -> Evidence:
        """The best that any host has: what the database says now, or what was read last."""
        said = {name: found for name, found in sorted(ledgers.items()) if found.get("ledger")}
        if not said:
            return cls()
        order = {LIVE: 2, SEEN: 1}
        host = max(said, key=lambda name: (order.get(said[name]["source"], 0), said[name]["at"]))
        found = said[host]
        rows = tuple(map(Row.of, found["rows"]))
        return cls(found["source"], host, found["at"], found["why"], Ledger.of(found["ledger"]), rows)

    @property
    def is_asked(self) -> bool:
        """Whether there is a ledger to be asked at all."""
        return bool(self.ledger.table)

    @property
    def is_known(self) -> bool:
        return self.source in (LIVE, SEEN)

    @property
    def head(self) -> str:
        return newest([row.version for row in self.rows if row.state == "applied"])

    @property
    def words(self) -> str:
        """Where it comes from, as a sentence for people without its end."""
        if self.source == LIVE:
            return f"the database's own ledger says so, read from {self.host} at {self.at}"
        if self.source == SEEN:
            return f"the database did not answer ({self.why}): this goes by the ledger that {self.host} saw last, at {self.at}"
        if self.is_asked:
            return f"the database was not asked ({self.why}), and no host has seen its ledger: this goes by their own migrations"
        return ""

    def as_dict(self) -> dict[str, str]:
        """For the verdict's file and the history."""
        if not self.is_asked:
            return {}
        return {"source": self.source, "host": self.host, "at": self.at, "why": self.why, "head": self.head}


@dataclass(frozen=True)
class Culprit:
    """A migration that is applied and that a release does not run with. ``came``: the release that brought it."""

    path: str
    came: str
    since: str


@dataclass
class Schema:
    """``releases``: id -> what the module stack_ledger says of it."""

    evidence: Evidence
    releases: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    schemas: Sequence[Mapping[str, str]] = ()

    @classmethod
    def of(cls, ledgers: Mapping[str, Mapping[str, Any]], schemas: Sequence[Mapping[str, str]]) -> Schema:
        releases: dict[str, Mapping[str, Any]] = {}
        for found in ledgers.values():
            releases |= found.get("releases") or {}
        return cls(Evidence.of(ledgers), releases, schemas)

    @property
    def remembered(self) -> str:
        """The newest version that a migration from these hosts has come to."""
        return newest([schema["head"] for schema in self.schemas])

    @property
    def head(self) -> str:
        return self.evidence.head if self.evidence.is_known else self.remembered

    def is_ahead(self, identity: str, made_for: str) -> bool:
        """Whether the database has come further than the schema that a release was made for."""
        if not self.head or not made_for:
            return False
        return not _reaches(made_for, {one.version for one in self._files(identity)}, self.head)

    def problems(self, identity: str, made_for: str) -> list[str]:
        """Why a release does not run on the database. ``made_for``: the schema of its manifest; empty where it has none."""
        if not self.evidence.is_known:
            return self._by_memory(identity, made_for, "")
        found = [*self._lacks(identity), *self._broken(identity, made_for)]
        return found or self._by_memory(identity, made_for, self.evidence.words)

    def unknown(self, identity: str) -> list[str]:
        """Versions that are applied and that no retained release has a file of."""
        rows = self._standing(identity).unknown if self.evidence.is_known else ()
        # What packages of an image bring is in no release.
        own = {version.partition(".")[0] for version in self._known()}
        is_ours = self.evidence.ledger.preset != "django"
        return [f"{row.version} {row.name}".strip() for row in rows if is_ours or row.version.partition(".")[0] in own]

    def _files(self, identity: str) -> list[Shipped]:
        return [Shipped.of(one) for one in self.releases.get(identity, {}).get("migrations") or []]

    def _known(self) -> dict[str, Shipped]:
        return {one.version: one for identity in self.releases for one in self._files(identity)}

    def _standing(self, identity: str) -> Standing:
        known = self._known().values()
        return standing(self.evidence.rows, self._files(identity), self.evidence.ledger.preset, known)

    def _lacks(self, identity: str) -> list[str]:
        """What was seen earlier may have been migrated since."""
        if self.evidence.source != LIVE:
            return []
        requires = self.releases.get(identity, {}).get("requires", "")
        pending = [one for one in self._standing(identity).pending if not requires or one.version == requires]
        if not pending:
            return []
        return [
            f"release {identity} needs {_listed([one.path for one in pending])}, which the database does not have applied "
            f"({self.evidence.words}). Deploy that release instead, which migrates; a rollback does not"
        ]

    def _broken(self, identity: str, made_for: str) -> list[str]:
        culprits = {one.path: one for other in sorted(self.releases) for one in self._culprits(identity, made_for, other)}
        return [
            f"release {identity} does not run on the database as it is: {one.path} is applied there, which came with release "
            f"{one.came} and leaves only releases that were made for schema {one.since} or newer; this one was made for "
            f"{made_for or 'none'} ({self.evidence.words})"
            for one in culprits.values()
        ]

    def _culprits(self, identity: str, made_for: str, other: str) -> Iterable[Culprit]:
        """Applied migrations of the release ``other`` that ``identity`` does not run with."""
        told = self.releases[other]
        own = {one.version for one in self._files(identity)}
        applied = self._standing(other).applied
        foreign = [one for one in self._files(other) if one.version in applied and one.version not in own]
        breaking = told.get("breaking") or {}
        for one in foreign:
            since = breaking.get(one.version, "")
            if since and not _reaches(made_for, own, since):
                yield Culprit(one.path, other, since)
        since = told.get("compatible_since", "")
        is_applied = told.get("head", "") in applied
        if foreign and since and is_applied and not breaking and not _reaches(made_for, own, since):
            yield Culprit(_listed([one.path for one in foreign]), other, since)

    def _by_memory(self, identity: str, made_for: str, words: str) -> list[str]:
        """By what hosts remember, of releases too that nobody retains."""
        since = newest([schema["compatible_since"] for schema in self.schemas])
        own = {one.version for one in self._files(identity)}
        # Whatever was restored since is not so any more.
        applied = {version for one in self.releases for version in self._standing(one).applied}
        is_gone = self.evidence.is_known and not {since, self.remembered} <= applied | {row.version for row in self.evidence.rows}
        if not since or not made_for or is_gone or _reaches(made_for, own, since):
            return []
        tail = f" ({words})" if words else ""
        return [
            f"release {identity} was made for schema {made_for}, and since the live database was migrated only releases made for "
            f"schema {since} or newer run on it{tail}"
        ]


def _reaches(made_for: str, own: Iterable[str], since: str) -> bool:
    """Whether a release was made for a version or a newer one. Where versions are names, it has the file of that one."""
    if made_for.isdecimal() and since.isdecimal():
        return int(made_for) >= int(since)
    return since in own or made_for == since


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return ", ".join(paths[:_MOST_NAMED]) + more
