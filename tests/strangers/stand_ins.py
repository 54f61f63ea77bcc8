"""Stand-ins from Debian's packages for images that strangers use, under their names in the sandbox's registry."""

from __future__ import annotations

from pathlib import Path

from sandbox.images import build, content_hash, image_id, image_label
from sandbox.shell import run
from sandbox.world import BASE_IMAGE, CONTENT_LABEL, POSTGRES_IMAGE, REGISTRY

_IMAGES = Path(__file__).parent / "images"
RELEASES = ("1.0.0", "1.1.0")
# Image -> what its program is.
_OWN = {
    "ballots/ballot": "ballot",
    "ballots/tally": "tally",
    "ballots/counter": "counter",
    "shop/api": "api",
    "shop/front": "front",
    "letters/letters": "letters",
}
_POSTGRES_TAGS = ("15-alpine", "17-alpine")
# Of images that many use, and that no project here does: name -> tag.
KNOWN = {"mariadb": "11", "nginx": "1", "rabbitmq": "4", "redis": "8"}
GREETER = "greeter/greeter"


def publish() -> None:
    """A host of the sandbox can pull them."""
    for name, role in _OWN.items():
        for release in RELEASES:
            _publish(f"{name}:{release}", "app", ROLE=role, RELEASE=release)
    _publish("library/adminer:5", "app", ROLE="adminer", RELEASE="5")
    _publish("library/redis:alpine", "redis")
    for tag in _POSTGRES_TAGS:
        _publish(f"library/postgres:{tag}", "postgres")


def publish_known() -> None:
    for name, tag in KNOWN.items():
        _publish(f"library/{name}:{tag}", name)


def publish_greeter() -> str:
    """A gRPC server, which is also its client: the name by which this machine's engine has it."""
    for release in RELEASES:
        _publish(f"{GREETER}:{release}", "greeter", RELEASE=release)
    return f"{REGISTRY}/{GREETER}:{RELEASES[0]}"


def _publish(name: str, directory: str, **arguments: str) -> None:
    full, context = f"{REGISTRY}/{name}", _IMAGES / directory
    content = content_hash(context, image_id(BASE_IMAGE), image_id(POSTGRES_IMAGE), *arguments.values())
    if image_label(full, CONTENT_LABEL) != content:
        build(full, context, content, **arguments)
    run("docker", "push", "--quiet", full, what=f"Pushing {full}", hint="docker logs sandbox-registry")
