"""gRPC over a deploy and over its rollback, as users have it: calls again and again, and streams of 90 seconds."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.world import BASE, CA, STAGING, Environment, on, play
from tests.strangers import stand_ins

pytestmark = [pytest.mark.lane("rest"), pytest.mark.deep]

HOST = STAGING.hosts[0]
NAME = "greeter"
STREAM_SECONDS = 90
# Longer than a stream.
PATIENT_SECONDS = 150
FIRST, SECOND = stand_ins.RELEASES
# How a deploy waits for streams -> (what the route says, drain_seconds, stop_grace_period).
WAYS: dict[str, tuple[dict[str, Any], int, str]] = {
    "the drain waits": ({"timeout_seconds": PATIENT_SECONDS}, PATIENT_SECONDS, "10s"),
    "the server ends its calls": ({"stream": True}, 10, f"{PATIENT_SECONDS}s"),
}


@dataclass(frozen=True)
class Greeter:
    """A stack of its own beside the example's, in an inventory that differs from staging's in nothing else."""

    inventory: Path
    image: str

    def runs(self, playbook: str, *options: str) -> None:
        run = play(playbook, self.inventory, *options)
        assert run.code == 0, run.output

    @contextmanager
    def asked(self, *, calls: int = 0, streams: int = 0) -> Iterator[dict[str, Any]]:
        """While users do so. What came of it is there in the end."""
        given = {"target": f"127.0.0.1:{STAGING.port}", "authority": STAGING.site, "ca": CA.read_text()}
        given |= {"calls": calls, "streams": streams, "seconds": STREAM_SECONDS}
        command = ["docker", "run", "--rm", "--interactive", "--network", "host", self.image, "python3", "/srv/client.py"]
        found: dict[str, Any] = {}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as users:
            assert users.stdin
            assert users.stdout
            try:
                print(json.dumps(given), file=users.stdin, flush=True)
                assert users.stdout.readline() == "begun\n"
                yield found
            finally:
                users.stdin.close()
                found |= json.loads(users.stdout.readline() or "{}")


@pytest.fixture(params=WAYS)
def greeter(request: pytest.FixtureRequest, staging: Environment, inventories: Path, tmp_path: Path) -> Iterator[Greeter]:
    """With its first release deployed."""
    route, drain_seconds, grace = WAYS[request.param]
    source = tmp_path / NAME
    source.mkdir()
    service = {
        "image": f"{stand_ins.GREETER}:${{STACK_RELEASE}}",
        "restart": "unless-stopped",
        "stop_grace_period": grace,
        "mem_limit": "256m",
        "deploy": {"replicas": 2, "update_config": {"parallelism": 0, "order": "start-first"}},
    }
    (source / "compose.yml").write_text(yaml.safe_dump({"services": {"greeter": service}}))
    found = Greeter(inventories / "staging", stand_ins.publish_greeter())
    path = found.inventory / "group_vars" / "all" / "stack.yml"
    settings = yaml.safe_load(path.read_text())
    settings["stack_source"] = str(source)
    del settings["stack_flags"]
    settings["stack"] = {
        "name": NAME,
        "compose_files": ["compose.yml"],
        "database": settings["stack"]["database"],
        "drain_seconds": drain_seconds,
        "services": [
            {
                "name": "greeter",
                "port": 9000,
                "protocol": "h2",
                "routes": [{"host": staging.site, "paths": ["/greet.Greeter"], **route}],
                "health": {"path": "/health", "port": 8000, "version": "version"},
            }
        ],
    }
    path.write_text(yaml.safe_dump(settings))
    try:
        found.runs("deploy.yml", "-e", f"stack_release={FIRST}")
        yield found
    finally:
        label = f"label=com.docker.compose.project={NAME}"
        own = [("ps -aq", "rm -f"), ("network ls -q", "network rm")]
        gone = [f"docker {listed} --filter {label} | xargs -r docker {removed}" for listed, removed in own]
        edge = f"{BASE}/edge/conf/stacks/{NAME}.cfg {BASE}/edge/conf/routes.d/{NAME}.map"
        on(HOST, "sh", "-c", "; ".join([*gone, f"rm -rf {BASE}/stacks/{NAME} {edge}"]))


def test_no_call_fails_and_no_stream_is_cut_over_a_deploy_and_its_rollback(greeter: Greeter) -> None:
    for before, after, playbook, options in (
        (FIRST, SECOND, "deploy.yml", ("-e", f"stack_release={SECOND}")),
        (SECOND, FIRST, "rollback.yml", ()),
    ):
        with greeter.asked(calls=4) as calls, greeter.asked(streams=8) as streams:
            greeter.runs(playbook, *options)
        assert (calls["failures"], streams["failures"]) == ([], [])
        assert streams["streams"] == [[before] * STREAM_SECONDS] * 8
        # Both releases have served while the streams went on.
        assert set(calls["answers"]) == {before, after}
        print(f"{playbook}: {sum(calls['answers'].values())} calls, 8 streams of {STREAM_SECONDS} s, none failed")
