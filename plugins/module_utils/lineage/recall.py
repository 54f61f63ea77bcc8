# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lineage that was lost, recreated from what else remembers: the journal, the manifests, and the containers that run. Pure.

The journal tells the same events in the same order, so it is replayed. Where it tells nothing of what runs, the containers do:
they carry the id and the fingerprints of the release that started them. A release is good only when one of the two says that it
went live.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import clock
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Fate, Kind, Lineage, Rolling, Status


@dataclass(frozen=True)
class Running:
    """A container that runs: whose replica it is, the id of the release that started it, and its fingerprint."""

    service: str
    release: str
    fingerprint: str


@dataclass(frozen=True)
class Kept:
    """What the manifest of a retained release tells: when it was prepared (UTC), and its schema."""

    created: str = ""
    schema: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """``journal``: its events, oldest first. ``activated``: id of the release that the project directory is of, and the
    fingerprints (by service) that its replicas shall have; empty when nothing tells it.
    """

    manifests: Mapping[str, Kept]
    journal: Sequence[Mapping[str, Any]] = ()
    containers: Sequence[Running] = ()
    activated: tuple[str, Mapping[str, str]] = ("", {})

    @property
    def empty(self) -> bool:
        """Whether no rollout was ever begun here; the first release may have been prepared."""
        return not (self.journal or self.containers)

    def __str__(self) -> str:
        counted = {
            "the journal": f"{len(self.journal)} events",
            "releases/": _number(len(self.manifests), "manifest"),
            "the engine": _number(len(self.containers), "running container"),
        }
        return ", ".join(f"{what} of {where}" for where, what in counted.items())


def lineage(evidence: Evidence) -> Lineage:
    found = Lineage()
    _replay(found, evidence)
    _ask_containers(found, evidence)
    for identity, kept in evidence.manifests.items():
        found.fates.setdefault(identity, Fate(Status.PREPARED, kept.created))
    # The one that changed last stands last; sorted() leaves the order of what has the same time.
    found.fates = dict(sorted(found.fates.items(), key=lambda item: item[1].at))
    return found


def sentence(found: Lineage, evidence: Evidence) -> str:
    """What was made of what, for people."""
    said = [f"{found.live} is live" if found.live else "nothing is live"]
    said += [f"{found.previous()} was before it"] if found.previous() else []
    said += [f"the rollout to {found.rolling.id} has not ended"] if found.rolling else []
    never = [identity for identity, fate in found.fates.items() if fate.status in (Status.FAILED, Status.PREPARED)]
    said += [f"failed or never live: {', '.join(never)}"] if never else []
    return f"{evidence}: {'; '.join(said)}"


def _told(journal: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Without what a run wrote that was refused before its release was known."""
    for event in journal:
        if event.get("release") or event.get("event") not in ("begin", "live", "failed"):
            yield event


def _replay(found: Lineage, evidence: Evidence) -> None:
    kind = Kind.DEPLOY
    for event in _told(evidence.journal):
        identity, name = str(event.get("release", "")), event.get("event")
        before = dict(found.fates)
        if name == "begin":
            kind = Kind(event["kind"]) if event.get("kind") in [one.value for one in Kind] else Kind.DEPLOY
            found.begin(identity, kind)
            # Its migration comes before its rollout, on this host or on another one of the same database.
            _learn(found, evidence.manifests.get(identity, Kept()).schema)
        elif name == "migrated":
            _learn(found, event.get("schema") or {})
            found.schema.applied(event.get("files") or {})
        elif name == "live":
            found.went_live(identity, kind)
        elif name == "failed":
            found.failed(identity, str(event.get("why", "")), unfinished=event.get("left") in ("mixed", "switched"))
        else:
            _replay_more(found, event)
        for one, fate in found.fates.items():
            if fate is not before.get(one):
                fate.at = _utc(event.get("at"))


def _replay_more(found: Lineage, event: Mapping[str, Any]) -> None:
    """What decides nothing about which release is good."""
    if event.get("event") == "job":
        found.has_run(str(event.get("release", "")), str(event.get("job", "")))
    elif event.get("event") == "pruned":
        for one in event.get("releases") or []:
            found.forget(str(one))


def _ask_containers(found: Lineage, evidence: Evidence) -> None:
    """What runs is so, whatever the journal has lost."""
    present = {one.release for one in evidence.containers} - {""}
    whole = _runs_whole(evidence)
    if whole and whole != found.live:
        # Begun and not ended, or ended badly: then a container that runs is no proof that it may serve.
        if found.rolling or found.status(whole) is Status.FAILED:
            found.rolling = found.rolling or Rolling(whole, Kind.DEPLOY)
        else:
            _lives(found, evidence, whole)
    if found.live or not present:
        return
    # Neither the journal nor the project directory tells which of them is the one. What was prepared first ran before the others.
    order = sorted(present, key=lambda identity: (evidence.manifests.get(identity, Kept()).created, identity))
    if found.rolling and len(order) > 1:
        order = [identity for identity in order if identity != found.rolling.id]
    elif found.rolling and order == [found.rolling.id]:
        return
    _lives(found, evidence, order[0])
    if len(order) > 1 and not found.rolling:
        found.rolling = Rolling(order[-1], Kind.DEPLOY)


def _lives(found: Lineage, evidence: Evidence, identity: str) -> None:
    rolling = found.rolling
    found.went_live(identity, Kind.DEPLOY)
    found.rolling = rolling
    kept = evidence.manifests.get(identity, Kept())
    found.fates[identity].at = kept.created
    _learn(found, kept.schema)


def _runs_whole(evidence: Evidence) -> str:
    """Id of the release of the project directory when every replica that runs is one of its; empty otherwise."""
    identity, fingerprints = evidence.activated
    wanted = {one.service: one for one in evidence.containers}
    good = all(one.fingerprint and one.fingerprint == fingerprints.get(one.service) for one in evidence.containers)
    return identity if identity and wanted and good else ""


def _learn(found: Lineage, schema: Mapping[str, str]) -> None:
    if schema.get("head"):
        found.schema.migrated({"head": schema["head"], "compatible_since": schema.get("compatible_since", "")})


def _utc(seconds: Any) -> str:
    if not isinstance(seconds, (int, float)):
        return ""
    return clock.utc(seconds)


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
