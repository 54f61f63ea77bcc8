# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replicas that the engine had to kill, and how people are told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# More are counted only.
_NAMED = 3


@dataclass(frozen=True)
class Killed:
    """A replica that had not ended ``seconds`` after it was told to by ``signal``, and was ended by SIGKILL."""

    name: str
    seconds: int
    signal: str = "SIGTERM"


def as_dict(service: str, killed: Sequence[Killed]) -> dict[str, Any]:
    """``killed``: of ``service``, at least one."""
    return {
        "service": service,
        "replicas": [one.name for one in killed],
        "seconds": max(one.seconds for one in killed),
        "signal": killed[0].signal,
    }


def few(names: Sequence[str]) -> str:
    """The first ones by name, the others by number."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def sentence(service: str, replicas: Iterable[str], seconds: int, signal: str) -> str:
    names = list(replicas)
    verb, doing = ("was", "it was") if len(names) == 1 else ("were", "they were")
    return (
        f"{service}: {few(names)} did not end on {signal} within {seconds} s and {verb} killed; what "
        f"{doing} doing is lost (set a longer stop_grace_period, or handle {signal})"
    )
