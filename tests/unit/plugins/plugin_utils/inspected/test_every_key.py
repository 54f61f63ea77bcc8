# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every key of the Compose specification in a service of a stranger's: a deploy accepts it or refuses it by its name, the lines
that a refusal names are accepted when they are pasted, and so are those of a first look.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.check import StackConfig
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import inspection
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.inspection import Inspection

OPTIONS = specifications.options("preflight")
SPECIFICATION: dict[str, Any] = json.loads((Path(__file__).parents[3] / "compose_specification.json").read_text())
# Key -> what public files say there.
SAMPLES: dict[str, list[Any]] = {
    "annotations": [{"a.b": "c"}],
    "attach": [False],
    "blkio_config": [{"weight": 300}],
    "build": [".", {"context": ".", "dockerfile": "Dockerfile"}],
    "cap_add": [["NET_ADMIN"], ["NET_BIND_SERVICE"]],
    "cap_drop": [["ALL"]],
    "cgroup": ["host", "private"],
    "cgroup_parent": ["x"],
    "command": [["run"], "run it"],
    "configs": [["file"], [{"source": "file", "target": "/x"}], ["inline"], ["variable"], ["external"]],
    "container_name": ["fixed"],
    **{key: [1] for key in ("cpu_count", "cpu_percent", "cpu_period", "cpu_quota", "cpu_shares")},
    "cpu_rt_period": [1],
    "cpu_rt_runtime": [1],
    "cpus": ["0.5"],
    "cpuset": ["0"],
    "credential_spec": [{"file": "a.json"}],
    "depends_on": [
        ["other"],
        {"other": {"condition": "service_started", "restart": True, "required": False}},
        {"job": {"condition": "service_completed_successfully"}},
    ],
    "deploy": [
        {"mode": "global"},
        {"mode": "replicated-job"},
        {"mode": "global-job"},
        {"endpoint_mode": "dnsrr", "labels": {"a": "b"}},
        {"placement": {"constraints": ["node.hostname == app-1"]}},
        {"placement": {"constraints": ["node.role == manager"]}},
        {"placement": {"preferences": [{"spread": "x"}]}},
        {"replicas": 3, "placement": {"max_replicas_per_node": 1}},
        {"resources": {"limits": {"cpus": "1", "memory": "1g", "pids": 100}, "reservations": {"memory": "1g"}}},
        {"resources": {"limits": {"pids": -1}}},
        {"resources": {"reservations": {"devices": [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]}}},
        {"restart_policy": {"condition": "on-failure", "delay": "5s", "max_attempts": 3}},
        {"update_config": {"order": "stop-first", "parallelism": 2, "delay": "1s"}},
        {"update_config": {"failure_action": "continue"}},
    ],
    "develop": [{"watch": [{"path": ".", "action": "sync", "target": "/a"}]}],
    "device_cgroup_rules": [["c 1:3 mr"]],
    "devices": [["/dev/kmsg:/dev/kmsg"]],
    "dns": ["1.1.1.1"],
    "dns_opt": [["x"]],
    "dns_search": [["x"]],
    "domainname": ["x"],
    "entrypoint": [["a"]],
    "env_file": ["settings.env", [".env"], [{"path": "settings.env", "required": False}], ["nowhere.env"]],
    "environment": [{"A": "b"}, ["A=b", "C"], {"A": None}, {"A": "${GIVEN}"}],
    "expose": [["80"]],
    "extends": [{"service": "other"}, {"file": "base.yml", "service": "base"}],
    "external_links": [["a"]],
    "extra_hosts": [["host.docker.internal:host-gateway"]],
    "gpus": ["all", [{"driver": "nvidia", "count": 1}]],
    "group_add": [["mail"]],
    "healthcheck": [{"test": ["CMD", "x"]}, {"disable": True}, {"test": ["NONE"]}],
    "hostname": ["x"],
    "image": ["a:latest", "a", "a:1", "a:${GIVEN}", "a:${TAG:-1}"],
    "init": [True],
    "ipc": ["host", "shareable", "service:other"],
    "isolation": ["default"],
    "label_file": ["labels.env"],
    "labels": [{"a": "b"}, ["com.docker.compose.project=x"]],
    "links": [["other"], ["other:alias"]],
    "logging": [{"driver": "syslog"}, {"driver": "json-file", "options": {"max-size": "1m"}}],
    "mac_address": ["02:42:ac:11:65:43"],
    "mem_limit": ["1g"],
    "mem_reservation": ["1g"],
    "mem_swappiness": [5],
    "memswap_limit": ["1g"],
    "models": [["m"]],
    "network_mode": ["host", "none", "service:other", "container:x"],
    "networks": [["own"], ["outer"], {"own": {"ipv4_address": "172.30.0.5", "aliases": ["x"]}}],
    "oom_kill_disable": [True],
    "oom_score_adj": [-5, 5],
    "pid": ["host", "service:other"],
    "pids_limit": [-1, 100],
    "platform": ["linux/amd64"],
    "ports": [["8080:80"], ["127.0.0.1:8080:80"], ["53:53/udp"], ["222:22", "80:80"], ["3000-3005:3000-3005"], [{"target": 80}]],
    "post_start": [[{"command": ["x"]}], [{"command": ["x"], "privileged": True}]],
    "pre_start": [[{"command": ["x"], "image": "a:1"}]],
    "pre_stop": [[{"command": ["x"]}]],
    "privileged": [True],
    "profiles": [["x"]],
    "provider": [{"type": "aws"}],
    "pull_policy": ["always", "build", "never"],
    "pull_refresh_after": ["1h"],
    "read_only": [True, False],
    "restart": ["always", "no", "on-failure:3", "unless-stopped"],
    "runtime": ["nvidia"],
    "scale": [2],
    "secrets": [["file"], [{"source": "file", "target": "k", "mode": 0o440}], ["variable"], ["external"]],
    "security_opt": [["seccomp:unconfined", "apparmor:unconfined", "label:disable", "no-new-privileges:true"]],
    "shm_size": ["1g"],
    "stdin_open": [True],
    "stop_grace_period": ["5s"],
    "stop_signal": ["SIGINT"],
    "storage_opt": [{"size": "1g"}],
    "sysctls": [{"vm.max_map_count": "262144"}, ["net.core.somaxconn=1024"]],
    "tmpfs": [["/run"], "/run:size=64m"],
    "tty": [True],
    "ulimits": [{"rtprio": 5}, {"nofile": {"soft": 1, "hard": 2}}],
    "use_api_socket": [True],
    "user": ["1000", "root"],
    "userns_mode": ["host"],
    "uts": ["host"],
    "volumes": [
        ["/srv/x:/x", "~/x:/y", "../x:/z", "/var/run/docker.sock:/var/run/docker.sock"],
        ["data:/x:Z", "./app:/y:cached", "./mounted.conf:/z:ro"],
        ["/anonymous"],
        ["nfs:/x", "outer:/y"],
        [{"type": "image", "source": "a:1", "target": "/i"}, {"type": "npipe", "source": "a", "target": "/j"}],
        [{"type": "volume", "source": "data", "target": "/x", "volume": {"subpath": "a", "nocopy": True}}],
        [{"type": "bind", "source": "./app", "target": "/y", "bind": {"create_host_path": True}}],
    ],
    "volumes_from": [["other"]],
    "working_dir": ["/x"],
}
CASES = [pytest.param(key, value, id=f"{key}-{number}") for key in SAMPLES for number, value in enumerate(SAMPLES[key])]
ELEMENTS: dict[str, dict[str, Any]] = {
    "networks": {"own": {}, "outer": {"external": True}},
    "configs": {
        "file": {"file": "./app.conf"},
        "inline": {"content": "x"},
        "variable": {"environment": "GIVEN"},
        "external": {"external": True},
    },
    "secrets": {"file": {"file": "./key.txt"}, "variable": {"environment": "GIVEN"}, "external": {"external": True}},
    "volumes": {
        "data": {},
        "nfs": {"driver_opts": {"type": "nfs", "o": "addr=192.0.2.1", "device": ":/x"}},
        "outer": {"external": True},
    },
    "models": {"m": {"model": "x"}},
}
# What no line can give: what a person does instead, in the words of the refusal. With it, nothing is refused.
BY_HAND: dict[str, dict[str, Any]] = {
    "replicas are drained and then stopped by signal, without hooks; do it when SIGTERM comes": {"pre_stop": []},
    "every host runs all replicas, so remove it": {"deploy": {}},
    "and every host runs all 3 replicas; set deploy.replicas to 1": {"deploy": {"replicas": 1}},
    '"continue" is not one of rollback, pause': {"deploy": {"update_config": {"failure_action": "pause"}}},
    "give a tag other than latest, or a digest": {"image": "a:1"},
}


def test_there_is_a_sample_of_every_key() -> None:
    assert sorted(SAMPLES) == SPECIFICATION["service"]


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    key, value = request.param
    return laid(tmp_path, {"image": "a:1", "restart": "always", key: value})


def laid(directory: Path, web: dict[str, Any]) -> Path:
    files = {
        **dict.fromkeys(("app.conf", "mounted.conf", "key.txt"), "x"),
        "settings.env": "LEVEL=info\n",
        "labels.env": "a=b\n",
        ".env": "GIVEN=1\n",
        "base.yml": "services: {base: {image: 'b:1', restart: always}}",
    }
    for name, text in files.items():
        (directory / name).write_text(text)
    services: dict[str, Any] = {"web": web, "other": {"image": "b:1", "restart": "always"}}
    if "job" in json.dumps(web.get("depends_on", [])):
        services["job"] = {"image": "b:1", "restart": "no"}
    used = {
        element: {name: one for name, one in known.items() if _uses(web.get(element), name)}
        for element, known in ELEMENTS.items()
    }
    document = {"services": services, **{element: known for element, known in used.items() if known}}
    (directory / "compose.yml").write_text(yaml.safe_dump(document))
    return directory / "compose.yml"


def _uses(said: Any, name: str) -> bool:
    names = [one.get("source") if isinstance(one, dict) else str(one).partition(":")[0] for one in said or ()]
    return name in names


def checked(project: Path, stack: dict[str, Any], **more: Any) -> list[str]:
    files = [project.name, *(["pasted.yml"] if (project.parent / "pasted.yml").exists() else [])]
    raw = {
        "preflight_environments": ["staging"],
        "stack_environment": "staging",
        "stack_release": "1.0.0",
        "stack_source": str(project.parent),
        "stack": {"name": "shop", "compose_files": files, "services": [], "variables": {"GIVEN": "1"}, **stack},
        **more,
    }
    return StackConfig(raw, OPTIONS).problems


@pytest.mark.parametrize("project", [pytest.param(one.values, id=one.id) for one in CASES], indirect=True)
def test_a_key_is_accepted_or_refused_by_its_name_and_the_lines_that_a_refusal_names_are_accepted(
    project: Path, request: pytest.FixtureRequest
) -> None:
    key = request.node.callspec.id.rpartition("-")[0]
    problems = checked(project, {})
    assert all(re.search(rf"\b{key}\b", one) for one in problems), problems
    pasted = Pasted(project)
    for problem in problems:
        assert pasted.paste(problem), f"no line to write in: {problem}"
    assert checked(project, pasted.stack, **pasted.more) == []


class Pasted:
    """What a person copies from refusals."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.stack: dict[str, Any] = {}
        self.more: dict[str, Any] = {}
        self._over = ""

    def paste(self, problem: str) -> bool:
        """Whether it says what to write."""
        return any([self._exempted(problem), self._shipped(problem), *self._written(problem), self._by_hand(problem)])

    def _exempted(self, problem: str) -> bool:
        found = re.search(r"name (?P<what>[\w.*]+) in stack\.hardening\.(?P<where>\w+)(?:\.(?P<service>\w+))?\Z", problem)
        if found:
            hardening = self.stack.setdefault("hardening", {})
            at = hardening.setdefault(found["where"], {} if found["service"] else [])
            (at.setdefault(found["service"], []) if found["service"] else at).append(found["what"])
        return bool(found)

    def _shipped(self, problem: str) -> bool:
        found = re.search(r"(?:add (?P<one>\S+) to stack\.files|and (?P<other>\S+) under stack\.files)\Z", problem)
        if not found:
            return False
        name = found["one"] or found["other"]
        (self.project.parent / name).write_text("x")
        self.stack.setdefault("files", []).append(name)
        if found["other"]:
            self._change(lambda text: text.replace("external: true", f"file: ./{name}"))
        return True

    def _written(self, problem: str) -> Iterator[bool]:
        over = re.search(r"write (?P<lines>secrets: \{.*?\}\}) in an override", problem)
        if over:
            self._override(over["lines"])
        secret = re.search(r"stack_secret_files: (?P<lines>\{.*\}\})\Z", problem)
        if secret:
            self.more["stack_secret_files"] = yaml.safe_load(secret["lines"])
        yield bool(over and secret)
        job = re.search(r"stack\.jobs: (?P<lines>\{.*\}\})\Z", problem)
        if job:
            self.stack["jobs"] = yaml.safe_load(job["lines"])
            self._override("services: {web: {deploy: !reset {}, restart: 'no'}}")
        yield bool(job)
        placed = re.search(r"stack\.services: (?P<lines>\[.*\])\Z", problem)
        if placed:
            self.stack["services"] = yaml.safe_load(placed["lines"])
            self.more["stack_groups"] = {"app": [one["hosts"] for one in self.stack["services"]]}
            self._override("services: {web: {deploy: !reset {}}}")
        yield bool(placed)
        shared = re.search(r"write services\.(?P<service>\w+)\.ipc: (?P<value>\w+)\Z", problem)
        if shared:
            self._override(f"services: {{{shared['service']}: {{ipc: {shared['value']}}}}}")
        yield bool(shared)
        content = re.search(r'write content: "(?P<value>[^"]+)" instead', problem)
        if content:
            self._change(lambda text: text.replace("environment: GIVEN", f'content: "{content["value"]}"'))
        yield bool(content)
        volume = re.search(
            r"write (?P<lines>volumes: \[.*?\]) there and (?P<name>\S+): \{\} under the top-level volumes", problem
        )
        if volume:
            self._override(
                f"services: {{web: {{{volume['lines'].replace(': [', ': !override [')}}}}}\nvolumes: {{{volume['name']}: {{}}}}"
            )
        yield bool(volume)

    def _by_hand(self, problem: str) -> bool:
        found = [change for words, change in BY_HAND.items() if words in problem]
        for change in found:
            document = yaml.safe_load(self.project.read_text())
            document["services"]["web"] |= change
            self.project.write_text(yaml.safe_dump(document))
        return bool(found)

    def _override(self, text: str) -> None:
        (self.project.parent / "pasted.yml").write_text(text)

    def _change(self, change: Any) -> None:
        self.project.write_text(change(self.project.read_text()))


# What a look leaves to the person who reads it, because only that one knows.
LEFT = {
    *("configs-3", "configs-4", "deploy-1", "deploy-2", "deploy-4", "deploy-5", "deploy-6", "deploy-7", "deploy-13", "ipc-2"),
    *("pre_stop-0", "volumes-2"),
}


@pytest.mark.parametrize("project", [pytest.param(one.values, id=one.id) for one in CASES], indirect=True)
def test_the_lines_of_a_first_look_are_accepted_whatever_the_key_says(project: Path, request: pytest.FixtureRequest) -> None:
    found = Inspection(project, "staging", site="shop.example")
    name, key = request.node.callspec.id, request.node.callspec.id.rpartition("-")[0]
    assert bool(found.problems) == (name in LEFT), found.problems
    said = {row.place for row in found.needed.rows if row.how == "yours"}
    # What is left is said, by its name.
    assert not found.problems or any(key in place for place in said), said
    assert any(row.place.startswith("services.web") for row in found.needed.rows)


MISSHAPEN: list[Any] = [5, [None], {"a": None}, [[]], [{}], {1: 2}, "${A}"]


@pytest.mark.parametrize(
    "key", ["environment", "labels", "ports", "volumes", "env_file", "secrets", "configs", "depends_on", "deploy"]
)
def test_what_has_no_shape_of_compose_ends_in_words_and_never_in_a_crash(tmp_path: Path, key: str) -> None:
    for value in MISSHAPEN:
        project = laid(tmp_path, {"image": "redis:7", "restart": "always"})
        document = yaml.safe_load(project.read_text())
        document["services"]["web"][key] = value
        project.write_text(yaml.safe_dump(document))
        with suppress(DeployError):
            assert inspection.said(Inspection(project, "staging"))
