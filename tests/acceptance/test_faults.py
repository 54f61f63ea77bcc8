"""What breaks around a deploy while it is under way: the engine, a whole host, the controller, the disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.world import BASE, STACK, Environment, eventually, on, says, signal_rollout
from tests.hangs import HANGS_AFTER_SECONDS


def counts(environment: Environment, host: str) -> dict[str, int]:
    return {service: len(environment.containers(host, service)) for service in ("api", "web")}


def engine_answers(host: str) -> bool:
    return bool(on(host, "docker", "ps", "--quiet", check=False).strip())


# Each costs a minute, so only one is tried with every change of the code.
@pytest.mark.deep
@pytest.mark.parametrize("step", os.environ.get("FAULT_STEPS", "watch").split(","))
def test_a_restart_of_the_engine_in_mid_rollout_is_mended_by_the_next_run(staging: Environment, step: str) -> None:
    host = staging.hosts[0]
    with staging.load() as load:
        with staging.begun("1.1.0") as run:
            eventually(lambda: staging.at_step(step), f"the rollout has come to {step}")
            on(host, "systemctl", "restart", "docker")
            output, _ = run.communicate(timeout=HANGS_AFTER_SECONDS)
        eventually(lambda: engine_answers(host), "the engine answers again")
        again = staging.deployed("1.1.0")
        load.wait_for_release("1.1.0", seconds=20)
    print(f"\nengine restarted at {step}: first {run.returncode}, {load.report.failed} failed of {load.report.sent}")
    assert counts(staging, host) == {"api": 2, "web": 1}, output + again.output
    assert staging.health()[1]["version"] == "1.1.0"
    assert load.report.is_clean, load.report.failures


@pytest.mark.deep
def test_a_host_that_reboots_in_mid_rollout_is_mended_by_the_next_run(production: Environment) -> None:
    first, second = production.hosts
    # A tunnel ends with its host.
    with production.load(websockets=0) as load:
        with production.begun("1.1.0") as run:
            eventually(lambda: production.at_step("watch", first), "the first host watches its candidates")
            on(first, "systemctl", "reboot", check=False)
            # A container with systemd does not come back by itself.
            subprocess.run(["docker", "wait", first], check=True, capture_output=True, timeout=HANGS_AFTER_SECONDS)
            subprocess.run(["docker", "start", first], check=True, capture_output=True, timeout=HANGS_AFTER_SECONDS)
            output, _ = run.communicate(timeout=HANGS_AFTER_SECONDS)
        assert run.returncode != 0, output
        assert "1.1.0" not in on(second, "cat", f"{STACK}/journal.jsonl").splitlines()[-1]
        eventually(lambda: engine_answers(first), "the engine of the first host answers again")
        production.deployed("1.1.0")
        load.wait_for_release("1.1.0", seconds=20)
    print(f"\nhost rebooted: {load.report.failed} failed of {load.report.sent}: {dict(load.report.by_kind)}")
    assert [counts(production, host) for host in production.hosts] == [{"api": 2, "web": 2}] * 2
    assert production.health()[1]["version"] == "1.1.0"
    assert load.report.is_clean, load.report.failures


@pytest.mark.deep
def test_a_run_that_was_stopped_and_wakes_after_another_took_over_is_refused_at_its_next_write(staging: Environment) -> None:
    with staging.begun("1.1.0") as ghost:
        eventually(staging.lease, "the first run has the lease")
        os.killpg(ghost.pid, signal.SIGSTOP)
        run = staging.deployed("1.2.0", "-e", "lease_wait_seconds=90")
        says(run, ["VERDICT deployed: staging 1.2.0"])
        assert staging.verdict()["lease"]["taken_over"]["reason"] == "deploy 1.1.0"
        before = staging.containers(staging.hosts[0])
        os.killpg(ghost.pid, signal.SIGCONT)
        output, _ = ghost.communicate(timeout=HANGS_AFTER_SECONDS)
    assert ghost.returncode != 0
    assert "this run has lost its lease" in " ".join(output.split())
    assert staging.containers(staging.hosts[0]) == before
    assert staging.health()[1]["version"] == "1.2.0"


@pytest.mark.deep
def test_a_module_that_was_stopped_in_mid_rollout_does_no_further_step_when_it_wakes(staging: Environment) -> None:
    """The worst ghost: it sleeps between two writes, on the host itself, with the lock of the rollout in its hands."""
    host = staging.hosts[0]
    with staging.load() as load:
        with staging.begun("1.1.0") as ghost:
            eventually(lambda: staging.at_step("watch"), "the first run watches its candidates")
            signal_rollout(host, signal.SIGSTOP)
            os.killpg(ghost.pid, signal.SIGKILL)
            with staging.begun("1.2.0", "-e", "lease_wait_seconds=90") as second:
                eventually(lambda: fence(staging) > token(staging), "the second run has raised the fence")
                signal_rollout(host, signal.SIGCONT)
                output, _ = second.communicate(timeout=HANGS_AFTER_SECONDS)
            assert second.returncode == 0, output
        load.wait_for_release("1.2.0", seconds=20)
    assert counts(staging, host) == {"api": 2, "web": 1}
    assert load.report.is_clean, load.report.failures


def fence(environment: Environment) -> int:
    return int(json.loads(on(environment.hosts[0], "cat", f"{BASE}/stacks/fence.json"))["token"])


def token(environment: Environment) -> int:
    """Token of the rollout that wrote to the journal last."""
    last = on(environment.hosts[0], "tail", "-n", "1", f"{STACK}/journal.jsonl")
    return int(last.rpartition('"token": ')[2].strip(" }\n"))


@contextmanager
def small_disk(host: str, megabytes: int, image: Path) -> Iterator[None]:
    """The host's engine keeps its images on a volume of that size meanwhile. Containers run on, by live-restore."""
    image.touch()
    os.truncate(image, megabytes * 1_000_000)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    device = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True, text=True).stdout.strip()
    stop, start = "systemctl stop docker.socket docker", "systemctl start docker"
    minor = os.minor(Path(device).stat().st_rdev)
    try:
        on(host, "sh", "-ec", f"{stop}; mknod /dev/small b 7 {minor}; mount /dev/small /var/lib/docker; {start}")
        yield
    finally:
        on(host, "sh", "-ec", f"{stop}; umount /var/lib/docker; rm /dev/small; {start}")
        subprocess.run(["losetup", "--detach", device], check=True)


@pytest.mark.deep
def test_a_disk_without_room_refuses_before_anything_is_pulled(production: Environment, tmp_path: Path) -> None:
    full = production.hosts[1]
    before = {host: production.containers(host) for host in production.hosts}
    with production.load() as load:
        with small_disk(full, 300, tmp_path / "disk.img"):
            run = production.deploy("1.1.0")
            # What the host itself says, where nobody asks for so much room.
            own = production.deploy("1.1.0", "-e", "preflight_disk_free_mb=1")
            pulled = on(full, "docker", "images", "--quiet").split()
        eventually(lambda: production.containers(full) == before[full], "the engine knows its containers again")
    assert run.code != 0
    says(
        run,
        ["VERDICT refused: production", f"{full}: disk: /var/lib/docker has", "expected 500 MB or more (preflight_disk_free_mb)"],
    )
    assert own.code != 0
    says(own, ["VERDICT refused: production 1.1.0 (was 1.0.0)", "MB free of", "MB, and 1,000 MB are needed"])
    assert pulled == []
    assert {host: production.containers(host) for host in production.hosts} == before
    assert load.report.is_clean, load.report.failures


@pytest.mark.deep
def test_a_rollback_to_a_release_whose_secret_is_gone_is_refused_before_any_change(staging: Environment) -> None:
    good = staging.live()
    own = {name.upper(): f"{{{{ vault_{name} }}}}" for name in ("database_url", "ml_api_key")}
    others = {"ml": {"ML_API_KEY": own["ML_API_KEY"]}, "ledger": {"DATABASE_URL": "{{ vault_ledger_url }}"}}
    more = {"api": {**own, "EXTRA_KEY": "not-a-secret-of-anybody"}, **others}
    # The committed fingerprints do not know the one more.
    staging.deployed("1.1.0", "-e", json.dumps({"stack_secrets": more, "stack_fingerprints": None}))
    staging.deployed("1.2.0")
    before = staging.containers(staging.hosts[0])
    run = staging.play("rollback.yml")
    assert run.code != 0
    says(run, ["reads secrets that are gone", "api.env: EXTRA_KEY", "VERDICT refused"])
    assert staging.containers(staging.hosts[0]) == before
    assert staging.play("rollback.yml", "-e", f"rollback_to={good}").code == 0
    assert staging.health()[1]["version"] == "1.0.0"
