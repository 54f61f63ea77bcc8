"""The edges get another image under load: no failed request, on a single host and behind a balancer. The load retries nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sandbox.shell import run as sh
from sandbox.world import HAPROXY_IMAGE, REGISTRY
from tests.acceptance.world import Environment, on, says
from tests.load import Load

PLAYBOOK = "playbooks/edge_upgrade.yml"
# The same HAProxy, as a registry gives it out after a fix: another image under a name of its own.
NEWER = "haproxy:3.0-fixed"
# One that is no HAProxy at all.
BROKEN = "haproxy:3.0-broken"
EDGE, STAND_IN = "edge-haproxy-1", "edge-stand-in-stand-in-1"


# Whoever holds the lock of an upgrade is the module at work, whatever its process is called.
KILLER = """
import glob, os, subprocess, time
there = ["iptables", "-w", "-t", "nat", "-C", "OUTPUT", "-j", "EDGE-HANDOVER"]
while subprocess.run(there, capture_output=True).returncode:
    time.sleep(0.05)
for link in glob.glob("/proc/[0-9]*/fd/*"):
    try:
        if os.readlink(link).endswith("/edge/upgrade.lock"):
            os.kill(int(link.split("/")[2]), 9)
    except OSError:
        pass
"""


def everywhere(environment: Environment) -> tuple[str, ...]:
    return (*environment.hosts, "production-lb-1") if environment.name == "production" else environment.hosts


def edge(host: str) -> tuple[str, str]:
    """The edge's container and the image that it runs."""
    container, image = on(host, "docker", "inspect", "--format", "{{.Id}} {{.Image}}", EDGE).split()
    return container, image


def nothing_is_left(host: str) -> None:
    names = on(host, "docker", "ps", "--all", "--format", "{{.Names}}").split()
    assert STAND_IN not in names
    assert "EDGE-HANDOVER" not in on(host, "iptables-save")
    assert sorted(on(host, "ls", "/var/lib/morpheus.deploy/edge").split()).count("stand-in.json") == 0


def clean(load: Load, what: str) -> None:
    print(f"\n{what}: {load.report.failed} failed of {load.report.sent} requests in {load.report.seconds:.0f} s")
    assert load.report.is_clean, load.report.failures


@contextmanager
def newer_images() -> Iterator[None]:
    """What a registry has by now."""
    # HAProxy itself is well, so it accepts the configuration.
    entry = '#!/bin/sh\necho "this one never serves" >&2\nexit 1\n'
    with TemporaryDirectory() as directory:
        context = Path(directory)
        (context / "entry.sh").write_text(entry)
        recipes = {
            NEWER: f"FROM {HAPROXY_IMAGE}\nLABEL fixed=1\n",
            BROKEN: f'FROM {HAPROXY_IMAGE}\nCOPY --chmod=755 entry.sh /entry.sh\nENTRYPOINT ["/entry.sh"]\n',
        }
        names = [f"{REGISTRY}/library/{name}" for name in recipes]
        for name, recipe in zip(names, recipes.values(), strict=True):
            (context / "Dockerfile").write_text(recipe)
            sh("docker", "build", "--quiet", "--tag", name, str(context), what=f"Building {name}")
            sh("docker", "push", "--quiet", name, what=f"Pushing {name}")
    try:
        yield
    finally:
        sh("docker", "image", "rm", "--force", *names, what="Removing the test's images")


@pytest.fixture(scope="module", autouse=True)
def _images() -> Iterator[None]:
    with newer_images():
        yield


@pytest.fixture
def staging_as_it_was(staging: Environment) -> Iterator[Environment]:
    yield staging
    assert staging.play(PLAYBOOK).code == 0


@pytest.fixture
def production_as_it_was(production: Environment) -> Iterator[Environment]:
    yield production
    assert production.play(PLAYBOOK).code == 0


@pytest.mark.deep
def test_a_single_host_gets_another_edge_and_no_request_fails(staging_as_it_was: Environment) -> None:
    staging = staging_as_it_was
    host = staging.hosts[0]
    before, replicas = edge(host), staging.containers(host)
    plan = staging.play(PLAYBOOK, "--check", "-e", f"edge_image={NEWER}")
    assert plan.code == 0, plan.output
    says(
        plan,
        ["CHECK MODE: nothing was changed in staging. The upgrade of the edge would:", f"{host}: replace the edge: "],
    )
    assert edge(host) == before
    # WebSockets do not end by themselves, and are counted below.
    with staging.load(websockets=0) as load:
        run = staging.play(PLAYBOOK, "-e", f"edge_image={NEWER}")
        assert run.code == 0, run.output
    clean(load, "edge of a single host replaced")
    says(run, ["VERDICT deployed: staging", f"{host}: the edge was replaced: HAProxy 3"])
    assert edge(host)[0] != before[0]
    assert edge(host)[1] != before[1]
    nothing_is_left(host)
    assert staging.containers(host) == replicas
    assert staging.history()[-1]["what"] == "upgrade the edge"
    again = staging.play(PLAYBOOK, "-e", f"edge_image={NEWER}")
    assert again.code == 0, again.output
    says(again, ["VERDICT unchanged: staging"])
    # A deploy finds the edge as it needs it.
    assert staging.deploy("1.0.0").code == 0


@pytest.mark.deep
def test_an_image_that_never_serves_leaves_the_edge_and_its_users_alone(staging: Environment) -> None:
    host = staging.hosts[0]
    before = edge(host)
    with staging.load() as load:
        run = staging.play(PLAYBOOK, "-e", f"edge_image={BROKEN}")
    clean(load, "an edge that never serves")
    assert run.code == 2, run.output
    why = "the new edge does not serve, and the one before goes on as it was"
    says(run, ["VERDICT failed: staging", why, "this one never serves"])
    assert edge(host) == before
    nothing_is_left(host)


@pytest.mark.deep
def test_a_run_that_is_killed_is_finished_by_the_same_command(staging_as_it_was: Environment) -> None:
    staging = staging_as_it_was
    host = staging.hosts[0]
    with staging.load(websockets=0) as load:
        # The module on the host is killed as soon as the other container has the new connections.
        on(host, "systemd-run", "--quiet", "--unit", "killer", "python3", "-c", KILLER)
        run = staging.play(PLAYBOOK, "-e", f"edge_image={NEWER}")
        assert run.code != 0, run.output
        refused = staging.deploy("1.1.0")
        assert refused.code != 0
        says(refused, [f"the container {STAND_IN} stands in for it", "playbooks/edge_upgrade.yml for this inventory finishes it"])
        run = staging.play(PLAYBOOK, "-e", f"edge_image={NEWER}")
        assert run.code == 0, run.output
    clean(load, "an upgrade that was killed and finished")
    nothing_is_left(host)


@pytest.mark.deep
def test_hosts_behind_a_balancer_and_itself_get_another_edge_and_no_request_fails(
    production_as_it_was: Environment,
) -> None:
    production = production_as_it_was
    hosts = everywhere(production)
    before = {host: edge(host) for host in hosts}
    with production.load(websockets=0) as load:
        run = production.play(PLAYBOOK, "-e", f"edge_image={NEWER}")
        assert run.code == 0, run.output
    clean(load, "edges behind a balancer replaced")
    says(run, ["VERDICT deployed: production", *(f"{host}: the edge was replaced: HAProxy 3" for host in hosts)])
    assert all(edge(host)[0] != before[host][0] for host in hosts)
    for host in hosts:
        nothing_is_left(host)
    away = on("production-lb-1", "cat", "/var/lib/morpheus.deploy/edge/conf/away.map")
    assert not [line for line in away.splitlines() if line.endswith(" on")]


@pytest.mark.deep
def test_what_was_open_on_the_old_edge_is_cut_at_last_and_counted(staging_as_it_was: Environment) -> None:
    staging = staging_as_it_was
    with staging.load(rate_slow=0, uploads=0) as load:
        run = staging.play(PLAYBOOK, "-e", f"edge_image={NEWER}", "-e", "edge_upgrade_drain_seconds=80")
        assert run.code == 0, run.output
        says(run, [" cut"])
    assert load.report.sent > 0


@pytest.mark.deep
def test_an_edge_of_an_older_version_gets_its_share_of_the_cpus_while_it_runs(staging: Environment) -> None:
    host = staging.hosts[0]
    before = edge(host)
    on(host, "docker", "update", "--cpu-shares", "2", EDGE)
    run = staging.play("playbooks/provision.yml", "--tags", "edge")
    assert run.code == 0, run.output
    assert on(host, "docker", "inspect", "--format", "{{.HostConfig.CpuShares}}", EDGE).strip() == "16384"
    assert edge(host) == before
