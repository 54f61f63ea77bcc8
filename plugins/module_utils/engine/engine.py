# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""The container engine and Compose on this host, as the few verbs that a rollout needs."""

from __future__ import annotations

import calendar
import json
import math
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError, missing_library
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.precautions import Mounted
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import pull
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.recall import Running
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.plan import EDGE_NETWORK, Replica, State
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

import_error: ImportError | None = None
try:
    import docker
    from docker.errors import APIError, DockerException, ImageNotFound, NotFound
    from urllib3.exceptions import HTTPError
except ImportError as exc:
    import_error = exc

LABEL = "morpheus.deploy."
FINGERPRINT = LABEL + "fingerprint"
PARTS = LABEL + "parts"
RELEASE = LABEL + "release"
PORT = LABEL + "port"
_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
_NUMBER = "com.docker.compose.container-number"
_ONEOFF = "com.docker.compose.oneoff"
# Of a network: its name in the Compose file.
COMPOSE_NETWORK = "com.docker.compose.network"

_STATES = {"running": State.RUNNING, "restarting": State.RESTARTING}
LOG_LINES = 15
LOOK = "See what it says on this host with: systemctl status docker; journalctl -u docker -n 30"
# The engine's own, of a container that was made without one.
DEFAULT_GRACE_SECONDS = 10.0
# What the engine calls a volume that nobody has named.
_NO_NAME = re.compile(r"[0-9a-f]{64}")
# Also what begins with a quote and never ends: that is how Compose shows a line that it cannot parse.
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"?|\'(?:\\.|[^\'\\])*\'?')
# What the engine itself says was not read from env files, so the names of its own objects can be shown.
_DAEMON = "Error response from daemon: "
_NAME = re.compile(r'"/?[\w.:/@-]{1,255}"\Z')
_NAMED = re.compile(r"(container( name)?|by container|network|volume|image|endpoint|service)( with name)?\s+\Z", re.IGNORECASE)
# Containers that have no networks of their own, whatever the engine lists.
_BORROWED = ("host", "none", "container:", "service:")


@dataclass(frozen=True)
class Image:
    """An image on this host. ``pinned`` is how to run exactly it: by digest, or by id when no registry knows it."""

    reference: str
    id: str
    digest: str

    @property
    def pinned(self) -> str:
        return f"{self.reference.partition('@')[0]}@{self.digest}" if self.digest else self.id


@dataclass(frozen=True)
class Disk:
    """The file system that holds the engine's images; sizes in bytes."""

    path: str
    free: int
    total: int


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


class Compose:
    """One Compose project. Runs with an environment of its own: a stray shell variable would beat the env files."""

    def __init__(
        self, project: str, directory: Path, files: Sequence[Path], env_file: Path | None = None, hold: Sequence[int] = ()
    ) -> None:
        """``hold``: file descriptors that a command keeps open, so that a lock lasts until it ends even when we are killed."""
        self._hold = hold
        self.project = project
        self.directory = directory
        self._command = ["docker", "compose", "--progress", "quiet"]
        self._command += ["--project-name", project, "--project-directory", str(directory)]
        self._command += ["--env-file", str(env_file)] if env_file else []
        self._command += [part for path in files for part in ("--file", str(path))]

    def model(self) -> dict[str, Any]:
        """The resolved project, services of inactive profiles included. Holds secret values: never print it."""
        return self._config("--format", "json")

    def written(self) -> dict[str, Any]:
        """The project with variables and env files unread: which env files a service reads, and what it is given beside them."""
        return self._config("--no-interpolate", "--format", "json")

    def _config(self, *options: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._run("--profile", "*", "config", *options))
        except ValueError:
            # Not what it printed: it may hold values of secrets.
            raise EngineError(
                f"docker compose config printed no JSON for {self.project}. See what this host has with: docker compose version; "
                "playbooks/provision.yml for this inventory installs one that fits"
            ) from None
        return found

    def scale_up(self, service: str, total: int) -> None:
        """Start replicas until there are ``total``, in the new configuration; the ones that run are left alone."""
        self._run(
            *("up", "--detach", "--no-deps", "--no-recreate", "--no-build", "--pull", "never"),
            *("--scale", f"{service}={total}", service),
        )

    def create(self, *, anew: bool = False) -> None:
        """The same without starting what is new: only for what may be interrupted."""
        self._run("up", "--no-start", "--no-build", *(["--force-recreate"] if anew else []))

    def up(self, *, anew: bool = False) -> None:
        """Start what is missing and recreate what changed, or everything: only for what may be interrupted."""
        self._run("up", "--detach", "--no-build", "--wait", *(["--force-recreate"] if anew else []))

    def run_detached(self, service: str, labels: Mapping[str, str]) -> None:
        """Start a one-off container of ``service`` that ends by itself and stays until somebody removes it."""
        given = [part for name, value in labels.items() for part in ("--label", f"{name}={value}")]
        self._run("--profile", "*", "run", "--detach", "--no-deps", "-T", "--interactive=false", *given, service)

    def _run(self, *arguments: str, timeout: float = 300) -> str:
        environment = {key: os.environ[key] for key in ("PATH", "HOME", "DOCKER_HOST") if key in os.environ}
        command = [*self._command, *arguments]
        try:
            done = subprocess.run(
                command,
                # Nobody is there to answer a question of Compose; what a module reads from its own input must not.
                stdin=subprocess.DEVNULL,
                env=environment,
                cwd="/",
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
                pass_fds=self._hold,
            )
        except subprocess.TimeoutExpired:
            what = f"docker compose {_verb(arguments)} did not end within {timeout:g} s for {self.project}, in {self.directory}"
            raise EngineError(f"{what}. {LOOK}") from None
        except FileNotFoundError:
            raise EngineError("this host has no docker command: run playbooks/provision.yml for this inventory") from None
        except OSError as exc:
            raise EngineError(f"docker compose could not be started on this host: {exc}. {LOOK}") from exc
        if done.returncode:
            words = scrub(done.stderr or done.stdout) or f"it ended with {done.returncode} and said nothing. {LOOK}"
            raise EngineError(f"docker compose failed for {self.project}: {words}")
        return done.stdout


@contextmanager
def _speaking(what: str) -> Iterator[None]:
    """Turn the SDK's errors, lost connections included, into EngineError with the words of the engine."""
    try:
        yield
    except EngineError:
        raise
    except APIError as exc:
        raise EngineError(f"the engine could not {what}: {exc.explanation or exc}") from exc
    except (DockerException, OSError) as exc:
        raise EngineError(f"the engine did not answer when asked to {what}: {exc}. {LOOK}") from exc


class Engine:
    """Replicas and images of one Compose project on this host."""

    def __init__(self, client: Any, project: str, network: str = "") -> None:
        self._client = client
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
        labels = [f"{_PROJECT}={self._project}", f"{_ONEOFF}=False"]
        with _speaking("list containers"):
            found = self._client.api.containers(all=True, filters={"label": labels})
        problems = {item["Id"]: problem for item in found if (problem := _mislabelled(item))}
        return [self._replica(item, admitted) for item in found if item["Id"] not in problems], list(problems.values())

    def others(self) -> dict[str, str]:
        """Names of all containers on this host, stopped ones too, that are no replicas of the project -> their state."""
        with _speaking("list containers"):
            found = self._client.api.containers(all=True)
        return {
            item["Names"][0].lstrip("/"): str(item["State"])
            for item in found
            if item["Labels"].get(_PROJECT) != self._project or item["Labels"].get(_ONEOFF) != "False"
        }

    def connect(self, network: str, replicas: Sequence[Replica]) -> None:
        for replica in replicas:
            with _speaking(f"connect {replica.name} to the network {network}"):
                self._client.api.connect_container_to_network(replica.id, network)

    def witnesses(self) -> list[Running]:
        """Replicas that run and that this collection has started, with the release that each is of."""
        labels = [f"{_PROJECT}={self._project}", f"{_ONEOFF}=False", FINGERPRINT]
        with _speaking("list containers"):
            found = [item["Labels"] for item in self._client.api.containers(filters={"label": labels})]
        return [Running(one.get(_SERVICE, ""), one.get(RELEASE, ""), one[FINGERPRINT]) for one in found if one.get(FINGERPRINT)]

    def addresses(self, replicas: Sequence[Replica]) -> dict[str, str]:
        """Container name -> its address on the network it shares with the edge (or on its first one)."""
        return {replica.name: self._address(replica) for replica in replicas}

    def stop(self, replicas: Sequence[Replica], grace_seconds: float | None) -> None:
        """``grace_seconds``: None for each container's own, which Compose gave it."""
        with ThreadPoolExecutor(max(1, len(replicas))) as pool:
            list(pool.map(lambda replica: self._stop(replica.id, grace_seconds), replicas))

    def remove(self, replicas: Sequence[Replica]) -> None:
        """Remove containers and none of their volumes: what was written there may be somebody's data."""
        for replica in replicas:
            self._note_volumes(replica)
            with _speaking(f"remove {replica.name}"), suppress(NotFound):
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
        with _speaking(f"send {name} to {replica.name}"):
            self._client.api.kill(replica.id, signal=name)

    def give_cpu_shares(self, replica: Replica, shares: int) -> None:
        """At once, while it runs."""
        with _speaking(f"give {replica.name} its share of the CPUs"):
            self._client.api.update_container(replica.id, cpu_shares=shares)

    def newest_digest(self, reference: str) -> str:
        """What the registry has under a name, without bringing it here; empty when it does not say."""
        try:
            found: Mapping[str, Any] = self._client.api.inspect_distribution(reference)
            return str(found["Descriptor"]["digest"])
        except (DockerException, OSError, HTTPError, KeyError, TypeError):
            return ""

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
        oom = " for want of memory" if state.get("OOMKilled") else ""
        if not state["Running"] or state["Restarting"]:
            return f"{replica.name} exited with code {state['ExitCode']}{oom}"
        # Running again, so the exit code of the time before is no longer known.
        return f"{replica.name} ended{oom} and was started again by the engine" if details["RestartCount"] > restarts else ""

    def health(self, replica: Replica) -> str:
        """Docker's own verdict: "healthy", "starting", "unhealthy", or "" for a container without a healthcheck."""
        details = self._inspect(replica)
        if details is None:
            return "unhealthy"
        state = details["State"]
        return str(state.get("Health", {}).get("Status", "")) if state["Running"] else "unhealthy"

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

    def image(self, reference: str) -> Image | None:
        """The local image behind ``reference``, or None."""
        with _speaking(f"look at image {reference}"):
            try:
                details = self._client.api.inspect_image(reference)
            except ImageNotFound:
                return None
        name = _without_tag(reference)
        digests = [entry.partition("@")[2] for entry in details.get("RepoDigests") or [] if entry.partition("@")[0] == name]
        return Image(reference, details["Id"], digests[0] if digests else "")

    def tag(self, identity: str, reference: str) -> None:
        """Give a local image (by id) a name."""
        name = _without_tag(reference)
        with _speaking(f"tag {reference}"):
            self._client.api.tag(identity, name, reference.partition("@")[0].removeprefix(name).lstrip(":") or None)

    def pull(self, reference: str) -> Image:
        """Bring ``reference`` to this host; RegistryDownError when no registry answers, EngineError for any other reason.

        An answer that begins well can still end in an error, and nothing but its text says so.
        """
        try:
            for part in self._client.api.pull(reference, stream=True, decode=True):
                if isinstance(part, Mapping) and (part.get("errorDetail") or part.get("error")):
                    raise pull.failure(reference, str((part.get("errorDetail") or {}).get("message") or part.get("error")))
        except EngineError:
            raise
        except APIError as exc:
            raise pull.failure(reference, str(exc.explanation or exc)) from exc
        # The SDK hands on what its HTTP library raises in the middle of a stream.
        except (DockerException, OSError, HTTPError, RuntimeError) as exc:
            raise EngineError(f"the engine did not answer when asked to pull {reference}: {exc}. {LOOK}") from exc
        image = self.image(reference)
        if image is None:
            raise EngineError(f"image {reference} was pulled but is not there; is something pruning images on this host?")
        return image

    def declared_volumes(self, reference: str) -> list[str]:
        """Paths for which a local image wants a volume; none when it is not here."""
        with _speaking(f"look at image {reference}"):
            try:
                details = self._client.api.inspect_image(reference)
            except ImageNotFound:
                return []
        return sorted((details.get("Config") or {}).get("Volumes") or {})

    def mounted(self) -> list[Mounted]:
        """Volumes and directories of every running replica of the project."""
        labels = [f"{_PROJECT}={self._project}", f"{_ONEOFF}=False"]
        with _speaking("list containers"):
            found = self._client.api.containers(filters={"label": labels})
        return [
            Mounted(
                item["Names"][0].lstrip("/"),
                item["Labels"][_SERVICE],
                mount["Type"],
                mount.get("Name") or mount.get("Source", ""),
                mount["Destination"],
                bool(mount.get("RW", True)),
            )
            for item in found
            for mount in item.get("Mounts") or []
        ]

    def make_network(self, name: str, labels: Mapping[str, str]) -> None:
        """A bridge that leads nowhere but to the containers on it and to this host."""
        with _speaking(f"make the network {name}"):
            self._client.api.create_network(name, driver="bridge", internal=True, labels=dict(labels), check_duplicate=True)

    def networks(self, label: str) -> list[str]:
        """Names of those that carry ``label``."""
        with _speaking("list networks"):
            return sorted(str(one["Name"]) for one in self._client.api.networks(filters={"label": [label]}))

    def network(self, name: str) -> Mapping[str, Any] | None:
        """The network of this very name as the engine inspects it, or None."""
        with _speaking(f"look at network {name}"):
            try:
                found: Mapping[str, Any] = self._client.api.inspect_network(name)
            except NotFound:
                return None
        # The engine takes the beginning of an id for a name, too.
        return found if found["Name"] == name else None

    def volume(self, name: str) -> Mapping[str, Any] | None:
        """The volume as the engine inspects it, or None."""
        with _speaking(f"look at volume {name}"):
            try:
                found: Mapping[str, Any] = self._client.api.inspect_volume(name)
            except NotFound:
                return None
        return found

    def size(self, reference: str) -> int:
        """Bytes of a local image, layers that it shares with others included; 0 when it is not here."""
        with _speaking(f"look at image {reference}"):
            try:
                return int(self._client.api.inspect_image(reference)["Size"])
            except ImageNotFound:
                return 0

    def disk(self) -> Disk:
        with _speaking("say where it keeps its images"):
            path = str(self._client.info()["DockerRootDir"])
        found = os.statvfs(path)
        return Disk(path, found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)

    def routed_replicas(self) -> dict[str, list[Replica]]:
        """Stack -> its running replicas that the edge may send requests to, for every stack on this host."""
        with _speaking("list containers"):
            listed = self._client.api.containers(filters={"label": [PORT]})
        found: dict[str, list[Replica]] = {}
        for item in listed:
            if not _mislabelled(item) and item["Labels"].get(_PROJECT):
                found.setdefault(item["Labels"][_PROJECT], []).append(self._replica(item, set()))
        return found

    def strangers(self, images: set[str]) -> list[str]:
        """Names of running containers of these images (ids) that belong to no Compose project."""
        with _speaking("list containers"):
            found = self._client.api.containers()
        return sorted(
            item["Names"][0].lstrip("/") for item in found if item["ImageID"] in images and _PROJECT not in item["Labels"]
        )

    def running(self) -> list[Mapping[str, Any]]:
        """What the engine tells of every running container on this host. Holds secret values: never print it."""
        with _speaking("list containers"):
            found = self._client.api.containers()
        details = []
        for item in found:
            with _speaking("look at a container"), suppress(NotFound):
                details.append(self._client.api.inspect_container(item["Id"]))
        return details

    def images_in_use(self) -> set[str]:
        """Ids of the images of every container on this host, stopped ones too."""
        with _speaking("list containers"):
            return {item["ImageID"] for item in self._client.api.containers(all=True)}

    def mounts(self) -> set[str]:
        """Paths of this host that are mounted into a container, stopped ones too."""
        with _speaking("list containers"):
            found = self._client.api.containers(all=True)
        return {str(mount["Source"]) for item in found for mount in item.get("Mounts") or [] if mount.get("Source")}

    def remove_image(self, reference: str, identity: str, digest: str) -> None:
        """Take our names off an image: the engine deletes it with its last name. One that others named or run stays."""
        by_digest = f"{_without_tag(reference)}@{digest}" if digest else ""
        for name in (reference, by_digest, identity):
            with _speaking(f"remove image {name}"), suppress(ImageNotFound):
                found = self._client.api.inspect_image(name) if name else {"Id": ""}
                if found["Id"] != identity or (name == identity and (found["RepoTags"] or found["RepoDigests"])):
                    continue
                try:
                    self._client.api.remove_image(name)
                except APIError as exc:
                    if exc.status_code != HTTPStatus.CONFLICT:
                        raise

    def run_tool(self, image: str, command: Sequence[str], mounts: Mapping[Path, str], user: str) -> tuple[int, str]:
        """(exit code, output) of a short-lived container without network."""
        volumes = {str(path): {"bind": target, "mode": "ro"} for path, target in mounts.items()}
        with _speaking(f"run {image}"):
            container = self._client.containers.create(
                image, list(command), entrypoint=[], network_mode="none", user=user, volumes=volumes
            )
            try:
                container.start()
                code = int(container.wait(timeout=60)["StatusCode"])
                return code, said.excerpt(container.logs())
            finally:
                container.remove(force=True)

    def _replica(self, item: Mapping[str, Any], admitted: set[str]) -> Replica:
        labels = item["Labels"]
        name = item["Names"][0].lstrip("/")
        return Replica(
            id=item["Id"],
            name=name,
            service=labels[_SERVICE],
            number=int(labels.get(_NUMBER, 0)),
            fingerprint=labels.get(FINGERPRINT, ""),
            state=_STATES.get(item["State"], State.DEAD),
            admitted=name in admitted,
            created=float(item["Created"]),
            image=item["Image"].partition("@")[0],
            parts=_parts(labels.get(PARTS, "")),
            port=int(labels[PORT]) if labels.get(PORT, "").isdecimal() else 0,
            networks=_networks(item),
            word=str(item["State"]),
        )

    def _address(self, replica: Replica) -> str:
        details = self._inspect(replica)
        if details is None:
            raise EngineError(f"{replica.name} is gone: somebody has removed it meanwhile. Run this again")
        networks = details["NetworkSettings"]["Networks"]
        chosen: Mapping[str, Any] = networks.get(self._network) or networks.get(EDGE_NETWORK) or next(iter(networks.values()), {})
        return str(chosen.get("IPAddress", ""))

    def _stop(self, identity: str, grace_seconds: float | None) -> None:
        with _speaking(f"stop {identity[:12]}"), suppress(NotFound):
            if grace_seconds is None:
                grace_seconds = self._client.api.inspect_container(identity)["Config"].get("StopTimeout")
            # The SDK waits for the answer by as much longer.
            seconds = DEFAULT_GRACE_SECONDS if grace_seconds is None else grace_seconds
            self._client.api.stop(identity, timeout=math.ceil(seconds))

    def _inspect(self, replica: Replica) -> Mapping[str, Any] | None:
        with _speaking(f"look at {replica.name}"):
            try:
                details: Mapping[str, Any] = self._client.api.inspect_container(replica.id)
            except NotFound:
                return None
        return details


class Everything:
    """All that is on this engine, in its own words. Holds values of variables: never return it whole."""

    def __init__(self, client: Any) -> None:
        self._api = client.api

    def containers(self) -> list[Mapping[str, Any]]:
        """Every container, as inspected: created, paused and ended ones, too."""
        found: list[Mapping[str, Any]] = []
        with _speaking("list containers"):
            for item in self._api.containers(all=True):
                # One can end while it is looked at.
                with suppress(NotFound):
                    found.append(self._api.inspect_container(item["Id"]))
        return found

    def volumes(self) -> dict[str, Mapping[str, str]]:
        """Name of each volume -> options of its driver, which may lead to any directory of the host."""
        with _speaking("list volumes"):
            found = self._api.volumes().get("Volumes") or []
        return {one["Name"]: one.get("Options") or {} for one in found}

    def image(self, identity: str) -> Mapping[str, Any]:
        """An image as inspected; empty when it was deleted under the containers that run it."""
        with _speaking(f"look at image {identity}"), suppress(ImageNotFound):
            found: Mapping[str, Any] = self._api.inspect_image(identity)
            return found
        return {}

    def history(self, identity: str) -> list[Mapping[str, Any]]:
        with _speaking(f"tell the history of image {identity}"):
            found: list[Mapping[str, Any]] = self._api.history(identity)
        return found

    def info(self) -> Mapping[str, Any]:
        with _speaking("describe itself"):
            found: Mapping[str, Any] = self._api.info()
        return found


def log_of(client: Any, identity: str, **options: Any) -> bytes:
    """What a container has printed; nothing when there is none to read. Holds what the application says: see ``last_words``."""
    try:
        found: bytes = client.api.logs(identity, **options)
    except (DockerException, OSError):
        return b""
    return found


def last_words(client: Any, identity: str) -> str:
    """The end of what a container has printed, without secrets: those of this host, and those that it was started with."""
    log = log_of(client, identity, tail=LOG_LINES)
    with suppress(DockerException, OSError, LookupError, TypeError):
        said.know_variables(client.api.inspect_container(identity)["Config"]["Env"] or [])
    return said.excerpt(log)


def scrub(text: str) -> str:
    """Compose's own message without what it may quote from env files (it prints whole lines when it cannot parse them).

    What the engine answered to Compose keeps the names of containers, networks, volumes and images.
    """
    own, says, daemon = said.masked(text).strip().partition(_DAEMON)
    text = _QUOTED.sub('"…"', own) + says + _QUOTED.sub(lambda found: _shown(found, daemon), daemon)
    return " ".join(text.split())[-600:]


def _shown(found: re.Match[str], text: str) -> str:
    is_name = _NAME.match(found[0]) and _NAMED.search(text[: found.start()])
    return found[0] if is_name else '"…"'


def _mislabelled(item: Mapping[str, Any]) -> str:
    """Why nobody can tell which replica a container is, and what to do; empty when its labels are as Compose writes them."""
    labels, name = item["Labels"], item["Names"][0].lstrip("/")
    number = labels.get(_NUMBER, "0")
    if number.isdecimal() and labels.get(_SERVICE):
        return ""
    what = f"has no label {_SERVICE}" if not labels.get(_SERVICE) else f'has the label {_NUMBER}="{number}", which is no number'
    return (
        f"the container {name} carries the labels of the Compose project {labels.get(_PROJECT)} and {what}, so it was made by "
        f"hand. Labels cannot be changed: when nobody needs it, docker rm -f {name} on this host, then run this again"
    )


def _networks(item: Mapping[str, Any]) -> frozenset[str] | None:
    if str((item.get("HostConfig") or {}).get("NetworkMode", "")).startswith(_BORROWED):
        return None
    found = (item.get("NetworkSettings") or {}).get("Networks")
    return None if found is None else frozenset(found)


def _verb(arguments: Sequence[str]) -> str:
    """What Compose was asked to do: the first argument that is neither an option nor the value of one."""
    before = ("", *arguments)
    return next(
        (one for last, one in zip(before, arguments, strict=False) if not one.startswith("-") and last != "--profile"), ""
    )


def _without_tag(reference: str) -> str:
    name = reference.partition("@")[0]
    head, colon, tail = name.rpartition(":")
    return head if colon and "/" not in tail else name


def _parts(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
