"""What one HAProxy was told by hand is told to the one that takes its place."""

from __future__ import annotations

from ansible_collections.morpheus.deploy.plugins.module_utils.edge.carry import MAPS, Known, Told, commands, known

ROUTES, MAINTENANCE, AWAY = MAPS
HEAD = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_fqdn srv_port\n"


def servers(*rows: tuple[str, int, int, str]) -> str:
    """(slot, admin state, weight, container) of each."""
    return HEAD + "".join(
        f"3 shop.web 1 {slot} 10.0.0.1 2 {admin} {weight} 1 {fqdn} 8000\n" for slot, admin, weight, fqdn in rows
    )


def test_tables_are_read_as_haproxy_prints_them() -> None:
    maps = {ROUTES: "0x1 shop.example/ shop.web\n", MAINTENANCE: "0x2 state off\n", AWAY: "Unknown map identifier. Use #<id>.\n"}
    found = known(maps, servers(("s1", 0, 1, "web-1"), ("s2", 8, 7, "web-2"), ("s3", 1, 1, "-")))
    assert found == Known(
        {ROUTES: {"shop.example/": "shop.web"}, MAINTENANCE: {"state": "off"}},
        {
            "shop.web/s1": Told("web-1", 1, "ready"),
            "shop.web/s2": Told("web-2", 7, "drain"),
            "shop.web/s3": Told("10.0.0.1", 1, "maint"),
        },
    )


def test_nothing_is_told_to_one_that_knows_it() -> None:
    same = Known({ROUTES: {"a/": "shop.web"}}, {"shop.web/s1": Told("web-1", 1, "ready")})
    assert commands(same, same) == []


def test_weights_and_drains_are_told_and_nothing_is_let_in_that_is_kept_out() -> None:
    before = Known({}, {f"b/{name}": told for name, told in {
        "heavy": Told("web-1", 7, "ready"),
        "drained": Told("web-2", 1, "drain"),
        "out": Told("web-3", 1, "maint"),
        "free": Told("haproxy", 1, "ready"),
        "other": Told("web-4", 9, "drain"),
        "gone": Told("web-5", 9, "drain"),
    }.items()})  # fmt: skip
    after = Known({}, {f"b/{name}": told for name, told in {
        "heavy": Told("web-1", 1, "ready"),
        "drained": Told("web-2", 1, "ready"),
        "out": Told("web-3", 1, "ready"),
        "free": Told("haproxy", 1, "maint"),
        "other": Told("web-9", 1, "ready"),
    }.items()})  # fmt: skip
    assert commands(before, after) == [
        "set server b/heavy weight 7",
        "set server b/drained state drain",
        "set server b/out state maint",
    ]


def test_maps_are_made_the_same_and_one_that_is_not_there_is_left_out() -> None:
    before = Known({ROUTES: {"a/": "x", "b/": "y"}, AWAY: {"app-1": "on"}}, {})
    after = Known({ROUTES: {"b/": "z", "c/": "x"}}, {})
    assert commands(before, after) == [f"add map {ROUTES} a/ x", f"set map {ROUTES} b/ y", f"del map {ROUTES} c/"]
