# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""Newer packages of the engine that is installed. The engine restarts meanwhile, and its containers live on."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.daemon.config import LIVE_RESTORE, Engine
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
_LAST_LINES = 5


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
    def __init__(self, dockerd: Dockerd, clock: Clock, ask: Run = run) -> None:
        self._dockerd = dockerd
        self._clock = clock
        self._ask = ask

    def due(self) -> list[Upgrade]:
        """What apt would upgrade, by lists that are fresh."""
        names = self._installed()
        if not names:
            raise PackagesError(
                "this host has no engine that came as a package: playbooks/provision.yml for this inventory installs one. "
                "Nothing was changed",
                begun=False,
            )
        self._apt("update", "--quiet")
        return [Upgrade(*found) for found in _UPGRADE.findall(self._apt("install", "--simulate", "--only-upgrade", *names))]

    def apply(self, *, allow_interruption: bool) -> list[Upgrade]:
        """Upgrade; what was. Refused, before anything is changed, when containers would not live on."""
        due = self.due()
        if not due:
            return []
        engine = self._dockerd.look()
        self._require_live_restore(engine, allow_interruption=allow_interruption)
        running = self._dockerd.running() if engine else set()
        # Of a run that was killed in the middle.
        self._command(["dpkg", "--configure", "-a", "--force-confold"], begun=True)
        self._apt("install", "--yes", "--only-upgrade", *(one.name for one in due), begun=True)
        names = ", ".join(map(str, due))
        if engine and not comes(self._dockerd, self._clock, ANSWER_SECONDS):
            raise PackagesError(
                f"the engine was upgraded ({names}) and gives no answer; containers run on without it. See why on this host "
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

    def _installed(self) -> list[str]:
        _, said = self._ask(["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *PACKAGES])
        found = [line.split() for line in said.splitlines()]
        return [words[0] for words in found if len(words) == 2 and words[1] == "installed" and words[0] in PACKAGES]

    def _apt(self, *arguments: str, begun: bool = False) -> str:
        options = ["-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", "-o", "Dpkg::Options::=--force-confold"]
        return self._command(["apt-get", *options, *arguments], begun=begun)

    def _command(self, command: Sequence[str], *, begun: bool) -> str:
        code, said = self._ask(command)
        if code:
            words = "\n".join(said.splitlines()[-_LAST_LINES:])
            ended = "what it has begun may be half done; run this again" if begun else "nothing was changed"
            raise PackagesError(f"{command[0]} failed, {ended}: {words}", begun=begun)
        return said
