"""Playbooks of the collection on hosts of which none is real: the modules that act on them answer what a test has written down.

Everything else is the collection's own. A host is known by the name of its stack, since a module learns nothing else of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.commands import environment
from tests.plays import warm
from tests.plays.played import LOCAL, ROOT

# What a module is asked as, by module: the answers of a host are found under it. Ansible writes the options into the text (as in
# staged.py).
MODULE = """#!/usr/bin/python
import json, os, signal, sys, time

OPTIONS = {options}
NAME = {name!r}


def end(answer):
    print(json.dumps(answer))
    sys.exit(1 if answer.get("failed") else 0)


given = json.loads(r'''<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>''')
unknown = sorted(key for key in given if key not in OPTIONS and not key.startswith("_ansible_"))
if unknown:
    end(dict(failed=True, msg="nobody knows " + ", ".join(unknown)))
if NAME in ("edge_placed", "edge_upstream_info"):
    given["stack"] = "lb-1"
place = os.environ["SCRIPTED"]
host = given["endpoints"][0]["name"] if "endpoints" in OPTIONS else given.get("stack")
what = given.get("kind") or NAME
if "names" in OPTIONS:
    # What a balancer is told of hosts.
    host, what = "+".join(given["names"]), given["state"]
with open(place + "/answers.json") as stream:
    answer = json.load(stream).get(host, {{}}).get(what, {{}})
told = {{key: "+".join(one["hosts"]) for key, one in given.get("routes", {{}}).items()}}
with open(place + "/asked", "a") as stream:
    if "settle" in OPTIONS:
        stream.write(f"{{host}} told {{json.dumps(told)}}{{' and waits' if given['settle'] else ''}}\\n")
    elif NAME != "edge_upstream_info":
        stream.write(f"{{host}} {{what}}\\n")
# Nobody answers before all of them have been asked, so that it hangs where one waits for the other.
others = [f"{{place}}/{{other}}.{{what}}" for other in answer.pop("meets", [])]
with open(f"{{place}}/{{host}}.{{what}}", "w") as stream:
    json.dump(given, stream)
deadline = time.monotonic() + answer.pop("patience", 300)
while not all(os.path.exists(path) for path in others):
    if time.monotonic() > deadline:
        end(dict(failed=True, msg=f"{{host}} waits for others in vain", left="as_before"))
    time.sleep(0.02)
if answer.pop("killed", False):
    os.kill(os.getpid(), signal.SIGKILL)
if "names" in OPTIONS and not answer.get("failed"):
    answer = {{"changed": True, **{{name: given.get(name) for name in OPTIONS}}}}
end({{"changed": False, **answer}})
"""
# Module -> the options that it knows.
SCRIPTED = {
    "stack_release": ("stack",),
    "stack_rollout": ("stack", "release_id", "restart", "kind", "runs_jobs", "jobs_done", "token", "run", "without_lease"),
    "health_gate": ("endpoints", "successes", "deadline_seconds"),
    "edge_upstream": ("names", "state"),
    "edge_upstream_info": (),
    "edge_placed": ("stack", "routes", "settle", "token", "run", "without_lease"),
}
OLD, NEW = "1.0.0", "1.1.0"
CHECK = {"url": "https://shop.example/health", "successes": 3, "deadline_seconds": 5.0}


def prepared() -> dict[str, Any]:
    """What stack_release answers."""
    return {
        "changed": True,
        "id": f"{NEW}-b",
        "previous_id": f"{OLD}-a",
        "release": NEW,
        "previous": OLD,
        "environment": "staging",
        "pending": True,
        "on_host": True,
        "plan": ["api: start 1 candidate"],
    }


def rolled(back: bool = False, **more: Any) -> dict[str, Any]:
    """What stack_rollout answers, of a switch or of the way back."""
    release, previous, ids = (OLD, NEW, ("a", "b")) if back else (NEW, OLD, ("b", "a"))
    return {
        "changed": True,
        "release": release,
        "release_id": f"{release}-{ids[0]}",
        "previous": previous,
        "previous_id": f"{previous}-{ids[1]}",
        "kind": "rollback" if back else "deploy",
        "switched": not more.get("failed"),
        "failure_action": "rollback",
        "public_check": CHECK,
        "steps": ["api: start 1 candidate"],
        "gates": [{"service": "api", "healthy": True}],
        "seconds": {"gate": 2.0},
        **dict.fromkeys(("drained", "cut", "left_behind", "errors"), 0),
        "interrupted": [],
        **more,
    }


def failed(left: str, msg: str = "the gate was not passed", **more: Any) -> dict[str, Any]:
    return rolled(failed=True, left=left, msg=msg, **more)


@dataclass
class Ended:
    """How a run ended. ``asked``: what was asked of whom, in order."""

    status: int
    screen: str
    verdict: dict[str, Any]
    asked: list[str]

    @property
    def said(self) -> list[str]:
        found = re.search(r"^VERDICT .*?(?=^  details:)", self.screen, re.MULTILINE | re.DOTALL)
        return found[0].splitlines() if found else []


def collections(directory: Path) -> Path:
    """A directory of collections with this one in it, all of it the checkout's but the modules that answer by a script."""
    own = directory / "collections" / "ansible_collections" / "morpheus" / "deploy"
    modules = own / "plugins" / "modules"
    modules.mkdir(parents=True)
    for below in ("galaxy.yml", "meta", "roles"):
        (own / below).symlink_to(ROOT / below)
    for path in (ROOT / "plugins").iterdir():
        if path.name not in ("modules", "__pycache__"):
            (own / "plugins" / path.name).symlink_to(path)
    for path in (ROOT / "plugins" / "modules").glob("*.py"):
        if path.stem not in SCRIPTED:
            (modules / path.name).symlink_to(path)
    for name, options in SCRIPTED.items():
        (modules / f"{name}.py").write_text(MODULE.format(options=options, name=name))
    return own.parents[2]


def play(
    directory: Path,
    plays: Sequence[Mapping[str, Any]],
    answers: Mapping[str, Mapping[str, Any]],
    *options: str,
    hosts_at_once: int = 1,
    lost: Sequence[str] = (),
    balancers: Mapping[str, Mapping[str, Any]] | None = None,
) -> Ended:
    """``answers``: host -> what it is asked (a module, or "deploy" and "rollback" of stack_rollout) -> what it answers."""
    (directory / "ansible.cfg").write_text(
        f"[defaults]\ncollections_path = {collections(directory)}\ncallbacks_enabled = morpheus.deploy.verdict\n"
        "inject_facts_as_vars = false\nforks = 10\ninternal_poll_interval = 0.005\n"
    )
    # Nobody listens there.
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_become": False}
    hosts = {
        name: {**(away if name in lost else LOCAL), "stack": {"name": name, "hosts_at_once": hosts_at_once}} for name in answers
    }
    asked = {name: away if balancer.get("lost") else LOCAL for name, balancer in (balancers or {}).items()}
    groups = {"app": {"hosts": hosts, "vars": {"stack_environment": "staging"}}, "lb": {"hosts": asked}}
    (directory / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": groups}}))
    (directory / "answers.json").write_text(json.dumps({**answers, **(balancers or {})}))
    (directory / "play.yml").write_text(yaml.safe_dump(list(plays), sort_keys=False))
    own = {**environment(), "ANSIBLE_NOCOLOR": "1", "SCRIPTED": str(directory)}
    done = warm.run(["play.yml", "-i", "hosts.yml", *options], cwd=directory, env=own)
    log = directory / "asked"
    verdict = directory / ".deploy" / "staging" / "verdict.json"
    return Ended(
        done.returncode,
        done.stdout + done.stderr,
        json.loads(verdict.read_text()) if verdict.exists() else {},
        log.read_text().splitlines() if log.exists() else [],
    )
