"""What a deploy costs the controller, by the number of hosts: `python -m tests.bench.fleet` prints one Markdown table.

Ansible, the playbook, its roles and plugins are the real ones, with the project's forks. Only the hosts are none: whatever
Ansible would run on one is answered at once by a few lines of shell, with what the module returns on a good day. So the
controller is what is measured.
"""

from __future__ import annotations

import argparse
import configparser
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests import commands
from tests.plays.staged import SHOWN

BIN = Path(sys.executable).parent
# Never run: it marks the commands that are modules.
INTERPRETER = "/the/python/of/the/host"
RELEASE = "1.1.0"
ENVIRONMENT = "staging"

# In the place of a shell. A module comes on standard input and ends with what it was given, as modules do; everything else, as
# the keeper's signs of life, succeeds.
_HOST = """#!/bin/sh
case "$2" in *@INTERPRETER@*) ;; *) exit 0 ;; esac
sed -n -f @DIRECTORY@/host.sed | {
    read -r module
    if [ "$module" = lease ]; then
        given=$(cat)
        # A few hosts keep the lease; on the others only its token is remembered.
        case "$given" in *'"keeps_lease": false'*) module=lease_elsewhere ;; esac
        cat "@DIRECTORY@/answers/$module.json"
        printf ', "invocation": {"module_args": %s}}' "$given"
        exit
    fi
    cat "@DIRECTORY@/answers/$module.json"
    printf ', "invocation": {"module_args": '
    cat
    printf '}}'
}
"""
# Name and arguments of a module, out of what Ansible wraps it in.
_SED = r"""
s/^ansible_module='morpheus[.]deploy[.]\(.*\)',$/\1/p
/^params='/{
s/^params='{"ANSIBLE_MODULE_ARGS": \(.*\)}',$/\1/
s/\\'/'/g
s/\\\\/\\/g
p
}
"""

_STACK = {
    "name": "shop",
    "compose_files": ["compose.yml"],
    "files": ["files"],
    "services": [{"name": "web", "port": 8000, "routes": [{}], "health": {"path": "/health", "version": "version"}}],
    "migration": {"service": "migrate", "directory": "files/migrations", "ledger": ""},
}
_COMPOSE = {
    "services": {
        "web": {"image": "shop/web:${STACK_RELEASE}"},
        "migrate": {"image": "shop/web:${STACK_RELEASE}", "profiles": ["migrate"]},
    }
}
_LEASE: Mapping[str, Any] = {
    "environment": ENVIRONMENT,
    "token": 7,
    "owner": "anna@laptop",
    "reason": f"deploy {RELEASE}",
    "run": "5f0c3a9d21b4",
    "seen": 0,
    "msg": "The lease was taken.",
}
_ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "host_identity": {"changed": False, "environment": ENVIRONMENT, "claimed": "2026-11-24T10:00:00Z", "sandbox": False},
    "lease": {
        **_LEASE,
        "changed": True,
        "granted": True,
        "taken": True,
        "holder": {**_LEASE, "ttl_seconds": 20.0, "alive": True},
    },
    "lease_elsewhere": {**_LEASE, "changed": False, "granted": False, "taken": False, "holder": None},
    "preflight_info": SHOWN,
    "stack_release": {
        "changed": True,
        "id": f"{RELEASE}-3f9a0c1d",
        "release": RELEASE,
        "previous": "1.0.0",
        "previous_id": "1.0.0-0c5d2a91",
        "environment": ENVIRONMENT,
        "was_live": False,
        "pending": True,
        "on_host": True,
        "versions": ["0001"],
        "plan": ["web: start 1 candidate (changed: image shop/web:1.0.0 -> shop/web:1.1.0)"],
        "images": {"web": {"reference": "shop/web:1.1.0", "digest": "sha256:" + "5c" * 32, "id": "sha256:" + "9e" * 32}},
        "changed_secrets": [],
        "changed_live_files": [],
        "diff": {"before": "shop-web-1 1.0.0\n", "after": "shop-web-1 1.0.0\n"},
    },
    "stack_migration": {"changed": True, "result": {"applied": ["0001"], "head": "0001"}},
    "stack_rollout": {
        "changed": True,
        "release": RELEASE,
        "release_id": f"{RELEASE}-3f9a0c1d",
        "kind": "deploy",
        "switched": True,
        "previous": "1.0.0",
        "previous_id": "1.0.0-0c5d2a91",
        "failure_action": "rollback",
        "public_check": {},
        "steps": ["web: start 1 candidate"],
        "replaced": ["shop-web-1"],
        "interrupted": [],
        "pruned": [],
        "gates": [
            {"service": "web", "name": "shop-web-2", "url": "http://172.18.0.5:8000/health", "healthy": True, "attempts": 4}
        ],
        "seconds": {"start": 0.6, "gate": 3.9, "admit": 0.1, "drain": 0.1, "await": 2.8, "stop": 0.5, "remove": 0.1},
        "drained": 6,
        "cut": 0,
        "left_behind": 0,
        "errors": 0,
    },
}


@dataclass(frozen=True)
class Cost:
    """Of the controller: wall seconds, seconds of CPU of all its processes, and the most memory that one of them had."""

    wall: float
    cpu: float
    megabytes: float


def write(directory: Path, hosts: int, at_once: int, release_kb: int) -> None:
    """A project whose ``hosts`` are none, and a release of ``release_kb``."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "ansible.cfg")
    own = {key: value for key, value in parser["defaults"].items() if not key.startswith("vault")}
    parser.read_dict({"defaults": {**own, "collections_path": str(ROOT / "collections")}})
    for key in ("vault_identity_list", "vault_id_match"):
        parser.remove_option("defaults", key)
    with (directory / "ansible.cfg").open("w") as stream:
        parser.write(stream)
    answers = directory / "answers"
    answers.mkdir()
    for module, answer in _ANSWERS.items():
        # What the module was given is added, as modules do.
        (answers / f"{module}.json").write_text(json.dumps(answer).removesuffix("}"))
    host = directory / "host"
    host.write_text(_HOST.replace("@INTERPRETER@", INTERPRETER).replace("@DIRECTORY@", str(directory)))
    (directory / "host.sed").write_text(_SED)
    host.chmod(0o755)
    files = directory / "source" / "files"
    (files / "migrations").mkdir(parents=True)
    (files / "migrations" / "0001_init.sql").write_text("select 1;\n")
    (files / "large").write_bytes(os.urandom(release_kb * 1000))
    (directory / "source" / "compose.yml").write_text(yaml.safe_dump(_COMPOSE))
    variables = {
        "ansible_connection": "local",
        "ansible_pipelining": True,
        "ansible_become": False,
        "ansible_python_interpreter": INTERPRETER,
        "stack_environment": ENVIRONMENT,
        "stack_release": RELEASE,
        "stack_source": str(directory / "source"),
        "stack": {**_STACK, "hosts_at_once": at_once},
    }
    names: dict[str, dict[str, str]] = {f"app-{number:03}": {} for number in range(1, hosts + 1)}
    (directory / "hosts.yml").write_text(yaml.safe_dump({"app": {"hosts": names, "vars": variables}}))


def command(directory: Path, *options: str) -> tuple[list[str], dict[str, str]]:
    """A deploy of the project in ``directory``, and its environment."""
    playbook = [str(BIN / "ansible-playbook"), str(ROOT / "playbooks" / "deploy.yml"), "-i", "hosts.yml", *options]
    return playbook, {**commands.environment(), "ANSIBLE_EXECUTABLE": str(directory / "host"), "ANSIBLE_NOCOLOR": "1"}


def measure(hosts: int, at_once: int, release_kb: int) -> Cost:
    directory = Path(tempfile.mkdtemp(prefix="fleet."))
    try:
        write(directory, hosts, at_once, release_kb)
        arguments, environment = command(directory)
        with (directory / "log").open("wb") as log:
            begun = time.monotonic()
            process = subprocess.Popen(
                arguments, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.monotonic() - begun
        verdict = directory / ".deploy" / ENVIRONMENT / "verdict.json"
        if status or json.loads(verdict.read_text())["verdict"] != "deployed":
            raise RuntimeError(f"the deploy to {hosts} hosts failed:\n{(directory / 'log').read_text()[-3000:]}")
        return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def table(costs: Mapping[int, Cost]) -> str:
    """With what the last hosts cost beside the first ones: a cost that grows with the square would grow there, too."""
    lines = ["| hosts | wall, s | CPU, s | CPU per further host, s | memory, MB |", "|--:|--:|--:|--:|--:|"]
    before: tuple[int, Cost] | None = None
    for hosts, cost in sorted(costs.items()):
        further = f"{(cost.cpu - before[1].cpu) / (hosts - before[0]):.2f}" if before else ""
        lines.append(f"| {hosts} | {cost.wall:.1f} | {cost.cpu:.1f} | {further} | {cost.megabytes:.0f} |")
        before = hosts, cost
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fleet")
    parser.add_argument("hosts", type=int, nargs="*", default=[1, 10, 50, 200], metavar="HOSTS", help="(default: 1 10 50 200)")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="hosts that roll at the same time (default: 1)")
    parser.add_argument("--release-kb", type=int, default=500, metavar="KB", help="size of the release's files (default: 500)")
    options = parser.parse_args(arguments)
    costs = {}
    for hosts in options.hosts:
        print(f"{hosts} hosts", file=sys.stderr)
        costs[hosts] = measure(hosts, options.at_once, options.release_kb)
    print(table(costs))
    print(f"\n`{shlex.join(['python', '-m', 'tests.bench.fleet', *arguments])}` on {os.cpu_count()} cores, {date.today()}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
