"""Playbooks of the collection on hosts of which none is real: the modules that act on them answer what a test has written down.

Everything else is the collection's own. A host is known by the name of its stack, since a module learns nothing else of it.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.commands import environment
from tests.unit.played import BIN, LOCAL, ROOT

# What a module is asked as, by module: the answers of a host are found under it.
MODULE = """
import json, os, signal, sys, time
from pathlib import Path
from ansible.module_utils.basic import AnsibleModule

SPEC = {specification}
NAME = {name!r}


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    place = Path(os.environ["SCRIPTED"])
    host = module.params["endpoints"][0]["name"] if "endpoints" in SPEC else module.params.get("stack")
    what = module.params.get("kind") or NAME
    if "names" in SPEC:
        # What a balancer is told of hosts.
        host, what = "+".join(module.params["names"]), module.params["state"]
    answer = json.loads((place / "answers.json").read_text()).get(host, {{}}).get(what, {{}})
    with open(place / "asked", "a") as stream:
        stream.write(f"{{host}} {{what}}\\n")
    # Nobody answers before all of them have been asked, so that it hangs where one waits for the other.
    others = [place / f"{{other}}.{{what}}" for other in answer.pop("meets", [])]
    (place / f"{{host}}.{{what}}").touch()
    deadline = time.monotonic() + answer.pop("patience", 300)
    while not all(path.exists() for path in others):
        if time.monotonic() > deadline:
            module.fail_json(msg=f"{{host}} waits for others in vain", left="as_before")
        time.sleep(0.02)
    if answer.pop("killed", False):
        os.kill(os.getpid(), signal.SIGKILL)
    if "names" in SPEC and not answer.get("failed"):
        answer = {{"changed": True, **module.params}}
    if answer.get("failed"):
        module.fail_json(**answer)
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
"""
LEASED = {"token": {"type": "int"}, "run": {}, "without_lease": {"type": "bool"}}
ROLLOUT = {"stack": {}, "release_id": {}, "restart": {"type": "bool"}, "kind": {}, **LEASED}
GATE = {"endpoints": {"type": "list", "elements": "dict"}, "successes": {"type": "int"}, "deadline_seconds": {"type": "float"}}
UPSTREAM = {"names": {"type": "list", "elements": "str"}, "state": {}}
SCRIPTED = {"stack_release": {"stack": {}}, "stack_rollout": ROLLOUT, "health_gate": GATE, "edge_upstream": UPSTREAM}
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
        (modules / f"{name}.py").write_text(MODULE.format(specification=options, name=name))
    return own.parents[2]


def play(
    directory: Path,
    plays: Sequence[Mapping[str, Any]],
    answers: Mapping[str, Mapping[str, Any]],
    *options: str,
    hosts_at_once: int = 1,
    lost: Sequence[str] = (),
    balancers: Mapping[str, Mapping[str, Any]] | None = None,
    timeout: float = 80,
) -> Ended:
    """``answers``: host -> what it is asked (a module, or "deploy" and "rollback" of stack_rollout) -> what it answers."""
    (directory / "ansible.cfg").write_text(
        f"[defaults]\ncollections_path = {collections(directory)}\ncallbacks_enabled = morpheus.deploy.verdict\nforks = 10\n"
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
    done = subprocess.run(
        [str(BIN / "ansible-playbook"), "play.yml", "-i", "hosts.yml", *options],
        cwd=directory,
        env={**environment(), "ANSIBLE_NOCOLOR": "1", "SCRIPTED": str(directory)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    log = directory / "asked"
    verdict = directory / ".deploy" / "staging" / "verdict.json"
    return Ended(
        done.returncode,
        done.stdout + done.stderr,
        json.loads(verdict.read_text()) if verdict.exists() else {},
        log.read_text().splitlines() if log.exists() else [],
    )
