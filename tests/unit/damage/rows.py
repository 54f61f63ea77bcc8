"""The damage table: what a hand or an accident does to an object of the engine, what status says of it, and what mends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.unit.damage.damaged_world import EDGE_BOX, EDGE_IMAGE, STACK, World

LABELS = {
    "com.docker.compose.project": STACK,
    "com.docker.compose.service": "api",
    "com.docker.compose.container-number": "7",
    "com.docker.compose.oneoff": "False",
}


@dataclass(frozen=True)
class Row:
    """``says``: words of status; empty where nothing is wrong. ``stays``: whether it is left to people, so that status goes on
    saying it. ``refused``: whether commands that replace something name a command first, and do nothing.
    """

    thing: str
    how: str
    damage: Callable[[World], object]
    says: str
    stays: bool = False
    refused: bool = False

    def __str__(self) -> str:
        return f"{self.thing} {self.how}"


def _api(world: World, number: int = 0) -> str:
    return sorted(box.name for box in world.replicas())[number]


def _each(world: World, do: Callable[[str], object], service: str = "api") -> None:
    for box in world.replicas(service):
        do(box.name)


def _by_hand(world: World, name: str, *without: str, network: str = "bridge", **labels: str) -> None:
    given = {key: value for key, value in {**LABELS, **labels}.items() if key not in without}
    world.docker.create(name, "sha256:shop/api:1.1", given, [network])
    world.docker.boxes[next(reversed(world.docker.boxes))].state = "running"


def _next_name(world: World) -> None:
    number = max(int(box.name.rpartition("-")[2]) for box in world.replicas()) + 1
    world.docker.create(f"{STACK}-api-{number}", "sha256:other", {}, ["bridge"])


def _lose_network(world: World) -> None:
    world.docker.rm_network("edge")


def _fake_network(world: World) -> None:
    _lose_network(world)
    world.docker.networks["edge"] = {}


def _fake_stack_network(world: World) -> None:
    world.docker.rm_network("edge.shop")
    world.docker.networks["edge.shop"] = {}


def _lose_image_and_replicas(world: World) -> None:
    _each(world, world.docker.rm)
    world.docker.rmi("shop/api:1.1")


def _lose_image_and_one(world: World) -> None:
    world.docker.rmi("shop/api:1.1")
    world.docker.rm(_api(world))


def _lose_data(world: World) -> None:
    _each(world, world.docker.rm, "db")
    del world.docker.volumes[f"{STACK}_data"]


def _move_tag(world: World) -> None:
    world.docker.images["sha256:shop/api:1.1"].discard("shop/api:1.1")
    world.docker.images["sha256:shop/api:1.0"].add("shop/api:1.1")


ROWS = [
    Row("a replica", "removed", lambda w: w.docker.rm(_api(w)), "api: 1 of 2 replicas are gone"),
    Row("every replica", "removed", lambda w: _each(w, w.docker.rm), "api: 2 of 2 replicas are gone"),
    Row("the database's replica", "removed", lambda w: _each(w, w.docker.rm, "db"), "db: 1 of 1 replicas are gone"),
    Row("a replica", "renamed", lambda w: w.docker.rename(_api(w), "my-api"), "my-api is not admitted at the edge"),
    Row("a replica", "stopped", lambda w: w.docker.kill(_api(w)), "does not run (exited)"),
    Row("every replica", "stopped", lambda w: _each(w, w.docker.kill), "does not run (exited)"),
    Row("a replica", "paused", lambda w: w.docker.pause(_api(w)), "does not run (paused)"),
    Row("every replica", "paused", lambda w: _each(w, w.docker.pause), "does not run (paused)"),
    Row("a replica", "hanging", lambda w: w.docker.hang(_api(w)), "does not answer as it should: no complete answer"),
    Row("every replica", "hanging", lambda w: _each(w, w.docker.hang), "does not answer as it should: no complete answer"),
    Row(
        "a replica",
        "taken off the network to the edge",
        lambda w: w.docker.disconnect("edge.shop", _api(w)),
        "is not on the network edge.shop",
    ),
    Row(
        "every replica",
        "taken off the network to the edge",
        lambda w: _each(w, lambda name: w.docker.disconnect("edge.shop", name)),
        "is not on the network edge.shop",
    ),
    Row(
        "a replica",
        "taken off its stack's network",
        lambda w: w.docker.disconnect("shop_default", _api(w)),
        "is not on the network shop_default",
    ),
    Row(
        "the database's replica",
        "taken off its stack's network",
        lambda w: w.docker.disconnect("shop_default", "shop-db-1"),
        "shop-db-1 is not on the network shop_default",
    ),
    Row(
        "a replica",
        "put on another network",
        lambda w: w.docker.box(_api(w)).networks.add("bridge"),
        "is on the network bridge, which its service is not",
    ),
    Row(
        "a container by hand",
        "with the name of the next replica",
        _next_name,
        "",
        stays=True,
        refused=True,
    ),
    Row(
        "a container by hand",
        "with a number that is none",
        lambda w: _by_hand(w, "my-api", **{"com.docker.compose.container-number": "abc"}),
        'my-api carries the labels of the Compose project shop and has the label com.docker.compose.container-number="abc"',
        refused=True,
    ),
    Row(
        "a container by hand",
        "without the label of its service",
        lambda w: _by_hand(w, "my-api", "com.docker.compose.service"),
        "my-api carries the labels of the Compose project shop and has no label com.docker.compose.service",
        refused=True,
    ),
    Row("a container by hand", "with labels of a replica", lambda w: _by_hand(w, "my-api"), "my-api was started by hand"),
    Row(
        "a container by hand",
        "with the image of the release",
        lambda w: _by_hand(w, "my-api", *LABELS),
        "my-api runs an image of the release and was started by hand",
        stays=True,
    ),
    Row("the edge", "removed", lambda w: w.docker.rm(EDGE_BOX), "the edge has no container on this host", refused=True),
    Row(
        "the edge", "stopped", lambda w: w.docker.kill(EDGE_BOX), "the edge does not run (edge-haproxy-1 is exited)", refused=True
    ),
    Row(
        "the edge", "paused", lambda w: w.docker.pause(EDGE_BOX), "the edge does not run (edge-haproxy-1 is paused)", refused=True
    ),
    Row("the edge", "renamed", lambda w: w.docker.rename(EDGE_BOX, "my-edge"), ""),
    Row(
        "the edge",
        "taken off its network",
        lambda w: w.docker.disconnect("edge", EDGE_BOX),
        'edge-haproxy-1 is not on the network "edge", so the edge reaches no replica',
        refused=True,
    ),
    Row(
        "the edge's network",
        "removed",
        _lose_network,
        'the network "edge", on which the edge reaches replicas, is not on this host',
        refused=True,
    ),
    Row(
        "the edge's network",
        "removed and made by hand",
        _fake_network,
        'edge-haproxy-1 is not on the network "edge"',
        refused=True,
    ),
    Row(
        "the edge",
        "taken off the network to a stack",
        lambda w: w.docker.disconnect("edge.shop", EDGE_BOX),
        'the edge is not on the network "edge.shop", so it reaches no replica of shop',
    ),
    Row(
        "the network between edge and stack",
        "removed",
        lambda w: w.docker.rm_network("edge.shop"),
        "is not on the network edge.shop",
    ),
    Row(
        "the network between edge and stack",
        "removed and made by hand",
        _fake_stack_network,
        'the network "edge.shop" was made by hand, so the edge does not use it',
        refused=True,
    ),
    Row(
        "the stack's network",
        "removed",
        lambda w: w.docker.rm_network("shop_default"),
        "is not on the network shop_default",
    ),
    Row(
        "the live image",
        "without its names",
        lambda w: w.docker.rmi("shop/api:1.1"),
        "has lost its name on this host (docker rmi)",
    ),
    Row("the live image", "without its names, and a replica removed", _lose_image_and_one, "has lost its name on this host"),
    Row(
        "the live image",
        "removed, with every replica",
        _lose_image_and_replicas,
        "image shop/api:1.1 is gone from this host, so no replica can be started from it",
    ),
    Row("the live image", "without its tag, which is another's", _move_tag, ""),
    Row(
        "the edge's image",
        "without its names",
        lambda w: w.docker.rmi(EDGE_IMAGE),
        f"the edge's image {EDGE_IMAGE} is not on this host any more, or has lost its name (docker rmi)",
        stays=True,
    ),
    Row(
        "the data",
        "removed, with its replica",
        _lose_data,
        'volumes.data: the volume "shop_data" is not on this host any more, and what was in it is gone',
        refused=True,
    ),
]
