# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that a balancer keeps off, although they may be well: one that was away comes back with the release that it had.

The balancer's own check of such a host fails, in every worker and whenever HAProxy restarts. Nothing is reloaded.

No other file of the balancer says whom it keeps off, and one that is let in by accident serves an old release. So it is said
twice: in the map that HAProxy is told of at run time, and in a copy, by which HAProxy goes where the map does not say that a
host is let in. Whoever lets one in says so in the map ("off"), so what is not in it was lost, and comes back from the copy or
from what HAProxy remembers.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE_BASE
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import HAPROXY_DIRECTORY
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.maintenance import Maintenance
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths

MAP, COPY = "away.map", "kept-off.map"
IN_HAPROXY = f"{HAPROXY_DIRECTORY}/{MAP}"
_OFF, _LET_IN = "on", "off"
_PROVISION = "run playbooks/provision.yml --tags edge for this inventory, which"
_RESTORES, _TELLS = f"{_PROVISION} restores it", f"{_PROVISION} tells it"

Entries = Mapping[str, str]


class KeptOff(Maintenance):
    """Whether the balancer keeps ``upstream`` off: "on" or "off"."""

    map = MAP
    default = _LET_IN
    what = "hosts that are kept off"

    def __init__(self, paths: EdgePaths, upstream: str) -> None:
        super().__init__(paths)
        self.key = upstream

    def switch(self, state: str) -> dict[str, str]:
        """As in every map, and in the copy after it: what the map says counts."""
        everybody = Everybody(self._paths)
        everybody.mend()
        before = super().switch(state)
        everybody.remember(self.key, state)
        return before


@dataclass(frozen=True)
class Standing:
    """``kept_off``: whom the balancer keeps off, or is to; ``lost``: path of a file -> of whom it should say so and does not;
    ``deaf``: worker -> whom it lets in all the same.
    """

    kept_off: tuple[str, ...]
    entries: Entries
    lost: Mapping[Path, tuple[str, ...]]
    deaf: Mapping[int, tuple[str, ...]]

    def problems(self) -> list[str]:
        """In words, each with what mends it."""
        found = [f"{path} does not say that {_listed(who)} is kept off: {_RESTORES}" for path, who in self.lost.items()]
        let_in = sorted({name for names in self.deaf.values() for name in names})
        told = f"HAProxy lets {_listed(let_in)} in, although the balancer is to keep it off: {_TELLS}"
        return [*found, told] if let_in else found


class Everybody:
    """All hosts that the balancer of this host keeps off. Of an edge that is no balancer nobody is asked anything."""

    def __init__(self, paths: EdgePaths, *, asks: bool = True) -> None:
        """``asks``: whether HAProxy runs, and can say what it remembers."""
        self._paths = paths
        self._asks = asks
        self._map, self._copy = paths.conf / MAP, paths.conf / COPY

    def look(self) -> Standing:
        """Raises DamagedError for a file that must be moved away first."""
        if not self._is_balancer():
            return Standing((), {}, {}, {})
        said, copied = _entries(self._map), _entries(self._copy)
        workers = self._workers()
        remembered = {name for entries in workers.values() for name, state in entries.items() if state == _OFF}
        entries = {**dict.fromkeys(remembered, _OFF), **copied, **said}
        off = tuple(sorted(name for name, state in entries.items() if state == _OFF))
        files = {self._map: said, self._copy: copied}
        lost = {path: tuple(name for name in off if entry.get(name) != _OFF) for path, entry in files.items()}
        deaf = {pid: tuple(name for name in off if entry.get(name) != _OFF) for pid, entry in workers.items()}
        return Standing(
            tuple(sorted({*off, *remembered})),
            entries,
            {path: names for path, names in lost.items() if names and (path == self._map or self._is_named(COPY))},
            {pid: names for pid, names in deaf.items() if names},
        )

    def mend(self) -> None:
        """Write what was lost, and tell HAProxy. Then whoever is to be kept off is, by the next HAProxy, too."""
        found = self.look()
        if self._map in found.lost:
            _write(self._map, found.entries)
        if self._copy in found.lost:
            _write(self._copy, dict.fromkeys((one for one in found.kept_off if found.entries[one] == _OFF), _OFF))
        for pid, names in found.deaf.items():
            for name in names:
                KeptOff(self._paths, name).tell(pid, _OFF)

    def remember(self, name: str, state: str) -> None:
        """Note in the copy what the map says by now."""
        copied = _entries(self._copy)
        if copied.get(name, _LET_IN) != state:
            others = {one: said for one, said in copied.items() if one != name}
            _write(self._copy, {**others, **({name: state} if state == _OFF else {})})

    def _workers(self) -> Mapping[int, Entries]:
        asks = self._asks and self._is_named(MAP) and self._paths.master.exists()
        return KeptOff(self._paths, "").entries() if asks else {}

    def _is_balancer(self) -> bool:
        """As far as anybody can tell without HAProxy's configuration: what the maps say is never let go for that."""
        return self._is_named(MAP) or not self._configured

    def _is_named(self, name: str) -> bool:
        """Whether HAProxy's configuration reads it. One of an older version has no copy, that of no balancer neither of both."""
        return f"{HAPROXY_DIRECTORY}/{name}" in self._configured

    @cached_property
    def _configured(self) -> str:
        with suppress(OSError):
            return (self._paths.conf / "haproxy.cfg").read_text(errors="replace")
        return ""


def _entries(path: Path) -> Entries:
    """What a file says in a word that is one: what was torn says nothing."""
    with suppress(FileNotFoundError):
        lines = [line.split() for line in EDGE_BASE.commented(path).splitlines()]
        found = {words[0]: words[1] for words in lines if len(words) == 2 and "\ufffd" not in words[0]}
        return {name: state for name, state in found.items() if state in (_OFF, _LET_IN)}
    return {}


def _write(path: Path, entries: Entries) -> None:
    write_atomically(path, "".join(f"{name} {state}\n" for name, state in entries.items()), mode=0o644)


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
