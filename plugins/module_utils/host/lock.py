# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time on a stack of a host: the newest lease, and the end of whatever an older one left at work."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import private
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock, SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import sentence
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock_holders import holders
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence

# A run that has been fenced off ends at its next step; the longest one is a stop with its grace period.
GHOST_SECONDS = 120.0
# One that is stopped does not end by itself. It may be on its way to be woken up.
STOPPED_SECONDS = 5.0
POLL_SECONDS = 0.1


@contextmanager
def alone(host: StackHost, token: int, run: str = "", clock: Clock | None = None) -> Iterator[Fence]:
    """Keep every other run of this stack off this host. The kernel gives the lock back however its holder ends.

    With a lease (``token``, given to ``run``) a run that is still at work has lost its own: it is fenced off and waited for.
    Without one it is respected, and DeployError says so.
    """
    if token and not run:
        raise DeployError('token without run: say which run holds it, with run: "{{ lease_taken.run }}"')
    fence = Fence(host.releases.root, token, run)
    fence.enter()
    path = host.releases.root / "rollout.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise DeployError(sentence(IsADirectoryError(errno.EISDIR, "", str(path))))
    with open(path, "a", opener=private) as stream:
        _lock(stream, path, host.stack, GHOST_SECONDS if token else 0.0, clock or SystemClock())
        # Compose goes on for a moment when this process is killed. Until it has ended nobody else may look and plan.
        host.hold = [stream.fileno()]
        fence.check()
        try:
            yield fence
        finally:
            host.hold = []


def _lock(stream: IO[str], path: Path, stack: str, wait_seconds: float, clock: Clock) -> None:
    begun = looked = clock.now()
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            over = clock.now() - begun >= wait_seconds
            if over or clock.now() - looked >= STOPPED_SECONDS:
                # Not each time: every process of the host is looked at.
                looked = clock.now()
                found = holders(path)
                stopped = [one for one in found if one.stopped]
                if over or (stopped and len(stopped) == len(found)):
                    who = f": {'; '.join(map(str, found))}" if found else ""
                    raise DeployError(
                        f"another rollout of {stack} is at work on this host{who}{_way_on([one.pid for one in stopped])}"
                    ) from None
        clock.sleep(POLL_SECONDS)


def _way_on(stopped: list[int]) -> str:
    if not stopped:
        return "; wait for its end and run this again"
    pids = " ".join(map(str, stopped))
    return (
        f". It is stopped and will not end by itself. On the host, let it go on (kill -CONT {pids}), and it ends at its next "
        f"step when another run has the lease; or end it (kill -KILL {pids}). Then run this again: it goes on from what is there"
    )
