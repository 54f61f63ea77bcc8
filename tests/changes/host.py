"""The shop on the host: what runs, what the edge knows of it, what happened, and how it goes away without a trace."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Collection
from typing import Any

from tests.acceptance.world import BASE, STAGING, admitted, on
from tests.changes.shop import SITE, STACK, Release

HOST = STAGING.hosts[0]
EDGE = "edge-haproxy-1"
CONF = f"{BASE}/edge/conf"
JOURNAL = f"{BASE}/stacks/{STACK}/journal.jsonl"
_MINE = f"label=com.docker.compose.project={STACK}"
_SOCKETS = """
import socket
def ask(name, command):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(f"/var/lib/morpheus.deploy/edge/run/{name}.sock")
    connection.sendall(command.encode() + b"\\n")
    connection.shutdown(socket.SHUT_WR)
    answer = b""
    while chunk := connection.recv(65536):
        answer += chunk
    return answer.decode()
"""
_WIPE = f"""
test ! -e {BASE}/stacks/{STACK}/rollout.lock || flock --timeout 120 {BASE}/stacks/{STACK}/rollout.lock true
rm -rf {CONF}/stacks/{STACK}.* {CONF}/routes.d/{STACK}.*
cat {CONF}/routes.d/*.map > {CONF}/routes.map 2>/dev/null || true
python3 - <<'END'
{_SOCKETS}
answer = ask("master", "reload")
assert answer.startswith("Success=1"), answer
END
docker ps --all --quiet --filter {_MINE} | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
docker network ls --quiet --filter {_MINE} | xargs --no-run-if-empty docker network rm >/dev/null
docker volume ls --quiet --filter {_MINE} | xargs --no-run-if-empty docker volume rm >/dev/null
rm -rf {BASE}/stacks/{STACK}
"""


def wipe() -> None:
    """As if the shop had never been there. Other stacks serve on."""
    on(HOST, "sh", "-ec", _WIPE)


def containers(everything: bool = False) -> list[dict[str, Any]]:
    """What the engine says of the shop's containers; without ``everything`` of those that run."""
    names = on(HOST, "docker", "ps", *(["--all"] if everything else []), "--quiet", "--filter", _MINE).split()
    found: list[dict[str, Any]] = json.loads(on(HOST, "docker", "inspect", *names)) if names else []
    return found


def running() -> dict[str, int]:
    """Identity -> number of containers; those that do not run are there, too, and say so."""
    return dict(Counter(map(_identity, containers(everything=True))))


def _identity(container: dict[str, Any]) -> str:
    environment = dict(entry.split("=", 1) for entry in container["Config"]["Env"])
    words = [environment["SERVICE"], environment["EDITION"]]
    if container["State"]["Status"] != "running":
        return "/".join(words) + f" ({container['State']['Status']})"
    if "MENU" in environment:
        words.append(on(HOST, "docker", "exec", container["Id"], "cat", environment["MENU"]).strip())
    return "/".join(words)


def overlaps() -> list[str]:
    """Replicas that were given the ledger while another one had it, since this was asked last."""
    look = "docker exec {} sh -c 'cd /data && if test -e overlaps; then cat overlaps && rm overlaps; fi'"
    ledgers = [one["Id"] for one in containers() if any(entry.startswith("LEDGER=") for entry in one["Config"]["Env"])]
    return [line for name in ledgers for line in on(HOST, "sh", "-c", look.format(name)).splitlines()]


def problems(release: Release) -> list[str]:
    """In which ways the host is not as it is when this release runs and nothing else."""
    found = []
    if running() != release.replicas():
        found.append(f"runs {running()}, not {release.replicas()}")
    routed = {service.name for service in release if service.paths}
    wanted = {one["Name"].lstrip("/") for one in containers() if one["Config"]["Labels"]["com.docker.compose.service"] in routed}
    servers = {name for backend, name in ast.literal_eval(admitted(HOST)) if backend.startswith(f"{STACK}.")}
    if servers != wanted:
        found.append(f"the edge admits {sorted(servers)}, not {sorted(wanted)}")
    keys = {f"{SITE}{path}/" for path in release.routes()}
    for where, table in (("routes.map", on(HOST, "cat", f"{CONF}/routes.map")), ("HAProxy's memory", _live_map())):
        lines = [line.split() for line in table.splitlines() if re.search(rf"\s{STACK}\.", line)]
        known = {line[-2] for line in lines}
        if known != keys or len(lines) != len(keys):
            found.append(f"{where} has routes {sorted(line[-2] for line in lines)}, not {sorted(keys)}")
    return found


def _live_map() -> str:
    path = on(HOST, "python3", "-c", f'{_SOCKETS}\nprint(ask("admin", "show map"))')
    [number] = re.findall(r"^(\d+) .*/routes\.map", path, re.MULTILINE)
    return on(HOST, "python3", "-c", f'{_SOCKETS}\nprint(ask("admin", "show map #{number}"))')


def journal(first: int = 0) -> list[str]:
    """Its lines from number ``first`` on."""
    return on(HOST, "sh", "-c", f"cat {JOURNAL} 2>/dev/null || true").splitlines()[first:]


def evidence(since: float, journal_from: int, lost: Collection[str], shown: int = 12) -> str:
    """Lines of HAProxy's log that say of anything but a good answer, and the journal, since then. ``lost``: paths that may be."""
    log = on(HOST, "sh", "-c", f"docker logs --since {since:.0f} {EDGE} 2>&1").splitlines()
    gone = "|".join(re.escape(path) for path in lost) or "(?!)"
    dull = re.compile(rf'"path": "(.*", "status": 200,|({gone})", "status": 404,)|Proxy \S+ stopped')
    told = [line for line in log if not dull.search(line)]
    cut = [*told[:shown], f"... {len(told) - 2 * shown} more lines ...", *told[-shown:]] if len(told) > 2 * shown else told
    return "\n".join(["HAProxy:", *cut, "journal:", *journal(journal_from)])
