# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""daemon.json, the engine's configuration: what becomes of it, and what a change asks of an engine that runs. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

# What dockerd takes over from the file on SIGHUP; everything else counts from its next start on.
RELOADED = frozenset(
    {
        "authorization-plugins",
        "debug",
        "default-runtime",
        "features",
        "insecure-registries",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "registry-mirrors",
        "runtimes",
        "shutdown-timeout",
    }
)
LIVE_RESTORE = "live-restore"


class DaemonConfigError(DeployError):
    """daemon.json cannot be read, or a change of it would interrupt what runs."""


class RestartError(DaemonConfigError):
    """The engine was restarted, and it or its containers did not come through."""


def read(text: str, path: str) -> dict[str, Any]:
    """What the file says; an empty one says nothing."""
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise DaemonConfigError(f"{path} is not JSON ({exc}). Nothing was changed; mend or move it, and run again.") from exc
    if not isinstance(found, dict):
        raise DaemonConfigError(f"{path} holds no JSON object. Nothing was changed; mend or move it, and run again.")
    return found


def merged(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """``there`` with what is ``wanted``; keys that are not named stay, and one that is wanted as None goes.

    Options of a log driver fit no other one, so those of another driver do not stay.
    """
    if wanted.get("log-driver", there.get("log-driver")) != there.get("log-driver"):
        there = {key: value for key, value in there.items() if key != "log-opts"}
    result = dict(there)
    for key, value in wanted.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = {k: v for k, v in {**result[key], **value}.items() if v is not None}
        elif isinstance(value, Mapping):
            result[key] = {k: v for k, v in value.items() if v is not None}
        else:
            result[key] = value
    return result


def text(config: Mapping[str, Any]) -> str:
    return json.dumps(config, indent=4, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Change:
    """Keys by what a running engine needs to take their new values over."""

    restart: tuple[str, ...] = ()
    reload: tuple[str, ...] = ()


def change(before: Mapping[str, Any], after: Mapping[str, Any], pending: Iterable[str] = ()) -> Change:
    """``pending``: keys that an earlier run has written, and that the engine had not taken over when that run ended."""
    differing = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)} | set(pending)
    # A key that is gone is no value to take over: on SIGHUP dockerd goes on with the old one.
    reloaded = {key for key in differing if key in RELOADED and key in after}
    return Change(tuple(sorted(differing - reloaded)), tuple(sorted(reloaded)))


@dataclass(frozen=True)
class Engine:
    """An engine that runs: how many containers, and whether they live on without it now."""

    containers: int
    live_restore: bool


def obstacle(config: Mapping[str, Any], due: Change, engine: Engine, *, allow_interruption: bool) -> str:
    """Why the engine must not be restarted for ``due``; empty when nothing speaks against it.

    One whose containers would not live on now is reloaded first, if ``config`` has live-restore, and then they do.
    """
    if not due.restart or not engine.containers or allow_interruption or config.get(LIVE_RESTORE):
        return ""
    count = "1 container" if engine.containers == 1 else f"{engine.containers} containers"
    return (
        f"{', '.join(due.restart)} changed, which the engine takes over at a restart only, and without live-restore a restart "
        f"stops the {count} of this host. Nothing was changed. Take live-restore: false out of docker_engine_daemon_options, or "
        "take the host out of its balancer and run again with -e docker_engine_allow_interruption=true"
    )
