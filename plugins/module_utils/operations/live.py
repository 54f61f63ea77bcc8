# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The live files that a deploy brings, and the flags among them that stay because they are newer."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, field

from ansible_collections.morpheus.deploy.plugins.module_utils.base import clock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.flags import words
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.wanted import Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.release.live_flags import LiveFlags
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases


@dataclass(frozen=True)
class Brought:
    """``changed``: names of files; ``kept``: a sentence on flags that stay as they are; ``flags``: those that stay."""

    changed: list[str]
    kept: list[str] = field(default_factory=list)
    flags: bytes = b""


def bring(releases: Releases, wanted: Wanted, *, check_mode: bool) -> Brought:
    flags = LiveFlags(releases.root)
    # The file of the lock lies in the stack's directory, which a first deploy has made by now.
    with nullcontext() if check_mode or words.NAME not in wanted.live_files else flags.alone():
        before = flags.content
        files, kept = flags.newest(wanted.live_files)
        live = wanted.stack.live_files, files, wanted.executable
        changed = releases.live_files.changed(*live)
        if not check_mode:
            releases.live_files.write(*live)
            if words.NAME in files:
                flags.note(before, files[words.NAME], by="a deploy", why=f"release {wanted.release}", at=now())
    return Brought(changed, [kept] if kept else [], before if kept else b"")


@dataclass(frozen=True)
class Change:
    """Flags to be brought. ``before``: digest of those that they were made of; ``by``, ``why``: for the history."""

    content: bytes
    before: str
    by: str
    why: str


def switch(releases: Releases, change: Change, *, check_mode: bool) -> None:
    """DeployError where nobody would read the flags, or where others are there by now."""
    if not (change.by and change.why):
        raise DeployError("by and why are needed: the history says who changed the flags, and for what. Nothing was changed.")
    live = releases.live()
    if not live or words.DIRECTORY not in releases.read(live).stack.live_files:
        which = f"release {live}, which is live here, reads no flags" if live else "no release of the stack is live on this host"
        raise DeployError(f"{which}. Deploy the stack with stack_flags, which brings them, too. Nothing was changed.")
    if not check_mode:
        LiveFlags(releases.root).bring(change.content, change.before, by=change.by, why=change.why, at=now())


def now() -> str:
    return clock.utc(time.time())
