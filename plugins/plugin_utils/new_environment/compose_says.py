# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Compose file says of the service that users reach, as far as it leaves no doubt. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.interpolation import interpolated
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.compose_files import ComposeFiles

_HERE = r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])"
_URL = re.compile(rf"https?://{_HERE}(?::(?P<port>\d+))?(?P<path>/[^\s\"'`|;&)]*)?")
# As curl and wget take it.
_BARE = re.compile(rf"\b(?:curl|wget)\b[^|;&]*?\s[\"']?{_HERE}:(?P<port>\d+)(?P<path>/[^\s\"'`|;&)]*)?(?=[\s\"'|;&)]|\Z)")
_GET = re.compile(r"\bGET (?P<path>/\S*) HTTP")
_SOCKET = re.compile(r"/dev/tcp/[^/\s]+/(?P<port>\d+)")
_PORT = re.compile(r"(?:^|:)(?P<port>\d+)(?:/tcp)?\Z")


@dataclass(frozen=True)
class Said:
    """``project``: the name of the Compose project; ``services``: all that run; the rest is of the one that users reach.

    Empty, or 0, is what the files do not say, or say in two ways.
    """

    project: str = ""
    services: tuple[str, ...] = ()
    service: str = ""
    port: int = 0
    health: str = ""


def read(texts: Mapping[str, str], environment: str, service: str = "") -> Said:
    """``texts``: file name -> content, in Compose's order; ``service``: which one it is, where a person has said so."""
    files = ComposeFiles(texts, {"STACK_RELEASE": "unknown", "STACK_ENVIRONMENT": environment})
    if files.problems:
        raise DeployError("\n".join(files.problems))
    model = files.model()
    running = {name: one for name, one in model["services"].items() if isinstance(one, Mapping) and not one.get("profiles")}
    project = model.get("name")
    said = Said(interpolated(project, {}).text if isinstance(project, str) else "", tuple(running))
    chosen = service or _only(running) or _only(name for name, one in running.items() if _ports(one) or asked(one))
    if chosen not in running:
        return said
    port, health = _port(running[chosen]), _only(path for _, path in asked(running[chosen]) if path)
    return Said(said.project, said.services, chosen, port, health or "")


def _only(found: Iterable[Any]) -> Any:
    """The one that there is; None for none and for several."""
    several = set(found)
    return several.pop() if len(several) == 1 else None


def _port(service: Mapping[str, Any]) -> int:
    listed, checked = _ports(service), {port for port, _ in asked(service) if port}
    # Of several, the one that the service is asked on.
    return _only(listed & checked) or _only(listed or checked) or 0


def _ports(service: Mapping[str, Any]) -> set[int]:
    """Inside the container."""
    entries = [entry for key in ("ports", "expose") for entry in _listed(service.get(key))]
    texts = [str(entry.get("target") if isinstance(entry, Mapping) else entry) for entry in entries]
    return {int(found["port"]) for text in texts if (found := _PORT.search(text))}


def asked(service: Mapping[str, Any]) -> set[tuple[int, str]]:
    """Port and path that the service's own health check asks; 0 and "" where it does not name one."""
    check = service.get("healthcheck")
    test = check.get("test") if isinstance(check, Mapping) else None
    words = " ".join(map(str, _listed(test)))
    urls = {(int(found["port"] or 0), found["path"] or "/") for one in (_URL, _BARE) for found in one.finditer(words)}
    if urls:
        return urls
    ports = {int(found["port"]) for found in _SOCKET.finditer(words)}
    return {(_only(ports) or 0, found["path"]) for found in _GET.finditer(words)}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
