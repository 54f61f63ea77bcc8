"""What a hand or an accident does to the engine's objects, on a real engine: status names it, and what is said mends it.

The whole table lies in tests/unit/damage, where the engine is played; here are the rows in which the real one could differ.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.acceptance.world import Environment, Run, eventually, on, says

HOST = "staging-app-1"
EDGE = "edge-haproxy-1"
# Between the edge and the stack.
SHARED = "edge.morpheus"
IMAGE = "docker inspect --format '{{.Image}}'"
PROVISION = ("playbooks/provision.yml", "--tags", "edge")


def shell(script: str) -> str:
    return on(HOST, "sh", "-c", script)


def replicas(service: str = "api") -> list[str]:
    found = shell(f"docker ps --filter label=com.docker.compose.service={service} --format '{{{{.Names}}}}'").split()
    assert found
    return sorted(found)


def serves(environment: Environment) -> bool:
    try:
        return all(environment.ask("/health")[0] == 200 for _ in range(4))
    except OSError:
        return False


def status(environment: Environment) -> Run:
    return environment.play("playbooks/status.yml")


def is_well(environment: Environment) -> None:
    eventually(lambda: serves(environment), "users are served", 20)
    found = status(environment)
    assert found.code == 0, found.output
    assert re.search(rf"{HOST}\s+1\.0\.0\s+.*\bup\s+none\b", found.output), found.output


def off_the_network(*names: str, network: str = SHARED) -> None:
    for name in names or replicas():
        shell(f"docker network disconnect -f {network} {name}")


def lose_the_network(name: str = "edge") -> None:
    shell(
        f"for one in $(docker network inspect {name} --format '{{{{range .Containers}}}}{{{{.Name}}}} {{{{end}}}}'); do "
        f"docker network disconnect -f {name} $one; done; docker network rm {name}"
    )


def lose_the_name() -> None:
    """And one of the replicas, so that another one must be started from it."""
    shell(f"docker rmi -f $(docker image inspect --format '{{{{join .RepoTags \" \"}}}}' $({IMAGE} {replicas()[0]}))")
    shell(f"docker rm -f {replicas()[0]}")


def by_hand(*options: str) -> None:
    name = replicas()[0]
    labels = "--label com.docker.compose.project=morpheus --label com.docker.compose.oneoff=False"
    labels += " --label com.docker.compose.service=api"
    shell(f"docker create --name by-hand {labels} {' '.join(options)} $({IMAGE} {name})")


def next_name() -> None:
    gone, *left = replicas()
    number = '{{index .Config.Labels "com.docker.compose.container-number"}}'
    numbers = [int(shell(f"docker inspect --format '{number}' {name}")) for name in left]
    # Its own name may be the next one.
    shell(f"image=$({IMAGE} {gone}); docker rm -f {gone}; docker create --name morpheus-api-{max(numbers) + 1} $image")


@dataclass(frozen=True)
class Row:
    """``mend``: what is typed, as the message says. ``refused``: whether a deploy of the live release says so first."""

    damage: Callable[[], object]
    says: str
    mend: tuple[str, ...] = ()
    refused: bool = False


EVERY_ROW = {
    "every replica off the network to the edge": Row(off_the_network, "is not on the network edge.morpheus"),
    "one replica off the network to the edge": Row(lambda: off_the_network(replicas()[0]), "is not on the network edge.morpheus"),
    "the network to the edge removed": Row(lambda: lose_the_network(SHARED), "is not on the network edge.morpheus"),
    "the edge off the network to the stack": Row(
        lambda: off_the_network(EDGE), 'the edge is not on the network "edge.morpheus", so it reaches no replica of morpheus'
    ),
    "a replica off its stack's network": Row(
        lambda: off_the_network(replicas()[0], network="morpheus_default"), "is not on the network morpheus_default"
    ),
    "a replica on one more network": Row(
        lambda: shell(f"docker network connect bridge {replicas()[0]}"), "is on the network bridge, which its service is not"
    ),
    "a replica removed": Row(lambda: shell(f"docker rm -f {replicas()[0]}"), "replicas are gone"),
    "a replica renamed": Row(lambda: shell(f"docker rename {replicas()[0]} my-api"), "my-api is not admitted at the edge"),
    "a replica stopped": Row(lambda: shell(f"docker stop -t 1 {replicas()[0]}"), "does not run (exited)"),
    "a replica paused": Row(lambda: shell(f"docker pause {replicas()[0]}"), "does not run (paused)"),
    "the live image without its name, and a replica removed": Row(lose_the_name, "has lost its name on this host"),
    "a number that is none": Row(
        lambda: by_hand("--label", "com.docker.compose.container-number=abc"),
        'has the label com.docker.compose.container-number="abc"',
        ("docker rm -f by-hand",),
        refused=True,
    ),
    "a container with the next name": Row(next_name, "replicas are gone", ("docker rm -f",), refused=True),
    "the edge killed": Row(lambda: shell(f"docker kill {EDGE}"), "the edge does not run", PROVISION, refused=True),
    "the edge removed": Row(
        lambda: shell(f"docker rm -f {EDGE}"), "the edge has no container on this host", PROVISION, refused=True
    ),
    "the edge off its network": Row(
        lambda: off_the_network(EDGE, network="edge"), "is not on the network", PROVISION, refused=True
    ),
    "the edge's network removed": Row(
        lose_the_network, "on which the edge reaches replicas, is not on this host", PROVISION, refused=True
    ),
}


def go_through(staging: Environment, row: Row) -> None:
    """Break it, look, deploy what is live, type what was said, and look again."""
    row.damage()
    started = time.monotonic()
    found = status(staging)
    says(found, [row.says])
    run = staging.deploy("1.0.0")
    if row.refused:
        assert run.code != 0
        says(run, [" ".join(row.mend[:1]) if row.mend[0].startswith("docker") else " ".join(row.mend), "VERDICT refused"])
        typed = re.search(r"docker rm -f [\w.-]+\w", run.output)
        if row.mend == PROVISION:
            mended = staging.play(*PROVISION)
            assert mended.code == 0, mended.output
        else:
            assert typed
            shell(typed[0])
        run = staging.deploy("1.0.0")
    assert run.code == 0, run.output
    is_well(staging)
    print(f"\n{row.says}: from the damage until users were served and status was clean {time.monotonic() - started:.0f} s")


@pytest.mark.deep
@pytest.mark.parametrize("name", EVERY_ROW)
def test_what_is_damaged_is_seen_said_and_mended(staging: Environment, name: str) -> None:
    go_through(staging, EVERY_ROW[name])


@pytest.mark.deep
@pytest.mark.parametrize("command", ["playbooks/restart.yml", "rollback.yml"])
def test_nothing_claims_to_serve_while_the_edge_is_cut_off(staging: Environment, command: str) -> None:
    staging.deployed("1.1.0")
    lose_the_network()
    run = staging.play(command)
    assert run.code != 0
    says(run, ["is not on this host", " ".join(PROVISION), "VERDICT refused"])
    assert "serves the release before" not in run.output
    assert staging.play(*PROVISION).code == 0
    eventually(lambda: serves(staging), "provision alone brings users back", 20)
    assert staging.play(command).code == 0
    staging.deployed("1.0.0")
