"""A stack that is removed takes none of its users' requests with it, and the other stack of the host does not notice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock import alone
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.removal import Removal

from tests.edge_lab.examples import Release
from tests.edge_lab.host import LabHost
from tests.edge_lab.load import Load
from tests.edge_lab.namespace import own_network
from tests.edge_lab.test_two_stacks import MALL, PLACES, SHOP, roll, two_stacks


def removal(host: LabHost, monkeypatch: pytest.MonkeyPatch) -> Removal:
    """Without what toys do not have: one-off containers, networks, volumes, a packet filter."""
    docker: Any = host._docker
    monkeypatch.setattr(docker, "networks", lambda filters: [], raising=False)
    monkeypatch.setattr(docker, "volumes", lambda filters: {"Volumes": []}, raising=False)
    monkeypatch.setattr(host, "one_offs", SimpleNamespace(all=list))
    monkeypatch.setattr(host, "through", SimpleNamespace(let=lambda kinds: None))
    return Removal(host)


def test_what_users_have_begun_ends_and_then_nothing_of_the_stack_is_at_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    with own_network(), two_stacks() as (loop, hosts):
        for host, service in zip(hosts.values(), (SHOP, MALL), strict=True):
            host.write(Release("1", (service,)))
            assert roll(host, "1") == []
        shop = hosts["shop"]
        load = Load(loop, PLACES)
        load.start()
        with alone(shop, 1, "the lab") as fence:
            one = removal(shop, monkeypatch)
            done = one.execute(one.look(), fence, with_data=True)
        load.stop()
        assert done["cut"] == 0
        assert [str(one) for one in load.requests if one.error] == []
        # The edge itself answers what leads nowhere any more.
        assert {one.status for one in load.requests if one.place == PLACES[0]} == {200, 404}
        assert {one.status for one in load.requests if one.place == PLACES[1]} == {200}
        paths = shop.edge_paths
        told = Socket(str(paths.socket)).ask("show map /usr/local/etc/haproxy/routes.map")
        assert "shop." not in told
        assert "mall.example.com/ mall.api" in told
        assert "shop." not in Socket(str(paths.socket)).ask("show servers state")
        assert sorted(path.name for path in (paths.conf / "stacks").iterdir()) == ["mall.cfg"]
        assert not shop.releases.root.exists()
        assert roll(hosts["mall"], "1") == []
