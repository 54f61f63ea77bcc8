# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Newer packages of the engine that is installed. The engine is restarted, and its containers live on.

A package that is installed is no engine that runs: what still runs from a file that was replaced is restarted, also when a run
before was killed in between.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.daemon.config import LIVE_RESTORE, Engine
from ansible_collections.morpheus.deploy.plugins.module_utils.daemon.services import Services, SystemServices
from ansible_collections.morpheus.deploy.plugins.module_utils.daemon.setup import ANSWER_SECONDS, Dockerd, comes

# Docker's own and the distribution's. Only those that are installed are looked at, and none is replaced by another.
PACKAGES = (
    *("docker-ce", "docker-ce-cli", "docker-ce-rootless-extras", "docker-buildx-plugin", "docker-compose-plugin"),
    *("containerd.io", "docker.io", "docker-cli", "docker-compose", "docker-compose-v2", "docker-buildx", "containerd", "runc"),
)
# dpkg may be busy with the host's own upgrades.
LOCK_SECONDS = 120
SECONDS = 900.0
_UPGRADE = re.compile(r"^Inst (\S+) \[([^\]]+)\] \((\S+)", re.MULTILINE)
_GONE = ("not-installed", "config-files")
_LAST_LINES = 5
# Of a service: what it runs from, and what it is going to.
OUTDATED = ("a program that was replaced", "the one that is installed")
_LOCKED = "was locked by another process"


class PackagesError(DeployError):
    """apt has failed, or the engine did not come through. ``begun``: whether packages may have changed."""

    def __init__(self, message: str, *, begun: bool) -> None:
        self.begun = begun
        super().__init__(message)


@dataclass(frozen=True)
class Upgrade:
    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name} {self.before} -> {self.after}"


# A command -> exit code and output.
Run = Callable[[Sequence[str]], tuple[int, str]]


def run(command: Sequence[str]) -> tuple[int, str]:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return 127, f"this host has no command {command[0]}"
    except subprocess.TimeoutExpired:
        return 124, f"{' '.join(command[:2])} did not end within {SECONDS:g} s"
    return done.returncode, done.stdout.strip()


class EnginePackages:
    def __init__(self, dockerd: Dockerd, clock: Clock, ask: Run = run, services: Services | None = None) -> None:
        self._dockerd = dockerd
        self._clock = clock
        self._ask = ask
        self._services = services or SystemServices()

    def due(self) -> list[Upgrade]:
        """What apt would upgrade, by lists that are fresh, what a killed upgrade has unpacked and not configured, and
        what still runs from before.
        """
        found = self._found()
        if not found:
            raise PackagesError(
                "this host has no engine that came as a package: playbooks/provision.yml for this inventory installs one. "
                "Nothing was changed",
                begun=False,
            )
        self._apt("update", "--quiet")
        newer = [Upgrade(*one) for one in _UPGRADE.findall(self._apt("install", "--simulate", "--only-upgrade", *found))]
        names = {one.name for one in newer}
        half = [(name, version) for name, (status, version) in found.items() if status != "installed" and name not in names]
        outdated = [Upgrade(f"{unit}.service", *OUTDATED) for unit in self._services.outdated()]
        return [*(Upgrade(name, "half done", version) for name, version in half), *newer, *outdated]

    def apply(self, *, allow_interruption: bool) -> list[Upgrade]:
        """Upgrade; what was. Refused, before anything is changed, when containers would not live on."""
        due = self.due()
        if not due:
            return []
        engine = self._dockerd.look()
        self._require_live_restore(engine, allow_interruption=allow_interruption)
        running = self._dockerd.running() if engine else set()
        self._finish_others()
        packages = [one.name for one in due if one.name in PACKAGES]
        if packages:
            self._apt("install", "--yes", "--only-upgrade", *packages, begun=True)
        names = ", ".join(map(str, due))
        self._restart_outdated(names)
        if engine and not comes(self._dockerd, self._clock, ANSWER_SECONDS):
            raise PackagesError(
                f"the engine was upgraded ({names}) and gives no answer; containers go on without it. See why on this host "
                "with: journalctl -u docker -n 50",
                begun=True,
            )
        lost = sorted(running - self._dockerd.running()) if engine and engine.live_restore else []
        if lost:
            listed = ", ".join(identity[:12] for identity in lost)
            raise PackagesError(f"the engine was upgraded ({names}), and these containers ended: {listed}", begun=True)
        return due

    @staticmethod
    def _require_live_restore(engine: Engine | None, *, allow_interruption: bool) -> None:
        if engine and engine.containers and not engine.live_restore and not allow_interruption:
            raise PackagesError(
                f"an upgrade restarts the engine, and {LIVE_RESTORE} is off, so its {engine.containers} containers would stop. "
                "Switch it on (playbooks/provision.yml --tags engine), or allow it with -e docker_engine_allow_interruption="
                "true. Nothing was changed",
                begun=False,
            )

    def _found(self) -> dict[str, tuple[str, str]]:
        """Status and version of each package that is here, by name."""
        form = "${Package} ${db:Status-Status} ${Version}\n"
        _, said = self._ask(["dpkg-query", "--show", f"--showformat={form}", *PACKAGES])
        lines = [line.split() for line in said.splitlines()]
        rows = [words for words in lines if len(words) == 3 and words[0] in PACKAGES and words[1] not in _GONE]
        return {name: (status, version) for name, status, version in rows}

    def _restart_outdated(self, names: str) -> None:
        for unit in self._services.outdated():
            problem = self._services.restart(unit)
            if problem:
                raise PackagesError(
                    f"the engine was upgraded ({names}), and {unit} does not start; containers go on without it: {problem}",
                    begun=True,
                )

    def _finish_others(self) -> None:
        """What a killed run has left half done. Its module may be at work still, and dpkg, unlike apt, waits for nobody."""
        deadline = self._clock.now() + LOCK_SECONDS
        while True:
            code, said = self._ask(command := ["dpkg", "--configure", "-a", "--force-confold"])
            if not code or _LOCKED not in said or self._clock.now() >= deadline:
                break
            self._clock.sleep(1)
        self._well(command, code, said, begun=True)

    def _apt(self, *arguments: str, begun: bool = False) -> str:
        options = ["-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", "-o", "Dpkg::Options::=--force-confold"]
        return self._command(["apt-get", *options, *arguments], begun=begun)

    def _command(self, command: Sequence[str], *, begun: bool) -> str:
        code, said = self._ask(command)
        self._well(command, code, said, begun=begun)
        return said

    @staticmethod
    def _well(command: Sequence[str], code: int, said: str, *, begun: bool) -> None:
        if code:
            words = "\n".join(said.splitlines()[-_LAST_LINES:])
            ended = "what it has begun may be half done; run this again" if begun else "nothing was changed"
            raise PackagesError(f"{command[0]} failed, {ended}: {words}", begun=begun)
