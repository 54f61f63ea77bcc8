# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host shows before a deploy: clock, memory, disks, versions, certificates, its last backup, and alerts that fire. Reads,
judges nothing, and changes nothing."""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import meminfo, others_json
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_ROOT, ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import drift as edge_drift
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.certificate import EdgeCertificate
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.everything import Everything
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import SERVICE
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Endpoint, Expectation
from ansible_collections.morpheus.deploy.plugins.module_utils.health.http import HttpProbe

# Alertmanager's own port, and the name of its service in stacks/monitoring.
ALERTMANAGER, PORT = "alertmanager", 9093
SECONDS = 5.0
_LARGEST = 4 << 20
# <sys/timex.h>: the clock is not synchronised; and room for the kernel's structure, of which only ``status`` is read.
_UNSYNCHRONISED, _TIMEX = 0x40, 512
_VERSION = re.compile(r"^Version: (\S+)", re.MULTILINE)


def look(engine: Everything, root: Path = ROOT, edge: Path = EDGE_ROOT) -> dict[str, Any]:
    """``trouble`` says what could not be looked at, by what it is called in the rest."""
    trouble: dict[str, str] = {}

    def tried(name: str, ask: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return ask()
        except (DeployError, OSError, subprocess.SubprocessError) as exc:
            trouble[name] = " ".join(str(exc).split())
            return otherwise

    info = tried("engine", engine.info, {})
    memory = meminfo.read()
    places = {str(root), *filter(None, [str(info.get("DockerRootDir") or "")])}
    return {
        "memory": asdict(memory) if memory else {},
        "disks": tried("disks", lambda: [disk(place) for place in sorted(places)], []),
        "versions": {
            "engine": str(info.get("ServerVersion") or ""),
            "compose": tried("compose", compose, ""),
            "edge": tried("edge", lambda: haproxy(Socket(str(EdgePaths(edge).socket))), ""),
        },
        "certificates": tried("certificates", lambda: dict(certificates(EdgePaths(edge))), {}),
        "backups": tried("backups", lambda: backups(root), {}),
        "synchronised": synchronised(),
        "trouble": trouble,
        # Last, so that it is as young as can be.
        "time": time.time(),
    }


def versions(engine: Everything, edge: Path = EDGE_ROOT) -> dict[str, str]:
    """What the host runs on, to be compared with other hosts; a part that does not answer is left out."""
    found: dict[str, str] = {}
    with suppress(DeployError):
        info = engine.info()
        found |= {"os": str(info.get("OperatingSystem") or ""), "engine": str(info.get("ServerVersion") or "")}
    with suppress(OSError, subprocess.SubprocessError):
        found["compose"] = compose()
    with suppress(DeployError):
        # One that is away is told by who needs it, and is not waited for.
        found["edge"] = haproxy(Socket(str(EdgePaths(edge).socket), patience=0.0))
    return {part: version for part, version in found.items() if version}


def disk(place: str) -> dict[str, Any]:
    """Of the file system that holds ``place``, or that will; sizes in bytes."""
    path = next(path for path in (Path(place), *Path(place).parents) if path.exists())
    found = os.statvfs(path)
    return {
        "path": place,
        "free": found.f_bavail * found.f_frsize,
        "total": found.f_blocks * found.f_frsize,
        "inodes_free": found.f_favail,
        "inodes": found.f_files,
    }


def compose() -> str:
    """The version of Docker Compose."""
    command = ["docker", "compose", "version", "--short"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip().removeprefix("v")


def haproxy(socket: Socket) -> str:
    """The version of the edge that serves."""
    found = _VERSION.search(socket.ask("show info"))
    return found[1] if found else ""


def certificates(paths: EdgePaths) -> Iterator[tuple[str, str]]:
    """Name and certificate, without its key, of all that the edge serves with."""
    for path in edge_drift.certificates(paths):
        yield path.stem, EdgeCertificate(paths, path.stem).chain()


def backups(root: Path) -> dict[str, Any]:
    """Kind -> what the host was last told of it: when it was made, and its name."""
    path = root / "backup" / "news.json"
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        raise DeployError(f"{path} cannot be read") from None
    return {str(kind): about for kind, about in found.items() if isinstance(about, Mapping)} if isinstance(found, Mapping) else {}


def synchronised() -> bool | None:
    """Whether the kernel says that something keeps its clock right; None where it does not say."""
    with suppress(OSError, AttributeError):
        timex = ctypes.create_string_buffer(_TIMEX)
        if ctypes.CDLL(None).adjtimex(timex) >= 0:
            # struct timex: modes, offset, freq, maxerror, esterror, status, as the compiler lays them out.
            return not ctypes.c_int.from_buffer(timex, 5 * ctypes.sizeof(ctypes.c_long)).value & _UNSYNCHRONISED
    return None


def alertmanager(engine: Everything) -> str:
    """The address of the one that runs on this host as a service of a stack; DeployError when none does."""
    for inspect in engine.containers():
        labels = (inspect.get("Config") or {}).get("Labels") or {}
        if labels.get(SERVICE) == ALERTMANAGER and (inspect.get("State") or {}).get("Running"):
            for network in ((inspect.get("NetworkSettings") or {}).get("Networks") or {}).values():
                if network.get("IPAddress"):
                    return f"http://{network['IPAddress']}:{PORT}"
    raise DeployError(f"no container of a service {ALERTMANAGER} runs on this host")


class _Alerts(HttpProbe):
    body_limit = _LARGEST
    answer_limit = 2 * _LARGEST


def firing(url: str) -> list[dict[str, str]]:
    """Name, severity, host and summary of the alerts that fire and that nobody has silenced."""
    query = "active=true&silenced=false&inhibited=false&unprocessed=false"
    where = f"{url.rstrip('/')}/api/v2/alerts"
    answer = _Alerts()(Endpoint(ALERTMANAGER, f"{where}?{query}"), SECONDS)
    problem = Expectation().violation(answer)
    if problem:
        raise DeployError(f"{where}: {problem}")
    try:
        found = others_json.loads(answer.body)
    except ValueError as exc:
        raise DeployError(f"{where}: {exc}") from None
    if not isinstance(found, list) or not all(map(_is_alert, found)):
        raise DeployError(f"{where}: what answers there is not Alertmanager: it lists no alerts")
    return [_alert(one) for one in found]


def _is_alert(one: Any) -> bool:
    """Whether it is one of Alertmanager's API."""
    if not isinstance(one, Mapping) or not isinstance(one.get("annotations") or {}, Mapping):
        return False
    return isinstance(one.get("labels"), Mapping) and "alertname" in one["labels"]


def _alert(one: Mapping[str, Any]) -> dict[str, str]:
    labels, about = one["labels"], one.get("annotations") or {}
    return {
        "name": str(labels["alertname"]),
        "severity": str(labels.get("severity", "")),
        "host": str(labels.get("host", "")),
        "since": str(one.get("startsAt", ""))[:19],
        "summary": " ".join(str(about.get("summary") or about.get("description") or "").split()),
    }
