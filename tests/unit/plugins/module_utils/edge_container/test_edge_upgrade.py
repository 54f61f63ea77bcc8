"""The order in which an edge is replaced, and what becomes of it where something fails. Containers are played.

tests/edge_lab/test_upgrade.py does the same with real HAProxies, real rules of the kernel and users.
"""

from __future__ import annotations

import fcntl
import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError, EngineError, FencedError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import carry as edge_carry
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.instance import Seen
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.redirect import Way
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.settings import EdgeSettings
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.upgrade import EdgeUpgrade, Outcome
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.upgrade_verbs import Wanted

from tests.unit.clock import Clock

OLD, NEW = "haproxy:3.0", "haproxy:3.1"
GATEWAY = "127.0.0.1"
WANTED = Wanted(NEW, f"id of {NEW}", drain_seconds=100, hands_over=True, bridge="br-edge", tls=False)


class Container:
    """``deaf``: images whose HAProxy never answers; ``dead``: images that cannot be started."""

    def __init__(self, name: str, world: World) -> None:
        self.name, self.world = name, world
        self.seen: Seen | None = None
        self.stopping = False
        self.under_way = 0
        self.queue: list[int] = []
        self.deaf: set[str] = set()
        self.dead: set[str] = set()
        self.maps = {edge_carry.MAPS[0]: {"shop.example/": "shop.web"}, edge_carry.MAPS[1]: {"state": "off"}}
        self.servers = {"shop.web/s1": edge_carry.Told("web-1", 1, "ready")}
        self.image = OLD
        self.ports = [f"{world.port}:8080"]
        self.number = 0

    def note(self, what: str) -> None:
        self.world.done.append(f"{self.name}: {what}")

    def look(self) -> Seen | None:
        return self.seen

    def start(self, *, anew: bool = False) -> None:
        # What it knows is what files say.
        self.servers = {"shop.web/s1": edge_carry.Told("web-1", 1, "ready")}
        self.note(f"start {self.image}{' anew' if anew else ''}")
        if self.image in self.dead:
            self.seen = None
            raise EngineError("no such device")
        self.number += 1
        self.stopping = False
        published = {} if self.name == "own" else {("127.0.0.1", 8080): 32001}
        self.seen = Seen(self.name, f"id of {self.image}", True, f"172.18.0.{self.number}", GATEWAY, 100 + self.number, published)

    def soft_stop(self) -> None:
        self.note("soft stop")
        self.stopping = True
        self._end_when_idle()

    def _end_when_idle(self) -> None:
        if self.seen and self.stopping and not self.under_way:
            self.seen = replace(self.seen, running=False, pid=0)

    def finish(self, requests: int) -> None:
        self.under_way -= requests
        self._end_when_idle()

    def end(self) -> None:
        self.note("end")
        if self.seen:
            self.seen = replace(self.seen, running=False, pid=0)

    def remove(self) -> None:
        if self.seen:
            self.note("remove")
        self.seen = None

    def ask(self, command: str) -> str:
        if self.seen is None or not self.seen.running or self.seen.image.removeprefix("id of ") in self.deaf:
            raise EdgeError("HAProxy does not answer")
        if command == "show info":
            return f"Name: HAProxy\nStopping: {int(self.stopping)}\nVersion: 3.0"
        if command.startswith("show map"):
            return "".join(f"0x1 {key} {value}\n" for key, value in self.maps[command.split()[-1]].items())
        return f"# pxname,svname,conn_tot\nhttp,FRONTEND,{self.world.connections(self)}\nmetrics,FRONTEND,99"

    def tell(self, *commands: str) -> None:
        for command in commands:
            self.note(command)
            verb, kind, name, key, value = command.split()
            if (verb, kind) == ("set", "server"):
                changed = {"weight": int(value)} if key == "weight" else {"state": value}
                self.servers[name] = replace(self.servers[name], **changed)

    def known(self) -> edge_carry.Known:
        return edge_carry.Known(self.maps, self.servers)

    def sessions(self) -> int:
        return self.under_way

    def waiting(self) -> int:
        return self.queue.pop(0) if self.queue else 0

    def last_words(self) -> str:
        return "[ALERT] no"

    def write(self, settings: EdgeSettings) -> None:
        self.image = settings.image
        self.ports = list(settings.ports)

    def settings(self) -> EdgeSettings:
        return EdgeSettings(self.image, "99:99", self.ports)

    def text(self) -> dict[Path, str]:
        return {Path("compose.json"): json.dumps([self.image, self.ports])}

    def put(self, texts: Mapping[Path, str]) -> None:
        self.note("put files back")
        self.image, self.ports = json.loads(texts[Path("compose.json")])


class World:
    """The host's port is real; whoever the rules lead to has taken the connection."""

    def __init__(self, root: Path) -> None:
        self.done: list[str] = []
        self.way: Way | None = None
        self.clock = Clock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.own, self.stand_in = Container("own", self), Container("stand-in", self)
        self.worse: dict[str, Mapping[str, str]] = {}
        self.leads_nowhere = False
        self.guarded: list[Callable[[], None]] = []
        self._taken = 0
        Thread(target=self._take, daemon=True).start()
        (root / "conf").mkdir()
        self.paths = EdgePaths(root)
        self.own.start()
        self.done.clear()

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._taken += 1
            connection.close()

    def close(self) -> None:
        self._server.close()

    def connections(self, container: Container) -> int:
        led_to = self.own if self.way is None else self.stand_in
        return self._taken if led_to is container and not self.leads_nowhere else 0

    # redirect.Redirect

    def lead(self, way: Way) -> None:
        self.done.append(f"lead to {way.new}")
        self.way = way

    def end(self) -> None:
        if self.way:
            self.done.append("lead back")
        self.way = None

    def there(self) -> bool:
        return self.way is not None

    def ask(self, address: str, port: int, keys: Sequence[str], tls: bool) -> Mapping[str, str]:
        return self.worse.get(address, {f"http://{key}": "" for key in keys})

    def guard(self) -> None:
        for check in self.guarded:
            check()

    def upgrade(self) -> EdgeUpgrade:
        return EdgeUpgrade(self.paths, self.own, self.stand_in, self, self.clock, self.guard, self.ask)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.close()


HANDED_OVER = ["stand-in: start haproxy:3.1", "lead to 172.18.0.1"]
REPLACED = ["own: soft stop", "own: end", "own: start haproxy:3.1"]
GIVEN_BACK = ["lead back", "stand-in: soft stop", "stand-in: end", "stand-in: remove"]


def test_a_container_stands_in_until_the_new_one_serves(world: World) -> None:
    assert world.upgrade().due(WANTED)
    outcome = world.upgrade().run(WANTED)
    assert world.done == [*HANDED_OVER, *REPLACED, *GIVEN_BACK]
    assert outcome == Outcome(0, 0, ["a container of the new image stands in", f"the edge runs {NEW}"])
    assert world.way is None
    assert not world.upgrade().due(WANTED)


def test_a_host_that_nobody_comes_to_needs_none_to_stand_in(world: World) -> None:
    world.upgrade().run(replace(WANTED, hands_over=False))
    assert world.done == REPLACED


def test_an_edge_that_runs_the_image_is_left_alone_and_only_called_by_its_name(world: World) -> None:
    same = replace(WANTED, identity=f"id of {OLD}")
    assert not world.upgrade().due(same)
    assert world.upgrade().run(same).done == [f"the image is called {NEW} now"]
    assert (world.done, world.own.image) == ([], NEW)


def test_other_ports_come_as_another_image_does(world: World) -> None:
    ports = [*world.own.ports, "10.0.0.1:8405:8405"]
    wanted = replace(WANTED, image=OLD, identity=f"id of {OLD}", ports=ports)
    assert world.upgrade().due(wanted)
    outcome = world.upgrade().run(wanted)
    assert world.done == [one.replace(NEW, OLD) for one in (*HANDED_OVER, *REPLACED, *GIVEN_BACK)]
    assert world.own.ports == ports
    assert outcome.done[-1] == f"the edge runs {OLD} on {', '.join(ports)}"
    assert not world.upgrade().due(wanted)
    assert world.upgrade().run(wanted).done == []


def test_ports_that_cannot_be_had_leave_those_of_before(world: World) -> None:
    ports = list(world.own.ports)
    world.own.dead = {NEW}
    with pytest.raises(EdgeError):
        world.upgrade().run(replace(WANTED, ports=["10.0.0.1:8405:8405"]))
    assert world.own.ports == ports


@pytest.mark.parametrize("has", [["127.0.0.1:8405:8405"], ["443:8443", "127.0.0.1:8405:8405"]])
def test_ports_stay_while_the_edge_waits_for_those_of_users_and_where_none_are_given(world: World, has: list[str]) -> None:
    world.own.ports = has
    same = replace(WANTED, image=OLD, identity=f"id of {OLD}", ports=[] if "443:8443" in has else ["443:8443"])
    assert not world.upgrade().due(same)
    assert world.upgrade().run(same).done == []
    assert world.own.ports == has


def test_ports_are_led_by_the_addresses_of_the_container_that_stands_in(world: World) -> None:
    seen: list[Way] = []
    lead = world.lead

    def noting(way: Way) -> None:
        seen.append(way)
        lead(way)

    world.lead = noting  # type: ignore[method-assign]
    world.upgrade().run(WANTED)
    assert [(way.bridge, way.new, way.loopback) for way in seen] == [("br-edge", "172.18.0.1", {8080: 32001})]


def test_what_was_told_by_hand_is_told_to_both_that_follow(world: World) -> None:
    world.own.servers = {"shop.web/s1": edge_carry.Told("web-1", 7, "drain")}
    told = ["set server shop.web/s1 weight 7", "set server shop.web/s1 state drain"]
    world.upgrade().run(WANTED)
    found = [one for one in world.done if "set server" in one]
    assert found == [f"{name}: {one}" for name in ("stand-in", "own") for one in told]


def test_requests_are_waited_for_and_counted(world: World) -> None:
    world.own.under_way = 3
    world.clock.ticks.append(lambda: world.own.finish(1) if world.own.stopping and world.own.under_way else None)
    outcome = world.upgrade().run(WANTED)
    assert (outcome.drained, outcome.cut) == (3, 0)


def test_what_does_not_end_is_cut_after_its_time_and_counted(world: World) -> None:
    world.own.under_way = 3
    world.clock.ticks.append(lambda: world.own.finish(1) if world.own.stopping and world.own.under_way > 2 else None)
    outcome = world.upgrade().run(WANTED)
    assert (outcome.drained, outcome.cut) == (1, 2)
    assert 100 < world.clock.seconds < 110


def test_no_container_is_told_to_stop_while_the_kernel_has_connections_for_it(world: World) -> None:
    world.own.queue = [2, 1, 0, 1]
    world.upgrade().run(WANTED)
    assert world.own.queue == []


def test_maintenance_that_is_switched_meanwhile_reaches_the_container_that_stands_in(world: World) -> None:
    world.own.under_way = 1
    (world.paths.conf / "maintenance.map").write_text("state on\n")
    world.clock.ticks.append(lambda: world.own.finish(1) if world.clock.seconds > 5 and world.own.under_way else None)
    world.upgrade().run(WANTED)
    assert f"stand-in: set map {edge_carry.MAPS[1]} state on" in world.done


FAILS = "the new edge does not serve, and the one before goes on as it was: "
WORDS = "\nIts last log lines:\n[ALERT] no"


def refused(world: World, message: str) -> None:
    with pytest.raises(EdgeError) as error:
        world.upgrade().run(WANTED)
    assert str(error.value) == message
    assert not [one for one in world.done if one.startswith("own:")]
    assert (world.stand_in.seen, world.way, world.own.image) == (None, None, OLD)


def test_an_image_that_cannot_be_started_leaves_all_as_it_was(world: World) -> None:
    world.stand_in.dead = {NEW}
    refused(world, f"{FAILS}no such device{WORDS}")


def test_an_image_that_does_not_answer_leaves_all_as_it_was(world: World) -> None:
    world.stand_in.deaf = {NEW}
    refused(world, f"{FAILS}it does not answer within 60 s{WORDS}")


def test_an_image_that_answers_worse_than_the_one_before_leaves_all_as_it_was(world: World) -> None:
    world.worse["172.18.0.1"] = {"http://a/": "status 503 by the edge itself", "http://b/": "no answer"}
    # Both have the first address of their own.
    asked = world.ask
    turns = iter([{"http://a/": "", "http://b/": "no answer"}, world.worse["172.18.0.1"]] * 1000)
    world.ask = lambda *arguments: next(turns)  # type: ignore[method-assign]
    refused(world, f"{FAILS}http://a/: status 503 by the edge itself{WORDS}")
    world.ask = asked  # type: ignore[method-assign]


def test_rules_that_lead_nowhere_are_taken_back(world: World) -> None:
    world.leads_nowhere = True
    with pytest.raises(EdgeError, match=r"a new connection to 127\.0\.0\.1:[0-9]+ of this host does not arrive there"):
        world.upgrade().run(WANTED)
    assert (world.stand_in.seen, world.way, world.own.stopping) == (None, None, False)


def test_an_edge_that_cannot_be_replaced_is_brought_back(world: World) -> None:
    world.own.dead = {NEW}
    with pytest.raises(EdgeError) as error:
        world.upgrade().run(WANTED)
    assert str(error.value) == f"the one before is back and serves. The new edge does not serve: no such device{WORDS}"
    assert world.done == [*HANDED_OVER, *REPLACED, "own: put files back", "own: start haproxy:3.0 anew", *GIVEN_BACK]


def test_when_neither_comes_up_the_one_that_stands_in_goes_on(world: World) -> None:
    world.own.dead = {NEW, OLD}
    with pytest.raises(EdgeError) as error:
        world.upgrade().run(WANTED)
    assert str(error.value) == (
        f"the new edge does not serve: no such device{WORDS}\nAnd the one before does not come back either: no such device\n"
        "The container that stands in serves all users; leave it there, and run this again"
    )
    assert world.way is not None
    assert world.stand_in.seen is not None
    # The next run needs no other image than this one can be started from.
    world.own.dead.clear()
    world.done.clear()
    world.upgrade().run(WANTED)
    assert world.done == ["own: start haproxy:3.1", *GIVEN_BACK]


def test_another_run_that_has_the_lease_is_not_fought_with(world: World) -> None:
    def lost() -> None:
        raise FencedError("this run has lost its lease")

    world.guarded.append(lost)
    with pytest.raises(FencedError):
        world.upgrade().run(WANTED)
    assert world.done == []


def test_two_at_once_are_refused(world: World) -> None:
    with (world.paths.root / "upgrade.lock").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(EdgeError, match="the edge of this host is being upgraded by a run that has not ended there"):
            world.upgrade().run(WANTED)


def test_rules_that_a_killed_run_has_left_without_a_container_are_taken_away_first(world: World) -> None:
    world.own.end()
    world.way = Way("br-edge", "172.18.0.9", [], {}, {}, {})
    world.done.clear()
    world.upgrade().run(WANTED)
    assert world.done == ["lead back", "own: end", "own: start haproxy:3.1"]
