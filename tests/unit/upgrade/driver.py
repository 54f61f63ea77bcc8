"""Works on a host's files as whichever version of the collection stands first in PYTHONPATH.

Run by test_upgrade.py as a process of its own, once per step: two versions of a collection cannot be imported side by side.

Files are real and below a directory; containers are those of the version's own simulation, and are carried from step to step.
Everything that is called here has to exist in every version that is compared.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils import history
from ansible_collections.morpheus.deploy.plugins.module_utils import rollout as rollout_module
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import EdgePaths, edge_settings
from ansible_collections.morpheus.deploy.plugins.module_utils.identity import HostIdentity, Owner
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import Claim, Lease
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage import Kind
from ansible_collections.morpheus.deploy.plugins.module_utils.plan import State

from tests.unit.plugins.module_utils.test_rollout import API, StackHost


def host_of(root: Path, containers: list[dict[str, Any]], releases: dict[str, str]) -> StackHost:
    """``releases``: name -> fingerprint of its service, of those that are on the host."""
    host = StackHost(root / "stacks")
    for name, fingerprint in releases.items():
        host.wanted[name] = [replace(API, fingerprint=fingerprint)]
        host.images.add(f"sha256:{name}")
    for one in containers:
        host.simulated.add("api", one["fingerprint"], State(one["state"]), admitted=one["admitted"], number=one["number"])
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
        setattr(rollout_module, name, lambda *unused, found=found: found)
    return host


def step(root: Path, request: dict[str, Any]) -> dict[str, Any]:
    releases = request["releases"]
    lease = Lease("staging", root)
    before = lease.read()
    record = lease.acquire(Claim("anna@laptop", request["what"], ttl_seconds=0.1), wait_seconds=5)
    host = host_of(root, request["containers"], {name: mark for name, mark in releases.items() if name != request.get("new")})
    known = host.releases.lineage().previous(), host.releases.live_release()
    if request["what"] == "deploy":
        name = request["new"]
        identity = host.release(name, replace(API, fingerprint=releases[name]))
        if releases[name] == "bad":
            host.simulated.bad.add("bad")
        done = host.roll(identity, token=record.token)
    else:
        done = host.roll(known[0], kind=Kind.ROLLBACK, token=record.token)
    history.append(lease.history, history.line(at="", verdict=request["what"], environment="staging", token=record.token))
    identity_file = HostIdentity(root / "etc")
    if not identity_file.path.exists():
        identity_file.write(Owner("staging", "2026-01-01T00:00:00Z"))
    lineage = host.releases.lineage()
    return {
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
        "edge": {name: edge_settings(EdgePaths(root / "edge"))[name] for name in ("image", "user")},
        "activated": sorted(host.releases.activated()),
        "notes": list(getattr(host.releases, "notes", [])),
        "containers": [
            {"fingerprint": one.fingerprint, "state": one.state.value, "admitted": one.admitted, "number": one.number}
            for one in host.simulated.observe()
        ],
    }


if __name__ == "__main__":
    print(json.dumps(step(Path(sys.argv[1]), json.loads(sys.argv[2]))))
