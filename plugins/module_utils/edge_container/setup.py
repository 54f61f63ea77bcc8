# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge's own Compose project: its files, its network, its container. Stacks add their backends to it later."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base import leftovers
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE, EDGE_BASE
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_NETWORK
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import spoken
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import networks as edge_networks
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import state as edge_state
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.maps import Maps
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import (
    CERTIFICATES,
    CERTIFICATES_LIST,
    EdgePaths,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.placed import Placed
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.state import PROJECT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.upstreams import MAP as AWAY_MAP
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.upstreams import Everybody
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.validation import validate_edge
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.waiting import published, without_users
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.settings import (
    CPU_SHARES,
    EdgeSettings,
    as_text,
    lasting,
    make_run_directory,
    place,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.engine import Engine
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import COMPOSE_NETWORK
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State, stack_network

START_SECONDS = 60.0
_CHANGED = "image, user or ports of the edge changed"


class EdgeSetup:
    def __init__(self, paths: EdgePaths, engine: Engine, settings: EdgeSettings, clock: Clock) -> None:
        self._clock = clock
        self._paths = paths
        self._engine = engine
        self._settings = settings
        self._configuration = EdgeConfiguration(paths, self._validate)

    @spoken()
    def with_own(self, certificates: Mapping[str, str], placeholders: Mapping[str, str]) -> dict[str, str]:
        """``certificates``, and those that the host keeps: its own where it has one, else the placeholder."""
        own = {name: self._read_certificate(name) for name in placeholders}
        kept = {name: text for name, text in own.items() if text and _is_whole(text)}
        return {**placeholders, **kept, **certificates}

    @spoken()
    def differences(self, files: Mapping[str, str], certificates: Mapping[str, str]) -> list[str]:
        """What ``apply`` would change, in words; empty when the edge is as it should be."""
        found = [*self._configuration.differences(self._with_home(files)), *self._changed_certificates(certificates)]
        found += [f"{name} (removed)" for name in self._left_over(files, certificates)]
        found += [one for one in self._lost_maps(files) if one not in found]
        if self._lost_compose():
            found.append("compose.json")
        if self._must_recreate():
            found.append("container")
        if self._is_cut_off():
            found.append("network")
        found += [f"network {name}" for name in edge_networks.apart(self._engine)]
        found += [f"network {stack_network(stack)}" for stack in edge_networks.lost(self._engine)]
        if "container" not in found and self._lacks_shares():
            found.append("cpu_shares")
        return found

    @spoken()
    def apply(self, files: Mapping[str, str], certificates: Mapping[str, str], *, allow_interruption: bool) -> list[str]:
        """Bring the edge up or up to date; what changed. A change that would cut connections is refused unless allowed."""
        edge_state.require_whole(self._engine)
        changed = self.differences(files, certificates)
        files = self._with_home(files)
        left = self._left_over(files, certificates)
        running = self._is_running()
        # One that reaches no replica has nobody to interrupt, and nobody reaches one that waits for its ports.
        cut_off = "network" in changed
        recreate = "container" in changed or cut_off
        network = self._require_own_network() if recreate else True
        if recreate and running and not (allow_interruption or cut_off or self._waits()):
            lost = self._lost_compose()
            why = f"{lost}, so nobody can tell whether the container is as it should be" if lost else _CHANGED
            raise EdgeError(
                f"{why}, which takes a new container and a short interruption for every user of this host. Another image, and "
                "other ports, come without one by playbooks/edge_upgrade.yml. For all else take the host out of its balancer and "
                "run again with -e edge_allow_interruption=true"
            )
        if self._engine.image(self._settings.image) is None:
            self._engine.pull(self._settings.image)
        self._make_directories(files)
        Everybody(self._paths, asks=running).mend()
        leftovers.sweep(self._paths.root, leftovers.CANDIDATE)
        self._place_certificates(files, certificates)
        place(self._settings.files(self._paths))
        if recreate or not running:
            self._configuration.check(files)
            self._write_files(files)
            compose = Compose(PROJECT, self._paths.root, [self._paths.root / "compose.json"])
            # Compose starts none that is paused, and sees none that was taken off its network.
            edge_networks.bring_up(compose, self._engine, anew=cut_off or not running, ready=lambda: self._write_home(files))
            edge_networks.bring_back(self._engine, home_was_there=network)
            self._await_answer()
        else:
            self._apply_to_running(files, changed)
        # Last: until now an HAProxy that restarts may have read the configuration that names them.
        for name in left:
            (self._paths.conf / name).unlink(missing_ok=True)
        return changed

    def _with_home(self, files: Mapping[str, str]) -> dict[str, str]:
        placed = Placed(self._paths).files(files.get("haproxy.cfg", ""))
        return {**files, **placed, edge_networks.HOME_LIST: edge_networks.home(self._engine)}

    def _write_home(self, files: Mapping[str, str]) -> None:
        """The network may have been made with the container, which has not started yet."""
        self._write_files(self._with_home(files))

    def _apply_to_running(self, files: Mapping[str, str], changed: Sequence[str]) -> None:
        for one in self._lacks_shares():
            # While it runs, without a restart.
            self._engine.give_cpu_shares(one, CPU_SHARES)
        edge_networks.connect(self._engine)
        edge_networks.bring_back(self._engine)
        if any(one != "cpu_shares" and not one.startswith("network ") for one in changed):
            with self._configuration.alone():
                if not self._configuration.apply(files):
                    # A renewed certificate changes no file of the configuration, yet HAProxy reads it only when it loads.
                    self._configuration.reload()

    def _left_over(self, files: Mapping[str, str], certificates: Mapping[str, str]) -> list[str]:
        """Certificates, with their keys, that the inventory has no more; half-written ones; and their list without any."""
        certs = self._paths.conf / CERTIFICATES
        wanted = {self._certificate(name) for name in certificates}
        there = sorted(certs.iterdir()) if certs.is_dir() else []
        found = [str(path.relative_to(self._paths.conf)) for path in there if path.is_file() and path not in wanted]
        listed = self._paths.conf / CERTIFICATES_LIST
        return [*found, CERTIFICATES_LIST] if listed.is_file() and CERTIFICATES_LIST not in files else found

    def _require_own_network(self) -> bool:
        """Whether the network is there. Raises EdgeError for one of its name that Compose would refuse."""
        found = self._engine.network(EDGE_NETWORK)
        if found is not None and (found.get("Labels") or {}).get(COMPOSE_NETWORK) != EDGE_NETWORK:
            names = sorted(one["Name"] for one in (found.get("Containers") or {}).values())
            leave = "".join(f"docker network disconnect -f {EDGE_NETWORK} {name}; " for name in names)
            raise EdgeError(
                f'the network "{EDGE_NETWORK}" of this host was made by hand, and Compose does not use it. On this host: {leave}'
                f"docker network rm {EDGE_NETWORK}; then run this again"
            )
        return found is not None

    def _place_certificates(self, files: Mapping[str, str], certificates: Mapping[str, str]) -> None:
        """Put certificates in place; when HAProxy rejects the configuration with them, the old ones come back."""
        before = {name: self._read_certificate(name) for name in self._changed_certificates(certificates)}
        for name in before:
            self._write_certificate(name, certificates[name])
        try:
            self._configuration.check(files)
        except EdgeError:
            for name, content in before.items():
                if content is None:
                    self._certificate(name).unlink()
                else:
                    self._write_certificate(name, content)
            raise

    def _changed_certificates(self, certificates: Mapping[str, str]) -> list[str]:
        return sorted(name for name, content in certificates.items() if self._read_certificate(name) != content)

    def _certificate(self, name: str) -> Path:
        return self._paths.conf / CERTIFICATES / f"{name}.pem"

    def _read_certificate(self, name: str) -> str | None:
        path = self._certificate(name)
        if path.is_dir():
            raise EDGE_BASE.damaged(path, "it is a directory")
        try:
            return path.read_bytes().decode(errors="replace")
        except FileNotFoundError:
            return None

    def _write_certificate(self, name: str, content: str) -> None:
        path = self._certificate(name)
        write_atomically(path, content, mode=0o400)
        os.chown(path, *self._settings.ids)

    def _write_files(self, files: Mapping[str, str]) -> None:
        for name in self._configuration.differences(files):
            write_atomically(self._paths.conf / name, files[name], mode=0o644)

    def _lost_maps(self, files: Mapping[str, str]) -> list[str]:
        """What an edge had that is there: a new one gets its maps with the rest."""
        if not self._paths.settings.exists():
            return []
        lost = Everybody(self._paths, asks=self._is_running()).look()
        # Of HAProxy that must be told, the file is named that it goes by.
        told = [self._paths.conf / AWAY_MAP] if lost.deaf else []
        return sorted({*Maps(self._paths).missing(files), *(path.name for path in [*lost.lost, *told])})

    def _make_directories(self, files: Mapping[str, str]) -> None:
        for path in (self._paths.conf / CERTIFICATES, self._paths.conf / "stacks", self._paths.conf / "routes.d"):
            path.mkdir(parents=True, exist_ok=True)
        Maps(self._paths).make(files)
        make_run_directory(self._paths.root / "run", self._settings)
        self._paths.root.chmod(0o755)

    def _must_recreate(self) -> bool:
        try:
            found = (self._paths.root / "compose.json").read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            return True
        return lasting(found) != lasting(as_text(self._settings.compose(self._paths.root)).encode()) or not self._is_running()

    def _lacks_shares(self) -> list[Replica]:
        """Containers of the edge that run with another share of the CPUs."""
        running = [one for one in self._engine.observe(set()) if one.state is State.RUNNING]
        found = [(one, (self._engine.inspected(one) or {}).get("HostConfig") or {}) for one in running]
        return [one for one, config in found if config.get("CpuShares") != CPU_SHARES]

    def _waits(self) -> bool:
        """Whether the edge runs without ports for users. Its container says it: a handover may have been killed at its files."""
        running = [one for one in self._engine.observe(set()) if one.state is State.RUNNING]
        found = [((self._engine.inspected(one) or {}).get("HostConfig") or {}).get("PortBindings") or {} for one in running]
        return all(bool(one) and without_users(inside.partition("/")[0] for inside in one) for one in found)

    def _lost_compose(self) -> str:
        """Why the edge's own Compose file says nothing, in words; empty when it does, and before there is an edge."""
        path = self._paths.root / "compose.json"
        if path.is_dir():
            raise EDGE.damaged(path, "it is a directory")
        if not path.exists():
            return f"{path} is missing" if self._paths.settings.exists() else ""
        try:
            published(path.read_bytes())
        except ValueError:
            return f"{path} cannot be read"
        return ""

    def _is_cut_off(self) -> bool:
        """Whether the edge runs and is not on its network, where replicas are."""
        running = [one for one in self._engine.observe(set()) if one.state is State.RUNNING]
        return any(one.networks is not None and EDGE_NETWORK not in one.networks for one in running)

    def _await_answer(self) -> None:
        deadline = self._clock.now() + START_SECONDS
        while True:
            try:
                Socket(str(self._paths.socket)).ask("show info")
                return
            except EdgeError as exc:
                if self._clock.now() > deadline:
                    words = [self._engine.last_words(replica) for replica in self._engine.observe(set())]
                    raise EdgeError("\n".join([f"the edge does not start: {exc}", "Its last log lines:", *words])) from exc
            self._clock.sleep(0.1)

    def _is_running(self) -> bool:
        return any(replica.state is State.RUNNING for replica in self._engine.observe(set()))

    def _validate(self, candidate: Path) -> str:
        return validate_edge(self._engine, {"image": self._settings.image, "user": self._settings.user}, candidate)


def _is_whole(text: str) -> bool:
    """Whether a file has a certificate and a key to their ends, which one that was torn has not."""
    return "-----END CERTIFICATE-----" in text and re.search(r"-----END [A-Z ]*PRIVATE KEY-----", text) is not None
