"""What a balancer is told of routes that not all hosts have: its files, and what becomes of them when one is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import DamagedError, NewerFormatError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.placed import (
    CONFIG,
    MAP,
    Placed,
    Route,
    Upstreams,
    as_given,
    backend_name,
    routes_of,
)

from tests.unit.clock import Clock

CFG = """
frontend http from base
    http-request set-var(txn.route) var(txn.host),map_beg(/usr/local/etc/haproxy/placed.map)
backend upstreams from upstreams
    option tcp-check
    use-server app-1 if { req.cook(edge-sticky),field(2,.) -m str 11111111 }
    use-server app-2 if { req.cook(edge-sticky),field(2,.) -m str 22222222 }
    server app-1 192.0.2.11:443
    server app-2 192.0.2.12:443

backend upstreams.any from upstreams
    server app-1 192.0.2.11:443
    server app-2 192.0.2.12:443
"""
BOTH, SECOND = frozenset({"app-1", "app-2"}), frozenset({"app-2"})
SHOP = {"shop/": Route(BOTH), "shop/a/": Route(SECOND, guarded=True)}


class Balancer(Placed):
    def __init__(self, root: Path) -> None:
        self.edge = EdgePaths(root)
        self.conf = self.edge.conf
        (self.conf / "stacks").mkdir(parents=True)
        (self.conf / "haproxy.cfg").write_text(CFG)
        (self.conf / MAP).write_text("")
        self.complaint = ""
        super().__init__(self.edge)

    def say(self, stack: str = "shop", routes: dict[str, Route] | None = None) -> bool:
        wanted = SHOP if routes is None else routes
        return self.tell(EdgeConfiguration(self.edge, lambda _: self.complaint), stack, wanted, Clock(), settle=True)


@pytest.fixture
def balancer(tmp_path: Path) -> Balancer:
    return Balancer(tmp_path / "edge")


def test_its_files_and_back_again(balancer: Balancer) -> None:
    assert (balancer.say(), balancer.say(), balancer.problems()) == (True, False, [])
    name = backend_name(SECOND)
    assert (balancer.conf / MAP).read_text() == f"shop/ upstreams|shop\nshop/a/ {name}|shop|guarded\n"
    assert (balancer.conf / CONFIG).read_text().splitlines() == [
        f"backend {name} from upstreams",
        "    use-server app-2 if { req.cook(edge-sticky),field(2,.) -m str 22222222 }",
        "    server app-2 192.0.2.12:443 track upstreams/app-2",
        "",
        f"backend {name}.any from upstreams",
        "    server app-2 192.0.2.12:443",
        "",
    ]
    assert balancer.told() == {"shop": SHOP}
    assert balancer.say(routes={})
    assert ((balancer.conf / MAP).read_text(), (balancer.conf / CONFIG).read_text(), balancer.told()) == ("", "", {})


def test_where_every_host_has_every_route_haproxy_knows_nothing_of_it(balancer: Balancer) -> None:
    assert balancer.say(routes={"shop/": Route(BOTH)})
    assert (balancer.conf / MAP).read_text() == ""
    # As soon as one does not, the routes of all others count, which may be longer.
    assert balancer.say("gateway", {"*/": Route(SECOND)})
    assert (balancer.conf / MAP).read_text() == f"*/ {backend_name(SECOND)}|gateway\nshop/ upstreams|shop\n"


def test_two_stacks_with_one_route_are_both_asked_and_hosts_of_another_balancer_are_not(balancer: Balancer) -> None:
    balancer.say("shop", {"*/": Route(frozenset({"app-1"}))})
    balancer.say("blog", {"*/": Route(frozenset({"app-2", "app-9"}), guarded=True), "*/x/": Route(SECOND)})
    assert (balancer.conf / MAP).read_text().splitlines()[0] == "*/ upstreams|blog,shop|guarded"


def test_what_haproxy_rejects_is_not_remembered(balancer: Balancer) -> None:
    balancer.complaint = "no such server"
    with pytest.raises(EdgeError, match="no such server"):
        balancer.say()
    assert (balancer.told(), (balancer.conf / MAP).read_text()) == ({}, "")


def test_a_balancer_that_cannot_be_told(balancer: Balancer) -> None:
    with pytest.raises(EdgeError, match="names none of app-9 "):
        balancer.say(routes={"shop/": Route(frozenset({"app-9"}))})
    (balancer.conf / "haproxy.cfg").write_text(CFG.replace(MAP, "routes.map"))
    with pytest.raises(EdgeError, match=r"run playbooks/provision\.yml --tags edge"):
        balancer.say()
    assert balancer.problems() == []


@pytest.mark.parametrize("name", [MAP, CONFIG])
def test_what_was_lost_is_said_and_told_again(balancer: Balancer, name: str) -> None:
    balancer.say()
    (balancer.conf / name).write_text("")
    assert [one.partition(" does not")[0] for one in balancer.problems()] == [str(balancer.conf / name)]
    assert balancer.differs("shop", SHOP)
    assert balancer.say()
    assert balancer.problems() == []


def test_a_record_that_was_lost_changes_nothing_until_its_stack_is_deployed(balancer: Balancer) -> None:
    routes = {"*/": Route(SECOND, guarded=True), "shop/": Route(SECOND)}
    balancer.say()
    balancer.say("gateway", routes)
    before = (balancer.conf / MAP).read_text(), (balancer.conf / CONFIG).read_text()
    for stack in ("shop", "gateway"):
        (balancer.edge.root / "placed" / f"{stack}.json").unlink()
    assert "gateway.json is missing" in balancer.problems()[0]
    # So the deploy of a release that every host has in full knows that there is something to take back.
    found = balancer.readable()
    assert (found["shop"], {*found}, {*found["gateway"]}) == (SHOP, {"shop", "gateway"}, {*routes})
    # Neither by provisioning nor by a deploy of another stack.
    assert tuple(balancer.files(CFG).values()) == before
    assert balancer.say("third", {"third/": Route(SECOND)})
    assert balancer.say()
    assert balancer.say("gateway", routes)
    assert balancer.say("third", {})
    assert ((balancer.conf / MAP).read_text(), (balancer.conf / CONFIG).read_text()) == before
    assert balancer.problems() == []


def test_a_record_that_was_lost_with_what_it_said_stops_other_stacks_and_not_its_own(balancer: Balancer) -> None:
    balancer.say()
    (balancer.edge.root / "placed" / "shop.json").unlink()
    (balancer.conf / CONFIG).write_text("")
    for other in (lambda: balancer.say("gateway", {"*/": Route(SECOND)}), lambda: balancer.files(CFG)):
        with pytest.raises(EdgeError, match=r"shop\.json is missing, so nobody can tell"):
            other()
    assert "shop.json is missing" in balancer.problems()[0]
    assert balancer.say()
    assert balancer.say("gateway", {"*/": Route(SECOND)})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", DamagedError),
        ('{"routes": {"shop/": {"hosts": "app-1"}}}', DamagedError),
        ('{"routes": {"shop/": {}}}', DamagedError),
        ('{"routes": []}', DamagedError),
        ('{"format": 2, "routes": {}}', NewerFormatError),
    ],
)
def test_a_record_that_is_damaged(balancer: Balancer, text: str, error: type[Exception]) -> None:
    balancer.say()
    (balancer.edge.root / "placed" / "shop.json").write_text(text)
    with pytest.raises(error):
        balancer.told()
    if error is DamagedError:
        assert "shop.json" in balancer.problems()[0]
        assert balancer.readable() == {"shop": SHOP}
        assert balancer.say()
        assert balancer.told() == {"shop": SHOP}


def test_at_no_moment_does_a_map_lead_to_a_backend_that_is_not_there(balancer: Balancer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or an edge that starts then would ask hosts that have no such route."""
    put, seen = EdgeConfiguration._put, list[str]()

    def watched(configuration: EdgeConfiguration, name: str, content: str) -> None:
        put(configuration, name, content)
        seen.append(name)
        config = (balancer.conf / CONFIG).read_text() if (balancer.conf / CONFIG).exists() else ""
        led = {line.split()[1].partition("|")[0] for line in (balancer.conf / MAP).read_text().splitlines()}
        assert all(f"backend {one} from" in config for one in led - {"upstreams"})

    monkeypatch.setattr(EdgeConfiguration, "_put", watched)
    balancer.say()
    balancer.say("blog", {"blog/": Route(frozenset({"app-1"}))})
    balancer.say("blog", {})
    balancer.say(routes={})
    assert seen == [CONFIG, MAP] * 2 + [MAP, CONFIG] * 2


def test_a_run_that_was_killed_is_finished_by_the_next_one(balancer: Balancer) -> None:
    """HAProxy has it, and nobody knows whether somebody may still come who is led by what was said before."""
    balancer.say()
    path = balancer.edge.root / "placed" / "shop.json"
    before = path.read_text()
    balancer.say(routes={"shop/": Route(BOTH), "shop/a/": Route(frozenset({"app-1"}))})
    after = path.read_text()
    path.write_text(before)
    assert balancer.problems()
    assert balancer.say(routes={"shop/": Route(BOTH), "shop/a/": Route(frozenset({"app-1"}))})
    assert (path.read_text(), balancer.problems()) == (after, [])


def test_files_that_a_killed_run_has_left_are_read_by_haproxy(balancer: Balancer, monkeypatch: pytest.MonkeyPatch) -> None:
    reloads: list[str] = []
    monkeypatch.setattr(EdgeConfiguration, "reload", lambda _: reloads.append("reload"))
    balancer.say()
    for name, content in balancer.upstreams.files({"shop": {"shop/": Route(BOTH)}}).items():
        (balancer.conf / name).write_text(content)
    reloads.clear()
    assert balancer.say(routes={"shop/": Route(BOTH)})
    assert reloads == ["reload"]
    assert not balancer.say(routes={"shop/": Route(BOTH)})
    assert reloads == ["reload"]


def test_files_beside_another_configuration(balancer: Balancer) -> None:
    balancer.say()
    more = CFG.replace("server app-2 192.0.2.12:443", "server app-2 192.0.2.99:443")
    assert "server app-2 192.0.2.99:443 track upstreams/app-2" in balancer.files(more)[CONFIG]
    # One that is no balancer any more, and one that never was.
    assert balancer.files("frontend http from base\n") == {MAP: "", CONFIG: ""}
    (balancer.conf / MAP).unlink()
    (balancer.conf / CONFIG).unlink()
    assert balancer.files("frontend http from base\n") == {}


def test_routes_as_they_are_given() -> None:
    assert routes_of(as_given(SHOP)) == SHOP
    assert routes_of({"a b/": {"hosts": ["app-1"]}}) == {}
    mistakes: list[dict[str, dict[str, object]]] = [{"shop/": {"hosts": "app-1"}}, {"shop/": {}}]
    for wrong in mistakes:
        with pytest.raises((TypeError, KeyError)):
            routes_of(wrong)
    assert Upstreams(CFG).names == BOTH
    assert json.loads(json.dumps(as_given(SHOP)))["shop/a/"] == {"hosts": ["app-2"], "guarded": True}
