# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that nobody gives yet: which kind of value their places want, and what is there while the rest is checked. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import interpolation
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import Needed, strings
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.tagged import Override, Reset

# In the inventory until a person writes the value.
PLACEHOLDER = "change-me"
# Of a service, what hosts never read.
_UNREAD = ("build", "develop")


@dataclass(frozen=True)
class Kind:
    """``words``: what is wanted; ``stand_in``: accepted there; ``part``: accepted where more stands around it."""

    words: str
    stand_in: str
    part: str = ""


_ADDRESS = Kind("an IP address, such as 127.0.0.1", "127.0.0.1")
_PORT = Kind("a port, from 1 to 65535", "18080")
_NUMBER = Kind("a number", "1")
_SIZE = Kind("a size, such as 512m", "512m", "64")
_TIME = Kind("a time, such as 30s", "30s", "30")
_SWITCH = Kind("true or false", "false")
_USER = Kind("the number of a user or a group", "1000")
_DIRECTORY = Kind("a directory of the hosts, such as /srv/data", "/srv/change-me")
_TARGET = Kind("a path in the container, such as /data", "/change-me")
_TAG = Kind("the tag of the image", PLACEHOLDER)
_IMAGE = Kind("the name of the image, or this part of it", PLACEHOLDER)
_BY_KEY: Mapping[str, Kind] = {
    **dict.fromkeys(("replicas", "scale", "cpus", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota", "cpu_shares"), _NUMBER),
    **dict.fromkeys(("pids", "pids_limit", "retries", "soft", "hard", "oom_score_adj", "max_attempts", "parallelism"), _NUMBER),
    **dict.fromkeys(("mem_swappiness", "ulimits", "nofile", "nproc", "max_replicas_per_node", "mode"), _NUMBER),
    **dict.fromkeys(("mem_limit", "memory", "mem_reservation", "memswap_limit", "shm_size", "size"), _SIZE),
    **dict.fromkeys(("interval", "timeout", "start_period", "start_interval", "stop_grace_period", "delay", "window"), _TIME),
    **dict.fromkeys(("init", "tty", "privileged", "stdin_open", "disable", "oom_kill_disable", "required"), _SWITCH),
    **dict.fromkeys(("internal", "external", "attachable", "enable_ipv6"), _SWITCH),
    **dict.fromkeys(("extra_hosts", "dns", "ipv4_address", "host_ip"), _ADDRESS),
    **dict.fromkeys(("expose", "target", "published"), _PORT),
    "user": _USER,
    "read_only": Kind("true or false", "true"),
    "condition": Kind("one of service_started, service_healthy, service_completed_successfully", "service_started"),
    "subnet": Kind("a subnet, such as 10.90.0.0/24", "10.90.0.0/24"),
    "restart": Kind("one of always, unless-stopped, on-failure, no", "always"),
    "protocol": Kind("tcp or udp", "tcp"),
    "platform": Kind("a platform, such as linux/amd64", "linux/amd64"),
}
_FREE = ("environment", "labels", "annotations", "args", "command", "entrypoint", "test", "driver_opts", "options")


def fill(needed: Needed, models: Iterable[Mapping[str, Any]], unknown: Collection[str]) -> dict[str, str]:
    """What stands in stack.variables for each, and rows of what a person writes there."""
    uses = [one for model in models for one in _texts(model)]
    found, any_value = {}, []
    for name in unknown:
        own = [(path, text) for path, text in uses if name in interpolation.names(text)]
        kept = [(path, text) for path, text in own if not _is_gone(needed, name, path)]
        kinds = [(path, kind, text) for path, text in kept or own if (kind := _kind(name, path, text))]
        path, kind, text = kinds[0] if kinds else ((), None, "")
        stand_in = _stand_in(kind, name, text) if kind else PLACEHOLDER
        if own and not kept:
            found[name] = stand_in
            any_value.append(name)
            continue
        found[name] = PLACEHOLDER
        needed.stand_ins[name] = stand_in
        if kind:
            said = f"nobody gives it; write {kind.words} ({'.'.join(path)}), in the place of {PLACEHOLDER}"
            needed.say(f"stack.variables.{name}", "yours", said)
    if any_value:
        said = f"{', '.join(any_value)}: asked for only by what these lines take away, so any value does that fits there"
        needed.say("stack.variables", "given", said)
    told = {row.place.rpartition(".")[2] for row in needed.rows if row.place.startswith("stack.variables.")}
    others = [name for name in needed.stand_ins if name not in told]
    if others:
        its = "its value" if len(others) == 1 else "their values"
        said = (
            f"nobody gives {', '.join(others)}: write {its} in the place of {PLACEHOLDER}; a secret belongs into "
            "stack_secret_variables"
        )
        needed.say("stack.variables", "yours", said)
    return found


def is_in(needed: Needed, said: str) -> bool:
    """Whether something is said of what stands there until a person has written the value."""
    return bool(needed.stand_ins) and re.search(rf"(?<![\w/]){PLACEHOLDER}", said, re.IGNORECASE) is not None


def _is_gone(needed: Needed, name: str, path: tuple[str, ...]) -> bool:
    """Whether a line of the override takes it away."""
    if path[0] != "services" or len(path) < 3:
        return False
    whole = needed.override.get("services", {}).get(path[1], {})
    over = whole if isinstance(whole, Reset) else whole.get(path[2])
    value = over.value if isinstance(over, Override) else over
    replaces = isinstance(over, Override | Reset | str)
    return replaces and not any(name in interpolation.names(text) for text in strings(value))


def _kind(name: str, path: tuple[str, ...], text: str) -> Kind | None:
    keys = path[2:] if path[0] == "services" else path[1:]
    names = [key for key in keys if not key.isdigit()]
    if not names or any(key in _FREE for key in names):
        return None
    if names == ["ports"]:
        parts = _parts(text)
        at = next((number for number, part in enumerate(parts) if name in interpolation.names(part)), 0)
        return _ADDRESS if len(parts) > 2 and at == 0 else _PORT
    if names == ["image"]:
        return _TAG if re.search(rf":\$\{{?{name}\b[^/]*\Z", text) else _IMAGE
    if names[0] == "volumes":
        return _of_volume(name, names[1:], text)
    return _BY_KEY.get(names[-1])


def _of_volume(name: str, keys: list[str], text: str) -> Kind | None:
    if keys:
        return {"source": _DIRECTORY if text.startswith("$") else None, "target": _TARGET}.get(keys[-1], _BY_KEY.get(keys[-1]))
    parts = _parts(text)
    if name in interpolation.names(parts[0]):
        return _DIRECTORY if parts[0].startswith("$") else None
    return _TARGET if len(parts) > 1 and parts[1].startswith("$") and name in interpolation.names(parts[1]) else None


def _parts(text: str) -> list[str]:
    """What stands in ${...} may have a colon of its own."""
    return re.findall(r"(?:\$\{[^}]*\}|\[[^\]]*\]|[^:])+", text)


def _stand_in(kind: Kind, name: str, text: str) -> str:
    is_whole = re.fullmatch(rf"\$(?:\{{{name}(?:[:?][^}}]*)?\}}|{name})", text)
    return kind.stand_in if is_whole or not kind.part else kind.part


def _texts(model: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each text that hosts read, and its path."""
    for path, text in _walk(model, ()):
        if not path[0].startswith("x-") and not (path[0] == "services" and len(path) > 2 and path[2] in _UNREAD):
            yield path, text


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, str) and path:
        yield path, value
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, part in pairs:
        yield from _walk(part, (*path, str(key)))
