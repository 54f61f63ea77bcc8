# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of secrets in files where none belongs. Compares on the host, and tells names of secrets and files, never a value."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file as dotenv
from ansible_collections.morpheus.deploy.plugins.module_utils.base import leftovers
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_ROOT, ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import holds_users
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.access import printable
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.walk import File
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets.fingerprints import MINIMUM_LENGTH

SECONDS = 60.0
LARGEST = 16 << 20
# More of one kind say nothing more.
LISTED = 200
# What a run that is at work has in memory. What it leaves is a finding of its own.
_PREPARING = f"{leftovers.RUN}/{leftovers.PREPARING}"
# Where people and programs put copies. They are read first, so that a search that runs out of time has read them.
LIKELY = (
    *("/dev/shm/", "/etc/", "/home/", "/mnt/", "/opt/", "/root/", "/run/", "/srv/", "/tmp/", "/var/tmp/"),
    f"{ROOT}/",
)


@dataclass(frozen=True)
class Searched:
    """``files``: how many were read. ``copies``: file and names of the secrets in it. ``unread``: path -> why it was not."""

    files: int = 0
    copies: list[dict[str, Any]] = field(default_factory=list)
    more: int = 0
    unread: list[str] = field(default_factory=list)


def values(stacks: Path) -> tuple[dict[str, str], list[str]]:
    """Name -> value of every secret of every stack on this host; and those that are too short to be told from other words."""
    found: dict[str, str] = {}
    for path in sorted(stacks.glob("*/secrets/*")):
        if path.is_file() and not path.name.startswith("."):
            with suppress(OSError):
                found.update(_named(path))
    # Each has its value from a variable, but for what somebody wrote there, and what no variable gives any more.
    for path in sorted(stacks.glob("*/secrets/values/[!.]*")):
        with suppress(OSError):
            value = _text(path)
            found |= {f"values.{path.name}": value} if value not in found.values() else {}
    short = sorted(name for name, value in found.items() if len(value.strip()) < MINIMUM_LENGTH)
    return {name: value for name, value in found.items() if name not in short}, short


def _named(path: Path) -> Iterator[tuple[str, str]]:
    content = _text(path)
    if path.suffix != ".env":
        yield f"files.{path.name}", content
    else:
        yield from ((f"{path.stem}.{name}", value) for name, value in dotenv.values(content).items())


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def marks(secrets: Mapping[str, str]) -> dict[bytes, list[str]]:
    """What gives a secret away wherever it stands -> names of the secrets that have it."""
    found: dict[bytes, list[str]] = {}
    for name, value in secrets.items():
        for mark in {mark for text in _texts(value) for mark in _written(text)}:
            found.setdefault(mark, []).append(name)
    return found


def _texts(value: str) -> Iterator[str]:
    yield value
    # A file of one line is copied without its end as often as with it.
    if len(value.strip()) >= MINIMUM_LENGTH:
        yield value.strip()
    with suppress(DeployError):
        password = connection_url.parse(value).password
        if len(password) >= MINIMUM_LENGTH:
            yield password


def _written(text: str) -> Iterator[bytes]:
    """As it is, and as env files, JSON, URLs and base64 have it."""
    raw = text.encode("utf-8", "surrogateescape")
    yield raw
    with suppress(UnicodeEncodeError):
        yield dotenv.render({"X": text})[3:-2].encode()
        yield json.dumps(text)[1:-1].encode()
        yield quote(text, safe="").encode()
    for before in range(3):
        # In the middle of other bytes the same ones look different by where they begin; what stands at the ends is cut off.
        encoded = base64.b64encode(b"\0" * before + raw)
        inside = encoded[(0, 2, 3)[before] : len(encoded) - (0, 4, 4)[(len(raw) + before) % 3]]
        if len(inside) >= MINIMUM_LENGTH:
            yield inside


def search(
    files: Iterable[File], secrets: Mapping[str, str], root: Path = Path("/"), seconds: float = SECONDS, largest: int = LARGEST
) -> Searched:
    """Those of ``files`` that hold one of ``secrets``. Bounded: what was not read is said."""
    wanted = marks(secrets)
    if not wanted:
        return Searched()
    deadline = time.monotonic() + seconds
    base = str(root).rstrip("/")
    read, copies, unread = 0, [], []
    waiting = sorted(files, key=_order)
    for number, file in enumerate(waiting):
        if time.monotonic() > deadline:
            unread.append(f"{len(waiting) - number} files, because {seconds:g} s were over: {_some(waiting[number:])}")
            break
        if file.size > largest:
            continue
        try:
            content = _content(base + file.path, largest)
        except FileNotFoundError:
            continue
        except OSError as exc:
            unread.append(printable(f"{file.path}: {exc.strerror}"))
            continue
        read += 1
        names = sorted({name for mark, of in wanted.items() if mark in content for name in of})
        if names:
            copies.append({**_shown(file), "secrets": names})
    large = [file for file in waiting if file.size > largest]
    if large:
        unread.append(f"{len(large)} files of more than {largest >> 20} MiB: {_some(large)}")
    return Searched(read, copies[:LISTED], max(0, len(copies) - LISTED), unread)


def _order(file: File) -> tuple[bool, bool, int]:
    return not file.open, not file.path.startswith(LIKELY), file.size


def _content(path: str, largest: int) -> bytes:
    """At most so much: a file may grow while it is read. Leaves the time of the last access alone."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags | os.O_NOATIME)
    except PermissionError:
        handle = os.open(path, flags)
    with os.fdopen(handle, "rb", buffering=0) as stream:
        found = stream.read(largest)
        return found or b""


def _some(files: Sequence[File], count: int = 3) -> str:
    largest = sorted(files, key=lambda file: -file.size)[:count]
    more = f" and {len(files) - count} more" if len(files) > count else ""
    return ", ".join(printable(file.path) for file in largest) + more


def _shown(file: File) -> dict[str, Any]:
    return {"path": printable(file.path), "uid": file.uid, "gid": file.gid, "mode": file.mode, "open": file.open}


def is_in_place(path: str, stacks: str, abandoned: tuple[str, ...] = ()) -> bool:
    """Whether ``path`` is in the place of secrets, ``<stacks>/<stack>/secrets/``, or below what is a finding of its own."""
    if path.startswith((*abandoned, _PREPARING)):
        return True
    if path.startswith(f"{EDGE_ROOT}/conf/stacks/") and holds_users(path):
        # Users of routes, with the hashes that stand in stack_secrets.
        return True
    return path.startswith(f"{stacks}/") and path[len(stacks) + 1 :].split("/")[1:2] == ["secrets"]
