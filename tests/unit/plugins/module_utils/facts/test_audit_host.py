from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.hardening import Hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.everything import Everything
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import host as audit_host
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import reach, sockets
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.containers import described
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.declared import declared
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.host import HostAudit
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.sockets import Listener
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Lineage
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

VALUE = "postgresql://postgres.stagingproj:hunter2hunter2@db.stagingproj.supabase.co:5432/postgres"
FILES = Path("/releases/1/files")


def inspect(**more: Any) -> dict[str, Any]:
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api", "com.docker.compose.oneoff": "False"}
    found: dict[str, Any] = {
        "Id": "ab" * 32,
        "Name": "/shop-api-1",
        "Image": "sha256:1",
        "Path": "serve",
        "Args": ["--password", VALUE],
        "State": {"Pid": 4711, "Status": "running"},
        "ResolvConfPath": "/r",
        "HostsPath": "/h",
        "Config": {
            "Env": [f"DATABASE_URL={VALUE}", "PATH=/usr/bin", "EMPTY="],
            "Cmd": ["serve", VALUE],
            "User": "1000",
            "Labels": labels,
            "Image": "shop@sha256:1",
            "Healthcheck": {"Test": ["CMD", "true"]},
        },
        "HostConfig": {
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "Memory": 1,
            "NanoCpus": 1,
            "PidsLimit": 10,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m"}},
            "NetworkMode": "shop_default",
            "PortBindings": {"8443/tcp": [{"HostIp": "10.0.0.5", "HostPort": "443"}]},
        },
        "Mounts": [
            {
                "Type": "bind",
                "Source": "/var/lib/morpheus.deploy/stacks/shop/project/secrets/license",
                "Destination": "/run/secrets/license",
                "RW": False,
                "Propagation": "rprivate",
            }
        ],
        "NetworkSettings": {"Networks": {"shop_default": {}}},
    }
    return {**found, **more}


def test_a_container_is_described_without_any_value() -> None:
    found = described(inspect(), ["PATH"], None, "shop")
    assert VALUE not in json.dumps(found)
    assert "hunter2" not in json.dumps(found)
    assert (found["name"], found["service"], found["once"]) == ("shop-api-1", "api", False)
    assert found["keys"] == ["DATABASE_URL", "EMPTY", "PATH"]
    assert found["files"] == ["license"]
    assert found["findings"] == []


def test_what_the_inventory_exempts_a_service_from_is_accepted() -> None:
    bare = inspect()
    bare["HostConfig"]["ReadonlyRootfs"] = False
    hardening = Hardening(exempt={"api": ["read_only"]})
    assert [(one["item"], one["accepted"]) for one in described(bare, [], hardening, "shop")["findings"]] == [("5.13", True)]
    assert [(one["item"], one["accepted"]) for one in described(bare, [], None, "shop")["findings"]] == [("5.13", False)]
    # An exemption is of this stack's service, not of whatever is called alike.
    assert [one["accepted"] for one in described(bare, [], hardening, "other")["findings"]] == [False]


@pytest.mark.parametrize(
    ("service", "found"),
    [
        ({}, {"env_files": [], "environment": [], "files": [], "once": False}),
        ({"env_file": "api.env"}, {"env_files": ["api.env"]}),
        ({"env_file": ["./env/api.env", f"{FILES}/secrets/api.env"]}, {"env_files": ["env/api.env", "secrets/api.env"]}),
        ({"env_file": [{"path": f"{FILES}/env/api.env", "required": True}]}, {"env_files": ["env/api.env"]}),
        ({"environment": {"B": "1", "A": "", "FROM_SHELL": None}}, {"environment": ["A", "B"]}),
        ({"environment": ["B=1", "A=", "FROM_SHELL"]}, {"environment": ["A", "B"]}),
        ({"secrets": ["license"]}, {"files": [{"target": "license", "file": "secrets/license"}]}),
        (
            {"secrets": [{"source": "license", "target": "/run/secrets/own"}]},
            {"files": [{"target": "own", "file": "secrets/license"}]},
        ),
        ({"secrets": ["unknown"]}, {"files": [{"target": "unknown", "file": ""}]}),
        ({"profiles": ["once"]}, {"once": True}),
    ],
)
def test_what_compose_files_give_a_service_is_read_as_written(service: dict[str, Any], found: dict[str, Any]) -> None:
    model = {"secrets": {"license": {"file": f"{FILES}/secrets/license"}}}
    seen = declared("api", service, model, FILES)
    assert {key: seen[key] for key in found} == found


PRIVILEGED = {"Privileged": True, "RestartPolicy": {"Name": "always"}, "Memory": 0, "NetworkMode": "bridge"}


@pytest.mark.parametrize("state", ["created", "exited", "dead"])
def test_of_a_container_that_does_not_run_is_told_what_would_give_it_the_host(state: str) -> None:
    mounts = [{"Type": "bind", "Source": "/", "Destination": "/host", "RW": True, "Propagation": "rprivate"}]
    found = described(inspect(State={"Status": state}, HostConfig=PRIVILEGED, Mounts=mounts), [], None, "shop")
    assert (found["state"], found["restart"]) == (state, "always")
    assert [(one["item"], one["level"], one["text"]) for one in found["findings"]] == [
        ("5.5", "high", f"is privileged (it is {state})"),
        ("5.32", "high", f"reaches the engine's socket through / (it is {state})"),
    ]


def test_a_paused_container_is_judged_as_one_that_runs() -> None:
    found = described(inspect(State={"Status": "paused"}, HostConfig=PRIVILEGED), [], None, "shop")
    assert "5.11" in [one["item"] for one in found["findings"]]


class FakeEngine:
    """audit_host's view of an engine with one container."""

    def containers(self) -> list[dict[str, Any]]:
        return [inspect()]

    def volumes(self) -> dict[str, dict[str, str]]:
        return {}

    def image(self, identity: str) -> dict[str, Any]:
        return {"Id": identity, "RepoTags": ["shop:1"], "Config": {"Env": ["PATH=/usr/bin"], "User": "1000"}}

    def history(self, identity: str) -> list[dict[str, Any]]:
        return [{"CreatedBy": f"ENV API_TOKEN={VALUE}"}]

    def info(self) -> dict[str, Any]:
        return {"LiveRestoreEnabled": True, "SecurityOptions": ["name=seccomp,profile=builtin"]}


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    """A live release on disk, with its secrets."""
    found = Releases("shop", tmp_path)
    stack = {"name": "shop", "compose_files": ["compose.yml"], "env": {"api": {"LOG_LEVEL": "info"}}}
    found.write_files("1-a", "1", "staging", {"compose.yml": b"services: {}\n", "more/other.env": b"# c\nexport A=1\nB: 2\nC\n"})
    found.write_manifest(Manifest("1-a", "1", "staging", Stack.of(stack), secrets={"api.env": ["DATABASE_URL"]}))
    found.write_secrets({"api.env": f'DATABASE_URL="{VALUE}"\n'})
    found.write_lineage(Lineage(trail=["1-a"]))
    return found


@pytest.fixture
def audit(releases: Releases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> HostAudit:
    model = {"services": {"api": {"env_file": ["secrets/api.env"]}}}
    monkeypatch.setattr(Compose, "written", lambda _: model)
    monkeypatch.setattr(audit_host, "HostIdentity", lambda: HostIdentity(tmp_path / "nothing"))
    root = tmp_path.with_name(f"{tmp_path.name}-root")
    root.mkdir()
    return HostAudit(FakeEngine(), releases, root)  # type: ignore[arg-type]


def test_no_value_leaves_the_host(audit: HostAudit) -> None:
    found = audit.look([], 1.0, "api.DATABASE_URL", "stagingproj")
    assert "hunter2" not in json.dumps(found)
    assert found["trouble"] == []
    assert found["database"] == ""
    assert found["secrets"] == {"api.env": ["DATABASE_URL"]}
    assert found["env_files"] == {"env/api.env": ["LOG_LEVEL"], "more/other.env": ["A", "B", "C"]}
    assert found["services"][0]["env_files"] == ["secrets/api.env"]
    assert found["containers"][0]["keys"] == ["DATABASE_URL", "EMPTY", "PATH"]
    assert [one["item"] for one in found["images"]] == ["4.6", "4.10"]
    assert found["stacks"] == ["shop"]


@pytest.mark.parametrize(
    ("name", "project", "words"),
    [
        ("api.DATABASE_URL", "productionproj", "leads to the Supabase project stagingproj, expected productionproj"),
        ("api.DATABASE_URL", "", None),
        ("api.OTHER", "stagingproj", None),
        ("", "stagingproj", None),
    ],
)
def test_the_databases_project_is_compared_on_the_host(audit: HostAudit, name: str, project: str, words: str | None) -> None:
    assert audit.look([], 1.0, name, project)["database"] == words


def test_a_release_that_cannot_be_read_is_trouble(audit: HostAudit, releases: Releases) -> None:
    (releases.root / "releases" / "1-a" / "manifest.json").write_text("{")
    found = audit.look([], 1.0)
    assert "cannot be read" in found["trouble"][0]
    assert found["services"] == []


def test_connections_are_tried_from_the_host_and_from_one_replica_of_each_service(
    audit: HostAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Recording:
        def __init__(self, targets: list[Any], timeout: float, namespace: Any) -> None:
            self.results = lambda: [{"outcome": "refused", "detail": str(namespace and namespace.pid)} for _ in targets]

        def start(self) -> Recording:
            return self

    monkeypatch.setattr(reach, "Trial", Recording)
    connections = [{"name": "db", "host": "db.example", "port": 5432, "address": "", "wanted": "closed"}]
    found = audit.look(connections, 1.0)["proofs"]
    assert [(one["from"], one["wanted"], one["outcome"], one["detail"]) for one in found] == [
        ("", "closed", "refused", "None"),
        ("api", "closed", "refused", "4711"),
    ]


def test_a_listening_socket_is_told_with_the_container_behind_it(audit: HostAudit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "listeners", lambda: [Listener("tcp", "0.0.0.0", 443, "1"), Listener("tcp", "0.0.0.0", 22, "2")])
    monkeypatch.setattr(sockets, "owners", lambda: {"1": 10, "2": 20})
    monkeypatch.setattr(sockets, "name", lambda pid: {10: "docker-proxy", 20: "sshd"}[pid])
    monkeypatch.setattr(sockets, "container", lambda pid: "")
    found = [(one["port"], one["process"], one["container"]) for one in audit.look([], 1.0)["sockets"]]
    assert found == [(443, "docker-proxy", "shop-api-1"), (22, "sshd", "")]


def test_what_does_not_run_has_no_process_to_try_from_and_no_port(
    releases: Releases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Stopped(FakeEngine):
        def containers(self) -> list[dict[str, Any]]:
            return [inspect(State={"Pid": 0, "Status": "exited"})]

    monkeypatch.setattr(sockets, "listeners", list)
    monkeypatch.setattr(Compose, "written", lambda _: {})
    audit = HostAudit(Stopped(), releases, tmp_path / "root")  # type: ignore[arg-type]
    found = audit.look([{"name": "db", "host": "127.0.0.1", "port": 1, "wanted": "closed"}], 1.0)
    assert {one["from"] for one in found["proofs"]} == {""}
    assert found["sockets"] == []
    assert [one["state"] for one in found["containers"]] == ["exited"]


def test_a_published_port_is_told_though_nothing_of_the_host_listens(audit: HostAudit, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine without its proxy forwards packets and needs no socket."""
    monkeypatch.setattr(sockets, "listeners", list)
    assert audit.look([], 1.0)["sockets"] == [
        {"protocol": "tcp", "address": "10.0.0.5", "port": 443, "process": "", "container": "shop-api-1"}
    ]


class Api:
    """The engine's API with one container of each state, of which the engine lists those that run unless it is asked for all."""

    states = ("running", "created", "exited")

    def containers(self, *, all: bool = False) -> list[dict[str, str]]:
        return [{"Id": state} for state in self.states if all or state == "running"]

    def inspect_container(self, identity: str) -> dict[str, str]:
        return {"Id": identity}

    def volumes(self) -> dict[str, Any]:
        return {"Volumes": [{"Name": "data", "Options": None}, {"Name": "etc", "Options": {"device": "/etc"}}]}


def test_the_engine_is_asked_for_every_container_and_for_what_volumes_are() -> None:
    engine = Everything(SimpleNamespace(api=Api()))
    assert [one["Id"] for one in engine.containers()] == ["running", "created", "exited"]
    assert engine.volumes() == {"data": {}, "etc": {"device": "/etc"}}
