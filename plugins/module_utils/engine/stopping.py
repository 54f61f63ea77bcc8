# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of one container: it is told to end, and killed when it has not in its time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.answers import speaking
from ansible_collections.morpheus.deploy.plugins.module_utils.service.killed import Killed
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica

with suppress(ImportError):
    from docker.errors import NotFound

# The engine's own, of a container that was made without one.
DEFAULT_GRACE_SECONDS = 10.0
# What a process that was ended by SIGKILL has: 128 and the number of the signal.
_BY_SIGKILL = 137


def stop(client: Any, replica: Replica, grace_seconds: float | None) -> Killed | None:
    """What is known of it when its time was over before it ended. ``grace_seconds``: None for its own."""
    with speaking(f"stop {replica.id[:12]}"), suppress(NotFound):
        if grace_seconds is None:
            grace_seconds = client.api.inspect_container(replica.id)["Config"].get("StopTimeout")
        seconds = math.ceil(DEFAULT_GRACE_SECONDS if grace_seconds is None else grace_seconds)
        begun = monotonic()
        # The SDK waits for the answer by as much longer.
        client.api.stop(replica.id, timeout=seconds)
        # Who gives no time asks for the kill.
        if seconds and monotonic() - begun >= seconds:
            return _killed(client, replica, seconds)
    return None


def _killed(client: Any, replica: Replica, seconds: int) -> Killed | None:
    """None also where the engine does not tell: it has stopped, and nothing fails for that."""
    details: Mapping[str, Any] = {}
    with suppress(EngineError), speaking(f"look at {replica.name}"):
        details = client.api.inspect_container(replica.id)
    state = details.get("State") or {}
    if state.get("ExitCode") != _BY_SIGKILL or state.get("OOMKilled"):
        return None
    signal = str((details.get("Config") or {}).get("StopSignal") or "SIGTERM")
    return Killed(replica.name, seconds, f"signal {signal}" if signal.isdigit() else signal)
