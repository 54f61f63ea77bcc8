"""Works on a host's files as whichever version of the collection stands first in PYTHONPATH.

Run by test_upgrade.py as a process for each version: two versions of a collection cannot be imported side by side. It reads a
request per line, and each step is a process of its own that knows nothing of the steps before but what is on disk.

Files are real and below a directory; containers are those of the version's own simulation, and are carried from step to step.
Everything that is called here has to exist in every version that is compared.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

CODE = "ansible_collections.morpheus.deploy.plugins.module_utils"
TESTS = "tests.unit.plugins.module_utils"


def in_either(*places: str) -> ModuleType:
    """Where this version has the file: in its package, or beside all others, as before there were packages."""
    for place in places:
        try:
            return import_module(place)
        except ModuleNotFoundError as exc:
            if exc.name != place and not place.startswith(f"{exc.name}."):
                raise
    raise ModuleNotFoundError(f"this version has none of {', '.join(places)}")


history = in_either(f"{CODE}.lease.history", f"{CODE}.history")
rollout_module = in_either(f"{CODE}.operations.switch", f"{CODE}.rollout")
edge = in_either(f"{CODE}.edge.paths", f"{CODE}.edge.admission", f"{CODE}.edge")
owners = in_either(f"{CODE}.ownership.host", f"{CODE}.identity")
leases = in_either(f"{CODE}.lease.lease", f"{CODE}.lease")
claims = in_either(f"{CODE}.lease.held", f"{CODE}.lease.lease", f"{CODE}.lease")
lineages = in_either(f"{CODE}.lineage.lineage", f"{CODE}.lineage")
replicas = in_either(f"{CODE}.service.replica", f"{CODE}.rollout.plan", f"{CODE}.plan")
rolling = in_either(f"{TESTS}.operations.test_rollout", f"{TESTS}.test_rollout")


def host_of(root: Path, containers: list[dict[str, Any]], releases: dict[str, str]) -> Any:
    """``releases``: name -> fingerprint of its service, of those that are on the host."""
    host = rolling.StackHost(root / "stacks")
    for name, fingerprint in releases.items():
        host.wanted[name] = [replace(rolling.API, fingerprint=fingerprint)]
        host.images.add(f"sha256:{name}")
    for one in containers:
        host.simulated.add(
            "api", one["fingerprint"], replicas.State(one["state"]), admitted=one["admitted"], number=one["number"]
        )
    host.simulated.routes = {"api/": "api"} if containers else {}
    host.edge_services = {"api"} if containers else set()
    simulated = host.simulated
    verbs = {
        "HostEngine": simulated.engine,
        "HostEdge": simulated.edge,
        "HostGate": simulated.gate,
        "SystemClock": simulated.clock,
    }
    for name, found in verbs.items():
        setattr(rollout_module, name, lambda *unused, found=found, **named: found)
    return host


def step(root: Path, request: dict[str, Any]) -> dict[str, Any]:
    releases = request["releases"]
    lease = leases.Lease("staging", root)
    before = lease.read()
    record = lease.acquire(claims.Claim("anna@laptop", request["what"], ttl_seconds=0.1), wait_seconds=5)
    host = host_of(root, request["containers"], {name: mark for name, mark in releases.items() if name != request.get("new")})
    known = host.releases.lineage().previous(), host.releases.live_release()
    if request["what"] == "deploy":
        name = request["new"]
        identity = host.release(name, replace(rolling.API, fingerprint=releases[name]))
        if releases[name] == "bad":
            host.simulated.bad.add("bad")
        done = host.roll(identity, token=record.token)
    else:
        done = host.roll(known[0], kind=lineages.Kind.ROLLBACK, token=record.token)
    history.append(lease.history, history.line(at="", verdict=request["what"], environment="staging", token=record.token))
    identity_file = owners.HostIdentity(root / "etc")
    if not identity_file.path.exists():
        identity_file.write(owners.Owner("staging", "2026-01-01T00:00:00Z"))
    lineage = host.releases.lineage()
    return {
        "code": str(Path(*import_module(CODE).__path__).resolve()),
        "was": known[1],
        "live": host.releases.live_release(),
        "previous": lineage.previous(),
        "fates": {name: fate.status.value for name, fate in lineage.fates.items()},
        "schema": asdict(lineage.schema),
        "ids": [one for one in host.releases.ids() if host.releases.has(one)],
        "runs": host.runs(),
        "failures": done.outcome.failures,
        "left": done.left,
        "violations": host.simulated.violations,
        "token": record.token,
        "lease_before": before.record.owner if before else "",
        "history": [one["verdict"] for one in history.tail(lease.history, 10)],
        "owner": asdict(identity_file.read()),
        "edge": {name: edge.edge_settings(edge.EdgePaths(root / "edge"))[name] for name in ("image", "user")},
        "activated": sorted(host.releases.activated()),
        "notes": list(getattr(host.releases, "notes", [])),
        "containers": [
            {"fingerprint": one.fingerprint, "state": one.state.value, "admitted": one.admitted, "number": one.number}
            for one in host.simulated.observe()
        ],
    }


def serve() -> None:
    """Answers requests until there are no more, or one fails."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            request = json.loads(line)
            with redirect_stdout(sys.stderr):
                answer = step(Path(request.pop("root")), request)
            print(json.dumps(answer), flush=True)
            os._exit(0)
        if os.waitpid(pid, 0)[1]:
            sys.exit(1)


if __name__ == "__main__":
    serve()
