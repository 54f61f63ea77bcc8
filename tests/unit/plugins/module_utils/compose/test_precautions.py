"""What a release may not do to data and networks that are on a host already."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.data import Ground
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.precautions import (
    Here,
    lost_data,
    missing_data,
    names,
    network_divergences,
    problems,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.service.mounted import Mounted

PROJECT = "/var/lib/morpheus.deploy/stacks/shop/project"
GROUND = Ground(frozenset(), frozenset(), (PROJECT,))
HASH = {"com.docker.compose.config-hash": "1d56"}
Changes = dict[str, Any]


def model(network: Changes | None = None, volume: Changes | None = None, **services: Any) -> dict[str, Any]:
    """A project as ``docker compose config --format json`` prints it."""
    db = {
        "image": "postgres:17",
        "networks": {"back": None},
        "volumes": [{"type": "volume", "source": "db-data", "target": "/var/lib/postgresql/data", "volume": {}}],
    }
    return {
        "name": "shop",
        "services": {"db": db, **services},
        "networks": {"back": {"name": "shop_back", "ipam": {}, **(network or {})}, "unused": {"name": "x", "external": True}},
        "volumes": {"db-data": {"name": "shop_db-data", **(volume or {})}, "unused": {"name": "y", "external": True}},
    }


def network(labels: Changes | None = None, **changes: Any) -> dict[str, Any]:
    """A network as the engine inspects it."""
    own = {"com.docker.compose.network": "back", "com.docker.compose.project": "shop", "com.docker.compose.version": "2.26.1"}
    return {
        "Name": "shop_back",
        "Driver": "bridge",
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": [{"Subnet": "172.21.0.0/16", "Gateway": "172.21.0.1"}]},
        "Internal": False,
        "Attachable": False,
        "Options": {},
        "Labels": own | (labels or {}),
    } | changes


def volume(**changes: Any) -> dict[str, Any]:
    return {
        "Name": "shop_db-data",
        "Driver": "local",
        "Options": None,
        "Labels": {"com.docker.compose.project": "shop"},
    } | changes


def here(**found: Any) -> Here:
    return Here(**{"networks": {"shop_back": network()}, "volumes": {"shop_db-data": volume()}} | found)


def test_what_is_as_the_files_say_is_no_problem() -> None:
    assert problems(model(), GROUND, here()) == []


def test_what_does_not_exist_yet_is_no_problem() -> None:
    assert problems(model({"internal": True}, {"driver": "nfs"}), GROUND, Here()) == []


SUBNET = {"ipam": {"config": [{"subnet": "10.9.0.0/24", "gateway": "10.9.0.1"}]}}
POOL = {"Driver": "default", "Config": [{"Subnet": "10.9.0.0/24", "Gateway": "10.9.0.1"}]}
CHANGED = [
    pytest.param({"internal": True}, {}, "internal false, expected true", id="internal"),
    pytest.param({}, {"Internal": True}, "internal true, expected false", id="no longer internal"),
    pytest.param({"attachable": True}, {}, "attachable false, expected true", id="attachable"),
    pytest.param({"driver": "macvlan"}, {}, "driver bridge, expected macvlan", id="driver"),
    pytest.param({"enable_ipv6": True}, {}, "enable_ipv6 false, expected true", id="IPv6"),
    pytest.param(
        {"driver_opts": {"com.docker.network.driver.mtu": 1400}},
        {},
        "driver_opts.com.docker.network.driver.mtu not set, expected 1400",
        id="an option",
    ),
    pytest.param({"labels": {"tier": "back"}}, {}, "labels.tier not set, expected back", id="a label"),
    pytest.param({}, {"Labels": network()["Labels"] | {"a": "b"}}, "labels.a b, which is no longer declared", id="no label"),
    pytest.param({"ipam": {"driver": "mine"}}, {}, "ipam.driver default, expected mine", id="IPAM driver"),
    pytest.param(
        SUBNET,
        {},
        "ipam subnet 10.9.0.0/24 not set, expected set; ipam gateway of 10.9.0.0/24 not set, expected 10.9.0.1",
        id="a subnet",
    ),
    pytest.param(
        {"ipam": {"config": [{"subnet": "10.9.0.0/24", "gateway": "10.9.0.254", "aux_addresses": {"a": "10.9.0.3"}}]}},
        {"IPAM": POOL},
        "ipam gateway of 10.9.0.0/24 10.9.0.1, expected 10.9.0.254; ipam address a of 10.9.0.0/24 not set, expected 10.9.0.3",
        id="a gateway and an address",
    ),
]


NETWORK = (
    'networks.back: the network "shop_back" exists with {}; a network cannot be changed under the containers on it: declare '
    "another one (back2) as you want it, list both under the services for one release, and drop back in the next; or "
    "change it back"
)


@pytest.mark.parametrize(("wanted", "exists", "what"), CHANGED)
def test_a_network_that_exists_and_is_to_be_another_is_refused_with_the_way_out(
    wanted: Changes, exists: Changes, what: str
) -> None:
    assert problems(model(wanted), GROUND, here(networks={"shop_back": network(**exists)})) == [NETWORK.format(what)]


SAME = [
    pytest.param({}, {"Options": {"com.docker.network.enable_ipv6": "false"}}, id="an option of the engine's own"),
    pytest.param({"driver_opts": {"a": True, "b": 1}}, {"Options": {"a": "true", "b": "1"}}, id="options that are no strings"),
    pytest.param({"driver": "bridge", "labels": {}, "driver_opts": None, "internal": False}, {}, id="what is so anyway"),
    pytest.param({}, {"EnableIPv6": True}, id="IPv6, of which the files say nothing"),
    pytest.param(SUBNET, {"IPAM": POOL}, id="a subnet"),
    pytest.param(
        {"ipam": {"config": [{"subnet": "10.9.0.7/24"}]}}, {"IPAM": POOL}, id="a subnet written otherwise, without gateway"
    ),
    pytest.param(
        {"ipam": {"config": [{"subnet": "fd00:0:0::/64"}]}}, {"IPAM": {"Config": [{"Subnet": "fd00::/64"}]}}, id="an IPv6 subnet"
    ),
    pytest.param({}, {"Labels": network(HASH)["Labels"]}, id="Compose's own labels"),
]


@pytest.mark.parametrize(("wanted", "exists"), SAME)
def test_a_network_that_only_looks_another_is_left_in_peace(wanted: Changes, exists: Changes) -> None:
    assert problems(model(wanted), GROUND, here(networks={"shop_back": network(**exists)})) == []


GONE = [
    pytest.param(SUBNET, {"IPAM": POOL}, "ipam subnet 10.9.0.0/24 set, which is no longer declared", id="a subnet"),
    pytest.param(
        {"driver_opts": {"a": "1"}}, {"Options": {"a": "1"}}, "driver_opts.a 1, which is no longer declared", id="an option"
    ),
    pytest.param({"enable_ipv6": True}, {"EnableIPv6": True}, "enable_ipv6 true, which is no longer declared", id="IPv6"),
]


@pytest.mark.parametrize(("live", "exists", "what"), GONE)
def test_what_the_files_no_longer_say_counts_when_the_live_release_said_it(live: Changes, exists: Changes, what: str) -> None:
    found = here(networks={"shop_back": network(**exists)}, live=model(live))
    [problem] = problems(model(), GROUND, found)
    assert problem.startswith(f'networks.back: the network "shop_back" exists with {what}')


@pytest.mark.parametrize(("labels", "stops"), [(HASH, True), ({}, False)], ids=["made by a new Compose", "made by an old one"])
def test_only_what_a_new_compose_has_made_would_be_stopped(labels: Changes, stops: bool) -> None:
    found = here(networks={"shop_back": network(labels)})
    assert [one.stops for one in network_divergences(model({"internal": True}), found)] == [stops]


OTHERS = [
    pytest.param(
        network({"com.docker.compose.network": "front"}),
        'networks.back: the network "shop_back" exists already and belongs to networks.front; give this one another name, or '
        "write external: true to use that one",
        id="a network whose name another one has",
    ),
    pytest.param(
        network(Labels={}),
        'networks.back: the network "shop_back" exists already and was not made by Compose; give this one another name, or write '
        "external: true to use that one",
        id="a network that Compose has not made",
    ),
]


@pytest.mark.parametrize(("other", "problem"), OTHERS)
def test_a_network_of_another_kind_under_this_name_is_refused_before_compose_does(other: Changes, problem: str) -> None:
    assert problems(model(), GROUND, here(networks={"shop_back": other})) == [problem]


NO_NETWORK = (
    'networks.back: the network "shop_back" is external and is not on this host; make it with docker network create shop_back'
)
NO_VOLUME = (
    'volumes.db-data: the volume "shop_db-data" is external and is not on this host; make it with docker volume create '
    "shop_db-data"
)


def test_external_ones_are_not_compared_but_must_be_there() -> None:
    outside = model({"external": True, "internal": True}, {"external": True, "driver": "nfs"})
    assert problems(outside, GROUND, here()) == []
    assert problems(outside, GROUND, Here()) == [NO_NETWORK, NO_VOLUME]


def test_only_what_services_use_is_looked_at() -> None:
    assert (names(model(), "networks"), names(model(), "volumes")) == (["shop_back"], ["shop_db-data"])


VOLUMES = [
    pytest.param({"driver": "nfs"}, {}, "driver local, expected nfs", id="driver"),
    pytest.param({"driver_opts": {"type": "tmpfs"}}, {}, "driver_opts.type not set, expected tmpfs", id="an option"),
    pytest.param({"labels": {"a": "b"}}, {}, "labels.a not set, expected b", id="a label"),
]


VOLUME = (
    'volumes.db-data: the volume "shop_db-data" exists with {}, and the engine would keep it as it is; change it back, or '
    "declare another one (db-data2), copy the data and mount that"
)


@pytest.mark.parametrize(("wanted", "exists", "what"), VOLUMES)
def test_a_volume_that_exists_and_is_to_be_another_is_refused(wanted: Changes, exists: Changes, what: str) -> None:
    assert problems(model(volume=wanted), GROUND, here(volumes={"shop_db-data": volume(**exists)})) == [VOLUME.format(what)]


def test_an_option_that_a_volume_no_longer_has_is_found() -> None:
    exists = here(volumes={"shop_db-data": volume(Options={"type": "nfs"})}, live=model(volume={"driver_opts": {"type": "nfs"}}))
    [problem] = problems(model(), GROUND, exists)
    assert "exists with driver_opts.type nfs, which is no longer declared, and the engine would keep it as it is" in problem


def test_an_images_volume_that_nobody_mounts_is_refused_with_what_runs_there_now() -> None:
    bare = model(cache={"image": "redis:7", "networks": {"back": None}})
    nameless = Mounted("shop-cache-1", "cache", "volume", "3f2a", "/data")
    declared = {"db": ["/var/lib/postgresql/data"], "cache": ["/data"]}
    [problem] = problems(bare, GROUND, here(declared=declared, mounted=[nameless]))
    assert problem.startswith(
        'services.cache.volumes: the image redis:7 declares the volume "/data", and the service mounts nothing'
    )
    assert "What shop-cache-1 has there now lies in the volume 3f2a" in problem


def test_a_one_off_service_leaves_no_data_behind() -> None:
    once = model(migrate={"image": "postgres:17", "profiles": ["migrate"], "networks": {"back": None}})
    assert problems(once, GROUND, here(declared={"migrate": ["/var/lib/postgresql/data"]})) == []


def test_what_the_files_say_of_data_is_checked_as_compose_resolves_it() -> None:
    found = model()
    found["services"]["db"]["deploy"] = {"update_config": {"order": "start-first"}}
    [problem] = problems(found, GROUND, here())
    assert problem.startswith("services.db.deploy.update_config.order: start-first runs old and new at once")


OLD = Mounted("shop-database-1", "database", "volume", "shop_db-data", "/var/lib/postgresql/data")
TWO_WRITERS = (
    "services.db.volumes: shop-database-1 runs and writes to the volume db-data, and in this release it has no database "
    "any more, so two would write at once; let database keep it, or stop shop-database-1 before (docker stop shop-database-1)"
)


def test_a_renamed_service_does_not_get_the_data_while_the_old_one_still_writes() -> None:
    assert problems(model(), GROUND, here(mounted=[OLD])) == [TWO_WRITERS]


def test_data_that_moves_from_one_service_to_another_is_found_for_directories_too() -> None:
    both = model(api={"volumes": [{"type": "bind", "source": f"{PROJECT}/uploads", "target": "/x"}]}, worker={"image": "a:1"})
    moved = Mounted("shop-worker-1", "worker", "bind", f"{PROJECT}/uploads", "/y")
    [problem] = problems(both, GROUND, here(mounted=[moved]))
    assert "shop-worker-1 runs and writes to the directory ./uploads, and in this release worker no longer mounts it" in problem


PEACEFUL = [
    pytest.param([Mounted("shop-db-1", "db", "volume", "shop_db-data", "/x")], id="its own replica"),
    pytest.param([OLD, Mounted("shop-db-1", "db", "volume", "shop_db-data", "/x")], id="two that write already"),
    pytest.param([Mounted("shop-backup-1", "backup", "volume", "shop_db-data", "/x", False)], id="one that only reads"),
    pytest.param([Mounted("shop-database-1", "database", "volume", "shop_other", "/x")], id="another volume"),
]


@pytest.mark.parametrize("mounted", PEACEFUL)
def test_who_does_not_write_what_another_gets_is_left_in_peace(mounted: list[Mounted]) -> None:
    assert problems(model(), GROUND, here(mounted=mounted)) == []


def test_two_services_that_share_a_volume_in_the_files_do_so_by_their_own_wish() -> None:
    shared = model(backup=copy.deepcopy(model()["services"]["db"]))
    writing = Mounted("shop-backup-1", "backup", "volume", "shop_db-data", "/x")
    assert problems(shared, GROUND, here(mounted=[writing])) == []
    assert problems(model(), Ground(frozenset({"db-data"})), here(mounted=[OLD])) == []


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({}, {"db-data": "shop_db-data"}),
        ({"db": {**model()["services"]["db"], "scale": 0}}, {}),
        ({"db": {**model()["services"]["db"], "deploy": {"replicas": 0}}}, {}),
        ({"db": {**model()["services"]["db"], "profiles": ["tools"]}}, {}),
        ({"volume": {"external": True}}, {}),
    ],
    ids=["gone", "no replica", "no replica, below deploy", "one-off", "external"],
)
def test_only_a_volume_that_a_replica_has_to_have_is_missed(changes: Changes, missing: dict[str, str]) -> None:
    assert missing_data(model(**changes), {}) == missing
    assert missing_data(model(**changes), here().volumes) == {}


def test_lost_data_says_what_brings_it_back_and_what_begins_with_nothing() -> None:
    assert lost_data({"db-data": "shop_db-data"}) == [
        'volumes.db-data: the volume "shop_db-data" is not on this host any more, and what was in it is gone: a replica that is '
        "started now would begin with an empty one. Restore it from a backup; or, to begin with nothing: docker volume create "
        "shop_db-data"
    ]
