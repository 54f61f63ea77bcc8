"""Images that many use, hardened by the lines that docs/hardening.md has for them: stand-ins from Debian's packages, which begin,
write and become another user as the official ones do.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.known_images import needs

from tests.acceptance.world import STAGING, Environment, on, play
from tests.strangers import stand_ins

pytestmark = [pytest.mark.lane("rest"), pytest.mark.deep]

HOST = STAGING.hosts[0]
NAME = "known"
LABEL = f"label=com.docker.compose.project={NAME}"
PASSWORD = "not-a-secret"
SQL = ("mariadb", "--user=root", f"--password={PASSWORD}", "--batch", "--skip-column-names", "shop", "--execute")
# Image -> (what it is given beside its lines, how Docker asks whether it is well).
SERVICES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "mariadb": (
        {"environment": {"MARIADB_ROOT_PASSWORD": PASSWORD, "MARIADB_DATABASE": "shop"}},
        [*SQL, "select 1"],
    ),
    "nginx": ({}, ["curl", "--fail", "--silent", "http://127.0.0.1/"]),
    # Its data are called by the host's name.
    "rabbitmq": ({"hostname": "rabbitmq"}, ["rabbitmq-diagnostics", "--quiet", "ping"]),
    "redis": ({"command": ["redis-server", "--appendonly", "yes"]}, ["redis-cli", "ping"]),
}
# Who the program is that serves, and not who it began as.
USERS = {"mariadb": "mysql", "nginx": "nginx", "rabbitmq": "rabbitmq", "redis": "redis"}


def service(image: str) -> dict[str, Any]:
    """What docs/hardening.md says to write, and nothing else of hardening."""
    found = needs(image)
    assert found
    more, asked = SERVICES[image]
    return {
        "image": f"{image}:{stand_ins.KNOWN[image]}",
        "restart": "unless-stopped",
        "mem_limit": "512m",
        "cap_add": [*found.capabilities],
        "tmpfs": [*found.temporary],
        **({"volumes": [f"{image}-data:{found.data}"]} if found.data else {}),
        "healthcheck": {"test": ["CMD", *asked], "interval": "2s", "timeout": "20s", "retries": 60},
        **more,
    }


@pytest.fixture
def known(staging: Environment, inventories: Path, tmp_path: Path) -> Iterator[Path]:
    """An inventory that differs from staging's in nothing but the stack."""
    stand_ins.publish_known()
    source = tmp_path / NAME
    source.mkdir()
    volumes = {f"{image}-data": None for image in SERVICES if (found := needs(image)) and found.data}
    (source / "compose.yml").write_text(
        yaml.safe_dump({"services": dict(zip(SERVICES, map(service, SERVICES), strict=True)), "volumes": volumes})
    )
    path = inventories / "staging" / "group_vars" / "all" / "stack.yml"
    settings = yaml.safe_load(path.read_text())
    settings["stack_source"] = str(source)
    del settings["stack_flags"]
    settings["stack"] = {"name": NAME, "compose_files": ["compose.yml"], "database": settings["stack"]["database"]}
    path.write_text(yaml.safe_dump(settings))
    yield inventories / "staging"
    removed = staging.play("playbooks/remove_stack.yml", "-e", f"stack_name={NAME}", "-e", f"remove_data={NAME}")
    assert removed.code in (0, 2), removed.output


def container(image: str) -> str:
    [name] = on(
        HOST, "docker", "ps", "--filter", LABEL, "--filter", f"label=com.docker.compose.service={image}", "--format", "{{.Names}}"
    ).split()
    return name


def identity(image: str) -> str:
    return on(HOST, "docker", "inspect", "--format", "{{.Id}}", container(image))


def inside(image: str, *command: str, user: str = "") -> str:
    return on(HOST, "docker", "exec", *(["--user", user] if user else []), container(image), *command).strip()


def runs_as(image: str, user: str) -> bool:
    """By the container's own names of users: the host has others for their numbers."""
    uid = inside(image, "id", "-u", user)
    return uid in on(HOST, "docker", "top", container(image), "-eo", "pid,uid").split()[3::2]


def test_they_start_hardened_serve_as_their_own_users_and_keep_their_data(known: Path) -> None:
    run = play("deploy.yml", known, "-e", "stack_release=1.0.0")
    assert run.code == 0, run.output
    for image, user in USERS.items():
        hardened = on(
            HOST, "docker", "inspect", "--format", "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}", container(image)
        )
        assert hardened.split() == ["true", "[ALL]"], image
        assert runs_as(image, user), image
    inside("mariadb", *SQL, "create table kept (text varchar(9)); insert into kept values ('kept')")
    inside("redis", "redis-cli", "set", "word", "kept")
    # Who has no capabilities cannot read the cookie of another user.
    inside("rabbitmq", "rabbitmqctl", "add_vhost", "kept", user="rabbitmq")
    assert inside("nginx", "curl", "--silent", "http://127.0.0.1/") == "well"

    # Each is replaced, on the data of the one before.
    before = {image: identity(image) for image in SERVICES}
    run = play("playbooks/restart.yml", known)
    assert run.code == 0, run.output
    assert [image for image in SERVICES if identity(image) == before[image]] == []
    assert inside("mariadb", *SQL, "select text from kept") == "kept"
    assert inside("redis", "redis-cli", "get", "word") == "kept"
    assert "kept" in inside("rabbitmq", "rabbitmqctl", "list_vhosts", user="rabbitmq").split()
