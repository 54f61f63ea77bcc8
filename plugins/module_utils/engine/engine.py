# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container engine on this host, as the few verbs that a rollout needs."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError, missing_library
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_NETWORK
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import stopping
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.answers import LOOK, last_words, speaking
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.images import Images
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import (
    FINGERPRINT,
    ONEOFF,
    PORT,
    PROJECT,
    RELEASE,
    SERVICE,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.listed import mislabelled, replica_of
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.networks import Networks
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.usage import Usage
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.volumes import Volumes
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.recall import Running
from ansible_collections.morpheus.deploy.plugins.module_utils.service.killed import Killed
from ansible_collections.morpheus.deploy.plugins.module_utils.service.mounted import Mounted
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica

import_error: ImportError | None = None
try:
    import docker
    from docker.errors import APIError, DockerException, NotFound
except ImportError as exc:
    import_error = exc

# The engine's own of a healthcheck, where nothing is said.
DEFAULT_CHECK_NANOSECONDS = 30e9
DEFAULT_CHECK_RETRIES = 3
# What the engine calls a volume that nobody has named.
_NO_NAME = re.compile(r"[0-9a-f]{64}")


def connect() -> Any:
    """A client of the local engine; DeployError says what to do when there is none."""
    if import_error:
        raise missing_library("docker")
    try:
        return docker.from_env(timeout=120)
    except DockerException as exc:
        raise EngineError(
            f"the Docker engine of this host does not answer ({exc}): start it, or run playbooks/provision.yml for this "
            f"inventory. {LOOK}"
        ) from exc


class Engine(Images, Networks, Usage, Volumes):
    """Replicas and images of one Compose project on this host."""

    def __init__(self, client: Any, project: str, network: str = "") -> None:
        super().__init__(client)
        self._project = project
        self._network = network
        # Volumes without a name that removed replicas have left behind, in words for people.
        self.kept: list[str] = []

    def observe(self, admitted: set[str]) -> list[Replica]:
        """Every replica of the project, stopped ones too; ``admitted`` are the container names that the edge serves.

        EngineError, naming each, when there are containers of the project that nobody can tell a replica of.
        """
        replicas, problems = self.look(admitted)
        if problems:
            raise EngineError("\n".join(problems))
        return replicas

    def look(self, admitted: set[str]) -> tuple[list[Replica], list[str]]:
        """The same, and in words what cannot be told a replica, with the command that mends it."""
        labels = [f"{PROJECT}={self._project}", f"{ONEOFF}=False"]
        with speaking("list containers"):
            found = self._client.api.containers(all=True, filters={"label": labels})
        problems = {item["Id"]: problem for item in found if (problem := mislabelled(item))}
        return [replica_of(item, admitted) for item in found if item["Id"] not in problems], list(problems.values())

    def others(self) -> dict[str, str]:
        """Names of all containers on this host, stopped ones too, that are no replicas of the project -> their state."""
        with speaking("list containers"):
            found = self._client.api.containers(all=True)
        return {
            item["Names"][0].lstrip("/"): str(item["State"])
            for item in found
            if item["Labels"].get(PROJECT) != self._project or item["Labels"].get(ONEOFF) != "False"
        }

    def witnesses(self) -> list[Running]:
        """Replicas that run and that this collection has started, with the release that each is of."""
        labels = [f"{PROJECT}={self._project}", f"{ONEOFF}=False", FINGERPRINT]
        with speaking("list containers"):
            found = [item["Labels"] for item in self._client.api.containers(filters={"label": labels})]
        return [Running(one.get(SERVICE, ""), one.get(RELEASE, ""), one[FINGERPRINT]) for one in found if one.get(FINGERPRINT)]

    def addresses(self, replicas: Sequence[Replica]) -> dict[str, str]:
        """Container name -> its address on the network it shares with the edge (or on its first one)."""
        return {replica.name: self._address(replica) for replica in replicas}

    def stop(self, replicas: Sequence[Replica], grace_seconds: float | None) -> list[Killed]:
        """Those that had to be killed. ``grace_seconds``: None for each container's own, which Compose gave it."""
        with ThreadPoolExecutor(max(1, len(replicas))) as pool:
            return [one for one in pool.map(lambda one: stopping.stop(self._client, one, grace_seconds), replicas) if one]

    def remove(self, replicas: Sequence[Replica]) -> None:
        """Remove containers and none of their volumes: what was written there may be somebody's data."""
        for replica in replicas:
            self._note_volumes(replica)
            with speaking(f"remove {replica.name}"), suppress(NotFound):
                try:
                    self._client.api.remove_container(replica.id, v=False, force=True)
                except APIError as exc:
                    if "already in progress" not in str(exc):
                        raise

    def _note_volumes(self, replica: Replica) -> None:
        details: Mapping[str, Any] = {}
        with suppress(EngineError):
            details = self._inspect(replica) or {}
        for mount in details.get("Mounts") or []:
            if mount["Type"] == "volume" and _NO_NAME.fullmatch(mount["Name"]):
                self.kept.append(
                    f"{replica.name} wrote to a volume without a name at {mount['Destination']}; it was kept as {mount['Name']}. "
                    f"When its content may go: docker volume rm {mount['Name']}"
                )

    def inspected(self, replica: Replica) -> Mapping[str, Any] | None:
        """All that the engine tells of a container; None when it is gone. Holds secret values: never print it."""
        return self._inspect(replica)

    def signal(self, replica: Replica, name: str) -> None:
        with speaking(f"send {name} to {replica.name}"):
            self._client.api.kill(replica.id, signal=name)

    def start(self, replica: Replica) -> None:
        """One that is stopped, as it lies there."""
        with speaking(f"start {replica.name}"):
            self._client.api.start(replica.id)

    def never_again(self, replica: Replica) -> None:
        """The engine does not start it by itself any more, also when the host comes up."""
        with speaking(f"change the restart policy of {replica.name}"), suppress(NotFound):
            self._client.api.update_container(replica.id, restart_policy={"Name": "no"})

    def give_cpu_shares(self, replica: Replica, shares: int) -> None:
        """At once, while it runs."""
        with speaking(f"give {replica.name} its share of the CPUs"):
            self._client.api.update_container(replica.id, cpu_shares=shares)

    def restarts(self, replica: Replica) -> int:
        """How often the engine has started ``replica`` again by itself; 0 for one that is gone."""
        details = self._inspect(replica)
        return int(details["RestartCount"]) if details else 0

    def failure(self, replica: Replica, restarts: int = 0) -> str:
        """Why ``replica`` will not become healthy any more, in words; empty as long as it runs and has not been started again
        more than ``restarts`` times.
        """
        details = self._inspect(replica)
        if details is None:
            return f"{replica.name} is gone"
        state = details["State"]
        oom = " (out of memory)" if state.get("OOMKilled") else ""
        if not state["Running"] or state["Restarting"]:
            return f"{replica.name} exited with code {state['ExitCode']}{oom}"
        if details["RestartCount"] <= restarts:
            return ""
        return f"{replica.name} ended{self._last_code(replica)}{oom} and was started again by the engine"

    def _last_code(self, replica: Replica) -> str:
        """ " with code <n>" of a container that runs again, from the engine's last 256 events; empty when they tell nothing."""
        with suppress(DockerException, OSError, ValueError, LookupError):
            which = {"container": replica.id, "event": "die"}
            ended = list(self._client.api.events(since=0, until=f"{time.time():.6f}", filters=which, decode=True))
            return f" with code {int(ended[-1]['Actor']['Attributes']['exitCode'])}"
        return ""

    def health(self, replica: Replica) -> str:
        """Docker's own verdict: "healthy", "starting", "unhealthy", or "" for a container without a healthcheck."""
        details = self._inspect(replica)
        if details is None:
            return "unhealthy"
        state = details["State"]
        return str(state.get("Health", {}).get("Status", "")) if state["Running"] else "unhealthy"

    def seconds_to_health(self, replica: Replica) -> float:
        """How long its healthcheck, of the Compose file or of the image, gives it before it is unhealthy; 0 without one."""
        details = self._inspect(replica)
        check = ((details or {}).get("Config") or {}).get("Healthcheck") or {}
        if not check.get("Test") or check["Test"] == ["NONE"]:
            return 0.0
        # What nobody has said is 0 here, and times are nanoseconds.
        interval, timeout = (float(check.get(key) or DEFAULT_CHECK_NANOSECONDS) for key in ("Interval", "Timeout"))
        tries = int(check.get("Retries") or DEFAULT_CHECK_RETRIES)
        return (float(check.get("StartPeriod") or 0) + (interval + timeout) * tries) / 1e9

    def ended_at(self, replica: Replica) -> float | None:
        """When a replica that is stopped ended, in seconds since the epoch; None when it runs, is gone or does not say."""
        details: Mapping[str, Any] = {}
        with suppress(EngineError):
            details = self._inspect(replica) or {}
        found = re.match(r"(\d{4}-\d\d-\d\dT[\d:]{8})(\.\d+)?Z", str((details.get("State") or {}).get("FinishedAt", "")))
        # What has not ended yet did so in the year 1.
        if not found or found[1].startswith("0001-"):
            return None
        return calendar.timegm(time.strptime(found[1], "%Y-%m-%dT%H:%M:%S")) + float(found[2] or 0)

    def last_words(self, replica: Replica) -> str:
        """The end of the container's log, without secrets; empty when there is none to read."""
        return last_words(self._client, replica.id)

    def mounted(self) -> list[Mounted]:
        """Volumes and directories of every running replica of the project."""
        labels = [f"{PROJECT}={self._project}", f"{ONEOFF}=False"]
        with speaking("list containers"):
            found = self._client.api.containers(filters={"label": labels})
        return [
            Mounted(
                item["Names"][0].lstrip("/"),
                item["Labels"][SERVICE],
                mount["Type"],
                mount.get("Name") or mount.get("Source", ""),
                mount["Destination"],
                bool(mount.get("RW", True)),
            )
            for item in found
            for mount in item.get("Mounts") or []
        ]

    def routed_replicas(self) -> dict[str, list[Replica]]:
        """Stack -> its running replicas that the edge may send requests to, for every stack on this host."""
        with speaking("list containers"):
            listed = self._client.api.containers(filters={"label": [PORT]})
        found: dict[str, list[Replica]] = {}
        for item in listed:
            if not mislabelled(item) and item["Labels"].get(PROJECT):
                found.setdefault(item["Labels"][PROJECT], []).append(replica_of(item, set()))
        return found

    def strangers(self, images: set[str]) -> list[str]:
        """Names of running containers of these images (ids) that belong to no Compose project."""
        with speaking("list containers"):
            found = self._client.api.containers()
        return sorted(
            item["Names"][0].lstrip("/") for item in found if item["ImageID"] in images and PROJECT not in item["Labels"]
        )

    def running(self) -> list[Mapping[str, Any]]:
        """What the engine tells of every running container on this host. Holds secret values: never print it."""
        with speaking("list containers"):
            found = self._client.api.containers()
        details = []
        for item in found:
            with speaking("look at a container"), suppress(NotFound):
                details.append(self._client.api.inspect_container(item["Id"]))
        return details

    def mounts(self) -> set[str]:
        """Paths of this host that are mounted into a container, stopped ones too."""
        with speaking("list containers"):
            found = self._client.api.containers(all=True)
        return {str(mount["Source"]) for item in found for mount in item.get("Mounts") or [] if mount.get("Source")}

    def _address(self, replica: Replica) -> str:
        details = self._inspect(replica)
        if details is None:
            raise EngineError(f"{replica.name} is gone: somebody has removed it meanwhile. Run this again")
        networks = details["NetworkSettings"]["Networks"]
        chosen: Mapping[str, Any] = networks.get(self._network) or networks.get(EDGE_NETWORK) or next(iter(networks.values()), {})
        return str(chosen.get("IPAddress", ""))

    def _inspect(self, replica: Replica) -> Mapping[str, Any] | None:
        with speaking(f"look at {replica.name}"):
            try:
                details: Mapping[str, Any] = self._client.api.inspect_container(replica.id)
            except NotFound:
                return None
        return details
