"""What is upgraded of an engine, and what is refused before anything is changed. apt and the engine are played."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.daemon import services
from ansible_collections.morpheus.deploy.plugins.module_utils.daemon.packages import (
    EnginePackages,
    PackagesError,
    Upgrade,
    run,
)

from tests.unit.clock import Clock
from tests.unit.plugins.module_utils.daemon.test_engine_setup import FakeDockerd

INSTALLED = """docker.io installed 26.1.5+dfsg1-9
docker-ce not-installed
containerd installed 1.7.24~ds1-6
runc installed 1.1.15
docker-cli config-files 26.1.5
"""
PLAN = """Reading package lists...
Inst containerd [1.7.24~ds1-6] (1.7.24~ds1-7 Debian:13.1/stable [amd64])
Inst docker.io [26.1.5+dfsg1-9] (26.1.5+dfsg1-10 Debian:13.1/stable [amd64])
Conf containerd (1.7.24~ds1-7 Debian:13.1/stable [amd64])
"""
CONTAINERD, DOCKER = (
    Upgrade("containerd", "1.7.24~ds1-6", "1.7.24~ds1-7"),
    Upgrade("docker.io", "26.1.5+dfsg1-9", "26.1.5+dfsg1-10"),
)


class Services:
    """systemd's; ``outdated`` after an upgrade are those in ``replaced``."""

    def __init__(self) -> None:
        self.now: list[str] = []
        self.replaced: list[str] = []
        self.fails = ""
        self.log: list[str] = []

    def outdated(self) -> list[str]:
        return list(self.now)

    def restart(self, unit: str) -> str:
        self.log.append(unit)
        if unit == self.fails:
            return "failed to start daemon"
        self.now.remove(unit)
        return ""


class Host:
    """``fails``: a word of the command that does. ``ends``: the container that does not come through an upgrade."""

    def __init__(self, path: Path, plan: str = PLAN, installed: str = INSTALLED, fails: str = "", ends: str = "") -> None:
        path.write_text('{"live-restore": true}')
        self.dockerd = FakeDockerd(path)
        self.plan, self.installed, self.fails, self.ends = plan, installed, fails, ends
        self.stays_down = False
        # How often dpkg finds another one at work.
        self.busy = 0
        self.done: list[str] = []
        self.services = Services()

    def ask(self, command: Sequence[str]) -> tuple[int, str]:
        if self.fails and self.fails in command:
            return 100, "E: Could not get lock /var/lib/dpkg/lock-frontend"
        if command[0] == "dpkg-query":
            return 1, self.installed
        words = [word for word in command if word not in ("-o", "DPkg::Lock::Timeout=120", "Dpkg::Options::=--force-confold")]
        if "--simulate" in words:
            assert words[:4] == ["apt-get", "install", "--simulate", "--only-upgrade"]
            assert set(words[4:]) == {"docker.io", "containerd", "runc"}
            return 0, self.plan
        self.done.append(" ".join(words))
        if self.busy and words[0] == "dpkg":
            self.busy -= 1
            return 2, "dpkg: error: dpkg frontend lock was locked by another process with pid 4711\nNote: removing it is wrong."
        if "--yes" in words:
            self.services.now += self.services.replaced
            self.dockerd.containers.discard(self.ends)
            self.dockerd.up = not self.stays_down
        return 0, ""

    def packages(self) -> EnginePackages:
        return EnginePackages(self.dockerd, Clock(), self.ask, self.services)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "daemon.json")


def test_what_is_due_is_what_apt_would_upgrade_of_what_is_installed(host: Host) -> None:
    assert host.packages().due() == [CONTAINERD, DOCKER]
    assert [str(one) for one in host.packages().due()][1] == "docker.io 26.1.5+dfsg1-9 -> 26.1.5+dfsg1-10"
    assert set(host.done) == {"apt-get update --quiet"}


def test_only_these_packages_are_upgraded_after_what_a_killed_run_has_left(host: Host) -> None:
    assert host.packages().apply(allow_interruption=False) == [CONTAINERD, DOCKER]
    assert host.done[1:] == [
        "dpkg --configure -a --force-confold",
        "apt-get install --yes --only-upgrade containerd docker.io",
    ]


def test_a_package_that_a_killed_upgrade_has_unpacked_only_is_finished(tmp_path: Path) -> None:
    """apt sees nothing newer any more, and an engine that is half configured need not start."""
    half = INSTALLED.replace("docker.io installed", "docker.io half-configured")
    host = Host(tmp_path / "daemon.json", plan="Reading package lists...\n", installed=half)
    assert [str(one) for one in host.packages().due()] == ["docker.io half done -> 26.1.5+dfsg1-9"]
    assert [str(one) for one in host.packages().apply(allow_interruption=False)] == ["docker.io half done -> 26.1.5+dfsg1-9"]
    assert host.done[-2:] == ["dpkg --configure -a --force-confold", "apt-get install --yes --only-upgrade docker.io"]
    # One that is going to get a newer version is told once.
    host = Host(tmp_path / "daemon.json", installed=half)
    assert host.packages().due() == [CONTAINERD, DOCKER]


def test_an_engine_whose_package_restarts_nothing_is_restarted_after_what_it_needs(host: Host) -> None:
    host.services.replaced = ["containerd", "docker"]
    assert host.packages().apply(allow_interruption=False) == [CONTAINERD, DOCKER]
    assert host.services.log == ["containerd", "docker"]
    assert host.packages().due() == [CONTAINERD, DOCKER]


def test_an_engine_that_runs_on_from_before_is_restarted_although_nothing_is_newer(tmp_path: Path) -> None:
    """A run was killed after apt had ended, or somebody has called apt."""
    host = Host(tmp_path / "daemon.json", plan="Reading package lists...\n")
    host.services.now = ["docker"]
    said = ["docker.service a program that was replaced -> the one that is installed"]
    assert [str(one) for one in host.packages().due()] == said
    assert host.services.log == []
    assert [str(one) for one in host.packages().apply(allow_interruption=False)] == said
    assert host.services.log == ["docker"]
    assert not [line for line in host.done if "--yes" in line]
    assert host.packages().apply(allow_interruption=False) == []


def test_a_service_that_does_not_start_is_told(host: Host) -> None:
    host.services.replaced, host.services.fails = ["docker"], "docker"
    names = f"{CONTAINERD}, {DOCKER}"
    refused(
        host,
        f"the engine was upgraded ({names}), and docker does not start; containers go on without it: failed to start daemon",
        begun=True,
    )


def test_whether_a_service_runs_from_a_file_that_was_replaced_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "sleep"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([str(program), "60"]) as process:
        try:
            monkeypatch.setattr(services, "command", lambda *words: (0, f"{process.pid if words[-1] == 'docker' else 0}\n"))
            assert services.SystemServices().outdated() == []
            program.unlink()
            shutil.copy("/bin/sleep", program)
            assert services.SystemServices().outdated() == ["docker"]
        finally:
            process.kill()


def test_the_module_of_a_killed_run_that_is_still_at_work_is_waited_for(host: Host) -> None:
    host.busy = 3
    assert host.packages().apply(allow_interruption=False) == [CONTAINERD, DOCKER]
    assert [line.split()[0] for line in host.done[1:]] == ["dpkg"] * 4 + ["apt-get"]


def test_a_dpkg_that_others_never_let_go_is_told(host: Host) -> None:
    host.busy = 1000
    refused(
        host,
        "dpkg failed, what it has begun may be half done; run this again: dpkg: error: dpkg frontend lock was locked by another "
        "process with pid 4711\nNote: removing it is wrong.",
        begun=True,
    )
    assert host.busy > 800


def test_an_engine_that_is_the_newest_is_left_alone(tmp_path: Path) -> None:
    host = Host(tmp_path / "daemon.json", plan="Reading package lists...\n")
    assert host.packages().apply(allow_interruption=False) == []
    assert host.done == ["apt-get update --quiet"]


def refused(host: Host, message: str, *, begun: bool) -> None:
    with pytest.raises(PackagesError) as error:
        host.packages().apply(allow_interruption=False)
    assert (str(error.value), error.value.begun) == (message, begun)


def test_containers_that_would_stop_are_a_reason_to_refuse(host: Host) -> None:
    host.dockerd.config["live-restore"] = False
    refused(
        host,
        "an upgrade restarts the engine, and live-restore is off, so its 2 containers would stop. Switch it on "
        "(playbooks/provision.yml --tags engine), or allow it with -e docker_engine_allow_interruption=true. Nothing was changed",
        begun=False,
    )
    assert host.done == ["apt-get update --quiet"]
    assert host.packages().apply(allow_interruption=True) == [CONTAINERD, DOCKER]


def test_a_host_without_packages_of_an_engine_is_refused(tmp_path: Path) -> None:
    host = Host(tmp_path / "daemon.json", installed="docker-ce not-installed\n")
    refused(
        host,
        "this host has no engine that came as a package: playbooks/provision.yml for this inventory installs one. Nothing was "
        "changed",
        begun=False,
    )


@pytest.mark.parametrize(("fails", "begun"), [("update", False), ("--simulate", False), ("--configure", True), ("--yes", True)])
def test_apt_that_fails_is_quoted_and_says_whether_it_had_begun(tmp_path: Path, fails: str, begun: bool) -> None:
    host = Host(tmp_path / "daemon.json", fails=fails)
    program = "dpkg" if fails == "--configure" else "apt-get"
    ended = "what it has begun may be half done; run this again" if begun else "nothing was changed"
    refused(host, f"{program} failed, {ended}: E: Could not get lock /var/lib/dpkg/lock-frontend", begun=begun)


def test_an_engine_that_does_not_come_back_is_told(host: Host) -> None:
    host.stays_down = True
    names = f"{CONTAINERD}, {DOCKER}"
    refused(
        host,
        f"the engine was upgraded ({names}) and gives no answer; containers go on without it. See why on this host with: "
        "journalctl -u docker -n 50",
        begun=True,
    )


def test_a_container_that_did_not_come_through_is_named(tmp_path: Path) -> None:
    host = Host(tmp_path / "daemon.json", ends="container1")
    refused(host, f"the engine was upgraded ({CONTAINERD}, {DOCKER}), and these containers ended: container1", begun=True)


def test_a_command_that_there_is_not_is_named() -> None:
    assert run(["no-such-command-here"]) == (127, "this host has no command no-such-command-here")
    assert run(["sh", "-c", "echo $DEBIAN_FRONTEND; echo $LC_ALL >&2; exit 3"]) == (3, "noninteractive\nC")
