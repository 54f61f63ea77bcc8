"""Which routes a host has, for those who tell balancers."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.edge import hosted
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

STACK = Stack.of(
    {
        "services": [
            {"name": "web", "port": 80, "routes": [{"host": "Shop.Example"}]},
            {"name": "admin", "port": 80, "routes": [{"paths": ["/admin", "/ops/"], "allow": ["192.0.2.0/24"]}]},
        ]
    }
)


def test_all_routes_of_a_release_and_whether_they_are_here() -> None:
    everywhere = hosted.wanted(STACK)
    assert everywhere == {
        "*/admin/": {"here": True, "guarded": True},
        "*/ops/": {"here": True, "guarded": True},
        "shop.example/": {"here": True, "guarded": False},
    }
    here = hosted.wanted(STACK.without(["admin"]))
    assert {key for key, one in here.items() if one["here"]} == {"shop.example/"}
    assert here.keys() == everywhere.keys()


def test_what_is_routed_now(tmp_path: Path) -> None:
    paths = EdgePaths(tmp_path)
    assert hosted.now(paths, "shop") == []
    (paths.conf / "routes.d").mkdir(parents=True)
    (paths.conf / "routes.d" / "shop.map").write_text(
        '# morpheus.deploy format 2\n*/ops/ shop.admin|{"a":1}\nshop/ shop.web\ntorn\n'
    )
    assert hosted.now(paths, "shop") == ["*/ops/", "shop/"]
    (paths.conf / "routes.map").write_text('*/ops/ shop.admin|{"a":1}\nshop/new/ shop.web\ngateway/ shop-2.web\n')
    assert hosted.now(paths, "shop") == ["*/ops/", "shop/", "shop/new/"]
