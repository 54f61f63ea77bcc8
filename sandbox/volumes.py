"""Named volumes, labelled so that `down` finds them."""

from __future__ import annotations

from sandbox.shell import run
from sandbox.world import LABEL


def ensure_volume(owner: str) -> str:
    """Return the name of the owner's volume; creating one that exists changes nothing."""
    name = volume_name(owner)
    run("docker", "volume", "create", "--label", LABEL, name, what=f"Creating the volume {name}")
    return name


def volume_name(owner: str) -> str:
    return owner if owner.startswith("sandbox-") else f"sandbox-{owner}"
