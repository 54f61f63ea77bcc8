# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files a running replica goes on reading as somebody changed them, although others lie at their paths on the host by now.

A mount shows what lay at its source when the container was started. What is changed there in place is put right in place, for
everybody; what was replaced or removed since can be seen only through the container, and mended only by another one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from ansible_collections.morpheus.deploy.plugins.module_utils.base.processes import PROC
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService
from ansible_collections.morpheus.deploy.plugins.module_utils.service.mounted import MountedFile
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State

_ESCAPED = re.compile(r"\\([0-7]{3})")
# Of a line of mountinfo: where it is mounted.
_POINT = 4


class Engine(Protocol):
    def inspected(self, replica: Replica) -> Mapping[str, Any] | None: ...


def seen(engine: Engine, desired: Sequence[DesiredService], observed: Sequence[Replica]) -> list[Replica]:
    """The replicas, each with what it sees otherwise than its fingerprint says."""
    files = {(one.name, one.fingerprint): one.files for one in desired}
    return [
        replace(one, stale=stale(engine.inspected(one) or {}, own))
        if one.state is State.RUNNING and (own := files.get((one.service, one.fingerprint)))
        else one
        for one in observed
    ]


def stale(details: Mapping[str, Any], files: Sequence[MountedFile]) -> tuple[str, ...]:
    """Paths in a container of those of ``files`` that it sees otherwise than they should be, by a mount of what does not lie at
    its source any more. ``details``: what the engine tells of it.

    Nothing of what cannot be known: a container that does not run, or a mount below a link of its image.
    """
    pid = int((details.get("State") or {}).get("Pid") or 0)
    sources = {one["Destination"]: Path(one["Source"]) for one in details.get("Mounts") or [] if one.get("Type") == "bind"}
    if not pid or not files or not sources:
        return ()
    process = PROC / str(pid)
    points = _points(process)
    # Where what is mounted lies at its source still, whatever was changed there is put right there.
    away = {point for point, source in sources.items() if point in points and not _is_same(_inside(process, point), source)}
    return tuple(one.path for one in files if _point(one.path, points) in away and not one.is_at(_inside(process, one.path)))


def _point(path: str, points: Collection[str]) -> str:
    """Where the mount begins through which a path is seen: the deepest one."""
    above = (PurePosixPath(path), *PurePosixPath(path).parents)
    return next((str(one) for one in above if str(one) in points), "")


def as_ever(desired: Sequence[DesiredService], replicas: Sequence[Replica]) -> set[str]:
    """Secrets of the stack that replicas have mounted which were all started with what is wanted now: what somebody changed of
    them is put right where they see it. One that was given another value is not among them: who runs keeps what it has.
    """
    found: dict[str, bool] = {}
    for service in desired:
        parts = [one.parts for one in replicas if one.service == service.name and one.state is not State.DEAD]
        for file in (file for file in service.files if file.secret and parts):
            same = all(one.get(file.part) == service.parts.get(file.part) for one in parts)
            found[file.secret] = found.get(file.secret, True) and same
    return {name for name, same in found.items() if same}


def _inside(process: Path, path: str) -> Path:
    return process / "root" / path.lstrip("/")


def _is_same(one: Path, other: Path) -> bool:
    with suppress(OSError):
        return one.samefile(other)
    return False


def _points(process: Path) -> set[str]:
    """Where something is mounted, as the process sees it."""
    with suppress(OSError):
        lines = (process / "mountinfo").read_text(errors="surrogateescape").splitlines()
        return {_ESCAPED.sub(lambda found: chr(int(found[1], 8)), line.split(" ")[_POINT]) for line in lines}
    return set()
