# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack taken off one host: its users are let go of first, as by any rollout, and its data stays unless it is asked for.

Whatever is left of it is found anew by each run, so one that was killed is finished by the next.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import networks as edge_networks
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import PROJECT
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.retention import remove_images
from ansible_collections.morpheus.deploy.plugins.module_utils.host.verbs import HostEdge, HostEngine
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.project_files import OWN
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.execute import Executor
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.plan import plan
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.step import Step
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

_WORDS = 300


@dataclass
class Left:
    """What a host has of a stack. ``data``: paths in its project directory that no release brought."""

    release: str = ""
    steps: list[Step] = field(default_factory=list)
    one_offs: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    edge_files: list[str] = field(default_factory=list)
    has_files: bool = False

    def plan(self, *, with_data: bool) -> list[str]:
        """In words, what a removal does."""
        found = [str(step) for step in self.steps]
        found += [f"remove the container {name}" for name in self.one_offs]
        found += [f"remove {name} from the edge" for name in self.edge_files]
        found += [f"remove the network {name}" for name in self.networks]
        found += ["remove releases, secrets and files"] if self.has_files else []
        return found + ([f"remove the data {name}" for name in self.stays] if with_data else [])

    @property
    def stays(self) -> list[str]:
        """What stays when nobody asks for the data."""
        return [*(f"volume {name}" for name in self.volumes), *self.data]


class _NoGate:
    """Nothing is started, so nothing is asked for its health."""

    def wait(self, *_: Any) -> NoReturn:
        raise DeployError("a removal starts nothing")

    watch = wait


class Removal:
    def __init__(self, host: StackHost) -> None:
        self._host = host
        self._edge = host.edge(None)

    def look(self) -> Left:
        """DeployError when a migration or a job is at work."""
        host = self._host
        one_offs = host.one_offs.all()
        for one in one_offs:
            if one.at_work:
                raise DeployError(
                    f"{one.name} ({one.service}) is still at work on this host, since {one.since}. Wait for its end (docker logs "
                    f"--follow {one.name}) or stop it (docker stop {one.name}); then run this again"
                )
        observed, _ = host.look(self._edge)
        steps = plan([], observed, drain_seconds=self._drain_seconds(), routing=self._edge.routing())
        return Left(
            release=host.releases.live_release(),
            steps=steps,
            one_offs=[one.name for one in one_offs],
            networks=edge_networks.own(host.engine, host.stack),
            volumes=host.engine.volumes(f"{PROJECT}={host.stack}"),
            data=self._data(),
            edge_files=self._edge.own_files(),
            has_files=self._has_files(),
        )

    def execute(self, found: Left, fence: Fence, *, with_data: bool) -> dict[str, Any]:
        """Do it. ``drained`` and ``cut`` are counted as by any rollout."""
        host = self._host
        fence.check()
        manifests = self._manifests()
        outcome = Executor(
            [],
            HostEngine(host, Compose(host.stack, host.releases.root, (), ()), self._edge, _no_job),
            HostEdge(host, self._edge),
            _NoGate(),
            SystemClock(),
            drain_seconds=self._drain_seconds(),
            guard=fence.check,
        ).run(found.steps)
        if outcome.failures:
            raise DeployError("\n".join(outcome.failures))
        for one in host.one_offs.all():
            host.one_offs.remove(one)
        fence.check()
        self._edge.end()
        for name in found.networks:
            host.engine.remove_network(name)
        host.through.let(())
        if with_data:
            for name in found.volumes:
                host.engine.remove_volume(name)
        fence.check()
        self._remove_files(with_data=with_data)
        remove_images(host, manifests)
        return {"drained": outcome.drained, "cut": outcome.cut}

    def _manifests(self) -> list[Manifest]:
        releases = self._host.releases
        return [releases.read(identity) for identity in releases.ids() if releases.has(identity)]

    def _drain_seconds(self) -> float:
        releases = self._host.releases
        live = releases.live()
        return releases.read(live).stack.drain_seconds if live and releases.has(live) else 30.0

    def _has_files(self) -> bool:
        """Whether there is more than what a run leaves that only looks."""
        root = self._host.releases.root
        known = {"fence.json", "fence.lock", "rollout.lock"}
        names = {path.name for path in root.iterdir()} - known if root.is_dir() else set()
        return bool(names - {"project"}) or ("project" in names and self._own_of_project() != [])

    def _own_of_project(self) -> list[Path]:
        """What of the project directory is ours and no data."""
        releases = self._host.releases
        names = [*OWN, *releases.activated()] if releases.project.is_dir() else []
        paths = [releases.project / name for name in names]
        return [path for path in paths if path.is_symlink() or path.is_file()]

    def _data(self) -> list[str]:
        project = self._host.releases.project
        own = self._own_of_project()
        return sorted(str(path) for path in project.iterdir() if _holds_files(path, own)) if project.is_dir() else []

    def _remove_files(self, *, with_data: bool) -> None:
        releases = self._host.releases
        keeps = [] if with_data else self._data()
        if keeps:
            for path in self._own_of_project():
                path.unlink(missing_ok=True)
            _remove_empty(releases.project)
            # The lock is held until the end, and is the mark that somebody is at work.
            for path in releases.root.iterdir():
                if path != releases.project:
                    _remove(path)
        else:
            _remove(releases.root)


def _no_job(service: str) -> NoReturn:
    raise DeployError(f"a removal starts nothing, and so not {service}")


def _holds_files(top: Path, own: Sequence[Path]) -> bool:
    """Whether there is a file that is none of ``own`` at ``top`` or below it, however deep an application has nested them."""
    waiting = [top]
    while waiting:
        path = waiting.pop()
        if path in own:
            continue
        try:
            if not path.is_dir():
                return True
            waiting += [] if path.is_symlink() else path.iterdir()
        except OSError:
            # Of a name that is too long.
            return True
    return False


def _remove(path: Path) -> None:
    _run("rm", "--recursive", "--force", "--", str(path))


def _remove_empty(directory: Path) -> None:
    if directory.is_dir():
        _run("find", str(directory), "-mindepth", "1", "-type", "d", "-empty", "-delete")


def _run(*command: str) -> None:
    """Programs that follow no link and go as deep as it goes: Python's own end at a depth that any application can exceed."""
    done = subprocess.run(command, capture_output=True, check=False, text=True, errors="replace")
    if done.returncode:
        raise DeployError(f"{command[0]} could not remove everything: {said.ending(done.stderr, _WORDS)}")
