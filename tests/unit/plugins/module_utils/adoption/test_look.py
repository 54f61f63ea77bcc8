"""What an adoption says before anything is changed: the plan of a project that fits, and every reason to refuse one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.adoption.found import Container, container
from ansible_collections.morpheus.deploy.plugins.module_utils.adoption.look import Asked, Look, look
from ansible_collections.morpheus.deploy.plugins.module_utils.adoption.ports import Listener, ports
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.data import Ground
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.precautions import Here
from ansible_collections.morpheus.deploy.plugins.module_utils.service.mounted import Mounted

PROJECT = "/var/lib/morpheus.deploy/stacks/shop/project"
NO_NAME = "5f" * 32
MODEL: dict[str, Any] = {
    "name": "shop",
    "services": {
        "web": {"image": "shop/web:1.0", "deploy": {"replicas": 2}},
        "db": {
            "image": "postgres:16",
            "volumes": [{"type": "volume", "source": "data", "target": "/var/lib/postgresql/data"}],
        },
    },
    "volumes": {"data": {"name": "shop_data"}},
}


def volume(one: str, source: str, target: str, *, writable: bool = True) -> Mounted:
    return Mounted(f"shop-{one}-1", one, "volume", source, target, writable)


WEB = Container("w", "shop-web-1", "shop/web:latest", project="shop", service="web", ports=(8000,))
DB = Container(
    "d", "shop-db-1", "postgres:16", project="shop", service="db", mounts=(volume("db", "shop_data", "/var/lib/postgresql/data"),)
)
PROXY = Container("p", "shop-proxy-1", "traefik:3", project="shop", service="proxy", ports=(80, 443))
TRAEFIK = replace(PROXY, name="traefik", project="", service="")
ASKED = Asked("shop")


def looked(
    *containers: Container,
    asked: Asked = ASKED,
    model: Mapping[str, Any] = MODEL,
    heard: Mapping[int, Listener] | None = None,
    named: Sequence[str] = (),
    shipped: Sequence[str] = (),
) -> Look:
    found = ports((80, 443), containers, heard or {}, asked.project, named)
    mounted = [mount for one in containers if one.project == asked.project and one.running for mount in one.mounts]
    return look(asked, model, Ground(shipped=shipped, roots=[PROJECT]), containers, found, Here(mounted=mounted))


def test_a_project_that_fits_gets_a_plan_that_names_every_container_volume_port_and_interruption() -> None:
    found = looked(WEB, DB, PROXY)
    assert found.problems == []
    assert found.ports.holders == {"shop-proxy-1": [80, 443]}
    assert found.ports.waits
    assert not found.adopted
    assert list(found.plan) == [
        "db: shop-db-1 (postgres:16) is replaced once; keeps the volume shop_data",
        "proxy: shop-proxy-1 ends, for the release has no service proxy; its volumes stay on this host",
        "web: shop-web-1 (shop/web:latest) is replaced once",
        "web: port 8000 of this host no longer leads to it, for the release does not publish it",
        "edge: ports 80 and 443 from shop-proxy-1, once every candidate has passed its gate: shop-proxy-1 is stopped and the "
        "edge starts at once; when it does not answer, shop-proxy-1 is started again",
        "interrupts db from the stop of its container until the next one has passed its gate (writes to the volume data)",
        "interrupts every user of this host for as long as shop-proxy-1 takes to stop and the edge to start, a second or two",
    ]


def test_a_web_service_that_has_the_port_itself_hands_it_over() -> None:
    found = looked(replace(WEB, ports=(80,)), DB)
    assert found.problems == []
    assert found.ports.holders == {"shop-web-1": [80]}


def test_what_is_called_otherwise_and_what_does_not_run_is_said() -> None:
    found = looked(replace(WEB, name="shop_web_1"), replace(DB, running=False))
    assert "web: it is called shop-web-<number> then, and no longer shop_web_1" in found.plan
    assert "db: shop-db-1, which does not run, is removed; its volumes stay on this host" in found.plan
    assert not found.ports.waits


def test_what_is_adopted_is_left_alone() -> None:
    mine = [replace(one, ours=True) for one in (WEB, DB)]
    edge = Container("e", "edge-haproxy-1", project="edge", ports=(80, 443))
    assert looked(*mine, edge).adopted
    # Killed before the proxy of another project had handed its ports over.
    assert not looked(*mine, TRAEFIK, named=["traefik"]).adopted
    # And after it: what is left of the old project is replaced, and the ports stay where they are.
    rest = looked(replace(WEB, ours=True), DB, edge)
    assert (rest.adopted, rest.ports.waits, rest.problems) == (False, False, [])


REFUSED = {
    "no such project": (
        looked(Container("x", "blog-web-1", project="blog", service="web")),
        "stack.name: no container of this host is of the Compose project shop; there are the projects blog (docker compose ls "
        "--all). The stack must have the project's name, because volumes and containers are called by it. On a host where "
        "nothing runs yet: deploy.yml",
    ),
    "no project at all": (looked(TRAEFIK), "there is no Compose project at all (docker compose ls --all)"),
    "a process has the port": (
        looked(WEB, DB, heard={80: Listener("nginx", 812)}),
        "port 80 is held by nginx (pid 812), which is no container, so nothing here can hand it over to the edge. End it when "
        "its users can be without it (systemctl disable --now nginx), or give the edge other ports (edge_http_port, "
        "edge_https_port), then run this again",
    ),
    "another project has the port": (
        looked(WEB, DB, replace(PROXY, name="proxy-traefik-1", project="proxy")),
        "port 80 is held by the container proxy-traefik-1, of the project proxy; it may serve others as well, and they would be "
        "gone. When it serves nothing but this stack: -e adopt_ports_from=proxy-traefik-1. Otherwise bring what it serves to the "
        "edge first, or give the edge other ports (edge_http_port, edge_https_port)",
    ),
    "a container of no project, on the host's network": (
        looked(WEB, DB, replace(TRAEFIK, ports=()), heard={80: Listener("traefik", 9, "p")}),
        "port 80 is held by the container traefik, which belongs to no project;",
    ),
    "a name that has no port": (
        looked(WEB, DB, PROXY, named=["nginx"]),
        "adopt_ports_from: nginx has none of the ports 80 and 443 of the edge now; take it out of the list",
    ),
    "https without a certificate": (
        looked(WEB, DB, PROXY, asked=replace(ASKED, tls=False)),
        "edge_certificate_paths: empty, and the container shop-proxy-1 of the project shop serves port 443 now, so https would "
        "end with it. Name the site's certificate (certificate, chain and key in one PEM file) by edge_certificate_paths",
    ),
    "a service that the release lacks": (
        looked(WEB, DB, Container("r", "shop-redis-1", project="shop", service="redis")),
        "services.redis: shop-redis-1 runs, and the release has no service redis, so it would be removed. Add it to the Compose "
        "file, or -e adopt_drops=redis if it may go",
    ),
    "a volume of another name": (
        looked(WEB, replace(DB, mounts=(volume("db", "shop_pg", "/var/lib/postgresql/data"),))),
        "services.db.volumes: shop-db-1 has the volume shop_pg at /var/lib/postgresql/data, and the release mounts the volume "
        'shop_data there, so db would begin with other data; write "pg:/var/lib/postgresql/data" there and pg: {} under the '
        "top-level volumes, or -e adopt_leaves=shop_pg if it may stay behind",
    ),
    "a volume of a name of its own": (
        looked(replace(WEB, mounts=(volume("web", "uploads", "/uploads"),)), DB),
        "services.web.volumes: shop-web-1 has the volume uploads at /uploads, and the release mounts nothing there, so web would "
        'begin without it; write "web-data:/uploads" there and web-data: {name: uploads} under the top-level volumes, or -e '
        "adopt_leaves=uploads if it may stay behind",
    ),
    "a volume without a name": (
        looked(WEB, replace(DB, mounts=(volume("db", NO_NAME, "/var/lib/postgresql/data"),))),
        f"services.db.volumes: shop-db-1 has the volume {NO_NAME[:12]}... without a name at /var/lib/postgresql/data, and the "
        'release mounts the volume shop_data there, so db would begin with other data; write "db-data:/var/lib/postgresql/data" '
        f"there, db-data: {{name: {NO_NAME}, external: true}} under the top-level volumes, and {{db: [volumes]}} in "
        f"stack.hardening.exempt, or -e adopt_leaves={NO_NAME} if it may stay behind",
    ),
    "a directory of the old project": (
        looked(
            replace(WEB, mounts=(Mounted("shop-web-1", "web", "bind", "/opt/shop/uploads", "/uploads"),)),
            DB,
            model={
                **MODEL,
                "services": {
                    **MODEL["services"],
                    "web": {"volumes": [{"type": "bind", "source": f"{PROJECT}/uploads", "target": "/uploads"}]},
                },
            },
        ),
        "services.web.volumes: shop-web-1 has the directory /opt/shop/uploads at /uploads, and the release mounts the bind "
        './uploads there, so web would begin with other data; write "/opt/shop/uploads:/uploads" there, and {web: [volumes]} in '
        "stack.hardening.exempt, because it lies outside of the stack's own directory, or -e adopt_leaves=/opt/shop/uploads if "
        "it may stay behind",
    ),
    "a volume that others write": (
        looked(WEB, DB, Container("b", "blog-db-1", project="blog", service="db", mounts=(volume("db", "shop_data", "/data"),))),
        "volumes.data: the container blog-db-1 of the project blog writes to the volume shop_data as well, and nobody could say "
        "any more whose data it is. Let it mount it read-only, or end it first (docker stop blog-db-1), then run this again",
    ),
    "a container made by hand with a replica's name": (
        looked(WEB, DB, Container("h", "shop-web-2")),
        "services.web: the container shop-web-2 has the name of a replica and is not of the project shop, so it was made by "
        "hand. docker rename shop-web-2 shop-web-2-other on this host, or, when nobody needs it, docker rm -f shop-web-2; then "
        "run this again",
    ),
    "two would write": (
        looked(
            WEB,
            DB,
            Container("a", "shop-app-1", project="shop", service="app", mounts=(volume("app", "shop_cache", "/cache"),)),
            asked=replace(ASKED, drops=["app"]),
            model={
                **MODEL,
                "services": {
                    **MODEL["services"],
                    "web": {"volumes": [{"type": "volume", "source": "cache", "target": "/cache"}]},
                },
                "volumes": {**MODEL["volumes"], "cache": {"name": "shop_cache"}},
            },
        ),
        "services.web.volumes: shop-app-1 runs and writes to the volume cache, and in this release it has no app any more, so "
        "two would write at once; let app keep it, or stop shop-app-1 before (docker stop shop-app-1)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_speaks_against_it_is_said_with_the_way_out(case: str) -> None:
    found, words = REFUSED[case]
    assert [one for one in found.problems if words in one], found.problems


@pytest.mark.parametrize(
    "found",
    [
        looked(WEB, DB, TRAEFIK, named=["traefik"]),
        looked(WEB, DB, Container("r", "shop-redis-1", project="shop", service="redis"), asked=replace(ASKED, drops=["redis"])),
        looked(WEB, replace(DB, mounts=(volume("db", "old", "/old"), *DB.mounts)), asked=replace(ASKED, leaves=["old"])),
        looked(replace(WEB, mounts=(Mounted("shop-web-1", "web", "bind", "/opt/shop/nginx.conf", "/c", False),)), DB),
        looked(replace(WEB, mounts=(Mounted("shop-web-1", "web", "bind", "/var/run/docker.sock", "/s"),)), DB),
        looked(WEB, DB, Container("b", "backup", mounts=(volume("db", "shop_data", "/data", writable=False),))),
        looked(WEB, DB, Container("b", "backup", running=False, mounts=(volume("db", "shop_data", "/data"),))),
    ],
    ids=[
        *("proxy that was named", "service that may go", "volume that may stay behind", "file to read", "socket"),
        *("backup that reads", "backup that does not run"),
    ],
)
def test_what_is_meant_or_does_no_harm_is_let_pass(found: Look) -> None:
    assert found.problems == []


def test_a_container_is_read_as_the_engine_tells_of_it() -> None:
    details = {
        "Id": "abc",
        "Name": "/shop_web_1",
        "State": {"Running": True},
        "Config": {
            "Image": "shop/web:1",
            "Labels": {
                "com.docker.compose.project": "shop",
                "com.docker.compose.service": "web",
                "com.docker.compose.container-number": "1",
                "com.docker.compose.oneoff": "False",
                "com.docker.compose.project.working_dir": "/opt/shop",
                "com.docker.compose.project.config_files": "/opt/shop/compose.yml,/opt/shop/more.yml",
            },
        },
        "HostConfig": {
            "PortBindings": {
                "8000/tcp": [{"HostIp": "", "HostPort": "80"}, {"HostIp": "", "HostPort": ""}],
                "443/udp": [{"HostPort": "443"}],
                "9/tcp": None,
            }
        },
        "Mounts": [{"Type": "volume", "Name": "shop_data", "Source": "/var/lib/docker/x", "Destination": "/data", "RW": False}],
    }
    found = container(details)
    assert found is not None
    assert (found.name, found.project, found.service, found.ports, found.ours) == ("shop_web_1", "shop", "web", (80,), False)
    assert found.mounts == (Mounted("shop_web_1", "web", "volume", "shop_data", "/data", False),)
    assert (found.origin.directory, found.origin.files) == ("/opt/shop", ("/opt/shop/compose.yml", "/opt/shop/more.yml"))
    labels = {**details["Config"]["Labels"], "com.docker.compose.oneoff": "True"}  # type: ignore[index]
    assert container({**details, "Config": {"Labels": labels}}) is None
    labels = {**labels, "com.docker.compose.oneoff": "False", "com.docker.compose.service": ""}
    damaged = container({**details, "Config": {"Labels": labels}})
    assert damaged is not None
    assert "has no label com.docker.compose.service, so it was made by hand" in damaged.damage
