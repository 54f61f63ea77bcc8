"""The engines get newer packages under load, host by host and kept off by the balancer meanwhile: no failed request.

A distribution has a newer engine on some days only. So the hosts are given the packages that they have once more, packed with a
lower number: what apt upgrades then are the distribution's own packages, and real daemons restart.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.acceptance.test_engine import everywhere, started
from tests.acceptance.world import ROOT, Environment, activated, eventually, on, says
from tests.meanwhile import meanwhile

PLAYBOOK = "playbooks/engine_upgrade.yml"
BALANCER = "production-lb-1"
AWAY = "/var/lib/morpheus.deploy/edge/conf/away.map"
# dockerd, what keeps the containers of it, and what starts them.
PACKAGES = ("docker.io", "containerd", "runc")
INSTALLED = {"dockerd": "/usr/sbin/dockerd", "containerd": "/usr/bin/containerd"}
# Debian's docker.io restarts nothing by itself, neither here nor when it is upgraded.
_OLDER = """
set -eu
there=$(mktemp --directory)
trap 'rm -rf "$there"' EXIT
cd "$there"
chmod 0755 .
apt-get -qq update
for name; do
  apt-get -qq download "$name"
  dpkg-deb --raw-extract "$name"_*.deb tree
  sed -i 's/^Version: .*/&~older/' tree/DEBIAN/control
  dpkg-deb -Znone --build tree "$name".older.deb
  rm -r tree
done
DEBIAN_FRONTEND=noninteractive dpkg --force-downgrade --force-confold --install ./*.older.deb
systemctl restart containerd docker
"""


def versions(host: str) -> dict[str, str]:
    lines = on(host, "dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *PACKAGES).splitlines()
    return dict(line.split() for line in lines)


def programs(hosts: Sequence[str]) -> dict[str, dict[str, str]]:
    """From which files the services run; one that was replaced since says so."""
    show = "for name in dockerd containerd; do echo $name $(readlink /proc/$(pidof $name)/exe); done"
    return {host: dict(line.split(" ", 1) for line in on(host, "sh", "-c", show).splitlines()) for host in hosts}


def kept_off() -> set[str]:
    """Whom the balancer keeps off now."""
    return {line.split()[0] for line in on(BALANCER, "cat", AWAY).splitlines() if line.endswith(" on")}


@contextmanager
def watched() -> Iterator[list[set[str]]]:
    """Each set of hosts that the balancer kept off meanwhile."""
    seen: list[set[str]] = []

    def look() -> None:
        # docker exec is answered by this machine's engine, whatever becomes of the host's own.
        now = kept_off()
        if now and now not in seen:
            seen.append(now)

    with meanwhile(look, 0.3):
        yield seen


@pytest.fixture
def older(production: Environment) -> Iterator[Environment]:
    """Every host has older packages than the distribution; afterwards the newest ones again."""
    hosts = everywhere(production)
    for host in hosts:
        on(host, "sh", "-c", _OLDER, "older", *PACKAGES)
    eventually(lambda: all(on(host, "docker", "ps", "-q", check=False) for host in hosts), "the engines answer")
    yield production
    run = production.play(PLAYBOOK)
    assert run.code == 0, run.output
    assert kept_off() == set()


@pytest.mark.deep
def test_engines_are_upgraded_host_by_host_under_load_and_no_request_fails(older: Environment) -> None:
    hosts = everywhere(older)
    before = {host: versions(host) for host in hosts}
    engines = {host: started(host) for host in hosts}
    containers = {host: older.containers(host) for host in older.hosts}
    plan = older.play(PLAYBOOK, "--check")
    assert plan.code == 0, plan.output
    newer = {name: version.removesuffix("~older") for name, version in before[hosts[0]].items()}
    steps = [f"{name} {version} -> {newer[name]}" for name, version in before[hosts[0]].items()]
    says(plan, ["CHECK MODE: nothing was changed in production", *steps])
    assert ".service" not in plan.output
    assert {host: versions(host) for host in hosts} == before

    with watched() as off, older.load() as load:
        run = older.play(PLAYBOOK)
        assert run.code == 0, run.output
    print(f"\nengine upgraded on every host: {load.report.failed} failed of {load.report.sent}, {run.seconds:.0f} s")
    assert load.report.is_clean, load.report.failures

    says(run, ["VERDICT deployed: production", *(f"{host}: the engine was upgraded: " for host in hosts), *steps])
    assert {host: versions(host) for host in hosts} == dict.fromkeys(hosts, newer)
    # What runs is what is installed, which no package manager shows.
    assert not [host for host in hosts if started(host) == engines[host]]
    assert programs(hosts) == dict.fromkeys(hosts, INSTALLED)
    assert {host: older.containers(host) for host in older.hosts} == containers
    # One after the other.
    assert off == [{host} for host in older.hosts]
    assert older.history()[-1]["what"] == "upgrade the engine"
    again = older.play(PLAYBOOK)
    assert again.code == 0, again.output
    says(again, ["VERDICT unchanged: production"])


@pytest.mark.deep
def test_a_host_that_a_killed_upgrade_left_off_is_told_by_status_and_let_in_by_the_same_command(older: Environment) -> None:
    host = older.hosts[0]
    with older.load() as load:
        killed_in_the_middle(older, host)
        # The module goes on to its end without its controller.
        eventually(lambda: not is_older(host) and not at_work(host), f"the packages of {host} are the newest")
        eventually(lambda: not older.lease(), "the lease of the killed run was given back")
        eventually(lambda: on(host, "docker", "ps", "-q", check=False), f"the engine of {host} answers")
        assert kept_off() == {host}
        status = older.play("playbooks/status.yml")
        assert status.code == 0, status.output
        nobody = f"{host}: {BALANCER} (balancer) sends nobody there"
        command = f"ansible-playbook {PLAYBOOK} -i inventories/production"
        says(status, [f"{nobody}: engine_upgrade.yml kept it off for its turn", f"Mend it with: {command}", " kept off "])
        run = older.play(PLAYBOOK)
        assert run.code == 0, run.output
        assert kept_off() == set()
    print(f"\nan upgrade of engines killed and finished: {load.report.failed} failed of {load.report.sent}")
    assert load.report.is_clean, load.report.failures
    assert not [one for one in everywhere(older) if is_older(one)]
    assert "(balancer)" not in older.play("playbooks/status.yml").output


def is_older(host: str) -> bool:
    return "~older" in str(versions(host))


def at_work(host: str) -> bool:
    """Whether apt or dpkg is."""
    return bool({"apt-get", "dpkg"} & set(on(host, "sh", "-c", "cat /proc/[0-9]*/comm 2>/dev/null", check=False).split()))


def killed_in_the_middle(environment: Environment, host: str) -> None:
    """Start an upgrade and kill the controller while it is at ``host``."""
    command = environment.command(PLAYBOOK)
    with subprocess.Popen(command, cwd=ROOT, env=activated(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        try:
            eventually(lambda: kept_off() == {host} and at_work(host), f"{host} is kept off and apt is at work there")
            assert run.poll() is None
        finally:
            run.kill()
