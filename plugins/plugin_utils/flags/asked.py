# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/flags.yml is asked to do: refused before any connection, or made into the file that hosts are to have. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.flags import words
from ansible_collections.morpheus.deploy.plugins.plugin_utils.flags import changed

TAKE = "take over what hosts have with -e flags_take=true"
BRING = "bring what the file says with -e flags_bring=true -e why=..."


@dataclass(frozen=True)
class Request:
    """``flag`` is switched ``to``; with ``bring`` hosts get what the file says; with ``take`` the file gets what hosts have."""

    flag: Any = ""
    to: Any = ""
    why: str = ""
    bring: bool = False
    take: bool = False

    @property
    def changes(self) -> bool:
        return bool(self.flag not in (None, "") or self.bring)

    def problems(self, flags: Mapping[str, Any]) -> list[str]:
        found = []
        if sum([self.flag not in (None, ""), self.bring, self.take]) > 1:
            found.append("flag, flags_bring and flags_take: say one of them")
        if self.flag not in (None, ""):
            found.append(changed.problem(flags, self.flag, self.to))
        elif self.to not in (None, ""):
            found.append("flag: required; which flag is switched")
        if self.changes and not self.why.strip():
            found.append("why: required; for what, for the history")
        return [one for one in found if one]


@dataclass(frozen=True)
class Host:
    """What a host answers. ``history``: the newest first."""

    name: str
    text: str
    version: int
    history: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Wanted:
    """``text``: what the file is to be; ``brought``: whether hosts get it. Both are to be used without ``problems`` only."""

    text: str
    brought: bool = False
    changes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def wanted(request: Request, text: str, hosts: list[Host]) -> Wanted:
    """``text``: of the environment's file as it is."""
    if request.take:
        return _taken(text, hosts)
    if not request.changes:
        return Wanted(text)
    document, flags, version = words.document(text), words.flags(text), words.version(text)
    newest = max([version, *(host.version for host in hosts)])
    if request.bring:
        if all(_same(host.text, text) for host in hosts):
            return Wanted(text)
        after = changed.text(document, flags, newest + 1)
        return Wanted(after, brought=True, changes=_from(hosts, after))
    if problems := [problem for host in hosts for problem in _ahead(host, text, version)]:
        return Wanted(text, problems=problems)
    flag = changed.changed(flags[request.flag], request.to)
    if flag == flags[request.flag]:
        # What an interrupted run has left.
        return Wanted(text, brought=any(host.text != text for host in hosts), changes=_from(hosts, text))
    after = changed.text(document, {**flags, request.flag: flag}, newest + 1)
    return Wanted(after, brought=True, changes=_from(hosts, after))


def _ahead(host: Host, text: str, version: int) -> Iterable[str]:
    """Why the file is not what the flags of this host were made of. One that has an older version is brought up to date."""
    differing = "; ".join(words.changes(text, host.text)) or "nothing but the version"
    if host.version > version:
        last = host.history[0] if host.history else {}
        who = f" by {last['by']}, {last['at']}, {last['why']}" if last else ""
        yield f"{host.name} has version {host.version}{who}, the file {version} ({differing}): {TAKE}, and switch again"
    elif host.version == version and not _same(host.text, text):
        yield f"{host.name} has other flags than the file ({differing}): {BRING}, or {TAKE}, and switch again"


def _taken(text: str, hosts: list[Host]) -> Wanted:
    newest = max((host.version for host in hosts), default=0)
    found = list(dict.fromkeys(host.text for host in hosts if host.version == newest and host.text))
    if not found:
        return Wanted(text, problems=["no host has flags to take over"])
    if len(found) > 1:
        names = ", ".join(host.name for host in hosts if host.version == newest)
        said = "; ".join(words.changes(found[0], found[1]))
        return Wanted(text, problems=[f"{names} have version {newest}, and not the same flags ({said}): {BRING}"])
    if newest < words.version(text):
        mine = words.version(text)
        return Wanted(text, problems=[f"the file has version {mine}, and hosts {newest}, which is from before: {BRING}"])
    return Wanted(found[0], changes=words.changes(text, found[0]))


def _from(hosts: list[Host], after: str) -> list[str]:
    return list(dict.fromkeys(change for host in hosts for change in words.changes(host.text, after)))


def _same(one: str, other: str) -> bool:
    return words.document(one) == words.document(other)


def lines(text: str, hosts: list[Host]) -> list[str]:
    """The flags of the file, what hosts have otherwise, and who changed what, the newest first."""
    found = [_line(name, flag) for name, flag in words.flags(text).items()] or ["no flags"]
    return [*found, *apart(text, hosts), *history(hosts)]


def apart(text: str, hosts: list[Host]) -> list[str]:
    """A sentence for each host that has other flags than the file."""
    found = []
    for host in hosts:
        if not _same(host.text, text):
            differing = "; ".join(words.changes(text, host.text)) or "nothing but the version"
            found.append(f"{host.name} has version {host.version}, the file {words.version(text)}: {differing}")
    return found


def _line(name: str, flag: Mapping[str, Any]) -> str:
    metadata = flag.get("metadata") or {}
    about = [f"{key}: {metadata[key]}" for key in ("owner", "expires") if metadata.get(key)]
    return f"{name}: {words.phrase(flag)}" + (f" ({', '.join(about)})" if about else "")


def history(hosts: list[Host]) -> list[str]:
    """Of all hosts, each change once: they are told of it at different moments."""
    found: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for host in hosts:
        for one in host.history:
            key = (one.get("version"), one.get("by"), one.get("why"), json.dumps(one.get("changes")))
            if key not in found or str(one.get("at")) < str(found[key].get("at")):
                found[key] = one
    newest = sorted(found.values(), key=lambda one: str(one.get("at")), reverse=True)
    return [_changed(one) for one in newest]


def _changed(one: Mapping[str, Any]) -> str:
    changes = "; ".join(one.get("changes") or []) or "no flag"
    return f"{one.get('at')}  version {one.get('version')}  {one.get('by')}  {one.get('why')}: {changes}"


def compared(text: str, other: str, names: tuple[str, str]) -> list[str]:
    """The flags that differ between two environments."""
    mine, theirs = words.flags(text), words.flags(other)
    found = []
    for name in sorted({*mine, *theirs}):
        if mine.get(name) != theirs.get(name):
            said = [words.phrase(flags[name]) if name in flags else "not there" for flags in (mine, theirs)]
            apart = "" if said[0] != said[1] else f", with another {_keys(mine[name], theirs[name])}"
            found.append(f"{name}: {names[0]} {said[0]}; {names[1]} {said[1]}{apart}")
    return found or [f"{names[0]} and {names[1]} have the same flags"]


def _keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    return " and ".join(sorted(key for key in {*one, *other} if one.get(key) != other.get(key)))
