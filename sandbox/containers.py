"""One container as it is wanted: reused, started or recreated."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Sequence

from sandbox.images import image_id
from sandbox.shell import SandboxError, comes, run, succeeds
from sandbox.world import LABEL, Attachment

_SPEC_LABEL = "morpheus.sandbox.spec"


def thaw(name: str) -> None:
    """Let run again what is paused inside a host: a frozen process cannot be ended, and so its host could not be removed."""
    # By tests/hosts, of a run that was killed: nobody can be asked in there.
    succeeds("docker", "unpause", name)
    succeeds("docker", "exec", name, "sh", "-c", "docker ps --quiet --filter status=paused | xargs -r docker unpause")


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ensure_container(
    name: str,
    image: str,
    places: Sequence[Attachment],
    ports: Sequence[tuple[int, int]],
    options: Sequence[str],
    files: bytes = b"",
) -> str:
    """The container runs as described; `files` is a tar archive unpacked into it before its first start."""
    first, *others = places
    create = [
        *("docker", "create", "--name", name, "--hostname", name, "--label", LABEL, "--restart", "unless-stopped"),
        *("--network", first.network, *_place_options(first, "--network-alias")),
        *(word for outer, inner in ports for word in ("--publish", f"127.0.0.1:{outer}:{inner}")),
        *options,
    ]
    # What makes a container outdated: another description, another image, other files. A volume with a name is kept.
    ingredients = (*create, *map(str, others), image_id(image), hashlib.sha256(files).hexdigest())
    spec = hashlib.sha256("\0".join(ingredients).encode()).hexdigest()[:16]
    state, found_spec = _inspect(name)
    if state == "paused" and found_spec:
        # By tests/hosts, of a run that was killed before it could let them go on.
        run("docker", "unpause", name, what=f"Letting {name} go on")
        state = "running"
    if found_spec == spec and state == "running":
        lost = [outer for outer, _ in ports if not _is_open(outer)]
        if not lost:
            return "reused"
        # The engine's proxy of a port ends when it runs out of files, as in a storm of connections, and nobody starts it again.
        run("docker", "restart", name, what=f"Restarting {name}", hint=_port_hint(ports))
        return f"restarted, because nothing listened on 127.0.0.1:{lost[0]} any more"
    if found_spec == spec and state == "exited":
        run("docker", "start", name, what=f"Starting {name}", hint=_port_hint(ports))
        return "started again"
    if state and not found_spec:
        raise SandboxError(
            f"Creating {name}: a container of this name exists that the sandbox did not make\n"
            f"  what to do: rename or remove it (docker rename {name} ...)"
        )
    if state:
        thaw(name)
        run("docker", "rm", "--force", "--volumes", name, what=f"Removing the outdated {name}")
    run(*create, "--label", f"{_SPEC_LABEL}={spec}", image, what=f"Creating {name}")
    for place in others:
        connect = ("docker", "network", "connect", *_place_options(place, "--alias"), place.network, name)
        run(*connect, what=f"Connecting {name}")
    if files:
        run("docker", "cp", "-", f"{name}:/", stdin=files, what=f"Copying files into {name}")
    run("docker", "start", name, what=f"Starting {name}", hint=_port_hint(ports))
    return "recreated" if state else "created"


def wait_until_ready(name: str, *command: str | object, seconds: float = 60) -> None:
    """Wait until the command ends with 0; the last lines of the container's log go into the error."""
    if not comes(lambda: succeeds(*map(str, command)), seconds):
        log = run("docker", "logs", "--tail", "15", name, what=f"Reading the log of {name}")
        tail = "".join(f"\n  | {line}" for line in log.splitlines())
        raise SandboxError(f"{name} is not ready after {seconds:g} s{tail}\n  what to do: docker logs {name}")


def _place_options(place: Attachment, alias_option: str) -> list[str]:
    return ["--ip", place.address, *(word for alias in place.aliases for word in (alias_option, alias))]


def _inspect(name: str) -> tuple[str, str]:
    if not succeeds("docker", "container", "inspect", name):
        return "", ""
    template = f'{{{{.State.Status}}}} {{{{index .Config.Labels "{_SPEC_LABEL}"}}}}'
    found = run("docker", "container", "inspect", "--format", template, name, what=f"Inspecting {name}")
    state, _, spec = found.strip().partition(" ")
    return state, spec


def _port_hint(ports: Sequence[tuple[int, int]]) -> str:
    numbers = ", ".join(str(outer) for outer, _ in ports)
    return f"the ports {numbers} on 127.0.0.1 must be free" if numbers else ""
