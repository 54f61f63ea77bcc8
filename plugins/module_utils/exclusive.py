# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""One run at a time on a stack of a host: the newest lease, and the end of whatever an older one left at work."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from ansible_collections.morpheus.deploy.plugins.module_utils.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.fence import Fence
from ansible_collections.morpheus.deploy.plugins.module_utils.files import private
from ansible_collections.morpheus.deploy.plugins.module_utils.gate import Clock, SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.spoken import sentence

# A run that has been fenced off ends at its next step; the longest one is a stop with its grace period.
GHOST_SECONDS = 120.0
POLL_SECONDS = 0.1


@contextmanager
def alone(host: StackHost, token: int, clock: Clock | None = None) -> Iterator[Fence]:
    """Keep every other run of this stack off this host. The kernel gives the lock back however its holder ends.

    With a lease (``token``) a run that is still at work has lost its own: it is fenced off and waited for. Without one it is
    respected, and DeployError says so.
    """
    fence = Fence(host.releases.root, token)
    fence.enter()
    path = host.releases.root / "rollout.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise DeployError(sentence(IsADirectoryError(errno.EISDIR, "", str(path))))
    with open(path, "a", opener=private) as stream:
        _lock(stream, host.stack, GHOST_SECONDS if token else 0.0, clock or SystemClock())
        # Compose goes on for a moment when this process is killed. Until it has ended nobody else may look and plan.
        host.hold = [stream.fileno()]
        fence.check()
        try:
            yield fence
        finally:
            host.hold = []


def _lock(stream: IO[str], stack: str, wait_seconds: float, clock: Clock) -> None:
    deadline = clock.now() + wait_seconds
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if clock.now() >= deadline:
                raise DeployError(
                    f"another rollout of {stack} is at work on this host; wait for its end and run this again"
                ) from None
        clock.sleep(POLL_SECONDS)
