"""A stack is let through by the networks that it has on this host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.egress.egress_filter import EgressFilter
from ansible_collections.morpheus.deploy.plugins.module_utils.host.through import Through
from ansible_collections.morpheus.deploy.plugins.module_utils.host.verbs import HostEngine


class Networks:
    """Of the engine: name -> subnets. ``asked``: by which label."""

    def __init__(self) -> None:
        self.there = {
            "shop_default": ["172.18.0.0/16", "fd01::/64"],
            "edge.shop": ["172.19.0.0/16"],
            "blog_default": ["172.20.0.0/16"],
        }
        self.asked: list[str] = []

    def networks(self, label: str) -> list[str]:
        self.asked.append(label)
        return sorted(name for name in self.there if label == "com.docker.compose.project=shop" and name.startswith("shop_"))

    def network(self, name: str) -> Mapping[str, Any] | None:
        found = self.there.get(name)
        return found and {"Name": name, "IPAM": {"Config": [{"Subnet": one} for one in found]}}  # type: ignore[return-value]


@pytest.fixture
def networks() -> Networks:
    return Networks()


@pytest.fixture
def egress(tmp_path: Path) -> EgressFilter:
    def no_kernel(command: Any, text: str) -> str:
        raise AssertionError(command)

    return EgressFilter(tmp_path / "egress", no_kernel, tmp_path / "none", tmp_path / "enabled")


@pytest.fixture
def through(networks: Networks, egress: EgressFilter) -> Through:
    return Through("shop", networks, egress)  # type: ignore[arg-type]


def test_networks_of_the_stack_are_let_through_and_those_of_others_are_not(through: Through, egress: EgressFilter) -> None:
    through.let(["metadata"])
    assert egress.admitted()["shop"].subnets == ["172.18.0.0/16", "172.19.0.0/16", "fd01::/64"]
    assert through.troubles(["metadata"]) == []


def test_beside_what_it_was_let_through_to_and_then_not_any_more(through: Through, egress: EgressFilter) -> None:
    through.let(["metadata"])
    through.let(["ssh"], beside=True)
    assert egress.admitted_to("shop") == ["metadata", "ssh"]
    through.let(["ssh"])
    assert egress.admitted_to("shop") == ["ssh"]
    through.let([])
    assert egress.admitted() == {}


def test_a_network_that_was_made_anew_is_seen(through: Through, networks: Networks, egress: EgressFilter) -> None:
    through.let(["ssh"])
    networks.there["shop_default"] = ["172.30.0.0/16"]
    assert through.troubles(["ssh"]) == [
        f"{egress.place('shop')} does not let containers through to what stack.egress of the live release says: ssh"
    ]
    through.let(["ssh"])
    assert through.troubles(["ssh"]) == []
    assert through.troubles([]) == [
        f"{egress.place('shop')} does not let containers through to what stack.egress of the live release says: nothing"
    ]


def test_a_stack_that_asks_for_nothing_asks_the_engine_nothing(through: Through, networks: Networks) -> None:
    through.let([])
    through.let([], beside=True)
    assert through.troubles([]) == []
    assert networks.asked == []


@pytest.mark.parametrize(
    ("egress", "done"),
    [
        ((), ["start api 2"]),
        (("metadata",), ["make api 2", "let metadata beside what was", "start api 2"]),
    ],
)
def test_replicas_start_when_their_networks_are_let_through(egress: tuple[str, ...], done: list[str]) -> None:
    said: list[str] = []

    class Host:
        class through:  # noqa: N801 - an attribute
            @staticmethod
            def let(kinds: Any, *, beside: bool) -> None:
                assert beside
                said.append(f"let {' '.join(kinds)} beside what was")

    class Compose:
        def scale_up(self, service: str, total: int, *, started: bool = True) -> None:
            said.append(f"{'start' if started else 'make'} {service} {total}")

    HostEngine(Host(), Compose(), None, print, egress).start("api", 2)  # type: ignore[arg-type]
    assert said == done
