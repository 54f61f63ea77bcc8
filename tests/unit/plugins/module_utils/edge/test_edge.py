"""The edge against a fake HAProxy on real sockets and real files."""

from __future__ import annotations

import fcntl
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import leftovers
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import admission as edge_module
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import sockets
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.admission import Edge
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import Place
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths, edge_settings
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.tables import parse_servers
from ansible_collections.morpheus.deploy.plugins.module_utils.service.routing import Routing
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.effort import examples
from tests.unit.fake_haproxy import FakeHAProxy

ROUTES = {"shop.example/api/": "api", "shop.example/": "web"}
BLOG = {"blog.example/": "app"}
MORE = {**ROUTES, "docs.example/": "docs"}
PORTS = {"api": 8000, "web": 8080}
# Six replicas need as many.
SLOTS = 16


class World:
    """A host with an edge on which the stack ``shop`` has been set up."""

    def __init__(self, root: Path, haproxy: FakeHAProxy) -> None:
        self.paths = EdgePaths(root)
        self.haproxy = haproxy
        self.complaint = ""
        self.validated: list[dict[str, str]] = []
        # What lay beside the configuration while HAProxy looked at it.
        self.beside: list[list[str]] = []
        self.paths.conf.mkdir()
        (self.paths.conf / "haproxy.cfg").write_text("global\n")

    def edge(self, stack: str = "shop", routes: Mapping[str, str] | None = None, replicas: int = 6) -> Edge:
        """A process of its own: it knows nothing but what is on this host."""
        configuration = EdgeConfiguration(self.paths, self._validate)
        routes = ROUTES if routes is None else routes
        return Edge(stack, configuration, routes.values(), routes, replicas)

    def settle(self, stack: str = "shop", routes: Mapping[str, str] | None = None) -> list[str]:
        """What a rollout does to the edge when nothing fails; names of the files that it changed."""
        edge = self.edge(stack, routes)
        before = edge.routes()
        changed = edge.expand()
        wanted = ROUTES if routes is None else routes
        edge.route({key: one for key, one in wanted.items() if before.get(key) != one})
        return changed + edge.contract()

    def admit(self, *names: str, service: str = "api", stack: str = "shop", port: int = 0) -> None:
        places = self.places(*names, port=port or PORTS.get(service, 3000))
        self.edge(stack).admit(service, places)

    def places(self, *names: str, port: int = 8000) -> dict[str, Place]:
        found = {name: f"172.18.0.{2 + int(name.rpartition('-')[2])}" for name in names}
        self.haproxy.addresses.update(found)
        return {name: Place(address, port) for name, address in found.items()}

    def in_file(self, service: str = "api", stack: str = "shop") -> set[str]:
        """The containers that HAProxy would admit if it began again."""
        text = (self.paths.conf / "stacks" / f"{stack}.cfg").read_text()
        section = text.split(f"backend {stack}.{service} ")[1].split("backend ")[0]
        return {
            line.split()[2].partition(":")[0] for line in section.splitlines() if "server " in line and "disabled" not in line
        }

    def serves(self, service: str = "api") -> Mapping[str, str]:
        """What the worker sends requests to; what it sends tunnels to, and what it tries when all seem down, must be the same."""
        requests = self.haproxy.serving(f"shop.{service}")
        assert self.haproxy.serving(f"shop.{service}.tunnels") == requests
        assert self.haproxy.serving(f"shop.{service}.any") == requests
        return requests

    def slot_of(self, container: str, service: str = "api") -> str:
        [slot] = [
            one.name for one in self.haproxy.worker.slots.values() if one.backend == f"shop.{service}" and one.fqdn == container
        ]
        return slot

    def _validate(self, candidate: Path) -> str:
        self.beside.append([path.name for path in candidate.parent.iterdir()])
        self.validated.append(
            {str(path.relative_to(candidate)): path.read_text() for path in sorted(candidate.rglob("*")) if path.is_file()}
        )
        return self.complaint


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    # One that ends here is not started anew by anybody.
    monkeypatch.setattr(sockets, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(sockets, "RESTART_SECONDS", 0.0)
    # Not tmp_path: the path of a socket may have 107 characters at most.
    with TemporaryDirectory() as directory, FakeHAProxy(Path(directory)) as haproxy:
        world = World(Path(directory), haproxy)
        world.settle()
        haproxy.commands.clear()
        yield world


def test_a_prepared_stack_has_its_files_on_disk_and_a_worker_that_knows_them(world: World) -> None:
    files = sorted(str(path.relative_to(world.paths.conf)) for path in world.paths.conf.rglob("*") if path.is_file())
    assert files == ["haproxy.cfg", "routes.d/shop.map", "routes.map", "stacks/shop.cfg"]
    assert (world.paths.conf / "routes.map").read_text() == "shop.example/ shop.web\nshop.example/api/ shop.api\n"
    assert len(world.haproxy.worker.slots) == 3 * 2 * SLOTS
    assert world.haproxy.reloads == 1
    assert world.edge().admitted() == set()


def test_what_is_as_it_should_be_is_not_written_and_not_loaded_again(world: World) -> None:
    reloads = world.haproxy.reloads
    assert world.edge().differences() == []
    assert world.edge().expand() == world.edge().contract() == []
    assert world.haproxy.reloads == reloads


def test_what_is_to_change_is_checked_by_haproxy_with_everything_else_in_place(world: World) -> None:
    reloads = world.haproxy.reloads
    assert world.edge(routes=MORE).expand() == ["stacks/shop.cfg"]
    assert set(world.validated[-1]) == {"haproxy.cfg", "routes.d/shop.map", "routes.map", "stacks/shop.cfg"}
    assert "backend shop.docs" in world.validated[-1]["stacks/shop.cfg"]
    assert world.haproxy.reloads == reloads + 1
    assert not list(world.paths.root.glob("candidate.*"))


def test_a_configuration_that_haproxy_rejects_is_never_put_in_place(world: World) -> None:
    world.complaint, reloads = "unknown keyword 'sever'", world.haproxy.reloads
    before = (world.paths.conf / "stacks" / "shop.cfg").read_text()
    with pytest.raises(EdgeError) as caught:
        world.edge(routes={}).contract()
    assert str(caught.value) == (
        "HAProxy rejects the new edge configuration, so the running one was left as it is: unknown keyword 'sever'"
    )
    assert (world.paths.conf / "stacks" / "shop.cfg").read_text() == before
    assert world.haproxy.reloads == reloads
    assert not list(world.paths.root.glob("candidate.*"))


def test_what_a_process_left_that_was_killed_while_haproxy_looked_is_gone_before_it_looks_again(world: World) -> None:
    left = world.paths.root / "candidate.held-killed"
    (left / "certs").mkdir(parents=True)
    (left / "certs" / "shop.example.pem").write_text("key")
    with leftovers.directory(world.paths.root, leftovers.CANDIDATE) as of_another:
        assert world.edge(routes=MORE).expand() == ["stacks/shop.cfg"]
        assert of_another.exists()
    # Not only when it has looked: whoever is killed there again must not leave one more each time.
    assert [set(names) & {left.name} for names in world.beside] == [set()] * len(world.validated)


def test_a_reload_that_fails_puts_the_files_back_and_takes_new_ones_away(world: World) -> None:
    before = {path: path.read_text() for path in world.paths.conf.rglob("*") if path.is_file()}
    world.haproxy.rejects = "cannot bind to 0.0.0.0:80"
    with pytest.raises(EdgeError) as caught:
        world.edge("other", {"*/": "api"}).expand()
    assert str(caught.value) == (
        "HAProxy could not load the new edge configuration, and goes on with the one before: [ALERT]    (1) : config : "
        "cannot bind to 0.0.0.0:80. See its log with: docker logs --tail 30 edge-haproxy-1"
    )
    assert {path: path.read_text() for path in world.paths.conf.rglob("*") if path.is_file()} == before


def test_without_a_running_haproxy_the_files_are_written_for_when_it_starts() -> None:
    with TemporaryDirectory() as directory:
        configuration = EdgeConfiguration(EdgePaths(Path(directory)), lambda candidate: "")
        configuration.paths.conf.mkdir()
        assert configuration.apply({"a.cfg": "x"}) == ["a.cfg"]
        assert (configuration.paths.conf / "a.cfg").read_text() == "x"


def test_several_stacks_share_one_map_and_nothing_else(world: World) -> None:
    world.settle("blog", BLOG)
    world.admit("shop-api-1")
    assert (world.paths.conf / "routes.map").read_text() == (
        "blog.example/ blog.app\nshop.example/ shop.web\nshop.example/api/ shop.api\n"
    )
    assert world.edge("blog", BLOG).admitted() == set()
    assert world.edge("blog", BLOG).sweep(set()) == []
    assert world.edge().admitted() == {"shop-api-1"}


def test_a_stack_whose_name_begins_like_another_one_does_not_touch_it(world: World) -> None:
    routes = {"two.example/": "api"}
    world.settle("shop2", routes)
    world.edge("shop2", routes).admit("api", world.places("shop2-api-1"))
    assert world.edge().admitted() == set()
    assert world.edge().sweep(set()) == []
    assert world.edge("shop2", routes).admitted() == {"shop2-api-1"}


def test_an_admitted_container_gets_requests_and_tunnels_by_name_and_address_without_a_reload(world: World) -> None:
    world.admit("shop-api-1", "shop-api-2")
    assert world.serves() == {"shop-api-1": "172.18.0.3", "shop-api-2": "172.18.0.4"}
    assert world.serves("web") == {}
    assert world.edge().admitted() == {"shop-api-1", "shop-api-2"}
    assert world.in_file() == {"shop-api-1", "shop-api-2"}
    assert world.haproxy.reloads == 1


def test_the_file_is_written_before_haproxy_is_told(world: World) -> None:
    seen: list[set[str]] = []
    world.haproxy.on_command = lambda command: seen.append(world.in_file()) if command.startswith("set") else None
    world.admit("shop-api-1")
    assert seen
    assert set(map(frozenset, seen)) == {frozenset({"shop-api-1"})}


def test_a_container_is_named_and_addressed_before_it_is_ready(world: World) -> None:
    world.admit("shop-api-1")
    verbs = [command.split()[3] for command in world.haproxy.commands if command.startswith("set server shop.api/")]
    assert verbs.index("state") > max(verbs.index("fqdn"), verbs.index("addr"))


def test_a_drained_container_gets_nothing_new_and_keeps_what_it_has(world: World) -> None:
    world.admit("shop-api-1", "shop-api-2")
    slot = world.haproxy.slot(f"shop.api/{world.slot_of('shop-api-1')}")
    slot.sessions = 3
    world.edge().drain("api", ["shop-api-1"])
    assert set(world.serves()) == {"shop-api-2"}
    assert world.in_file() == {"shop-api-2"}
    assert world.edge().admitted() == {"shop-api-2"}
    requests, tunnels = world.edge().load("api", "shop-api-1")
    assert (requests.sessions, tunnels.sessions) == (3, 0)


def test_a_drained_container_that_comes_back_takes_its_own_slot(world: World) -> None:
    world.admit("shop-api-1")
    slot = world.slot_of("shop-api-1")
    world.edge().drain("api", ["shop-api-1"])
    world.admit("shop-api-1")
    assert set(world.serves()) == {"shop-api-1"}
    assert world.slot_of("shop-api-1") == slot


def test_a_failed_rollout_of_as_many_replicas_as_fit_can_be_taken_back(world: World) -> None:
    """Six incumbents drained, six candidates admitted: sixteen slots must do."""
    old, new = [f"shop-api-{n}" for n in range(1, 7)], [f"shop-api-{n}" for n in range(7, 13)]
    world.admit(*old)
    world.admit(*new)
    world.edge().drain("api", old)
    world.admit(*old)
    world.edge().drain("api", new)
    world.edge().forget("api", new)
    assert set(world.serves()) == world.in_file() == set(old)


def test_a_forgotten_container_gives_its_slot_to_another(world: World) -> None:
    more = SLOTS + 2
    for number in range(1, more):
        name = f"shop-api-{number}"
        world.admit(name)
        world.edge().drain("api", [name])
        world.edge().forget("api", [name])
    world.admit(f"shop-api-{more}")
    assert set(world.serves()) == {f"shop-api-{more}"}


def test_a_slot_of_a_drained_container_is_not_given_away(world: World) -> None:
    world.admit("shop-api-1")
    world.edge().drain("api", ["shop-api-1"])
    world.admit(*(f"shop-api-{number}" for number in range(2, SLOTS + 1)))
    assert world.slot_of("shop-api-1")
    with pytest.raises(EdgeError) as caught:
        world.admit("shop-api-17")
    assert str(caught.value) == "the edge has no free slot left for shop-api-17; run this again, which makes room first"
    assert len(world.serves()) == SLOTS - 1
    assert "shop-api-17" not in world.in_file()


def test_an_address_that_is_another_one_now_is_told_again(world: World) -> None:
    world.admit("shop-api-1")
    world.edge().drain("api", ["shop-api-1"])
    world.edge().admit("api", {"shop-api-1": Place("172.18.0.99", 8000)})
    assert world.serves() == {"shop-api-1": "172.18.0.99"}


def test_a_server_that_takes_its_address_from_dns_alone_is_ready_once_it_has_it(world: World) -> None:
    world.haproxy.resolves_only = True
    world.admit("shop-api-1")
    assert world.serves() == {"shop-api-1": "172.18.0.3"}


def test_no_server_is_ready_before_haproxy_has_made_its_new_address_the_one_it_uses(world: World) -> None:
    world.haproxy.lag = 3
    world.edge().admit("api", world.places("shop-api-1", "shop-api-2"))
    assert world.serves() == {"shop-api-1": "172.18.0.3", "shop-api-2": "172.18.0.4"}
    assert world.haproxy.early == []


def test_a_server_gets_its_address_right_after_its_name(world: World) -> None:
    """HAProxy takes an address away when DNS leaves a new name without an answer: no other server's turn comes between."""
    world.haproxy.commands.clear()
    world.admit("shop-api-1", "shop-api-2", "shop-api-3")
    said = [command for command in world.haproxy.commands if " fqdn " in command or " addr " in command]
    assert len(said) == 2 * 3 * len({command.split()[2].partition("/")[0] for command in said})
    for name, address in zip(said[::2], said[1::2], strict=True):
        assert name.split()[2:4] == [address.split()[2], "fqdn"]
        assert address.split()[3] == "addr"


def test_an_address_that_haproxy_takes_away_again_is_told_again(world: World) -> None:
    taken: set[str] = set()

    def take(command: str) -> None:
        for name, slot in world.haproxy.worker.slots.items():
            if command.startswith("show servers state") and slot.address == "172.18.0.3" and name not in taken:
                taken.add(name)
                slot.address = "0.0.0.0"

    world.haproxy.on_command = take
    world.admit("shop-api-1")
    assert taken
    assert world.serves() == {"shop-api-1": "172.18.0.3"}


def test_a_container_that_dns_does_not_know_is_not_admitted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_module, "RESOLVE_SECONDS", 0.1)
    world.haproxy.resolves_only = True
    with pytest.raises(EdgeError) as caught:
        world.edge().admit("api", {"shop-api-1": Place("172.18.0.3", 8000)})
    assert str(caught.value) == (
        "the edge does not find the address 172.18.0.3 of shop.api/s1 by Docker's DNS within 0.1 s. "
        "Are the service and the edge on the same network? See: docker network inspect edge.shop"
    )
    assert world.serves() == {}


def test_what_was_admitted_is_admitted_after_a_reload_and_what_was_drained_is_not(world: World) -> None:
    world.admit("shop-api-1", "shop-api-2", "shop-api-3")
    world.edge().drain("api", ["shop-api-3"])
    world.edge().drain("api", ["shop-api-2"])
    world.edge().forget("api", ["shop-api-2"])
    world.haproxy.load_files()
    assert world.serves() == {"shop-api-1": "172.18.0.3"}
    assert world.edge().admitted() == {"shop-api-1"}
    world.admit("shop-api-4")
    assert set(world.serves()) == {"shop-api-1", "shop-api-4"}


def test_a_reload_needs_no_answer_of_the_engines_dns(world: World) -> None:
    """A server without an address is one whose users are answered 503."""
    world.admit("shop-api-1", "shop-api-2")
    world.haproxy.is_silent = True
    reloads = world.haproxy.reloads
    world.settle(routes=MORE)
    assert world.haproxy.reloads > reloads
    assert world.serves() == {"shop-api-1": "172.18.0.3", "shop-api-2": "172.18.0.4"}
    assert {server for server, _, _ in world.haproxy.left} == {"shop.api", "shop.api.tunnels", "shop.api.any"}
    assert not world.paths.addresses.exists()


def test_the_known_addresses_are_gone_when_a_reload_has_failed(world: World) -> None:
    """A HAProxy that is started anew would take them for true, and they may be another container's by then."""
    seen = []
    world.admit("shop-api-1")
    world.haproxy.rejects = "cannot bind"
    world.haproxy.on_command = lambda command: seen.append(world.paths.addresses.exists()) if command == "reload" else None
    with pytest.raises(EdgeError, match="cannot bind"):
        world.settle(routes=MORE)
    assert seen == [True]
    assert not world.paths.addresses.exists()


def test_the_known_addresses_are_written_to_no_file_that_another_one_chose(world: World) -> None:
    """HAProxy's user owns that directory."""
    other = world.paths.root / "other"
    other.write_text("kept")
    world.paths.addresses.symlink_to(other)
    world.admit("shop-api-1")
    world.settle(routes=MORE)
    assert world.haproxy.left
    assert other.read_text() == "kept"


def test_a_change_of_routes_keeps_what_is_admitted(world: World) -> None:
    world.admit("shop-api-1")
    world.settle(routes=MORE)
    assert set(world.serves()) == {"shop-api-1"}


def test_routes_move_at_run_time(world: World) -> None:
    """In the worker and in the files, without a reload."""
    reloads = world.haproxy.reloads
    edge = world.edge(routes=MORE)
    edge.route({"docs.example/": "web", "shop.example/api/": "web", "shop.example/": ""})
    after = {"docs.example/": "web", "shop.example/api/": "web"}
    assert edge.routes() == after
    assert world.haproxy.worker.routes == {key: f"shop.{service}" for key, service in after.items()}
    assert (world.paths.conf / "routes.map").read_text() == "docs.example/ shop.web\nshop.example/api/ shop.web\n"
    assert world.haproxy.reloads == reloads


def test_the_shorter_of_two_routes_ends_first(world: World) -> None:
    """Or requests for the longer would reach, for a moment, a service that no release meant."""
    world.edge().route(dict.fromkeys(sorted(ROUTES, reverse=True), ""))
    ended = [command.split()[-1] for command in world.haproxy.commands if command.startswith("del map")]
    assert ended == ["shop.example/", "shop.example/api/"]


@pytest.mark.parametrize("answered", range(3))
def test_a_change_of_routes_that_was_interrupted_is_seen_as_what_haproxy_does(world: World, answered: int) -> None:
    """So that the next plan does the rest; and what HAProxy would do after a reload is never less than what was asked for."""
    wanted = {"shop.example/api/": "web", "docs.example/": "web"}
    world.haproxy.patience = answered
    with suppress(EdgeError):
        world.edge().route(wanted)
    world.haproxy.patience = None
    assert world.edge().routes() == {key: one.removeprefix("shop.") for key, one in world.haproxy.worker.routes.items()}
    world.edge().route(wanted)
    assert world.edge().routes() == {**ROUTES, **wanted}


ANOTHERS_ROUTE = (
    'the route shop.example/ leads to the stack "shop" on this host already; give one of the two another host or path. '
    "Nothing was changed"
)


def test_a_route_that_another_stack_has_is_named_with_it(world: World) -> None:
    assert world.edge().routing() == Routing(ROUTES, ROUTES, frozenset())
    with pytest.raises(EdgeError) as caught:
        world.edge("blog", {"shop.example/": "app", "blog.example/": "app"}).routing()
    assert str(caught.value) == ANOTHERS_ROUTE


def test_all_routes_are_known_by_one_question(world: World) -> None:
    assert world.edge("blog", BLOG).routing() == Routing({}, BLOG, frozenset(ROUTES))
    assert [one for one in world.haproxy.commands if "map" in one] == ["show map /usr/local/etc/haproxy/routes.map"]


def test_each_server_keeps_the_port_of_the_replica_behind_it(world: World) -> None:
    world.admit("shop-api-1", port=8000)
    world.admit("shop-api-2", port=9000)
    ports = {slot.fqdn: slot.port for slot in world.haproxy.worker.slots.values() if slot.backend == "shop.api" and slot.fqdn}
    assert ports == {"shop-api-1": 8000, "shop-api-2": 9000}
    world.edge().expand()
    world.haproxy.load_files()
    again = {slot.fqdn: slot.port for slot in world.haproxy.worker.slots.values() if slot.backend == "shop.api" and slot.fqdn}
    assert again == ports


def test_a_container_that_comes_back_without_a_word_about_its_port_has_the_one_of_its_slot(world: World) -> None:
    world.admit("shop-api-1", port=8000)
    world.edge().drain("api", ["shop-api-1"])
    world.edge().admit("api", {"shop-api-1": Place("172.18.0.3", 0)}, 9000)
    assert world.haproxy.slot(f"shop.api/{world.slot_of('shop-api-1')}").port == 8000
    world.edge().admit("api", {"shop-api-2": Place("172.18.0.4", 0)}, 9000)
    assert world.haproxy.slot(f"shop.api/{world.slot_of('shop-api-2')}").port == 9000


def test_expanding_keeps_services_slots_routes_and_what_is_admitted(world: World) -> None:
    names = [f"shop-api-{number}" for number in range(1, SLOTS - 3)]
    world.admit(*names)
    other = world.edge(routes={"shop.example/": "site"}, replicas=10)
    other.expand()
    assert {slot.backend for slot in world.haproxy.worker.slots.values() if "." not in slot.backend[5:]} == {
        "shop.api",
        "shop.web",
        "shop.site",
    }
    assert other.routes() == ROUTES
    assert set(world.serves()) == set(names)
    # Twelve that are there and ten that come.
    assert len([slot for slot in world.haproxy.worker.slots.values() if slot.backend == "shop.site"]) == 32


def test_slots_shrink_only_as_far_as_they_are_in_use(world: World) -> None:
    world.edge(replicas=12).expand()
    world.admit(*(f"shop-api-{number}" for number in range(1, 21)))
    world.edge().drain("api", [f"shop-api-{number}" for number in range(1, 20)])
    world.edge().forget("api", [f"shop-api-{number}" for number in range(1, 20)])
    world.edge(replicas=1).contract()
    assert set(world.serves()) == {"shop-api-20"}
    assert len([slot for slot in world.haproxy.worker.slots.values() if slot.backend == "shop.api"]) == 20
    assert world.edge(replicas=1).differences() == []
    world.admit("shop-api-21")
    world.edge().drain("api", ["shop-api-20"])
    world.edge().forget("api", ["shop-api-20"])
    world.edge(replicas=1).contract()
    assert set(world.serves()) == {"shop-api-21"}
    assert len([slot for slot in world.haproxy.worker.slots.values() if slot.backend == "shop.api"]) == SLOTS


def test_an_edge_that_an_older_version_wrote_is_read_and_brought_up_to_date(world: World) -> None:
    """It has no backend for when all servers seem down, and a service's port on every free slot."""
    world.admit("shop-api-1")
    path = world.paths.conf / "stacks" / "shop.cfg"
    sections = path.read_text().split("\n\n")
    old = "\n\n".join(section for section in sections if ".any " not in section).replace("0.0.0.0:1 ", "0.0.0.0:8000 ")
    path.write_text(old + "\n")
    world.haproxy.load_files()
    assert world.edge().admitted() == {"shop-api-1"}
    world.edge().expand()
    assert set(world.serves()) == {"shop-api-1"}
    assert world.haproxy.slot(f"shop.api/{world.slot_of('shop-api-1')}").port == 8000


def test_what_an_older_worker_still_does_counts(world: World) -> None:
    world.admit("shop-api-1")
    slot = world.slot_of("shop-api-1")
    world.haproxy.slot(f"shop.api/{slot}").sessions = 2
    world.haproxy.slot(f"shop.api.tunnels/{slot}").sessions = 1
    world.settle(routes=MORE)
    world.haproxy.slot(f"shop.api/{slot}").sessions = 5
    requests, tunnels = world.edge().load("api", "shop-api-1")
    assert (requests.sessions, tunnels.sessions) == (7, 1)


def test_a_container_that_the_worker_no_longer_knows_may_have_every_request_of_an_older_one(world: World) -> None:
    world.admit("shop-api-1", "shop-api-2")
    world.haproxy.slot(f"shop.api/{world.slot_of('shop-api-1')}").sessions = 2
    world.edge().drain("api", ["shop-api-1"])
    world.settle(routes=MORE)
    requests, _ = world.edge().load("api", "shop-api-1")
    assert requests.sessions == 2
    world.haproxy.old.clear()
    requests, _ = world.edge().load("api", "shop-api-1")
    assert requests.sessions == 0


def test_what_was_answered_counts_requests_and_tunnels_in_all_workers(world: World) -> None:
    world.admit("shop-api-1", "shop-api-2", "shop-api-3")
    slots = {name: world.slot_of(name) for name in ("shop-api-1", "shop-api-2")}
    world.haproxy.slot(f"shop.api/{slots['shop-api-1']}").well = 10
    world.haproxy.slot(f"shop.api/{slots['shop-api-1']}").sessions = 1
    world.haproxy.slot(f"shop.api/{slots['shop-api-2']}").well = 500
    world.settle(routes=MORE)
    world.haproxy.slot(f"shop.api/{slots['shop-api-1']}").badly = 3
    world.haproxy.slot(f"shop.api.tunnels/{slots['shop-api-1']}").badly = 2
    found = world.edge().answered("api", ["shop-api-1", "shop-api-3", "shop-api-9"])
    assert {name: (load.answers, load.bad_answers) for name, load in found.items()} == {
        "shop-api-1": (15, 5),
        "shop-api-3": (0, 0),
    }


def test_an_older_worker_that_ends_between_two_questions_has_nothing_left(world: World) -> None:
    world.admit("shop-api-1")
    world.haproxy.slot(f"shop.api/{world.slot_of('shop-api-1')}").sessions = 2
    world.settle(routes=MORE)
    world.haproxy.on_command = lambda command: world.haproxy.old.clear() if command.startswith("@!") else None
    requests, _ = world.edge().load("api", "shop-api-1")
    assert requests.sessions == 0


def test_an_idle_connection_to_an_older_worker_may_bring_a_request_for_what_that_one_knows(world: World) -> None:
    """HAProxy lets no older worker be told of other servers: what it knows is waited for."""
    world.admit("shop-api-1", "shop-api-2")
    world.edge().drain("api", ["shop-api-2"])
    world.haproxy.worker.clients = 3
    world.haproxy.slot(f"shop.api.tunnels/{world.slot_of('shop-api-1')}").sessions = 1
    assert world.edge().may_come("api", "shop-api-1") == 0
    world.settle(routes=MORE)
    # Two that are no tunnels.
    assert world.edge().may_come("api", "shop-api-1") == 2
    assert world.edge().may_come("api", "shop-api-2") == 0
    assert world.edge().may_come("web", "shop-api-1") == 0
    assert world.edge().left_behind() == 1
    world.haproxy.old.clear()
    assert world.edge().may_come("api", "shop-api-1") == world.edge().left_behind() == 0


def test_a_sweep_frees_what_is_gone_and_leaves_the_rest(world: World) -> None:
    world.admit("shop-api-1", "shop-api-2", "shop-api-3")
    world.edge().drain("api", ["shop-api-3"])
    assert world.edge().sweep({"shop-api-1"}) == ["shop-api-2", "shop-api-3"]
    assert set(world.serves()) == world.in_file() == {"shop-api-1"}
    assert world.edge().sweep({"shop-api-1"}) == []


def test_a_service_that_lost_its_route_is_still_seen_until_the_edge_contracts(world: World) -> None:
    world.admit("shop-web-1", service="web")
    only_api = {"shop.example/api/": "api"}
    assert world.edge(routes=only_api).admitted() == {"shop-web-1"}
    world.edge(routes=only_api).expand()
    assert world.edge(routes=only_api).admitted() == {"shop-web-1"}
    world.settle(routes=only_api)
    assert world.edge(routes=only_api).admitted() == set()


def test_services_that_have_no_route_are_no_business_of_the_edge(world: World) -> None:
    world.admit("shop-api-1")
    world.edge().drain("worker", ["shop-worker-1"])
    world.edge().forget("worker", ["shop-worker-1"])
    assert world.in_file() == {"shop-api-1"}


def test_what_two_services_do_at_the_same_time_ends_in_files_that_say_both(world: World) -> None:
    """While api is being drained, web admits: neither may write down what the other has just undone."""
    world.admit("shop-api-1", "shop-api-2")
    edge = world.edge()
    others: list[threading.Thread] = []

    def meanwhile(command: str) -> None:
        if command.startswith("set server shop.api/") and not others:
            places = world.places("shop-web-1")
            others.append(threading.Thread(target=lambda: edge.admit("web", places), daemon=True))
            others[0].start()
            # Long enough to get through when nothing holds it back.
            others[0].join(0.3)

    world.haproxy.on_command = meanwhile
    edge.drain("api", ["shop-api-1"])
    others[0].join(10)
    assert (world.in_file("api"), world.in_file("web")) == ({"shop-api-2"}, {"shop-web-1"})
    assert (set(world.serves("api")), set(world.serves("web"))) == ({"shop-api-2"}, {"shop-web-1"})


CHANGES: list[Callable[[Edge], object]] = [
    lambda edge: edge.admit("api", {"shop-api-2": Place("172.18.0.4", 8000)}),
    lambda edge: edge.drain("api", ["shop-api-1"]),
    lambda edge: edge.forget("api", ["shop-api-1"]),
    lambda edge: edge.sweep(set()),
    lambda edge: edge.route({"shop.example/": ""}),
]


@pytest.mark.parametrize("change", CHANGES, ids=["admit", "drain", "forget", "sweep", "route"])
def test_no_other_stack_reloads_between_what_is_written_and_what_is_told(world: World, change: Callable[[Edge], object]) -> None:
    """The new worker would have read the file before, and hear nothing of the change."""
    world.admit("shop-api-1")
    world.haproxy.addresses["shop-api-2"] = "172.18.0.4"
    free: list[str] = []

    def is_kept_off(command: str) -> None:
        if command.split()[0] in ("set", "add", "del"):
            with (world.paths.root / "files.lock").open("a") as stream, suppress(BlockingIOError):
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free.append(command)

    world.haproxy.on_command = is_kept_off
    world.haproxy.commands.clear()
    change(world.edge())
    assert any(command.split()[0] in ("set", "add", "del") for command in world.haproxy.commands)
    assert free == []


def test_a_slot_that_was_drained_when_a_new_haproxy_had_nobody_in_it_is_free_in_the_end(world: World) -> None:
    server = Socket(str(world.paths.socket))
    server.tell("set server shop.api.any/s2 state drain")
    assert [one.name for one in parse_servers(server.ask("show servers state")) if not one.is_free] == ["s2"]
    world.edge().contract()
    assert [one.name for one in parse_servers(server.ask("show servers state")) if not one.is_free] == []


def test_a_file_that_somebody_is_writing_disturbs_no_check(world: World) -> None:
    """Maintenance is switched by another process; its file was there a moment ago."""
    (world.paths.conf / ".maintenance.map.x").symlink_to("gone")
    assert world.edge(routes=MORE).expand() == ["stacks/shop.cfg"]


@pytest.mark.parametrize("answered", range(10))
def test_an_admission_that_was_interrupted_anywhere_is_seen_as_what_it_is(world: World, answered: int) -> None:
    """Either it counts as admitted and serves, or it does not count and admitting it again makes it serve."""
    world.haproxy.patience = answered
    try:
        world.admit("shop-api-1")
    except EdgeError:
        world.haproxy.patience = None
        if "shop-api-1" not in world.edge().admitted():
            world.admit("shop-api-1")
    world.haproxy.patience = None
    assert world.serves() == {"shop-api-1": "172.18.0.3"}
    assert world.in_file() == {"shop-api-1"}
    assert len(world.haproxy.serving("shop.api")) == 1


@pytest.mark.parametrize("answered", range(4))
def test_a_drain_that_was_interrupted_anywhere_does_not_leave_a_container_half_admitted(world: World, answered: int) -> None:
    """A container that counts as admitted must really get requests, or nobody would ever mend it."""
    world.admit("shop-api-1", "shop-api-2")
    world.haproxy.patience = answered
    try:
        world.edge().drain("api", ["shop-api-1", "shop-api-2"])
    except EdgeError:
        world.haproxy.patience = None
    world.haproxy.patience = None
    for name in world.edge().admitted():
        assert name in world.haproxy.serving("shop.api")
        assert name in world.haproxy.serving("shop.api.tunnels")
    world.admit("shop-api-1", "shop-api-2")
    assert set(world.serves()) == world.in_file() == {"shop-api-1", "shop-api-2"}


NAMES = [f"shop-api-{number}" for number in range(1, 6)]
VERBS = ["admit", "drain", "forget", "sweep", "reload", "expand", "contract"]
operations = st.lists(st.tuples(st.sampled_from(VERBS), st.sets(st.sampled_from(NAMES), max_size=3)), max_size=10)


@settings(max_examples=examples(15))
@given(operations)
def test_files_worker_and_edge_always_agree(sequence: list[tuple[str, set[str]]]) -> None:
    with TemporaryDirectory() as directory, FakeHAProxy(Path(directory)) as haproxy:
        world = World(Path(directory), haproxy)
        world.settle()
        admitted: set[str] = set()
        for verb, names in sequence:
            if verb == "admit":
                world.admit(*sorted(names))
                admitted |= names
            elif verb in ("drain", "forget"):
                getattr(world.edge(), verb)("api", sorted(names))
                admitted -= names
            elif verb == "sweep":
                world.edge().sweep(names)
                admitted &= names
            elif verb in ("expand", "contract"):
                getattr(world.edge(), verb)()
            else:
                haproxy.load_files()
            assert world.edge().admitted() == set(world.serves()) == world.in_file() == admitted
            assert world.edge().differences() == []
        for name in NAMES:
            slots = [slot for slot in haproxy.worker.slots.values() if slot.backend == "shop.api" and slot.fqdn == name]
            assert len([slot for slot in slots if slot.takes_requests]) == (name in admitted)


def test_the_settings_of_the_edge_are_those_that_its_role_recorded(tmp_path: Path) -> None:
    (tmp_path / "edge.json").write_text(json.dumps({"image": "haproxy:3.0", "user": "99:99"}))
    assert edge_settings(EdgePaths(tmp_path)) == {"image": "haproxy:3.0", "user": "99:99"}


def test_a_host_without_an_edge_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(EdgeError) as caught:
        edge_settings(EdgePaths(tmp_path))
    assert str(caught.value) == (
        f"this host has no edge ({tmp_path}/edge.json is missing): run playbooks/provision.yml for this inventory first"
    )
