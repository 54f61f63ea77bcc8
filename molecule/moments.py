"""What a host is at one moment, so that two moments can be compared; and the verdict of the deploy that led there."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from testinfra.host import Host

ROOT = "/var/lib/morpheus.deploy"
STACK = f"{ROOT}/stacks/morpheus"
EDGE = f"{ROOT}/edge"
# Who was here last. Every run writes it down, also one that changes nothing; so does the fence of a stack.
DIARY = (f"{ROOT}/leases", f"{ROOT}/history", f"{ROOT}/metrics")


@dataclass(frozen=True)
class Moment:
    """`containers` as Docker describes them; `files`: path -> kind, mode, owner and the content's hash."""

    containers: list[dict[str, Any]]
    images: list[str]
    files: dict[str, str]

    def replicas(self, service: str, project: str = "morpheus") -> list[dict[str, Any]]:
        own = {"com.docker.compose.project": project, "com.docker.compose.service": service}
        return [container for container in self.containers if own.items() <= container["Config"]["Labels"].items()]

    @property
    def started(self) -> dict[str, str]:
        """Each container with its id and the time of its start, so that a restart shows."""
        return {one["Name"].lstrip("/"): f"{one['Id']} at {one['State']['StartedAt']}" for one in self.containers}

    @property
    def live(self) -> str:
        """What tells the live release from another: what the edge admits and the files Compose reads."""
        served = (f"{STACK}/project", f"{STACK}/secrets", f"{EDGE}/conf")
        return "\n".join(f"{path} {state}" for path, state in self.files.items() if path.startswith(served))


def live_release(host: Host) -> str:
    """Id of the release that is live on the host."""
    return str(json.loads(host.file(f"{STACK}/lineage.json").content_string)["trail"][-1])


def observe(host: Host) -> Moment:
    paths = f"/etc/docker {ROOT}"
    modes = host.check_output(f"find {paths} -exec stat --format '%n|%F %a %U:%G' {{}} +")
    hashes = host.check_output(f"find {paths} -type f -exec sha256sum {{}} +")
    files = dict(line.split("|") for line in modes.splitlines())
    for line in hashes.splitlines():
        digest, path = line.split(maxsplit=1)
        files[path] += f" {digest}"
    files = {path: state for path, state in files.items() if not path.startswith(DIARY) and "/fence." not in path}
    images = host.check_output("docker images --all --quiet --no-trunc").split()
    containers = json.loads(host.check_output("docker inspect $(docker ps --all --quiet)"))
    return Moment(containers, sorted(images), dict(sorted(files.items())))


def remember(name: str, moment: Moment) -> None:
    _path(name).write_text(json.dumps(asdict(moment)))


def recall(name: str) -> Moment:
    """The moment that the tests in the directory `name` saw earlier in this run."""
    return Moment(**json.loads(_path(name).read_text()))


def verdict() -> dict[str, Any]:
    """What the last deploy of this scenario said of itself."""
    path = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / ".deploy" / "staging" / "verdict.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _path(name: str) -> Path:
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / f"moment-{name}.json"
