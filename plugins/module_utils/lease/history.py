# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of an environment: one JSON line a run, on each host that granted its lease. For people; nothing is decided by it.

Whoever writes holds the lock of the environment's lease.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import private, write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import HISTORY
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import told

KEEP_LINES = 1000
# What a host has lost that others have, too.
_OTHERS = "the other hosts that keep the lease know what is lost, and nobody where there is no other one"


def line(
    *, at: str, verdict: str, environment: str, token: int, run: str = "", owner: str = "", what: str = "", why: str = ""
) -> dict[str, Any]:
    """The record of an event of the lease itself, with the keys that a run's record has too."""
    return {
        "at": at,
        "run": run,
        "owner": owner,
        "what": what,
        "environment": environment,
        "verdict": verdict,
        "token": token,
        "why": why,
    }


def text(record: Mapping[str, Any]) -> str:
    return json.dumps(HISTORY.numbered(record), sort_keys=True) + "\n"


def append(path: Path, record: Mapping[str, Any]) -> None:
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab", buffering=0, opener=private) as stream:
            stream.write(text(record).encode())
            os.fsync(stream.fileno())


def trim(path: Path, keep: int = KEEP_LINES) -> None:
    """Keep the last ``keep`` lines, and end one that was torn by a crash, so that the next record has a line of its own.

    Lines that cannot be read are moved to a file beside it, which nobody reads.
    """
    if path.is_dir():
        raise HISTORY.damaged(path, "it is a directory")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    lines = content.splitlines()
    bad = [line for line in lines if _record(line) is None]
    good = [line for line in lines if _record(line) is not None]
    if bad:
        with told(_aside(path)), open(_aside(path), "ab", opener=private) as stream:
            stream.write(b"".join(line + b"\n" for line in bad))
    if bad or len(lines) > keep or not content.endswith(b"\n"):
        write_atomically(path, b"".join(line + b"\n" for line in good[-keep:]), mode=0o600)


def lost(path: Path, *, known: bool) -> str:
    """What is wrong with this host's history, in a sentence; empty when nothing is. ``known``: whether a run has ended here."""
    if path.is_dir():
        return str(HISTORY.damaged(path, "it is a directory"))
    content = path.read_bytes() if path.is_file() else b""
    if not content:
        what = "is empty" if path.is_file() else "is missing"
        return f"{path} {what}, although runs have ended here: {_OTHERS}. The next run begins a new one" if known else ""
    bad = sum(_record(line) is None for line in content.splitlines())
    if not bad:
        return ""
    return f"{bad} of the lines of {path} cannot be read: {_OTHERS}. The next run moves them to {_aside(path)}"


def tail(path: Path, count: int) -> list[dict[str, Any]]:
    """The last ``count`` records, the newest last. Lines that cannot be read are left out."""
    if path.is_dir():
        return []
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    records: list[dict[str, Any]] = []
    for candidate in reversed(lines):
        if len(records) == count:
            break
        record = _record(candidate)
        if record is not None:
            # What a newer version has written is shown as far as it can be: nothing is decided by it.
            record.pop(HISTORY.key, None)
            records.insert(0, record)
    return records


def _record(line: bytes) -> dict[str, Any] | None:
    """None where it cannot be read. Every record says of what it is: a run that ended, or an event of the lease."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and len(found) > (HISTORY.key in found) else None


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.unreadable")


def merged(histories: Iterable[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """What several hosts remember, in the order of time: each run's end once, although each of them has written it down.

    A line of a run that names itself is told from others by its verdict, for hosts agree on neither the second nor the token.
    """
    found: dict[str, dict[str, Any]] = {}
    for record in (record for records in histories for record in records):
        known = json.dumps([record["run"], record.get("verdict")] if record.get("run") else dict(record), sort_keys=True)
        if known not in found or str(record.get("at", "")) < str(found[known].get("at", "")):
            found[known] = dict(record)
    return sorted(found.values(), key=lambda record: str(record.get("at", "")))
