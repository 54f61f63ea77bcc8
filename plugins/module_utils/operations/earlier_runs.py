# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs that are gone have left at work on this host: migrations and jobs, of which there are never two at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.one_offs import OneOff


@dataclass(frozen=True)
class Kind:
    """``whose``: what a container is called in a sentence. ``forget``: takes away one that has ended. ``finish``: waits for one
    to its end and raises DeployError when that is bad; ``spent``: seconds that it has been at work.
    """

    whose: Callable[[OneOff], str]
    forget: Callable[[OneOff], None]
    finish: Callable[[OneOff, float], object]
    now: Callable[[], float]

    def settle(self, found: Iterable[OneOff], release: str, *, look_only: bool = False) -> list[str]:
        """Bring what an earlier run has left to its end, so that none is at work any more. What there is to say about it.

        One of the same release is waited for, as long as its own run would have done; any other one is not ours to wait for or to
        stop. Raises DeployError when one is at work afterwards, or the one that was waited for has failed.
        """
        said = []
        for one in found:
            whose = self.whose(one)
            if not one.at_work:
                if one.release and not look_only:
                    self.forget(one)
                continue
            if one.release != release:
                raise DeployError(still_at_work(whose, one))
            if look_only:
                said.append(f"{whose} is at work on this host ({one.name}, since {one.since}); a deploy would wait for it")
                continue
            whose = f"{whose}, which an earlier run had started at {one.since},"
            try:
                self.finish(one, max(0.0, self.now() - one.started))
            except DeployError as exc:
                raise DeployError(f"{whose} failed: {exc}") from exc
            said.append(f"{whose} was waited for; it ended well")
        return said


def still_at_work(whose: str, one: OneOff) -> str:
    return (
        f"{whose} is still at work on this host: container {one.name}, since {one.since}. Two at once are never run. "
        f"Wait for its end (docker logs --follow {one.name}) or stop it (docker stop {one.name}); then run this again"
    )
