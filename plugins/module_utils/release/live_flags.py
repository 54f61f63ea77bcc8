# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The feature flags of a stack on a host: a live file with a version, and the history of its changes.

The newest version stays: a deploy from a checkout that does not know of a change by playbooks/flags.yml leaves that in place, and
of two changes at once the second is refused.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import make_directories, private, write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import FLAG_HISTORY
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import told
from ansible_collections.morpheus.deploy.plugins.module_utils.flags import words

# Changes that are remembered.
KEEP = 200
_SAID = {"at", "by", "why", "version", "changes"}
_LOST = "who made these changes is known by the other hosts, if at all. The flags are as they were; the next change begins anew"
_TAKE = "Take it over with playbooks/flags.yml -e flags_take=true"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class LiveFlags:
    """``root``: the stack's directory on the host."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / "live" / words.NAME
        self._history = root / "flags.jsonl"

    @property
    def content(self) -> bytes:
        """Empty where there are none."""
        return self._path.read_bytes() if self._path.is_file() else b""

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes the flags meanwhile. Not the lock of a rollout, which has it for as long as it rolls."""
        path = self._root / "flags.lock"
        make_directories(path.parent)
        with told(path), open(path, "a", opener=private) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if self._history.is_dir():
                # Before flags change, of which nobody could be told.
                raise FLAG_HISTORY.damaged(self._history, "it is a directory")
            yield

    def newest(self, files: Mapping[str, bytes]) -> tuple[dict[str, bytes], str]:
        """The live files that a deploy is to bring, with this host's own flags where they are newer; and a sentence on that."""
        wanted, here = files.get(words.NAME), self.content
        if wanted is None or words.version(here) <= words.version(wanted):
            return {**files}, ""
        differing = "; ".join(words.changes(wanted, here)) or "no flag differs"
        return {**files, words.NAME: here}, (
            f"the flags stay at version {words.version(here)}{self._last()}, because the inventory's file has version "
            f"{words.version(wanted)}, from before that change: {differing}. {_TAKE}, and commit it"
        )

    def bring(self, content: bytes, before: str, *, by: str, why: str, at: str) -> list[str]:
        """Put ``content`` in the place of that whose digest is ``before``. A sentence for each flag that differs.

        DeployError where another one is here by now.
        """
        with self.alone():
            here = self.content
            if content == here:
                return []
            if digest(here) != before:
                raise DeployError(
                    f"the flags have been changed meanwhile, to version {words.version(here)}{self._last()}. Nothing was changed "
                    f"here. {_TAKE}, and switch again"
                )
            write_atomically(self._path, content, mode=0o644)
            return self.note(here, content, by=by, why=why, at=at)

    def note(self, before: bytes, after: bytes, *, by: str, why: str, at: str) -> list[str]:
        """Write the change into the history. Its sentences."""
        changes = words.changes(before, after)
        if before != after:
            line = {"at": at, "by": by, "why": why, "version": words.version(after), "changes": changes}
            kept = [*reversed(self.history(KEEP - 1)), line]
            text = "".join(json.dumps(FLAG_HISTORY.numbered(one), sort_keys=True) + "\n" for one in kept)
            write_atomically(self._history, text, mode=0o600)
        return changes

    def _last(self) -> str:
        last = self.history(1)
        return f" ({last[0]['by']}, {last[0]['at']}: {last[0]['why']})" if last else ""

    def lost(self) -> str:
        """What is wrong with the history, in a sentence; empty when nothing is."""
        path = self._history
        if path.is_dir():
            return str(FLAG_HISTORY.damaged(path, "it is a directory"))
        lines = path.read_bytes().splitlines() if path.is_file() else []
        if self.content and not lines:
            return f"{path} {'is empty' if path.is_file() else 'is missing'}: {_LOST}"
        bad = len(lines) - len(self.history(len(lines)))
        return f"{bad} of the lines of {path} cannot be read: {_LOST}" if bad else ""

    def history(self, count: int) -> list[dict[str, Any]]:
        """The last changes, the newest first. Lines that cannot be read are left out."""
        found: list[dict[str, Any]] = []
        for line in self._history.read_bytes().splitlines() if self._history.is_file() else []:
            with suppress(ValueError):
                change = FLAG_HISTORY.current(self._history, json.loads(line))
                # Where it says who did what, when and why.
                found += [change] if change.keys() >= _SAID else []
        return found[::-1][:count]
