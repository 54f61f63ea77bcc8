"""gRPC over a deploy and over its rollback, as users have it: calls again and again, and streams of 90 seconds."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml

from tests.acceptance.world import CA, STAGING, Environment, on, play
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
        given: dict[str, Any] = {"target": f"127.0.0.1:{STAGING.port}", "authority": STAGING.site, "ca": CA.read_text()}
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


class Deploys(Protocol):
    def __call__(self, service: Mapping[str, Any], routed: Mapping[str, Any], **stack: Any) -> Greeter: ...


@pytest.fixture
def deploys(staging: Environment, inventories: Path, tmp_path: Path) -> Iterator[Deploys]:
    """Deploys the first release, with more of its service in the Compose file, of its routed service and of the stack."""
    source, inventory = tmp_path / NAME, inventories / "staging"
    source.mkdir()

    def deployed(service: Mapping[str, Any], routed: Mapping[str, Any], **stack: Any) -> Greeter:
        own = {"image": f"{stand_ins.GREETER}:${{STACK_RELEASE}}", "restart": "unless-stopped", "mem_limit": "256m", **service}
        (source / "compose.yml").write_text(yaml.safe_dump({"services": {"greeter": own}}))
        path = inventory / "group_vars" / "all" / "stack.yml"
        settings = yaml.safe_load(path.read_text())
        settings["stack_source"] = str(source)
        del settings["stack_flags"]
        health = {"path": "/health", "port": 8000, "version": "version"}
        settings["stack"] = {
            "name": NAME,
            "compose_files": ["compose.yml"],
            "database": settings["stack"]["database"],
            "services": [{"name": "greeter", "port": 9000, "protocol": "h2", "health": health, **routed}],
            **stack,
        }
        path.write_text(yaml.safe_dump(settings))
        found = Greeter(inventory, stand_ins.publish_greeter())
        found.runs("deploy.yml", "-e", f"stack_release={FIRST}")
        return found

    yield deployed
    removed = staging.play("playbooks/remove_stack.yml", "-e", f"stack_name={NAME}", "-e", f"remove_data={NAME}")
    assert removed.code in (0, 2), removed.output


@pytest.mark.parametrize("way", WAYS)
def test_no_call_fails_and_no_stream_is_cut_over_a_deploy_and_its_rollback(deploys: Deploys, way: str) -> None:
    options, drain_seconds, grace = WAYS[way]
    route = {"host": STAGING.site, "paths": ["/greet.Greeter"], **options}
    update = {"parallelism": 0, "order": "start-first"}
    greeter = deploys(
        {"stop_grace_period": grace, "deploy": {"replicas": 2, "update_config": update}},
        {"routes": [route]},
        drain_seconds=drain_seconds,
    )
    for before, after, playbook, more in (
        (FIRST, SECOND, "deploy.yml", ("-e", f"stack_release={SECOND}")),
        (SECOND, FIRST, "rollback.yml", ()),
    ):
        with greeter.asked(calls=4) as calls, greeter.asked(streams=8) as streams:
            greeter.runs(playbook, *more)
        assert (calls["failures"], streams["failures"]) == ([], [])
        assert streams["streams"] == [[before] * STREAM_SECONDS] * 8
        # Both releases have served while the streams went on.
        assert set(calls["answers"]) == {before, after}
        print(f"{playbook}: {sum(calls['answers'].values())} calls, 8 streams of {STREAM_SECONDS} s, none failed")


def test_a_routed_service_has_a_port_of_its_host_by_exemption_and_is_interrupted_by_each_deploy(deploys: Deploys) -> None:
    greeter = deploys(
        {"ports": ["127.0.0.1:8123:8000"], "stop_grace_period": "2s"},
        {"routes": [{"host": STAGING.site, "paths": ["/greet.Greeter"]}]},
        hardening={"exempt": {"greeter": ["ports"]}},
    )

    def version() -> str:
        """By the host's own port, past the edge."""
        found: dict[str, str] = json.loads(on(HOST, "curl", "--silent", "http://127.0.0.1:8123/"))
        return found["version"]

    assert version() == FIRST
    greeter.runs("deploy.yml", "-e", f"stack_release={SECOND}")
    assert (version(), STAGING.verdict()["interrupted"]) == (SECOND, ["greeter"])
    greeter.runs("rollback.yml")
    assert (version(), STAGING.verdict()["interrupted"]) == (FIRST, ["greeter"])
