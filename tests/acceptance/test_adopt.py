"""A project that docker compose has started on a host of its own, with a database and a proxy, is taken over while users ask."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from sandbox.world import MOLECULE_DOMAIN
from tests.acceptance.bare_host import HOST, served
from tests.acceptance.world import ROOT, eventually, made_anew, on
from tests.hangs import HANGS_AFTER_SECONDS
from tests.meanwhile import meanwhile
from tests.newcomer import Newcomer, commands, install, new_environment

# Not beside molecule, whose host it is.
pytestmark = [pytest.mark.lane("rest"), pytest.mark.deep]

# The network of the sandbox: what the person's engine has in daemon.json, and what their inventory says.
DAEMON = {"registry-mirrors": ["http://registry.sandbox:5000"], "dns": ["172.17.0.1"]}
SANDBOX = yaml.safe_dump(
    {"docker_engine_registry_mirrors": DAEMON["registry-mirrors"], "docker_engine_dns": DAEMON["dns"]}, explicit_start=True
)
DB = {
    "image": "postgres:17",
    "environment": {"POSTGRES_HOST_AUTH_METHOD": "trust"},
    "volumes": ["data:/var/lib/postgresql/data"],
    "restart": "unless-stopped",
    "healthcheck": {
        "test": ["CMD", "pg_isready", "-h", "127.0.0.1", "-U", "postgres"],
        "interval": "1s",
        "timeout": "2s",
        "start_period": "60s",
    },
}
WEB = {
    "restart": "unless-stopped",
    "healthcheck": {
        "test": ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080"],
        "interval": "4s",
        "timeout": "2s",
        "start_period": "10s",
    },
}
# As it runs; the edge takes the place of its proxy.
THEIRS = {
    "services": {
        "db": DB,
        "web": {**WEB, "image": "morpheus/web:1.0.0"},
        "proxy": {
            "image": "haproxy:3.0",
            "ports": ["80:8080"],
            "volumes": ["./haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro"],
            "command": ["haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"],
            "restart": "always",
            "depends_on": ["web"],
        },
    },
    "volumes": {"data": {}},
}
PROXY = """\
defaults
    mode http
    timeout connect 1s
    timeout client 10s
    timeout server 10s
resolvers docker
    parse-resolv-conf
frontend all
    bind :8080
    use_backend web
backend web
    server web web:8080 resolvers docker init-addr last,libc,none
"""
OURS = {
    "services": {
        "db": {
            **DB,
            "tmpfs": ["/run/postgresql:uid=999,gid=999,mode=775"],
            "cap_add": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"],
            "deploy": {"resources": {"limits": {"memory": "128M", "cpus": "0.5", "pids": 64}}},
        },
        "web": {
            **WEB,
            "image": "morpheus/web:${STACK_RELEASE:?}",
            "depends_on": ["db"],
            "deploy": {"replicas": 2, "resources": {"limits": {"memory": "128M", "cpus": "0.25", "pids": 64}}},
        },
    },
    "volumes": {"data": {}},
}


def patiently(*command: str) -> str:
    """The output of a command on the host that may pull images or install packages."""
    done = subprocess.run(
        ["docker", "exec", HOST, *command], capture_output=True, text=True, timeout=HANGS_AFTER_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def put(path: str, text: str) -> None:
    """Write a file on the host."""
    on(HOST, "sh", "-c", f'mkdir -p "$(dirname {path})" && printf %s "$0" > {path}', text)


@dataclass
class Project:
    """What the person has: a directory on the host, and containers that run."""

    name: str

    def start(self) -> None:
        put("/opt/shop/compose.yml", yaml.safe_dump(THEIRS))
        put("/opt/shop/haproxy.cfg", PROXY)
        self.compose("up", "--detach", "--wait")
        self.sql("create table kept (answer int); insert into kept values (42)")
        eventually(lambda: served() == "1.0.0", "the old proxy serves", 60)

    def compose(self, *command: str) -> str:
        return patiently("docker", "compose", "--project-name", self.name, "--file", "/opt/shop/compose.yml", *command)

    def sql(self, statement: str) -> str:
        return on(HOST, "docker", "exec", f"{self.name}-db-1", "psql", "-U", "postgres", "-Atc", statement)

    def runs(self) -> dict[str, str]:
        label = f"label=com.docker.compose.project={self.name}"
        lines = on(HOST, "docker", "ps", "--no-trunc", "--filter", label, "--format", "{{.Names}} {{.ID}}").splitlines()
        return dict(line.split() for line in lines)

    def volume(self) -> str:
        return on(HOST, "docker", "volume", "inspect", "--format", "{{.CreatedAt}}", f"{self.name}_data")


@pytest.fixture
def host() -> Iterator[None]:
    """With an engine that somebody has installed, and nothing of this collection."""
    with made_anew(HOST):
        put("/etc/docker/daemon.json", json.dumps(DAEMON))
        install_engine = "apt-get install --yes --no-install-recommends docker.io docker-cli docker-compose"
        patiently("sh", "-c", f"DEBIAN_FRONTEND=noninteractive {install_engine} && systemctl start docker")
        yield


@dataclass(frozen=True)
class Shop:
    newcomer: Newcomer
    project: Project
    inventory: Path

    def adopts(self, *options: str, release: str = "1.1.0") -> subprocess.CompletedProcess[str]:
        command = f"ansible-playbook morpheus.deploy.adopt -i inventories/staging -e stack_release={release}"
        return self.newcomer.types(" ".join([command, *options]))


@pytest.fixture
def shop(host: None, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    home, here = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("shop")
    install(home)
    (here / "compose.yml").write_text(yaml.safe_dump(OURS, explicit_start=True))
    ssh = f"-F {ROOT}/.sandbox/ssh_config -o ControlMaster=auto -o ControlPersist=300s"
    newcomer = Newcomer(home, here, {"ANSIBLE_SSH_ARGS": ssh})
    options = f"-e name=staging -e hosts={HOST} -e site={MOLECULE_DOMAIN} -e service=web -e port=8080 -e health=/healthz"
    said = newcomer.well(new_environment(options))
    inventory = here / "inventories" / "staging" / "group_vars" / "all"
    (inventory / "sandbox.yml").write_text(SANDBOX)
    [fingerprint] = [one for one in commands(said) if "morpheus.deploy.fingerprint " in one]
    newcomer.well(fingerprint)
    project = Project(str(yaml.safe_load((inventory / "stack.yml").read_text())["stack"]["name"]))
    project.start()
    return Shop(newcomer, project, inventory)


@dataclass
class Users:
    """When they were answered, and by which release."""

    seen: list[tuple[float, str]] = field(default_factory=list)

    def ask(self) -> None:
        self.seen.append((time.monotonic(), served()))

    @property
    def gap(self) -> float:
        """The longest time in which nobody was answered."""
        answered = [when for when, release in self.seen if release]
        return max(later - earlier for earlier, later in pairwise(answered))

    @property
    def gaps(self) -> int:
        """How often answers ended."""
        bad = [not release for _, release in self.seen]
        return sum(now and not before for before, now in zip([False, *bad], bad, strict=False))


def written() -> str:
    """What the collection has left on the host; the sandbox's own mark lies there from the beginning."""
    places = "/etc/morpheus.deploy", "/var/lib/morpheus.deploy"
    return on(HOST, "find", *places, "-type", "f", "!", "-name", "sandbox", check=False)


def test_a_running_project_is_taken_over_with_its_data_and_one_short_gap(shop: Shop) -> None:
    project = shop.project
    before, made = project.runs(), project.volume()

    plan = shop.adopts("--check")
    assert (plan.returncode, "VERDICT checked: staging adopt" in plan.stdout) == (0, True), plan.stdout
    words = " ".join(plan.stdout.split())
    for line in (
        f"db: {project.name}-db-1 (postgres:17) is replaced once; keeps the volume {project.name}_data",
        f"edge: port 80 from {project.name}-proxy-1, once every candidate has passed its gate",
        "interrupts db from the stop of its container until the next one has passed its gate (writes to the volume data)",
    ):
        assert line in words, plan.stdout
    assert project.runs() == before
    assert written() == ""

    users = Users()
    with meanwhile(users.ask, 0.05):
        done = shop.adopts(f"-e adopt_project={project.name}")
        assert (done.returncode, "VERDICT deployed: staging 1.1.0" in done.stdout) == (0, True), done.stdout + done.stderr
    print(f"gaps: {users.gaps}, the longest {users.gap:.2f} s of {len(users.seen)} requests")
    # The engine's restart, which refuses for a moment as long as nothing guards the ports, and the handover.
    assert users.gap < 15
    assert users.gaps <= 4
    assert users.seen[-1][1] == "1.1.0"
    assert project.sql("select answer from kept").strip() == "42"
    assert project.volume() == made
    after = project.runs()
    assert not set(before.values()) & set(after.values())
    assert f"{project.name}-proxy-1" not in after
    assert sorted(name.rpartition("-")[0] for name in after) == [f"{project.name}-db", *[f"{project.name}-web"] * 2]

    # From here on as ever.
    again = shop.adopts()
    assert (again.returncode, "VERDICT unchanged" in again.stdout) == (0, True), again.stdout
    users = Users()
    with meanwhile(users.ask, 0.05):
        deploy = "ansible-playbook morpheus.deploy.deploy -i inventories/staging -e stack_release=1.2.0"
        assert "VERDICT deployed: staging 1.2.0" in shop.newcomer.well(deploy)
    assert users.gaps == 0
    assert project.runs().items() >= {name: one for name, one in after.items() if "-db-" in name}.items()
    provisioned = shop.newcomer.well("ansible-playbook morpheus.deploy.provision -i inventories/staging")
    assert "VERDICT done" in provisioned


def test_a_release_that_is_no_good_leaves_users_to_the_old_proxy_and_the_next_run_goes_on(shop: Shop) -> None:
    project = shop.project
    path = shop.inventory / "stack.yml"
    good = path.read_text()
    path.write_text(good.replace("/healthz", "/nowhere"))
    users = Users()
    with meanwhile(users.ask, 0.05):
        done = shop.adopts()
    assert done.returncode == 2, done.stdout
    assert {"db", "proxy", "web"} == {name.removeprefix(f"{project.name}-").rpartition("-")[0] for name in project.runs()}
    assert {release for _, release in users.seen[-20:]} == {"1.0.0"}
    assert project.sql("select answer from kept").strip() == "42"
    # An ordinary deploy would end what serves users.
    refused = shop.newcomer.types("ansible-playbook morpheus.deploy.deploy -i inventories/staging -e stack_release=1.1.0")
    assert "playbooks/adopt.yml for this inventory goes on with it" in " ".join(refused.stdout.split())
    path.write_text(good)
    done = shop.adopts()
    assert (done.returncode, served()) == (0, "1.1.0"), done.stdout
    assert project.sql("select answer from kept").strip() == "42"


def test_what_would_lose_data_or_take_anothers_ports_is_refused_before_anything_changes(shop: Shop) -> None:
    project = shop.project
    on(
        HOST,
        "docker",
        "run",
        "--detach",
        "--name",
        "other",
        "--volume",
        f"{project.name}_data:/data",
        "postgres:17",
        "sleep",
        "600",
    )
    compose = shop.newcomer.here / "compose.yml"
    compose.write_text(compose.read_text().replace("data:/var/lib", "fresh:/var/lib").replace("data: {}", "fresh: {}"))
    before = project.runs()
    done = shop.adopts()
    assert (done.returncode, "VERDICT refused: staging adopt" in done.stdout) == (2, True), done.stdout
    words = " ".join(done.stdout.split())
    assert f"{project.name}-db-1 has the volume {project.name}_data at /var/lib/postgresql/data, and the release mounts" in words
    assert project.runs() == before
    assert written() == ""
    compose.write_text(yaml.safe_dump(OURS, explicit_start=True))
    words = " ".join(shop.adopts().stdout.split())
    assert f"the container other writes to the volume {project.name}_data as well" in words
    assert project.runs() == before
