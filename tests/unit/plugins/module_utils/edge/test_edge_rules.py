"""Rules that options of routes need, in a stack's file from the first step of a rollout to its last, or back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import sockets
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.admission import Edge
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import Place, stack_routes
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Service

from tests.unit.fake_haproxy import FakeHAProxy
from tests.unit.plugins.module_utils.edge.test_route_rules import ANOTHER_PROTOCOL

HASH = "$6$salt$" + "a" * 86
HIDDEN = {"staff": {"anna": HASH}}


class World:
    def __init__(self, root: Path, haproxy: FakeHAProxy) -> None:
        self.paths = EdgePaths(root)
        self.haproxy = haproxy
        self.users: Mapping[str, Mapping[str, str]] = HIDDEN
        self.seen: list[str] = []
        self.paths.conf.mkdir()
        self.paths.settings.write_text(json.dumps({"image": "haproxy:3.0", "user": f"{os.getuid()}:{os.getgid()}"}))

    def edge(self, *, protocol: str = "", **options: Any) -> tuple[Edge, dict[str, str]]:
        service = {"name": "web", "port": 80, "protocol": protocol, "routes": [{"host": "shop.example", **options}]}
        routes = stack_routes([Service.of(service)])
        configuration = EdgeConfiguration(self.paths, self._validate)
        return Edge("shop", configuration, ["web"], routes, 1, lambda name: self.users.get(name, {})), routes

    def live(self, **options: Any) -> Mapping[str, str]:
        """A release with these options has gone live."""
        edge, routes = self.edge(**options)
        edge.expand()
        edge.route(routes)
        edge.contract()
        return routes

    def admit(self, edge: Edge, name: str) -> None:
        place = Place(f"172.18.0.{name[-1]}", 80)
        self.haproxy.addresses[name] = place.address
        edge.admit("web", {name: place})

    def networks(self) -> list[str]:
        text = (self.paths.conf / "stacks" / "shop.cfg").read_text().partition("backend shop.web.tunnels")[0]
        return [line.split()[-1] for line in text.splitlines() if ".from var(txn.client)" in line]

    @property
    def user_file(self) -> Path:
        return self.paths.conf / "stacks" / "shop.users.cfg"

    def _validate(self, candidate: Path) -> str:
        self.seen += [oct(path.stat().st_mode & 0o777) for path in candidate.rglob("*.users.cfg")]
        return ""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(sockets, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(sockets, "RESTART_SECONDS", 0.0)
    with TemporaryDirectory() as directory, FakeHAProxy(Path(directory)) as haproxy:
        yield World(Path(directory), haproxy)


OLD, NEW = "10.0.0.0/8", "192.0.2.0/24"


def test_the_file_has_the_rules_of_both_releases_until_one_of_them_is_live(world: World) -> None:
    before = world.live(allow=[OLD])
    edge, after = world.edge(allow=[NEW])
    edge.expand()
    assert world.networks() == [OLD, NEW]
    world.admit(edge, "web-2")
    edge.route(after)
    world.admit(edge, "web-3")
    assert world.networks() == [OLD, NEW]
    # The way back, and a HAProxy that starts anew in the middle of it.
    edge.route(before)
    edge.drain("web", ["web-2"])
    assert world.networks() == [OLD, NEW]
    world.edge(allow=[OLD])[0].contract()
    assert world.networks() == [OLD]


def test_a_run_that_knows_nothing_of_the_rollout_before_it_keeps_the_rules_of_where_routes_lead(world: World) -> None:
    world.live(allow=[OLD])
    edge, _ = world.edge(allow=[NEW], basic_auth="staff")
    world.admit(edge, "web-2")
    # Not yet those of its own, whose users are not there before it expands.
    assert world.networks() == [OLD]
    assert "http_auth" not in (world.paths.conf / "stacks" / "shop.cfg").read_text()


def test_users_are_for_haproxy_alone_and_come_and_go_with_the_routes_that_ask_for_them(world: World) -> None:
    world.live()
    assert not world.user_file.exists()
    world.live(basic_auth="staff")
    assert HASH in world.user_file.read_text()
    assert (world.user_file.stat().st_mode & 0o777, set(world.seen)) == (0o400, {"0o600"})
    assert not [
        path for path in world.paths.conf.rglob("*") if path.is_file() and path != world.user_file and HASH in path.read_text()
    ]
    # They stay until no route asks for them.
    world.edge()[0].expand()
    assert HASH in world.user_file.read_text()
    world.edge()[0].contract()
    world.live()
    assert "userlist" not in world.user_file.read_text()


def test_a_new_password_of_the_live_release_is_a_difference_that_a_deploy_puts_right(world: World) -> None:
    world.live(basic_auth="staff")
    edge, _ = world.edge(basic_auth="staff")
    assert edge.differences() == []
    world.users = {"staff": {"anna": HASH.replace("a" * 86, "b" * 86)}}
    assert edge.differences() == ["stacks/shop.users.cfg"]
    reloads = world.haproxy.reloads
    assert edge.contract() == ["stacks/shop.users.cfg"]
    assert world.haproxy.reloads == reloads + 1
    # Taken out of the secrets: nobody is let in, and the configuration is still good.
    world.users = {}
    edge.contract()
    assert world.user_file.read_text().endswith("\nuserlist shop.staff\n")


def test_lists_of_users_come_before_the_rules_that_ask_for_them_and_go_after(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HAProxy does not start where a rule names a list that is not there."""
    written: list[str] = []
    put = EdgeConfiguration._put

    def noted(self: EdgeConfiguration, name: str, content: str) -> None:
        written.append(name)
        put(self, name, content)

    world.live()
    monkeypatch.setattr(EdgeConfiguration, "_put", noted)
    edge, routes = world.edge(basic_auth="staff")
    edge.expand()
    assert written == ["stacks/shop.users.cfg", "stacks/shop.cfg"]
    edge.route(routes)
    back, routes = world.edge()
    back.expand()
    back.route(routes)
    written.clear()
    back.contract()
    assert written == ["stacks/shop.cfg", "stacks/shop.users.cfg"]


def test_another_protocol_is_refused_before_anything_is_changed(world: World) -> None:
    world.live()
    reloads = world.haproxy.reloads
    with pytest.raises(EdgeError) as caught:
        world.edge(protocol="h2")[0].routing()
    assert str(caught.value) == ANOTHER_PROTOCOL
    assert world.haproxy.reloads == reloads


@pytest.mark.parametrize("options", [{}, {"allow": [OLD]}, {"basic_auth": "staff"}, {"timeout_seconds": 9}], ids=str)
def test_a_stack_knows_every_file_that_was_written_for_it_alone_and_takes_all_of_them_away(
    world: World, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """What was written is seen at the one place that writes, for this stack and for another one on the same host."""
    written: dict[str, set[str]] = {"shop": set(), "cart": set()}
    put = EdgeConfiguration._put
    of = "shop"

    def noted(self: EdgeConfiguration, name: str, content: str) -> None:
        written[of].add(name)
        put(self, name, content)

    monkeypatch.setattr(EdgeConfiguration, "_put", noted)
    edge, routes = world.edge(**options)
    edge.expand()
    world.admit(edge, "web-2")
    edge.route(routes)
    edge.contract()
    of = "cart"
    other = Edge("cart", EdgeConfiguration(world.paths, world._validate), ["web"], {}, 1)
    other.expand()
    other.route({"cart.example/": "web"})
    own = written["shop"] - written["cart"]
    assert ("stacks/shop.users.cfg" in own) == ("basic_auth" in options)
    assert sorted(edge.own_files()) == sorted(own)
    of = "shop"
    Edge("shop", EdgeConfiguration(world.paths, world._validate), [], {}, 0).end()
    left = {str(path.relative_to(world.paths.conf)) for path in world.paths.conf.rglob("*") if path.is_file()}
    assert left == written["cart"]


def test_where_only_the_users_of_a_stack_were_left_they_go_too(world: World) -> None:
    """As when a removal was killed, or a hand took the other files."""
    world.live(basic_auth="staff")
    for name in ("stacks/shop.cfg", "routes.d/shop.map"):
        (world.paths.conf / name).unlink()
    edge = Edge("shop", EdgeConfiguration(world.paths, world._validate), [], {}, 0)
    assert edge.own_files() == ["stacks/shop.users.cfg"]
    edge.end()
    assert not world.user_file.exists()
