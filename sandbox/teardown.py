"""Remove what `up` made, found by its labels, so that nothing depends on what this run happens to know."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from sandbox.containers import thaw
from sandbox.engine import answers, ensure_engine, is_ours, stop_engine
from sandbox.images import image_label
from sandbox.shell import SandboxError, run, succeeds
from sandbox.world import BASE_IMAGE, BASE_LABEL, LABEL, Host


def remove_hosts(hosts: Sequence[Host]) -> None:
    """Remove these hosts with their volumes; the next `up` makes them as new, with the same SSH keys."""
    for host in hosts:
        if succeeds("docker", "container", "inspect", host.name):
            _remove("container", "rm", "--force", "--volumes", names=[host.name])


def remove_everything(state: Path) -> None:
    """Leave no container, volume, network, image, state, or engine that the sandbox brought."""
    if not answers():
        if not (state / "engine").exists():
            raise SandboxError(
                "Removing the sandbox: no Docker engine answers, so its containers cannot be seen\n"
                "  what to do: start the engine and run this again"
            )
        # It was ours and stopped, by a reboot perhaps; what it keeps on disk can only be removed through it.
        ensure_engine(state)
    _remove("container", "rm", "--force", "--volumes", names=_listed("ps", "--all"))
    _remove("volume", "rm", names=_listed("volume", "ls"))
    _remove("network", "rm", names=_listed("network", "ls"))
    _remove("image", "rm", "--force", names=_listed("images"))
    if image_label(BASE_IMAGE, BASE_LABEL.partition("=")[0]):
        _remove("image", "rm", names=[BASE_IMAGE])
    if is_ours(state):
        # An engine that was there before keeps its build cache: entries carry no label that tells whose they are.
        run("docker", "builder", "prune", "--all", "--force", what="Emptying the build cache")
    print(f"engine: {stop_engine(state)}")
    shutil.rmtree(state, ignore_errors=True)


def _listed(*command: str) -> list[str]:
    found = run("docker", *command, "--quiet", "--filter", f"label={LABEL}", what="Listing what the sandbox made")
    # An image with two names is listed twice.
    return list(dict.fromkeys(found.split()))


def _remove(kind: str, *command: str, names: Sequence[str]) -> None:
    if names:
        for name in names if kind == "container" else ():
            thaw(name)
        run("docker", kind, *command, *names, what=f"Removing {kind}s")
        print(f"{kind}s: {len(names)} removed", flush=True)
