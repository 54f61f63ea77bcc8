"""Every key of the Compose specification is decided on, with a reason; what is not decided on is refused, and by its name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.keys import (
    BELOW,
    DEFINED,
    HARMLESS,
    JUDGED,
    REFUSED,
    SERVICE,
    TOP,
    undecided,
    unknown_elements,
    unknown_keys,
    words,
)

# Keys alone, from the schema that "source" names. With a newer schema, this says what is still to be decided.
SPECIFICATION: dict[str, Any] = json.loads((Path(__file__).parents[3] / "compose_specification.json").read_text())


def test_every_key_of_a_service_is_decided_on_once() -> None:
    assert sorted([*HARMLESS, *REFUSED, *JUDGED]) == SPECIFICATION["service"]
    assert len(SERVICE) == len(HARMLESS) + len(REFUSED) + len(JUDGED)
    assert all(why for why in [*HARMLESS.values(), *REFUSED.values()])


@pytest.mark.parametrize("path", BELOW)
def test_keys_that_hold_keys_are_known_as_the_specification_has_them(path: str) -> None:
    assert sorted(BELOW[path]) == SPECIFICATION["below"][path]


def test_elements_and_what_they_define_are_known() -> None:
    # The host's models are refused to the services that use them.
    assert set(TOP) == set(SPECIFICATION["elements"])
    for element, keys in SPECIFICATION["defined"].items():
        # Of Swarm alone, where a driver is a program of the host.
        assert sorted({*keys} - DEFINED[element]) == [key for key in keys if key.endswith(("driver", "driver_opts"))] * (
            element in ("configs", "secrets")
        )


# service, paths that nobody has decided on
UNDECIDED = [
    pytest.param({}, [], id="nothing"),
    pytest.param({"host_shell": True, "x-mine": 1, "image": "a:1"}, ["host_shell"], id="a key of a newer Compose"),
    pytest.param({1: 2}, ["1"], id="a key that is no text"),
    pytest.param({"deploy": {"resources": {"limits": {"gpus": 1}}}}, ["deploy.resources.limits.gpus"], id="deep below one"),
    pytest.param({"volumes": ["a:/b", {"type": "bind", "bind": {"idmap": 1, "x-a": 1}}]}, ["volumes.bind.idmap"], id="in a list"),
    pytest.param({"networks": {"a": None, "b": {"tap": 1}}}, ["networks.*.tap"], id="below a name that people choose"),
    pytest.param({"networks": ["a"], "depends_on": ["b"], "ulimits": {"nofile": 5}}, [], id="short forms"),
    pytest.param({"ports": [80, {"target": 80, "firewall": "off"}]}, ["ports.firewall"], id="of a port"),
    pytest.param({"volumes": 5, "deploy": "x", "healthcheck": None, "ports": {"a": []}}, ["ports.a"], id="misshapen"),
]


@pytest.mark.parametrize(("service", "expected"), UNDECIDED)
def test_what_nobody_has_decided_on_is_found_wherever_it_stands(service: dict[Any, Any], expected: list[str]) -> None:
    assert undecided(service) == expected


def test_what_nobody_has_decided_on_beside_the_services() -> None:
    assert unknown_elements({"services": {}, "x-a": 1, "include": [], "models": {}, "hosts": {}}) == ["hosts"]
    assert unknown_keys("volumes", {"driver": "local", "mirror": 1, "x-a": 1}) == ["mirror"]
    assert unknown_keys("secrets", {"file": "a", "driver": "b"}) == ["driver"]


def test_words_are_keys_or_parts_of_them() -> None:
    """Root on the host and the engine's socket have lists of their own."""
    assert not {"docker_socket", "privileged"} & set(words())
    special = {"apparmor", "cpu_rt", "no_new_privileges", "seccomp", "selinux", "systempaths", "writable_cgroups"}
    assert set(words()) - SERVICE == special


def test_the_documentation_has_every_word_in_its_table() -> None:
    text = (Path(__file__).parents[5] / "docs" / "hardening.md").read_text()
    table = text.partition("| word | admits |")[2].partition("\n\n")[0]
    cells = [line.split(" | ")[0] for line in table.splitlines()[2:]]
    # A root to write is not given, and stands with what is.
    assert {word for cell in cells for word in re.findall(r"`([a-z_]+)`", cell)} | {"read_only"} == {
        *(*words(), "docker_socket", "privileged")
    }
