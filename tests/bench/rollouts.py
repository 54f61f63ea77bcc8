"""Deploys of this project, as a person types them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.acceptance.world import ROOT, STAGING
from tests.bench.cpu import spent
from tests.bench.figures import WALL, Sample
from tests.bench.inside import peaks
from tests.load import Load

STANDARD = "1.0.0"
RELEASES = ("1.1.0", STANDARD)
# The peers were measured without these two.
LOAD: dict[str, Any] = {"websockets": 0, "uploads": 0, "rate_keepalive": 100.0}
TAIL_SECONDS = 10
MODULE, COMPOSE = "AnsiballZ_stack_rollout", "cli-plugins/docker-compose"


def under_load(load: Load, release: str, deploy: Callable[[], float]) -> Sample:
    """Requests count from before the deploy until some seconds after it."""
    with load:
        before = load.snapshot()
        assert not before.failed, before.failures
        seconds = deploy()
        load.wait_for_release(release)
        time.sleep(TAIL_SECONDS)
    report = load.report
    return {WALL: seconds, "failed requests": report.failed + report.unfinished, "sent requests": report.sent}


def deploy(release: str, options: Sequence[str] = ()) -> Sample:
    sample = under_load(STAGING.load(**LOAD), release, lambda: STAGING.deployed(release, *options).seconds)
    return {**sample, **_parts(sample[WALL])}


def rollback(release: str) -> Sample:
    """Back to the other release, which was live before."""
    (other,) = set(RELEASES) - {release}
    for one in (other, release):
        STAGING.deployed(one)
    run = under_load(STAGING.load(**LOAD), other, _rolled_back)
    return {**run, **_parts(run[WALL])}


def _rolled_back() -> float:
    run = STAGING.play("rollback.yml")
    assert run.code == 0, run.output
    return run.seconds


def _parts(wall: float) -> Sample:
    """Where the time of the last run went: before and after the plays, in the steps of the rollout, and between these."""
    verdict = STAGING.verdict()
    (host,) = verdict["hosts"].values()
    parts = {f"— {step}, s": seconds for step, seconds in host["seconds"].items()}
    start = wall - verdict["seconds"]
    return {"— Ansible's start and end, s": start, **parts, "— SSH and modules, s": wall - start - sum(parts.values())}


def cost(release: str) -> Sample:
    """Without load, whose answers cost the host more than a deploy does."""
    with spent() as cpu:
        STAGING.deployed(release)
    return cpu


def deploy_again(_: str) -> Sample:
    with spent() as cpu:
        run = STAGING.deployed(STANDARD)
    assert STAGING.verdict()["verdict"] == "unchanged", run.output
    return {WALL: run.seconds, **cpu}


def memory(release: str) -> Sample:
    """Of the module and of the Compose commands that it starts. Without pipelining the module has a name in /proc."""
    with peaks(MODULE, COMPOSE) as found:
        STAGING.deployed(release, "-e", "ansible_pipelining=false")
    return {"module, MiB": found[MODULE], "a `docker compose` that it starts, MiB": found[COMPOSE]}


@contextmanager
def unwatched() -> Iterator[list[str]]:
    """Options that deploy the same stack without the time in which new replicas are watched after their admission."""
    stack = ROOT / ".cache" / "bench" / "stack"
    try:
        shutil.copytree(ROOT / "stacks" / "morpheus", stack, dirs_exist_ok=True)
        file = stack / "compose.staging.yml"
        before, line, after = file.read_text().partition("  monitor: 7s\n")
        assert line, f"{file} has no monitor"
        file.write_text(before + after)
        yield ["-e", f"stack_source={stack}"]
    finally:
        shutil.rmtree(stack.parent, ignore_errors=True)
