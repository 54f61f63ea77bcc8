"""A host on which two releases were deployed by the real modules: every file is real, below a directory of its own.

What runs is simulated: an engine that keeps its containers in memory, Compose as far as these files need it, and a HAProxy that
reads the files on disk. Each module is run as Ansible runs it.
"""

from __future__ import annotations

import base64
import functools
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import news, place
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import state as edge_state
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.networks import STACK as OF_STACK
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.instance import Own, StandIn
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.settings import CPU_SHARES
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.upgrade import EdgeUpgrade
from ansible_collections.morpheus.deploy.plugins.module_utils.egress import addresses
from ansible_collections.morpheus.deploy.plugins.module_utils.egress.egress_filter import EgressFilter
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import FINGERPRINT, PORT
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import baseline, disk, readiness
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.host import HostAudit
from ansible_collections.morpheus.deploy.plugins.module_utils.host import stale
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import history, lease
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import Lease
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.applied import Row
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage import journal
from ansible_collections.morpheus.deploy.plugins.module_utils.logs import program, shipper
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import ledger
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import host as identity
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity
from ansible_collections.morpheus.deploy.plugins.module_utils.release import release
from ansible_collections.morpheus.deploy.plugins.module_utils.release.live_flags import LiveFlags, digest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.modules import (
    edge_config,
    edge_maintenance,
    edge_placed,
    edge_upstream,
    edge_upstream_info,
    host_baseline,
    host_egress,
    host_identity,
    log_shipping,
    stack_flags,
    stack_info,
    stack_ledger,
    stack_release,
    stack_rollout,
    stack_status,
)
from ansible_collections.morpheus.deploy.plugins.modules import lease as lease_module
from docker.errors import ImageNotFound, NotFound

from tests.unit import certificates, quick_yaml
from tests.unit.damage.engine_role import ENGINE_METRICS, refusal_of_a_directory
from tests.unit.fake_haproxy import FakeHAProxy
from tests.unit.memory_kernel import Kernel

Answer = dict[str, Any]
COMPOSE = """\
services:
  api:
    image: shop/api:${STACK_RELEASE}
    env_file: [env/api.env, secrets/api.env]
    secrets: [session, owner]
    restart: unless-stopped
    healthcheck: {test: [CMD, "true"]}
    volumes: ["./nginx.conf:/etc/nginx.conf:ro", "./flags:/flags:ro"]
    configs: [greeting]
    deploy: {replicas: 2, update_config: {monitor: 0s, parallelism: 2, failure_action: pause}}
configs:
  greeting: {content: "${GREETING} from ${OWNER}"}
secrets:
  session: {file: ./secrets/session}
  owner: {environment: OWNER}
"""
ROUTES = [{"host": "*", "paths": ["/"]}, {"host": "*", "paths": ["/staff"], "basic_auth": "staff"}]
# By a login that is no login: the database is simulated.
MIGRATION = {"ledger": "alembic:public.alembic_version", "reader": "api.TOKEN"}
# Of a user whose password is x, as env files have it.
STAFF = "$$6$$abcdefgh$$D7W7qyozKBT.t6FD3DVYHvADbIO0eSyI4.p20LaEUjro8PqTGYYo/EQcuNjhFbzo9Yg5ir1KIEqFY/yJpgFph0"
STACK: dict[str, Any] = {
    "name": "shop",
    "compose_files": ["compose.yml"],
    "files": ["nginx.conf"],
    "live_files": ["flags"],
    "services": [{"name": "api", "port": 8000, "routes": ROUTES, "health": None}],
    "drain_seconds": 1.0,
    "keep_free_mb": 0,
    "retention": {"releases": 5, "pinned": []},
    "migration": MIGRATION,
    "public_check": None,
    "egress": ["ssh"],
}
# What another host of the environment says of how it is reached, and this one.
LOOKED = {"app-1": {"addresses": ["10.0.0.5"], "ssh_ports": [22], "bridges": []}}
LOOKED |= {"app-2": {"addresses": ["10.0.0.6", "fd00::6"], "ssh_ports": [22], "bridges": []}}
REACHED = {"app-1": "10.0.0.5", "app-2": "10.0.0.6"}
# As what an ACME authority issues: a certificate, and its key.
_IN_PEM = ("CERTIFICATE", "PRIVATE KEY")
# One that is a balancer, too, and answers challenges.
MAPS = ("maintenance.map", "challenges.map", "away.map", "kept-off.map", "placed.map")
EDGE = {
    "config": "# morpheus.deploy format 2\nfrontend https\n  bind :8443 ssl crt-list /usr/local/etc/haproxy/certificates.list\n"
    "frontend metrics\n  http-request return status 404 unless { dst -f /usr/local/etc/haproxy/home.list }\n"
    "  http-request return status 503 file /usr/local/etc/haproxy/maintenance.html if { always_false }\n"
    "defaults upstreams\n  default-server ssl verify required ca-file /usr/local/etc/haproxy/upstream-ca.pem\n"
    "backend upstreams from upstreams\n  server app-1 10.0.0.5:443\n  server app-2 10.0.0.6:443\n"
    "frontend maps\n" + "".join(f"  acl {name} str(state),map(/usr/local/etc/haproxy/{name}) -m str on\n" for name in MAPS),
    "files": {
        "certificates.list": "/usr/local/etc/haproxy/certs/site.pem\n",
        "maintenance.html": "<h1>Back soon</h1>\n",
        "upstream-ca.pem": "-----BEGIN CERTIFICATE-----\n",
    },
    "certificates": {"site": "-----BEGIN CERTIFICATE-----\n"},
    "placeholders": {"acme": "".join(f"-----BEGIN {one}-----\neA==\n-----END {one}-----\n" for one in _IN_PEM)},
    "ports": ["443:8443"],
    "user": "0:0",
}
NEWS = {
    "release": "1.1",
    "files": {
        "compose.yml": COMPOSE,
        "nginx.conf": "listen 81;\n",
        "env/api.env": 'LEVEL="info"\n',
        "env/variables.env": 'GREETING="hello"\n',
    },
}
OLD = {"release": "1.0", "files": {**NEWS["files"], "nginx.conf": "listen 80;\n"}}  # type: ignore[dict-item]


# As playbooks/flags.yml writes them.
FLAGS = '{"flags": {}, "metadata": {"version": "1"}}\n'
LOGS = {"target": "syslog", "environment": "staging", "host": "app-1", "address": "logs.example.com:6514"}
LOGS["ca"] = certificates.make([], authority=True)[0]
# A host of the balancer that is kept off for a turn.
AWAY = "app-2"
# A route that only one of them has.
PLACED = {"*/reports/": {"hosts": ["app-1"], "guarded": False}}
NO_MOUNTS: Mapping[str, Path] = {}
DRILL = {"at": "2026-11-27T03:00:00Z", "name": "20261127t020000z"}


class Api:
    """The engine's low-level client. Files that a container mounts are hard links in ``proc``, where Linux would show them."""

    def __init__(self) -> None:
        self.running: dict[str, Answer] = {}
        self.serial = 0
        self.proc = Path()

    def containers(self, all: bool = False, filters: Mapping[str, Any] | None = None) -> list[Answer]:
        wanted = [str(one).partition("=") for one in (filters or {}).get("label", [])]
        return [
            one
            for one in self.running.values()
            if all_of(one["Labels"].get(key) == value if sign else key in one["Labels"] for key, sign, value in wanted)
        ]

    def inspect_container(self, identity: str) -> Answer:
        if identity not in self.running:
            raise NotFound("no such container")
        one = self.running[identity]
        state = {"Running": True, "Restarting": False, "ExitCode": 0, "Health": {"Status": "healthy"}, "StartedAt": ""}
        state["Pid"] = one["pid"]
        networks = {"NetworkSettings": {"Networks": {"edge": {"IPAddress": one["address"]}}}}
        config = {"Config": {"Labels": one["Labels"], "Env": []}, "HostConfig": {"CpuShares": CPU_SHARES}}
        config["Mounts"] = one["Mounts"]
        return {"Id": identity, "Name": one["Names"][0], "State": state, "RestartCount": 0, **networks, **config}

    def stats(self, identity: str, *, stream: bool, one_shot: bool) -> Answer:
        return {"memory_stats": {}}

    def inspect_image(self, reference: str) -> Answer:
        if not reference.startswith(("shop/", "sha256:", "haproxy")):
            raise ImageNotFound("no such image")
        name = reference.partition("@")[0]
        number = name.removeprefix("sha256:id-of-").replace("/", "-").replace(":", "-")
        digest = f"{name.rpartition(':')[0]}@sha256:digest-{number}"
        return {"Id": f"sha256:id-of-{number}", "RepoDigests": [digest], "RepoTags": [name], "Size": 1, "Config": {}}

    def pull(self, reference: str, **unused: Any) -> list[Answer]:
        return []

    def inspect_network(self, name: str) -> Answer:
        if name not in ("edge", "edge.shop"):
            raise NotFound("no such network")
        return {
            "Name": name,
            "Id": name,
            "Labels": {"com.docker.compose.network": name, OF_STACK: "shop"},
            "Internal": True,
            "Options": {},
            "IPAM": {"Config": [{"Subnet": "172.18.0.0/16"}]},
            "Containers": {},
        }

    def networks(self, **unused: Any) -> list[Answer]:
        return []

    def inspect_volume(self, name: str) -> Answer:
        raise NotFound("no such volume")

    def stop(self, identity: str, timeout: int = 0) -> None:
        self.running.pop(identity, None)

    def remove_container(self, identity: str, **unused: Any) -> None:
        self.running.pop(identity, None)

    def logs(self, identity: str, **unused: Any) -> bytes:
        return b""

    def start(
        self, project: str, service: str, labels: Mapping[str, str], image: str, mounts: Mapping[str, Path] = NO_MOUNTS
    ) -> str:
        """``mounts``: path in the container -> what is mounted there."""
        self.serial += 1
        own = [one for one in self.running.values() if one["Labels"]["com.docker.compose.project"] == project]
        number = max((int(one["Labels"]["com.docker.compose.container-number"]) for one in own), default=0) + 1
        given = {
            "com.docker.compose.project": project,
            "com.docker.compose.service": service,
            "com.docker.compose.container-number": str(number),
            "com.docker.compose.oneoff": "False",
        }
        name = f"{project}-{service}-{number}"
        self.running[f"id{self.serial}"] = {
            "Id": f"id{self.serial}",
            "Names": [f"/{name}"],
            "Image": image,
            "ImageID": self.inspect_image(image)["Id"],
            "State": "running",
            "Created": self.serial,
            "Labels": {**labels, **given},
            "Mounts": [{"Type": "bind", "Source": str(source), "Destination": target} for target, source in mounts.items()],
            "HostConfig": {"NetworkMode": "edge"},
            "NetworkSettings": {
                "Networks": {f"edge.{project}": {}, f"{project}_default": {}} if PORT in labels else {"edge": {}}
            },
            "address": f"172.18.0.{self.serial + 1}",
            "pid": self.serial,
        }
        self.mount(self.running[f"id{self.serial}"])
        return name

    def mount(self, container: Answer) -> None:
        """What lies there now, as when it is started."""
        process = self.proc / str(container["pid"])
        shutil.rmtree(process, ignore_errors=True)
        mounts = {one["Destination"]: Path(one["Source"]) for one in container["Mounts"]}
        lines = ["1 0 0:1 / / rw - overlay overlay rw\n"]
        for number, (target, source) in enumerate(mounts.items(), 2):
            seen = process / "root" / target.lstrip("/")
            seen.parent.mkdir(parents=True, exist_ok=True)
            seen.symlink_to(source) if source.is_dir() else seen.hardlink_to(source)
            lines.append(f"{number} 1 0:2 {source} {target} ro - ext4 /dev/sda rw\n")
        process.mkdir(parents=True, exist_ok=True)
        (process / "mountinfo").write_text("".join(lines))


all_of = all


class HAProxy(FakeHAProxy):
    """One that tells of itself, knows the map of maintenance, and is the balancer of two hosts, too."""

    def _admin(self, command: str) -> str:
        if command == "show info":
            return "Name: HAProxy"
        answer = super()._admin(command)
        if command == "show servers state":
            for number, name in enumerate(("app-1", AWAY), 1):
                said = self.away.get(name)
                state = 0 if said == "on" or (said != "off" and self.copied.get(name) == "on") else 2
                answer += f"9 upstreams {number} {name} 10.0.0.{number} {state} 0 1 1 9 8 2 0 6 0 0 0 - 443 - 0 0 - - 0\n"
        return answer

    def _master(self, command: str) -> str:
        if "away.map" not in command:
            return "0x1 state off" if "show map" in command else super()._master(command)
        words = command.split()
        if words[1] == "show":
            return "".join(f"0x1 {name} {state}\n" for name, state in self.away.items())
        self.away[words[-2]] = words[-1]
        return ""

    def load_files(self) -> None:
        super().load_files()
        self.away, self.copied = self._said("away.map"), self._said("kept-off.map")

    def _said(self, name: str) -> dict[str, str]:
        path = self.root / "conf" / name
        lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
        return dict(line.split() for line in lines if len(line.split()) == 2)


class StoppedClock(SystemClock):
    def uptime(self) -> float:
        return 1000.0


class Client:
    def __init__(self) -> None:
        self.api = Api()
        self.containers = self

    def create(self, *unused: Any, **options: Any) -> Client:
        """A tool that accepts whatever it is given: ``haproxy -c``."""
        return self

    def list(self, **unused: Any) -> Sequence[Client]:
        """Nobody was killed while one ran."""
        return []

    def start(self) -> None: ...

    def wait(self, **unused: Any) -> Answer:
        return {"StatusCode": 0}

    def logs(self) -> bytes:
        return b""

    def remove(self, **unused: Any) -> None: ...

    def info(self) -> Answer:
        return {"DockerRootDir": "/"}


def in_an_answer(run: Callable[[PreparedHost], Answer]) -> Callable[[PreparedHost], Answer]:
    """What no module does, and a part of one: it is refused in the same words."""

    @functools.wraps(run)
    def ending(host: PreparedHost) -> Answer:
        try:
            return run(host)
        except DeployError as exc:
            return {"failed": True, "msg": str(exc), "warnings": []}

    return ending


@dataclass
class PreparedHost:
    root: Path
    client: Client = field(default_factory=Client)
    haproxy: HAProxy = field(init=False)
    kernel: Kernel = field(default_factory=Kernel)
    # Commands -> what they answered before anything was damaged.
    answered: dict[tuple[str, ...], dict[str, Answer]] = field(default_factory=dict)
    # SHA-256 of the baseline, as the repository knows it.
    recorded: str = ""
    # Whether the database answers who asks for its ledger.
    database: bool = False

    def __post_init__(self) -> None:
        self.haproxy = HAProxy(self.root / "edge")

    @property
    def stack(self) -> Path:
        return self.root / "stacks" / "shop"

    def seen(self, path: str) -> list[Path]:
        """A file as each running replica sees it."""
        pids = [one["pid"] for one in self.client.api.running.values() if one["Labels"]["com.docker.compose.project"] == "shop"]
        return [self.client.api.proc / str(pid) / "root" / path for pid in pids]

    def reads(self) -> dict[str, set[tuple[bytes, int]]]:
        """Path in a container -> content and mode of the file that each running replica has mounted there."""
        paths = ("etc/nginx.conf", "greeting", "run/secrets/owner", "run/secrets/session")
        return {path: {(one.read_bytes(), one.stat().st_mode & 0o7777) for one in self.seen(path)} for path in paths}

    # Commands, as playbooks run them. Each returns what the module answered.

    def deploy(self, release: Mapping[str, Any] = NEWS) -> list[Answer]:
        """What deploy.yml does on a host; the rollout is left out where nothing is pending."""
        prepared = self.release(release)
        return [prepared, *([self.rollout(prepared["id"])] if prepared.get("pending") else []), self.tells_balancer()]

    def tells_balancer(self) -> Answer:
        """As a deploy does, and a rollback."""
        return self.run(edge_placed, stack="shop", routes=PLACED, without_lease=True)

    def release(self, release: Mapping[str, Any] = NEWS, *, check: bool = False, session: str = "canary") -> Answer:
        return self.run(
            stack_release,
            check=check,
            release=release["release"],
            environment="staging",
            stack=STACK,
            files={name: encoded(text) for name, text in release["files"].items()},
            live_files={"flags/features.json": encoded("{}"), "flags/flags.json": encoded(FLAGS)},
            secrets={"api.env": 'TOKEN="canary"\n', "staff.env": f'ANNA="{STAFF}"\n', "variables.env": 'OWNER="canary"\n'},
            secret_files={"session": encoded(session)},
            without_lease=True,
        )

    def rollout(self, release_id: str = "", *, check: bool = False, kind: str = "deploy") -> Answer:
        return self.run(stack_rollout, check=check, stack="shop", release_id=release_id, kind=kind, without_lease=True)

    def info(self) -> Answer:
        return self.run(stack_info, stack="shop")

    def status(self) -> Answer:
        return self.run(stack_status, stack="shop")

    def provision(self, *, check: bool = False, interruption: bool = False) -> Answer:
        return self.run(edge_config, check=check, **EDGE, allow_interruption=interruption)

    def keep_away(self, *, check: bool = False) -> Answer:
        """provision.yml --tags egress."""
        return self.run(host_egress, check=check, name="app-1", hosts=["app-1", "app-2"], reached=REACHED, looked=LOOKED)

    def audit(self) -> Answer:
        """What an audit is told of the packet filter."""
        engine = SimpleNamespace(volumes=dict, containers=list)
        trouble: list[str] = []
        found = HostAudit(engine, Releases("shop"))._egressed(trouble)  # type: ignore[arg-type]
        return {"drift": [*dict.fromkeys([*found["problems"], *trouble])], "admitted": found["admitted"], "warnings": []}

    def maintenance(self, *, check: bool = True) -> Answer:
        return self.run(edge_maintenance, check=check, state="off", without_lease=True)

    def identity(self) -> Answer:
        return self.run(host_identity, environment="staging")

    def claim(self) -> Answer:
        return self.run(host_identity, environment="staging", state="claimed")

    def read_lease(self) -> Answer:
        return self.run(lease_module, environment="staging", state="read")

    def take_lease(self) -> Answer:
        return self.run(lease_module, environment="staging", owner="anna@laptop", reason="deploy 1.1")

    def come_in(self) -> Answer:
        """A run with a lease, which has nothing to do here."""
        return self.run(stack_rollout, stack="shop", token=2**40, run="run-a")

    def come_late(self) -> Answer:
        """One that lost its lease long ago."""
        answer = self.run(stack_rollout, stack="shop", token=2, run="run-0")
        # What it is told names the run that came after it.
        return {"let_in": not answer.get("failed"), "warnings": []}

    @in_an_answer
    def returns_lease(self) -> Answer:
        """A run ends that lost it long ago."""
        return {"had_it": Lease("staging").release(2), "warnings": []}

    def ledger(self) -> Answer:
        """Which migrations the database has, asked while it does not answer: what this host remembers."""
        found = self.run(stack_ledger, check=True, stack="shop")
        return {key: value for key, value in found.items() if key not in ("releases", "at")}

    def reads_ledger(self) -> None:
        """A deploy that reaches the database."""
        self.database = True
        answer = self.run(stack_ledger, stack="shop")
        self.database = False
        assert answer["source"] == "live", answer

    def rows(self, *unused: Any) -> list[Row]:
        if not self.database:
            raise DeployError("the database does not answer")
        return [Row("20260101000000", "orders", "applied")]

    def unlock(self) -> Answer:
        return self.run(lease_module, environment="staging", state="broken", owner="ben@desk", reason="its run is dead")

    def backed_up(self) -> None:
        """What a host notes once backup.yml has made a backup."""
        for kind in (news.BACKUP, news.BUCKETS, news.STAGING_DATA):
            news.News().tell(kind, {"at": "2026-11-27T02:00:03Z", "name": "20261127t020000z"})

    @in_an_answer
    def notes_backup(self) -> Answer:
        self.backed_up()
        return {"warnings": []}

    def history(self) -> Answer:
        """What history.yml asks of a host."""
        return self.run(lease_module, environment="staging", state="read", count=10)

    def flags(self) -> Answer:
        return self.run(stack_flags, stack="shop")

    def changed_flags(self) -> None:
        """flags.yml changes a flag, and then changes it back."""
        flags, before = LiveFlags(self.stack), LiveFlags(self.stack).content
        for content in (before.replace(b'"1"', b'"2"'), before):
            flags.bring(content, digest(flags.content), by="ben", why="tried", at="2026-11-27T04:00:00Z")

    @in_an_answer
    def switches_flags(self) -> Answer:
        with LiveFlags(self.stack).alone():
            return {"warnings": []}

    @in_an_answer
    def fills_the_journal(self) -> Answer:
        """A run comes when the journal has its greatest size."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal, "KEEP_BYTES", 0)
            journal.Journal(self.stack / "journal.jsonl").write("tried")
        return {"warnings": []}

    def baseline(self, *, renew: bool = False) -> Answer:
        """claim.yml --tags baseline; what it wrote is known to the repository. Without what says when that was."""
        found = self.run(host_baseline, environment="staging", known="" if renew else self.recorded, renew=renew)
        if renew and not found.get("failed"):
            self.recorded = found["digest"]
        return {key: value for key, value in found.items() if key not in ("recorded", "digest")}

    def baseline_in_audit(self) -> Answer:
        trouble: list[str] = []
        found = disk._compared(self.root, {}, trouble)
        return {"drift": trouble, "recorded": found["baseline"] is not None, "warnings": []}

    @in_an_answer
    def drilled(self) -> Answer:
        news.News().drilled(DRILL)
        return {"warnings": []}

    @in_an_answer
    def backs_up(self) -> Answer:
        """A backup begins, and nothing is made in this one."""
        with place.alone(self.root / "backup", 0.0):
            return {"warnings": []}

    def logs(self, *, check: bool = False) -> Answer:
        """provision.yml --tags logs."""
        return self.run(log_shipping, check=check, **LOGS)

    @in_an_answer
    def ships(self) -> Answer:
        """The log shipper starts."""
        shipper.configured(self.root / "logs")
        problem = shipper.Positions(self.root / "logs" / shipper.POSITIONS).problem
        return {"warnings": [problem] if problem else []}

    def kept_off(self) -> Answer:
        return self.run(edge_upstream_info)

    def takes_turn(self) -> Answer:
        return self.run(edge_upstream, names=[AWAY], state="off", turn=True, playbook="edge_upgrade", wait_seconds=0)

    def let_in(self) -> Answer:
        return self.run(edge_upstream, names=[AWAY], state="serving")

    @in_an_answer
    def stands_in(self) -> Answer:
        """An edge upgrade begins with another container."""
        paths = EdgePaths(self.root / "edge")
        client: Any = self.client
        own = Own(engine.Engine(client, edge_state.PROJECT, "edge"), paths)
        StandIn(engine.Engine(client, edge_state.STAND_IN, "edge"), paths).write(own.settings())
        return {"warnings": []}

    @in_an_answer
    def upgrades_edge(self) -> Answer:
        """An edge upgrade begins, and finds nothing to do."""
        nobody: Any = None
        with EdgeUpgrade(EdgePaths(self.root / "edge"), nobody, nobody, nobody, SystemClock())._alone():
            return {"warnings": []}

    @in_an_answer
    def writes_edge(self) -> Answer:
        """A rollout is about to change files of the edge."""
        with EdgeConfiguration(EdgePaths(self.root / "edge"), lambda _: "").alone():
            return {"warnings": []}

    def engine_metrics(self) -> Answer:
        """What the role finds to do, whose refusal is played in tests/plays/test_engine_role.py."""
        path = self.root / ENGINE_METRICS.name
        if path.is_dir():
            return {"failed": True, "msg": refusal_of_a_directory(str(path)), "warnings": []}
        same = path.is_file() and path.read_bytes() == ENGINE_METRICS.read_bytes()
        return {"changes": [] if same else [str(path)], "warnings": []}

    def hands_on(self) -> None:
        """What provision.yml brings, and what it then writes every 15 s."""
        (self.root / ENGINE_METRICS.name).write_bytes(ENGINE_METRICS.read_bytes())
        (self.root / "metrics" / "engine.prom").write_text("engine_up 1\n")

    def ends_run(self) -> None:
        """As the keeper of the lease does at the end of a run."""
        held = Lease("staging").read()
        assert held
        record = history.line(at="2026-11-27T01:00:00Z", verdict="deployed", environment="staging", token=held.record.token)
        record |= {"run": "run-1", "owner": "anna@laptop", "what": "deploy 1.1"}
        subprocess.run(["sh", "-c", Lease("staging").return_(held.record.token, record, only_if_held=True)], check=True)

    def run(self, module: Any, *, check: bool = False, **options: Any) -> Answer:
        """The answer of a module, with its warnings. Whatever it raises but its end is a traceback for who typed the command."""
        answers: list[Answer] = []
        warnings: list[str] = []
        with pytest.MonkeyPatch.context() as patch, patch_module_args({**options, "_ansible_check_mode": check}):
            told = module.AnsibleModule
            patch.setattr(told, "exit_json", lambda self, **result: _end(answers, result))
            patch.setattr(told, "fail_json", lambda self, msg, **result: _end(answers, result, failed=True, msg=msg))
            patch.setattr(told, "warn", lambda self, warning, **unused: warnings.append(warning))
            with pytest.raises(SystemExit):
                module.main()
        return {**answers[0], "warnings": warnings}

    # Keeping and bringing back the state that is damaged.

    def files(self) -> list[Path]:
        """Every file of ours, relative to the root."""
        found = (path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink())
        return sorted(path.relative_to(self.root) for path in found if "run" not in path.parts)

    def keep(self, place: Path) -> Callable[[], None]:
        """Keep all that is there now; the result brings it back."""
        shutil.copytree(self.root, place, symlinks=True, ignore=shutil.ignore_patterns("run"))
        running, worker, serial = deepcopy(self.client.api.running), deepcopy(self.haproxy.worker), self.client.api.serial
        tables, recorded = deepcopy(self.kernel.tables), self.recorded
        away, copied = {**self.haproxy.away}, {**self.haproxy.copied}

        def bring_back() -> None:
            for path in self.root.iterdir():
                for one in path.iterdir() if path.name == "edge" else [path]:
                    if one.name != "run":
                        shutil.rmtree(one) if one.is_dir() and not one.is_symlink() else one.unlink()
            shutil.copytree(place, self.root, symlinks=True, dirs_exist_ok=True)
            self.client.api.running, self.haproxy.worker = deepcopy(running), deepcopy(worker)
            self.client.api.serial = serial
            for container in self.client.api.running.values():
                self.client.api.mount(container)
            self.kernel.tables, self.recorded = deepcopy(tables), recorded
            self.haproxy.away, self.haproxy.copied = {**away}, {**copied}

        return bring_back

    # Compose, as far as COMPOSE needs it.

    def compose(self, compose: Compose, *arguments: str, **unused: Any) -> str:
        pairs = list(pairwise(compose._command))
        options = dict(pairs)
        names = [Path(value) for option, value in pairs if option == "--file"]
        if compose.project == "edge":
            self.client.api.start("edge", "haproxy", {}, "haproxy:3.0") if "--no-start" in arguments else None
            self.haproxy.load_files()
            return ""
        if "config" in arguments:
            given = [Path(value) for option, value in pairs if option == "--env-file"]
            return json.dumps(_model(Path(options["--project-directory"]), names, given))
        assert arguments[0] == "up", arguments
        service, total = arguments[-1], int(arguments[-2].partition("=")[2])
        override, mounts = self._override(service)
        own = [one for one in self.client.api.running.values() if one["Labels"]["com.docker.compose.service"] == service]
        for _ in range(total - len(own)):
            name = self.client.api.start("shop", service, override["labels"], override["image"], mounts)
            assert override["labels"][FINGERPRINT]
            self.haproxy.addresses[name] = f"172.18.0.{self.client.api.serial + 1}"
        return ""

    def _override(self, service: str) -> tuple[Answer, dict[str, Path]]:
        """What override.json says of a service, and what its containers mount."""
        found = json.loads((self.stack / "project" / "override.json").read_text().replace("$$", "$"))
        own = found["services"][service]
        mounts = {one["target"]: Path(one["source"]) for one in own["volumes"]}
        mounts["/greeting"] = Path(found["configs"]["greeting"]["file"])
        mounts["/run/secrets/owner"] = Path(found["secrets"]["owner"]["file"])
        mounts["/run/secrets/session"] = self.stack / "project" / "secrets" / "session"
        return own, mounts


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _end(answers: list[Answer], result: Mapping[str, Any] | None = None, **more: Any) -> None:
    answers.append({**(result or {}), **more})
    raise SystemExit(0)


def _model(directory: Path, names: list[Path], env_files: list[Path]) -> Answer:
    """What ``docker compose config`` makes of COMPOSE, and the words in which it refuses files that it cannot read."""
    try:
        variables = dict(line.split("=", 1) for path in env_files for line in path.read_text().splitlines() if "=" in line)
        text = names[0].read_text()
        for name, value in variables.items():
            text = text.replace(f"${{{name}}}", value.strip('"'))
        found: Answer = quick_yaml.load(text)
        services = found["services"]
        api = {**services["api"], "environment": {}}
        for name in api.pop("env_file"):
            lines = (directory / name).read_text().splitlines()
            api["environment"] |= {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}
        binds = [entry.split(":") for entry in api["volumes"]]
        api["volumes"] = [
            {"type": "bind", "source": str(directory / source), "target": target, "read_only": True}
            for source, target, _ in binds
        ]
        api["secrets"] = [{"source": name, "target": f"/run/secrets/{name}"} for name in ("session", "owner")]
        secrets = {"session": {"name": "shop_session", "file": str(directory / found["secrets"]["session"]["file"])}}
        secrets["owner"] = {"name": "shop_owner", "environment": found["secrets"]["owner"]["environment"]}
        api["configs"] = [{"source": "greeting", "target": "/greeting"}]
        configs = {"greeting": {"name": "shop_greeting", "content": found["configs"]["greeting"]["content"]}}
        api["networks"] = {"default": None}
        networks = {"default": {"name": "shop_default"}}
        return {"name": "shop", "services": {"api": api}, "secrets": secrets, "configs": configs, "networks": networks}
    except FileNotFoundError as exc:
        raise EngineError(f"docker compose failed for shop: open {exc.filename}: no such file or directory") from exc
    except IsADirectoryError as exc:
        raise EngineError(f"docker compose failed for shop: read {exc.filename}: is a directory") from exc
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise EngineError("docker compose failed for shop: yaml: the file is not what Compose can read") from exc


# Of all that this process has imported, which is more than a module has: packed once for all hosts.
_archive = functools.cache(program.archive)


@contextmanager
def prepared_host() -> Iterator[PreparedHost]:
    """Two releases were deployed, the second one is live; the environment has claimed the host and has had a lease."""
    # Not a test's own directory: the path of a socket may have 107 characters at most.
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        host = PreparedHost(Path(directory).resolve() / "host")
        host.root.mkdir()
        host.client.api.proc = host.root.parent / "proc"
        patch.setattr(stale, "PROC", host.client.api.proc)
        patch.setattr(engine, "connect", lambda: host.client)
        patch.setattr(Compose, "_run", lambda self, *arguments, **options: host.compose(self, *arguments, **options))
        # Users are asked by tests of their own.
        patch.setattr(StackHost, "users", lambda self, target: [])
        patch.setattr(StackHost.__init__, "__defaults__", (host.root / "edge", None))
        patch.setattr(Releases.__init__, "__defaults__", (host.root / "stacks",))
        patch.setattr(release, "STACKS_ROOT", host.root / "stacks")
        patch.setattr(Lease.__init__, "__defaults__", (host.root, None))
        patch.setattr(news.News.__init__, "__defaults__", (host.root,))
        patch.setattr(lease, "ROOT", host.root)
        # Whoever has the lease lives, however long this takes.
        patch.setattr(lease, "SystemClock", StoppedClock)
        patch.setattr(HostIdentity.__init__, "__defaults__", (host.root / "etc",))
        patch.setattr(identity, "IDENTITY_ROOT", host.root / "etc")
        patch.setattr(log_shipping, "LOGS_ROOT", host.root / "logs")
        patch.setattr(program, "archive", _archive)
        patch.setattr(ledger, "_ask", host.rows)
        patch.setattr(host_baseline, "ROOT", host.root)
        for module in (host_baseline, disk):
            patch.setattr(module, "IDENTITY_ROOT", Path("/etc"))
        # All that a host has is nothing to walk here.
        patch.setattr(baseline, "now", lambda root: {})
        patch.setattr(readiness, "versions", lambda engine: {"engine": "26.1.5"})
        for module in (edge_config, edge_maintenance, edge_placed, edge_upstream, edge_upstream_info):
            patch.setattr(module, "EDGE_ROOT", host.root / "edge")
        # With IPv6, and with the unit that loads the rules at boot.
        patch.setattr(EgressFilter.__init__, "__defaults__", (host.root / "egress", host.kernel, host.root, host.root))
        patch.setattr(addresses, "looked", lambda: LOOKED["app-1"])
        (host.root / "edge").mkdir()
        with host.haproxy:
            provisioned = (host.claim(), host.keep_away(), host.provision())
            Fence(host.stack, 1, "the first").enter()
            taken, older = host.take_lease(), host.deploy(OLD)
            # So that an older journal is beside it.
            host.fills_the_journal()
            for answer in (
                *provisioned,
                taken,
                *older,
                *host.deploy(NEWS),
                host.logs(),
                host.baseline(renew=True),
                host.takes_turn(),
            ):
                assert not answer.get("failed"), answer
            host.ends_run()
            host.take_lease()
            host.backed_up()
            for run in (host.drilled, host.backs_up, host.ships, host.stands_in, host.upgrades_edge, host.reads_ledger):
                run()
            host.hands_on()
            yield host
