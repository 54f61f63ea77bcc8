"""An environment of stand-ins for the collection's real playbooks, roles and plugins: SSH, hosts and engines are played.

The program ``ssh`` runs commands here, and refuses a host that is down. The modules of the collection answer what the rules say,
in a collection of its own that has all else by links. The roles that install packages are stand-ins, too.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.ends import LOOKING

from tests.commands import environment
from tests.hangs import HANGS_AFTER_SECONDS
from tests.plays import warm
from tests.unit import certificates, flags_file

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
Begun = warm.Process | subprocess.Popen[bytes]
HOSTS = ("app-1", "app-2")
# Only so that a run that hangs ends some time; a busy machine needs minutes for many runs at once.

SSH = """#!/bin/sh
for word; do host=$command; command=$word; done
refused() { echo "ssh: connect to host $host port 22: Connection refused" >&2; exit 255; }
[ -e "$STAGE/$host.down" ] && refused
# What the keeper of the lease says to its host.
case "$command" in *"/leases/"*) exit 0;; esac
STAGE_HOST=$host sh -c "$command"; code=$?
[ -e "$STAGE/$host.down" ] && refused
exit $code
"""

# Ansible writes the options into the text. What imports basic.py is packed, unpacked and compiled again each time instead, which
# takes longer than all else in a run.
MODULE = """#!/usr/bin/python
import json, os, sys, time

given = json.loads(r'''<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>''')
stage, host, name = os.environ["STAGE"], os.environ.get("STAGE_HOST", "localhost"), {name!r}
check_mode = given.get("_ansible_check_mode", False)
with open(stage + "/asked", "a") as stream:
    print(json.dumps(dict(host=host, module=name, **{{key: given[key] for key in {noted} if key in given}})), file=stream)
answer = dict(changed=False)
with open(stage + "/rules.json") as stream:
    rules = json.load(stream)
for rule in rules:
    found = dict(given, module=name, host=host, check_mode=check_mode)
    if all(found.get(key) == value for key, value in rule.items() if key != "answer"):
        answer = rule["answer"]
        break
if {asks_for_lease}:
    import importlib
    sys.path.insert(0, {collections!r})
    leased = importlib.import_module("ansible_collections.morpheus.deploy.plugins.module_utils.lease.leased")
    problem = leased.problem(given, check_mode=check_mode)
    if problem:
        answer = dict(failed=True, msg=problem, left="as_before", answered=True)
if answer == "lost":
    open(stage + "/" + host + ".down", "w").close()
if answer == "waits":
    open(stage + "/waits", "w").close()
    while not os.path.exists(stage + "/over"):
        time.sleep(0.02)
print(json.dumps(answer if isinstance(answer, dict) else dict(changed=False)))
"""

# Options that a test may want to see of what was asked.
NOTED = (
    "names",
    "state",
    "drained",
    "stack",
    "token",
    "run",
    "adopts",
    "data",
    "ports",
    "ports_from",
    "hosts",
    "content",
    "before",
    "why",
)
Tasks = dict[str, list[dict[str, Any]]]
ENGINE_ROLE: Tasks = {
    "plan": [
        {
            "name": "See what the engine needs",
            "check_mode": True,
            "changed_when": False,
            "morpheus.deploy.engine_config": {"options": {}},
            "register": "docker_engine_planned",
        }
    ],
    "main": [{"name": "Install the engine", "morpheus.deploy.engine_config": {"options": {}, "token": 7}}],
}
# What it writes beside its module would be this machine's.
EGRESS_ROLE: Tasks = {
    "look": [{"name": "Learn how a host is reached", "morpheus.deploy.host_egress": {"name": "{{ inventory_hostname }}"}}],
    "main": [
        {
            "name": "Keep containers away",
            "when": "egress_filter | default(true)",
            "morpheus.deploy.host_egress": {"name": "{{ inventory_hostname }}", "hosts": ["{{ inventory_hostname }}"]},
        }
    ],
}
EDGE_TASKS = ("look", "upgrade", "keep_off", "take_back")
EDGE_ROLE: Tasks = {
    "check": [{"name": "Look at the options", "ansible.builtin.debug": {"msg": "They are well."}}],
    "main": [
        {
            "name": "Bring the edge",
            "morpheus.deploy.edge_config": {"ports": ["{{ 'waits' if edge_waits else 'serves' }}"]},
        }
    ],
    # These ask nobody but modules.
    **{name: yaml.safe_load((ROOT / "roles" / "edge" / "tasks" / f"{name}.yml").read_text()) for name in EDGE_TASKS},
}

COMPOSE = """
services:
  web:
    image: shop/web:${STACK_RELEASE}
    healthcheck: {test: [CMD, /health], interval: 5s}
    deploy: {resources: {limits: {memory: 64M}}}
"""
VARIABLES: dict[str, Any] = {
    "stack_environment": "staging",
    "stack_release": "1.1.0",
    "stack_source": "{{ inventory_dir }}/source",
    "stack_vault": "{{ inventory_dir }}/vault.yml",
    "stack_secrets": {"web": {"KEY": "{{ vault_key }}"}},
    "stack_fingerprint_key": "{{ vault_fingerprint_key }}",
    "stack_other_fingerprints": [],
    "stack_rotation": [{"name": "key", "secrets": ["web.KEY"], "variable": "vault_key", "provider": "generated"}],
    "stack": {
        "name": "shop",
        "compose_files": ["compose.yml"],
        "services": [
            {
                "name": "web",
                "port": 8000,
                "routes": [{"host": "shop.example"}],
                "health": {"path": "/health", "version": "version"},
            }
        ],
    },
    "ansible_connection": "ssh",
    "ansible_ssh_executable": "{{ inventory_dir }}/ssh",
    "ansible_python_interpreter": sys.executable,
    "ansible_pipelining": True,
    "ansible_become": False,
}
VAULT = {"vault_key": "canary" * 8, "vault_fingerprint_key": "f" * 64}

IDS = {"1.0.0": "1.0.0-aa", "1.1.0": "1.1.0-bb"}
BEFORE, NOW = ({"id": identity, "release": release} for release, identity in IDS.items())


def rule(module: str, answer: Mapping[str, Any] | str, **when: Any) -> dict[str, Any]:
    """``when``: host, check_mode, or an option of it. "lost": the host goes away; "waits": it does not end before the run."""
    return {"module": module, "answer": answer, **when}


def rollout(kind: str, release: str, previous: str, **more: Any) -> dict[str, Any]:
    return {
        "changed": True,
        "release": release,
        "release_id": IDS[release],
        "kind": kind,
        "previous": previous,
        "previous_id": IDS[previous],
        "switched": True,
        "failure_action": "rollback",
        "public_check": {},
        "steps": ["web: start 1 candidate"],
        "replaced": ["shop-web-1"],
        "gates": [{"service": "web"}],
        "seconds": {"start": 0.1},
        "drained": 0,
        "cut": 0,
        "left_behind": 0,
        "errors": 0,
        "interrupted": [],
        "pruned": [],
        **more,
    }


LEASE = {
    "changed": False,
    "environment": "staging",
    "taken": True,
    "granted": True,
    "token": 7,
    "owner": "anna@laptop",
    "reason": "a reason",
    "run": "run-a",
    "holder": {"ttl_seconds": 20.0},
    "taken_over": None,
    "database": {},
}
# Nobody listens there.
AUTHORITY = {"email": "ops@shop.example", "directory": "https://127.0.0.1:9/directory"}
ACCOUNT_KEY = certificates.make(["shop.example"])[1]
PROJECT = ("-e", json.dumps({"supabase_project": {"project_ref": "abcdefghijklmnopqrst", "token": "canary-token"}}))
ACME = ("-e", json.dumps({"edge_acme": AUTHORITY, "certificates_account_key": ACCOUNT_KEY}))


def certificate(days: float, path: str = "/nowhere/acme.pem", **when: Any) -> dict[str, Any]:
    """A host serves with one that has so many days left."""
    pem = certificates.make(["shop.example"], days)[0]
    return rule("edge_certificate_info", {"changed": False, "certificate": pem, "path": path}, **when)


FLAGS = flags_file.text({"loud": flags_file.share(0)})
FLAGS_THERE: dict[str, Any] = {
    "changed": False,
    "flags": base64.b64encode(FLAGS.encode()).decode(),
    "version": 1,
    "digest": "d" * 64,
    "changes": [],
    "history": [{"at": "2026-11-26T09:00:00Z", "by": "ben", "why": "new", "version": 1, "changes": ["loud: new, off"]}],
}
WITH_FLAGS = ("-e", json.dumps({"stack_flags": {"file": "{{ inventory_dir }}/flags.json"}}))
BACKUP = {
    "format": 1,
    "name": "20260101t120000z",
    "kind": "backup",
    "environment": "staging",
    "at": "2026-01-01T12:00:00Z",
    "why": "by hand",
    "server": "17",
    "sha256": "0" * 64,
    "size": 4711,
    "verified": "2026-01-01T12:01:00Z",
    "tables": {'"public"."stories"': {"rows": 3, "digest": "1"}},
}
BACKUPS = (
    "-e",
    json.dumps(
        {
            "backup": {"image": "postgres:17", "recipients": [f"age1{'q' * 58}"]},
            "backup_database_url": "postgresql://app:canary@db.example.com/app",
            "backup_identity": f"AGE-SECRET-KEY-1{'Q' * 58}",
        }
    ),
)
STAGING_DATA = {
    "staging_data_database_url": "postgresql://app:canary@db.example.com/app",
    "staging_data_identity": f"AGE-SECRET-KEY-1{'Q' * 58}",
}
EXPORTS = {"does": "exports", "directory": "/exports", "recipients": [f"age1{'q' * 58}"], "masking": "masking.yml"}
IMPORTS = {"does": "imports", "directory": "/exports", "image": "postgres:17"}
# Of preflight_info, on a host where all is well.
SHOWN: dict[str, Any] = {
    "changed": False,
    "memory": {"available": 4_000_000_000, "total": 8_000_000_000},
    "disks": [
        {"path": "/var/lib/docker", "free": 9_000_000_000, "total": 20_000_000_000, "inodes_free": 900_000, "inodes": 999_999}
    ],
    "versions": {"engine": "26.1.5", "compose": "2.26.1", "edge": "3.0.11"},
    "certificates": {},
    "backups": {},
    "alerts": None,
    "trouble": {},
}

WELL = [
    rule("backup_store", {"changed": False, "urls": {}}, state="signed"),
    rule("backup_store", {"changed": False, "records": [BACKUP, {**BACKUP, "kind": "export"}], "removed": []}),
    rule("staging_data_export", {"changed": True, "export": BACKUP, "rows": 3}),
    rule("staging_data_import", {"changed": True, "name": BACKUP["name"], "at": BACKUP["at"], "rows": 3}),
    rule("database_backup", {"changed": True, "backup": BACKUP, "rows": 3, "seconds": 1.5}),
    rule("database_restore", {"changed": False, "lost": ["3 rows"], "is_empty": False}, state="planned"),
    rule("storage_backup", {"changed": True, "backup": BACKUP, "objects": 5, "seconds": 2.5}),
    rule("storage_restore", {"changed": False, "lost": ["5 objects"]}, state="planned"),
    rule("storage_restore", {"changed": True, "name": f"{BACKUP['name']}-objects", "objects": 5, "seconds": 2.5}),
    rule("database_restore", {"changed": True, "name": BACKUP["name"], "rows": 3, "seconds": 1.5}),
    certificate(80),
    rule("edge_certificate", {"changed": True, "path": "/nowhere/acme.pem"}),
    rule("edge_challenges", {"changed": True, "names": ["shop.example"]}),
    rule("lease", {"changed": False, "token": 0, "holder": None, "history": [], "msg": "free"}, state="read"),
    rule("lease", {"changed": True, "token": 0, "holder": None, "msg": "The lease of ben was broken."}, state="broken"),
    rule("lease", {**LEASE, "token": 0, "holder": None, "taken": False, "granted": False}, check_mode=True),
    rule("lease", LEASE),
    rule(
        "stack_release",
        {
            "changed": True,
            **NOW,
            "environment": "staging",
            "previous": BEFORE["release"],
            "previous_id": BEFORE["id"],
            "pending": True,
            "on_host": True,
            "was_live": False,
            "images": {},
            "versions": [],
            "plan": ["web: start 1 candidate"],
            "changed_live_files": [],
            "routes": {"now": [], "wanted": {}},
        },
    ),
    rule(
        "stack_info",
        {
            "changed": False,
            "live": NOW["id"],
            "live_release": NOW["release"],
            "previous": BEFORE["id"],
            "rolling": {},
            "schema": {"head": "", "compatible_since": ""},
            "migrating": [],
            "releases": [
                {
                    **one,
                    "status": "superseded",
                    "at": "2026-01-01T12:00:00Z",
                    "why": "",
                    "created": "2026-01-01T11:00:00Z",
                    "git_sha": "",
                    "schema": {"head": "", "compatible_since": ""},
                    "missing_images": [],
                    "missing_secrets": [],
                }
                for one in (NOW, BEFORE)
            ],
        },
    ),
    rule("stack_ledger", {"changed": False, "source": "none", "ledger": "", "rows": [], "at": "", "why": "", "releases": {}}),
    rule(
        "stack_status",
        {
            "changed": False,
            "environment": "staging",
            "live": NOW["id"],
            "release": NOW["release"],
            "since": "2026-01-01T12:00:00Z",
            "rolling": "",
            "edge": "up",
            "services": [],
            "drift": [],
        },
    ),
    rule("supabase_seeds", {"changed": True, "seeded": ["supabase/seed.sql"], "recorded": []}),
    rule("supabase_project", {"changed": True, "differences": [], "waiting": [], "wide": [], "open": False}),
    rule("preflight_info", {**SHOWN}),
    rule("stack_audit", {"changed": False, "failed": True, "msg": "no engine"}),
    rule(
        "stack_adoption_info",
        {"changed": False, "adopted": False, "waits": True, "holders": ["proxy"], "plan": ["db: shop-db-1 is replaced once"]},
    ),
    rule("host_baseline", {"changed": True, "digest": "d" * 64, "recorded": "2026-01-01T12:00:00Z", "differences": []}),
    rule(
        "stack_removal",
        {
            "changed": True,
            "here": True,
            "release": NOW["release"],
            "plan": ["remove the network edge.shop"],
            "kept": ["volume shop_data"],
            "routes": {"now": [], "wanted": {}},
            "drained": 0,
            "cut": 0,
        },
    ),
    rule("stack_secret", {"changed": True, "files": ["web.env"]}),
    rule("edge_maintenance", {"changed": True, "changes": ["maintenance.map"]}),
    rule("stack_flags", FLAGS_THERE, check_mode=True),
    rule("stack_flags", {**FLAGS_THERE, "changed": True}),
    rule("ml_mode", {"changed": True, "mode": "off", "history": [{"at": "now", "mode": "off", "by": "alice", "why": "bill"}]}),
    rule("ml_costs", {"changed": False, "books": {"environment": "staging", "tier": "staging", "calls": [], "caps": []}}),
    rule("log_shipping", {"changed": False, "changes": [], "program": "", "python": "/usr/bin/python3"}),
    rule("stack_logs", {"changed": False, "lines": [], "left_out": 0, "unread": [], "services": ["edge", "shop.web"]}),
    rule("engine_config", {"changed": True, "restart": [], "reload": []}),
    rule(
        "edge_image",
        {
            "changed": True,
            "due": True,
            "plan": "replace the edge: HAProxy 3.0.1 -> HAProxy 3.0.2",
            "before": "HAProxy 3.0.1",
            "after": "HAProxy 3.0.2",
        },
    ),
    rule("engine_packages", {"changed": True, "upgrades": ["docker.io 26.1.5 -> 26.1.6"]}),
    rule("edge_upgrade", {"changed": True, "done": ["the edge runs haproxy:3.0"], "drained": 3, "cut": 0}),
]
ROLLOUTS = {
    "adopt": rollout("deploy", "1.1.0", "1.0.0"),
    "deploy": rollout("deploy", "1.1.0", "1.0.0"),
    "rollback": rollout("rollback", "1.0.0", "1.1.0"),
    "setup": rollout("deploy", "1.1.0", "1.0.0"),
    "restart": rollout("deploy", "1.1.0", "1.1.0", switched=False),
    "rotate_secrets": rollout("deploy", "1.1.0", "1.1.0", switched=False),
}
SEEDED = json.dumps(
    {
        "stack": {**VARIABLES["stack"], "database": {"secret": "web.DATABASE_URL"}},
        "stack_secrets": {
            "web": {**VARIABLES["stack_secrets"]["web"], "DATABASE_URL": "postgresql://app:canary@db.example.com/app"}
        },
    }
)
OPTIONS = {
    "backup": BACKUPS,
    "restore": (*BACKUPS, "-e", f"restore_backup={BACKUP['name']}", "-e", "restore_confirm=staging"),
    "certificates": ACME,
    "flags": (*WITH_FLAGS, "-e", "flag=loud", "-e", "to=50", "-e", "why=half"),
    # Whose key is in a vault that nobody opens.
    "costs": ("-e", '{"ml": {"key": "{{ vault_ml_key }}"}}'),
    "export_data": (*BACKUPS, "-e", json.dumps({"staging_data": EXPORTS})),
    "import_data": ("-e", json.dumps({**STAGING_DATA, "staging_data": IMPORTS})),
    "fingerprint": ("-e", "stack_fingerprints={{ inventory_dir }}/fingerprints.json"),
    "maintenance": ("-e", "state=on"),
    "seed": ("-e", SEEDED),
    "setup": ("-e", SEEDED),
    "remove_stack": ("-e", "stack_name=shop"),
    "ml_mode": ("-e", "mode=off", "-e", "why=the bill grows"),
    "rotate_secrets": ("-e", "secret=key"),
    "supabase": PROJECT,
    "unlock": ("-e", "unlock_reason=gone"),
}


@dataclass(frozen=True)
class Done:
    code: int
    output: str
    # File below .deploy -> what it says.
    files: Mapping[str, Any]
    pid: int = 0
    # What modules were asked, in order: host, module and the options that are NOTED.
    asked: Sequence[Mapping[str, Any]] = ()

    @property
    def verdict(self) -> str:
        """What is said from the verdict's line on."""
        return "\n".join(self.output.partition("\nVERDICT ")[1:]).replace("\n", " ").strip()


@dataclass
class Case:
    """How a playbook is run. ``rules`` come before those of an environment where all is well.

    ``sent``: signal that the run gets when a module waits, or, ``early``, as soon as its file says that it is under way.
    ``files``: what stands in these instead, or beside. ``within``: words before the command line, of a program that runs it.
    """

    options: tuple[str, ...] = ()
    rules: Sequence[Mapping[str, Any]] = ()
    down: tuple[str, ...] = ()
    group: str = "app"
    balancers: tuple[str, ...] = ()
    inventory: str = "hosts.yml"
    environment: Mapping[str, str] = field(default_factory=dict)
    sent: signal.Signals | None = None
    early: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    within: tuple[str, ...] = ()


def collection(directory: Path) -> Path:
    """A collections path with stand-ins for the modules, and links for all else."""
    own = directory / "collections" / "ansible_collections" / "morpheus" / "deploy"
    (own / "plugins" / "modules").mkdir(parents=True)
    for path in sorted((ROOT / "plugins").iterdir()):
        if path.name != "modules" and path.is_dir():
            (own / "plugins" / path.name).symlink_to(path)
    for path in (ROOT / "plugins" / "modules").glob("*.py"):
        asks = re.search(r"leased\.(require|problem)\(", path.read_text()) is not None
        text = MODULE.format(name=path.stem, asks_for_lease=asks, noted=NOTED, collections=str(directory / "collections"))
        (own / "plugins" / "modules" / path.name).write_text(text)
    (own / "roles").mkdir()
    for path in sorted((ROOT / "roles").iterdir()):
        stand_in = {"docker_engine": ENGINE_ROLE, "edge": EDGE_ROLE, "egress": EGRESS_ROLE}.get(path.name)
        if stand_in is None:
            (own / "roles" / path.name).symlink_to(path)
            continue
        (own / "roles" / path.name / "tasks").mkdir(parents=True)
        if path.name == "edge":
            for below in ("defaults", "meta", "vars"):
                (own / "roles" / path.name / below).symlink_to(path / below)
        for name, tasks in stand_in.items():
            (own / "roles" / path.name / "tasks" / f"{name}.yml").write_text(yaml.safe_dump(tasks))
    for name in ("playbooks", "meta"):
        (own / name).symlink_to(ROOT / name)
    return directory / "collections"


def encrypt(path: Path, variables: Mapping[str, Any], environment: str, password: str) -> None:
    """As ansible-vault does, which would be a process of half a second."""
    secret = VaultSecret(password.encode())
    path.write_bytes(VaultLib([(environment, secret)]).encrypt(yaml.safe_dump(variables), secret, environment))
    path.chmod(0o600)


class Runs(dict[str, Future[Done]]):
    """Each begins when a test first asks for it: what only tests ask for that are left out is not played."""

    def __init__(self, begin: Callable[[str], Future[Done]]) -> None:
        super().__init__()
        self._begin = begin

    def __missing__(self, name: str) -> Future[Done]:
        self[name] = self._begin(name)
        return self[name]


class Stage:
    """Many runs in directories of their own; a vault and a collection for all of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.collections = collection(directory)
        self.password = directory / "password"
        self.password.write_text("open")
        self.vault = directory / "vault.yml"
        encrypt(self.vault, VAULT, "staging", "open")

    def _set(self, name: str, playbook: str, case: Case) -> Path:
        own = self.directory / name.replace(" ", "-")
        (own / "source").mkdir(parents=True)
        (own / "source" / "compose.yml").write_text(COMPOSE)
        (own / "source" / "supabase").mkdir()
        (own / "source" / "supabase" / "seed.sql").write_text("insert into stories (title) values ('a lamp');")
        (own / "flags.json").write_text(FLAGS)
        (own / "masking.yml").write_text("tables: {public.stories: {title: text}}\n")
        (own / "vault.yml").write_bytes(self.vault.read_bytes())
        (own / "ssh").write_text(SSH)
        (own / "ssh").chmod(0o755)
        for host in case.down:
            (own / f"{host}.down").touch()
        answers = [
            rule("stack_rollout", ROLLOUTS["rollback"], kind="rollback"),
            rule("stack_rollout", ROLLOUTS.get(playbook, {})),
        ]
        (own / "rules.json").write_text(json.dumps([*case.rules, *WELL, *answers]))
        groups = {
            "all": {"vars": VARIABLES},
            case.group: {"hosts": {host: {} for host in HOSTS}},
            "other": {"hosts": {"other-1": {}}},
            **({"lb": {"hosts": {host: {} for host in case.balancers}}} if case.balancers else {}),
        }
        (own / "hosts.yml").write_text(yaml.safe_dump(groups))
        (own / "ansible.cfg").write_text(
            f"[defaults]\ncollections_path = {self.collections}\ncallbacks_enabled = morpheus.deploy.verdict\n"
            "inject_facts_as_vars = false\ninternal_poll_interval = 0.005\n"
            f"vault_identity_list = staging@{self.password}\nforks = 10\n"
        )
        for name, content in case.files.items():
            (own / name).parent.mkdir(parents=True, exist_ok=True)
            (own / name).write_text(content)
        # What a good run has left there yesterday.
        for file in ("verdict", "check", *LOOKING):
            (own / ".deploy" / "staging").mkdir(parents=True, exist_ok=True)
            (own / ".deploy" / "staging" / f"{file}.json").write_text('{"verdict": "deployed", "release": "yesterday"}')
        return own

    def play(self, name: str, playbook: str, case: Case) -> Done:
        own = self._set(name, playbook, case)
        path = self.collections / "ansible_collections" / "morpheus" / "deploy" / "playbooks" / f"{playbook}.yml"
        options = [str(path), "-i", case.inventory, *OPTIONS.get(playbook, ()), *case.options]
        given = {**environment("ANSIBLE_"), "STAGE": str(own), "ANSIBLE_NOCOLOR": "1", **case.environment}
        with (own / "output").open("w+") as output:
            run = self._begin(case.within, options, given, own, output)
            try:
                if case.sent:
                    self._await(own, early=case.early, run=run)
                    run.send_signal(case.sent)
                code = run.wait(HANGS_AFTER_SECONDS)
            finally:
                (own / "over").touch()
                if run.poll() is None:
                    os.killpg(run.pid, signal.SIGKILL)
                    run.wait()
            output.seek(0)
            text = output.read()
        found = {str(one.relative_to(own / ".deploy")): json.loads(one.read_text()) for one in (own / ".deploy").rglob("*.json")}
        asked = (own / "asked").read_text().splitlines() if (own / "asked").exists() else []
        return Done(code, text, found, run.pid, [json.loads(line) for line in asked])

    @staticmethod
    def _begin(within: Sequence[str], options: Sequence[str], given: Mapping[str, str], own: Path, output: IO[str]) -> Begun:
        # What has read modules already is found no others by a path.
        if not within and given.get("PYTHONPATH") == os.environ.get("PYTHONPATH"):
            return warm.Process(options, cwd=own, env=given, output=output, errors=output)
        # A CI that was started by nohup would have the run ignore the end of its terminal.
        command = [*within, "env", "--default-signal=HUP", str(BIN / "ansible-playbook"), *options]
        nothing = subprocess.DEVNULL
        return subprocess.Popen(command, cwd=own, env=given, stdin=nothing, stdout=output, stderr=output, start_new_session=True)

    @staticmethod
    def _await(own: Path, *, early: bool, run: Begun) -> None:
        deadline = time.monotonic() + HANGS_AFTER_SECONDS

        def is_time() -> bool:
            if early:
                return any('"running"' in one.read_text() for one in (own / ".deploy" / "staging").glob("*.json"))
            return (own / "waits").exists()

        while not is_time() and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
