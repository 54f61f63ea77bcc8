"""What of a service only one replica may have at a time, in both of Compose's syntaxes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.data import (
    Ground,
    missing_volume_problem,
    missing_volumes,
    note,
    problems,
    reason,
    unknown_names,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

PROJECT = "/var/lib/morpheus.deploy/stacks/shop/project"
GROUND = Ground(frozenset(), frozenset({"migrations/1_a.sql", "nginx.conf", "env/api.env"}), (PROJECT,))
DB = {"image": "postgres:17", "volumes": ["db-data:/var/lib/postgresql/data"]}


def volume(source: str = "", **also: Any) -> dict[str, Any]:
    return {"volumes": [{"type": "volume", "source": source, "target": "/data", **also}]}


def bind(source: str, **also: Any) -> dict[str, Any]:
    return {"volumes": [{"type": "bind", "source": source, "target": "/data", **also}]}


EXCLUSIVE = [
    pytest.param(DB, "writes to the volume db-data", id="a named volume"),
    pytest.param(volume("db-data"), "writes to the volume db-data", id="a named volume as Compose resolves it"),
    pytest.param({"volumes": ["a:/a", "b:/b:rw", "a:/c"]}, "writes to the volume a and writes to the volume b", id="two of them"),
    pytest.param({"volumes": ["./uploads:/srv/uploads"]}, "writes to the directory ./uploads", id="a directory beside the files"),
    pytest.param({"volumes": ["./data/:/data"]}, "writes to the directory ./data", id="with a slash at its end"),
    pytest.param(bind(f"{PROJECT}/uploads"), "writes to the directory ./uploads", id="the same as a host resolves it"),
    pytest.param({"volumes": ["/srv/shop:/data:z"]}, "writes to the directory /srv/shop", id="a directory of the host"),
    pytest.param({"volumes": ["../data:/data"]}, "writes to the directory ../data", id="a directory above"),
    pytest.param({"volumes": ["~/data:/data"]}, "writes to the directory ~/data", id="a directory of the user"),
    pytest.param({"volumes_from": ["db"]}, "writes to the volumes of db", id="another service's volumes"),
    pytest.param({"ports": ["127.0.0.1:5432:5432"]}, "has the host port 5432", id="a host port"),
    pytest.param({"ports": ["25:25", "[::1]:587:587/tcp", "25:25/udp"]}, "has the host ports 25, 587", id="host ports"),
    pytest.param({"ports": [{"target": 80, "published": "8080"}]}, "has the host port 8080", id="a resolved host port"),
    pytest.param({"ports": ["${PORT:-5432}:5432"]}, "has the host port ${PORT:-5432}", id="a host port in a variable"),
    pytest.param({"ports": ["7000-7001:7000-7001"]}, "has the host port 7000-7001", id="a range, port by port"),
    pytest.param({"networks": {"a": {"ipv4_address": "10.5.0.2"}}}, "has the fixed address 10.5.0.2", id="an IPv4 address"),
    pytest.param(
        {"networks": {"a": {"ipv6_address": "fd00::2"}, "b": None}}, "has the fixed address fd00::2", id="an IPv6 address"
    ),
    pytest.param({"mac_address": "02:42:ac:11:65:43"}, "has the fixed address 02:42:ac:11:65:43", id="a MAC address"),
    pytest.param({"container_name": "db"}, "has the fixed name db", id="a name"),
    pytest.param({"network_mode": "host"}, "uses the host's network", id="the host's network"),
]


@pytest.mark.parametrize(("service", "words"), EXCLUSIVE)
def test_what_two_replicas_may_not_have_at_once_is_said(service: dict[str, Any], words: str) -> None:
    assert reason(service, GROUND) == words
    order = {"deploy": {"update_config": {"order": "start-first"}}}
    [problem] = problems("db", service | order, GROUND)
    begin = f"services.db.deploy.update_config.order: start-first runs old and new at once, and the service {words};"
    assert problem.startswith(begin)
    assert problems("db", service | {"deploy": {"update_config": {"order": "stop-first"}}}, GROUND) == []


FREE = [
    pytest.param({}, id="nothing"),
    pytest.param({"volumes": None, "ports": None, "networks": None, "tmpfs": None}, id="empty keys"),
    pytest.param({"volumes": ["db-data:/data:ro"]}, id="a volume to read"),
    pytest.param({"volumes": ["db-data:/data:z,ro"]}, id="a volume to read, with labels"),
    pytest.param(volume("db-data", read_only=True), id="a resolved volume to read"),
    pytest.param({"volumes": ["./migrations:/migrations"]}, id="a directory of the release"),
    pytest.param(bind(f"{PROJECT}/migrations"), id="the same as a host resolves it"),
    pytest.param(
        {"volumes": ["./nginx.conf:/etc/nginx.conf", ".:/src", "./env:/env", "./secrets/x:/x"]}, id="files of the release"
    ),
    pytest.param({"volumes": ["/var/run/docker.sock:/var/run/docker.sock", "/srv/php.sock:/php.sock"]}, id="sockets"),
    pytest.param(
        {"volumes": ["/etc/localtime:/etc/localtime", "/sys:/sys", "/:/host", "/dev:/dev", "/tmp:/tmp"]}, id="the host's own"
    ),
    pytest.param({"volumes": ["${DATA:-./data}:/data", "${NAME}:/x"]}, id="what only the host knows"),
    pytest.param({"volumes_from": ["db:ro"]}, id="another service's volumes to read"),
    pytest.param({"tmpfs": ["/run"], "volumes": [{"type": "tmpfs", "target": "/x"}]}, id="memory"),
    pytest.param({"ports": [80, "8080", "127.0.0.1::80", "8000-8010:80", "0:80"]}, id="ports that the engine chooses"),
    pytest.param(
        {"ports": [{"target": 80}, {"target": 80, "published": "8000-8010"}]}, id="resolved ports that the engine chooses"
    ),
    pytest.param({"networks": ["a", "b"], "hostname": "db"}, id="networks and a host name"),
    pytest.param({"networks": {"a": {"aliases": ["x"]}}}, id="an alias"),
    pytest.param({"volumes": [5, None], "ports": [None]}, id="what is no mount"),
]


@pytest.mark.parametrize("service", FREE)
def test_what_any_number_of_replicas_can_have_is_free(service: dict[str, Any]) -> None:
    assert reason(service, GROUND) == ""
    assert problems("api", service | {"deploy": {"update_config": {"order": "start-first"}}}, GROUND) == []


def test_a_shared_volume_or_directory_may_be_written_by_two() -> None:
    ground = Ground(frozenset({"db-data", "./uploads"}), roots=(PROJECT,))
    service = {"volumes": ["db-data:/a", f"{PROJECT}/uploads:/b"], "deploy": {"update_config": {"order": "start-first"}}}
    assert (reason(service, ground), problems("api", service, ground)) == ("", [])


@pytest.mark.parametrize("source", ["./flags", "./flags/one", f"{PROJECT}/flags"])
def test_live_files_are_written_by_the_deploy_alone_and_are_no_data(source: str) -> None:
    ground = Ground.of(Stack(live_files=["flags/"]), (), [PROJECT])
    assert reason({"volumes": [f"{source}:/flags", "./flagship:/x"]}, ground) == "writes to the directory ./flagship"


NAMELESS = (
    'services.db.volumes: "/srv/data" has no name, so what is written there is lost to the next replica; write volumes: '
    '["db-data:/srv/data"] there and db-data: {} under the top-level volumes, or tmpfs: ["/srv/data"] when its content may go'
)
REFUSED = [
    pytest.param(
        DB | {"deploy": {"rollback_config": {"order": "start-first"}}},
        "services.db.deploy.rollback_config.order: start-first runs old and new at once, and the service "
        "writes to the volume db-data; write stop-first, or remove order, or name db-data in stack.shared_volumes if two "
        "may write to it at once",
        id="start-first with data",
    ),
    pytest.param(
        {"ports": ["5432:5432"], "deploy": {"update_config": {"order": "start-first"}}},
        "services.db.deploy.update_config.order: start-first runs old and new at once, and the service has the host port 5432; "
        "write stop-first, or remove order",
        id="start-first with a fixed port, address or name",
    ),
    pytest.param(
        DB | {"ports": ["5432:5432"], "deploy": {"update_config": {"order": "start-first"}}},
        "services.db.deploy.update_config.order: start-first runs old and new at once, and the service "
        "writes to the volume db-data and has the host port 5432; write stop-first, or remove order",
        id="start-first with data and a fixed port",
    ),
    pytest.param(
        {"ports": ["25:25"], "deploy": {"replicas": 2}},
        "services.db.ports: 2 replicas are wanted, and the service has the host port 25, which only one can have; remove "
        "it, or set deploy.replicas to 1",
        id="two replicas with a fixed port or address",
    ),
    pytest.param({"volumes": ["/srv/data"]}, NAMELESS, id="a volume without a name"),
    pytest.param(
        {"volumes": [{"type": "volume", "target": "/srv/data/"}]}, NAMELESS, id="a volume without a name, in the long syntax"
    ),
]


@pytest.mark.parametrize(("service", "problem"), REFUSED)
def test_what_would_lose_data_or_cannot_exist_twice_is_refused_with_the_ways_out(service: dict[str, Any], problem: str) -> None:
    assert problems("db", service, GROUND) == [problem]


def test_names_of_shared_volumes_must_exist() -> None:
    model = {"services": {"db": DB, "api": {"volumes": ["./uploads:/x"]}, "odd": None}, "volumes": {"db-data": None}}
    assert unknown_names(["db-data", "./uploads"], model, GROUND) == []
    assert unknown_names(["./uploads", "data"], model, GROUND) == [
        'stack.shared_volumes[1]: the Compose files have no volume "data"; they have ./uploads, db-data'
    ]
    assert unknown_names(["x"], {"services": {}}, GROUND) == [
        'stack.shared_volumes[0]: the Compose files have no volume "x"; they have none'
    ]


def test_users_of_the_only_replica_of_a_routed_service_are_thought_of() -> None:
    assert note("api", {"volumes": ["./uploads:/x"]}, GROUND) == (
        "services.api: a deploy that changes it interrupts it for as long as a new replica takes to start, because its only "
        "replica writes to the directory ./uploads"
    )
    assert note("api", {"volumes": ["./uploads:/x"], "deploy": {"replicas": 2}}, GROUND) == ""
    assert note("api", {}, GROUND) == ""


MOUNTED = [
    pytest.param({"volumes": ["x:/var/lib/postgresql/data"]}, [], id="a volume"),
    pytest.param({"volumes": ["./x:/var/lib/postgresql/data/"]}, [], id="a directory"),
    pytest.param({"tmpfs": "/var/lib/postgresql/data:size=1g"}, [], id="memory"),
    pytest.param({"volumes": [{"type": "tmpfs", "target": "/var/lib/postgresql/data"}]}, [], id="memory in the long syntax"),
    pytest.param({}, ["/var/lib/postgresql/data"], id="nothing"),
    # The engine mounts its own volume on top, so the data would not be where the file says.
    pytest.param({"volumes": ["x:/var/lib/postgresql"]}, ["/var/lib/postgresql/data"], id="a volume above it"),
    pytest.param({"volumes": ["x:/var/lib/postgresql/data/pg"]}, ["/var/lib/postgresql/data"], id="a volume below it"),
]


@pytest.mark.parametrize(("service", "missing"), MOUNTED)
def test_only_a_mount_at_the_very_path_keeps_what_an_image_writes(service: dict[str, Any], missing: list[str]) -> None:
    assert missing_volumes(service, ["/var/lib/postgresql/data"]) == missing


NOT_MOUNTED = (
    'services.db.volumes: the image postgres:17 declares the volume "/data", and the service mounts nothing at this very '
    'path, so what is written there is lost to the next replica; write volumes: ["db-data:/data"] there and db-data: {} '
    'under the top-level volumes, or tmpfs: ["/data"] when its content may go'
)


def test_a_volume_that_nobody_mounts_is_said_with_the_lines_to_write_and_where_the_data_lie() -> None:
    assert missing_volume_problem("db", "postgres:17", "/data") == NOT_MOUNTED
    assert missing_volume_problem("db", "postgres:17", "/data", ("shop-db-1", "3f2a")) == (
        NOT_MOUNTED
        + ". What shop-db-1 has there now lies in the volume 3f2a: copy it into the new one before the deploy, or the service "
        "begins with an empty one"
    )
