"""The machine of one job: its steps, with stand-ins for well-known actions and for commands that would leave it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.workflows.bridge import ROOT, WorkflowError
from tests.workflows.forge import Job, Run, condition, known, text, value

if TYPE_CHECKING:
    from tests.workflows.forge import Forge

_KEYS = {"id", "name", "if", "uses", "with", "run", "shell", "env"}
_COMMANDS = ("ansible-playbook", "ansible-galaxy", "python", "python3", "docker", "gh", "git", "make")
_SHELLS = {None: ["bash", "-e"], "bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"]}


class Machine:
    def __init__(self, forge: Forge, run: Run, name: str, rights: Mapping[str, str]) -> None:
        self.forge, self.run, self.rights = forge, run, rights
        self.directory = run.directory / name
        self.workspace, self.temp, self.bin = (self.directory / one for one in ("work", "temp", "bin"))
        for one in (self.workspace, self.temp, self.bin):
            one.mkdir(parents=True)
        for command in _COMMANDS:
            stand_in = self.bin / command
            stand_in.write_text(f"#!{sys.executable} -IS\n" + (Path(__file__).parent / "commands.py").read_text())
            stand_in.chmod(0o755)
        self.logged_in = False
        self.path: list[str] = [str(self.bin)]

    def execute(self, steps: Any, contexts: dict[str, Any], outputs: Any, where: str) -> Job:
        job = Job("success")
        contexts = contexts | {"steps": {}}
        job.result = self._steps(steps, contexts, job.steps, where, {})
        job.outputs = {name: text(value(one, contexts)) for name, one in outputs.items()}
        return job

    def _steps(self, steps: Any, contexts: dict[str, Any], ended: dict[str, str], where: str, extra: dict[str, str]) -> str:
        status = "success"
        for number, step in enumerate(steps):
            outputs: dict[str, str] = {}
            name = step.get("name") or f"step {number + 1}"
            known(step, _KEYS, f"{where}: {name}")
            if not condition(step.get("if", "success()"), contexts, status):
                result = "skipped"
            else:
                result, outputs = self._step(step, contexts, f"{where}: {name}", extra)
            ended[name] = result
            if "id" in step:
                contexts["steps"][step["id"]] = {"outputs": outputs, "outcome": result, "conclusion": result}
            status = "failure" if result == "failure" else status
        return status

    def _step(self, step: Any, contexts: dict[str, Any], where: str, extra: dict[str, str]) -> tuple[str, dict[str, str]]:
        given = {name: text(one) for name, one in value(step.get("env") or {}, contexts).items()}
        if "run" in step:
            return self._script(step["run"], step.get("shell"), given | extra, where)
        said = {name: text(one) for name, one in value(step.get("with") or {}, contexts).items()}
        if step["uses"].startswith(("$/", "./")):
            return self._composite(step["uses"][2:], said, contexts, where)
        name = step["uses"].partition("@")[0]
        actions = ACTIONS | self.forge.actions
        if name not in actions:
            raise WorkflowError(f"{where}: the runner has no stand-in for {name}")
        inputs, does = actions[name]
        known(said, inputs, f"{where}: with")
        return does(self, said)

    def _composite(self, path: str, said: dict[str, str], contexts: dict[str, Any], where: str) -> tuple[str, dict[str, str]]:
        tree = known(self.forge.trees[f"{path}/action.yml"], {"name", "description", "inputs", "outputs", "runs"}, path)
        definitions = tree["inputs"]
        known(said, set(definitions), f"{where}: with")
        missing = [name for name, one in definitions.items() if one.get("required") and not said.get(name)]
        if missing:
            raise WorkflowError(f"{where}: with: {', '.join(missing)} is required")
        inputs = {name: said.get(name, text(one.get("default", ""))) for name, one in definitions.items()}
        own = {name: one for name, one in contexts.items() if name not in ("secrets", "needs", "steps")} | {
            "inputs": inputs,
            "steps": {},
        }
        ended: dict[str, str] = {}
        result = self._steps(tree["runs"]["steps"], own, ended, path, {"GITHUB_ACTION_PATH": str(ROOT / path)})
        return result, {name: text(value(one["value"], own)) for name, one in tree["outputs"].items()}

    def _script(self, script: str, shell: str | None, given: Mapping[str, str], where: str) -> tuple[str, dict[str, str]]:
        if not isinstance(script, str) or shell not in _SHELLS:
            raise WorkflowError(f"{where}: a script with an expression in it, or of a shell that the runner does not know")
        file, output = self.temp / "script", self.temp / "output"
        file.write_text(script)
        output.write_text("")
        own = {"PATH": os.pathsep.join([*self.path, os.environ["PATH"]]), "HOME": str(self.temp), "LANG": "C.UTF-8", "CI": "true"}
        own |= {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": self.run.event.actor, **self.forge.shell}
        own |= {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(self.run.directory / "summary.md")}
        own |= {"RUNNER_TEMP": str(self.temp), "STAND_IN": str(self.forge.directory), "STAND_IN_RIGHTS": str(dict(self.rights))}
        own |= {"STAND_IN_LOGIN": str(self.logged_in and self.may("packages", "read"))}
        done = subprocess.run(
            [*_SHELLS[shell], str(file)], cwd=self.workspace, env=own | dict(given), capture_output=True, text=True, check=False
        )
        self.log(f"## {where}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        lines = output.read_text().splitlines()
        if any("=" not in line for line in lines):
            raise WorkflowError(f"{where}: an output of several lines")
        return ("failure" if done.returncode else "success"), dict(line.split("=", 1) for line in lines)

    def log(self, text: str) -> None:
        with (self.run.directory / "log.txt").open("a") as log:
            log.write(text)

    def may(self, right: str, level: str) -> bool:
        return self.rights.get(right) in (level, "write")


Ended = tuple[str, dict[str, str]]


def checkout(machine: Machine, said: Mapping[str, str]) -> Ended:
    """Links to this checkout; .github is a copy. What the test has in "sources" takes the place of either."""
    own = machine.forge.directory / "sources"
    for path in ROOT.iterdir():
        there = machine.workspace / path.name
        if path.name in (".git", ".venv", ".cache", ".deploy", ".sandbox") or there.exists():
            continue
        if path.name == ".github":
            shutil.copytree(path, there)
        elif not (own / path.name).exists():
            there.symlink_to(path)
    if own.exists():
        shutil.copytree(own, machine.workspace, dirs_exist_ok=True)
    return "success", {}


def nothing(machine: Machine, said: Mapping[str, str]) -> Ended:
    return "success", {}


def upload(machine: Machine, said: Mapping[str, str]) -> Ended:
    source, key = machine.workspace / said["path"], (machine.run.number, said["name"])
    if key in machine.forge.artefacts:
        return "failure", {}
    hidden = said.get("include-hidden-files") == "true" or not any(part.startswith(".") for part in Path(said["path"]).parts)
    if not (source.is_dir() and hidden):
        return ("failure" if said.get("if-no-files-found") == "error" else "success"), {}
    target = machine.run.directory / "artefacts" / said["name"]
    shutil.copytree(source, target)
    machine.forge.artefacts[key] = target
    return "success", {}


def download(machine: Machine, said: Mapping[str, str]) -> Ended:
    number = int(said.get("run-id") or machine.run.number)
    if number != machine.run.number and not (machine.may("actions", "read") and said.get("github-token")):
        return "failure", {}
    kept = {name: path for (run, name), path in machine.forge.artefacts.items() if run == number}
    if "name" in said:
        if said["name"] not in kept:
            return "failure", {}
        shutil.copytree(kept[said["name"]], machine.workspace / said["path"], dirs_exist_ok=True)
        return "success", {}
    stem = said.get("pattern", "*").rstrip("*")
    for name, path in kept.items():
        if name.startswith(stem):
            own = "" if said.get("merge-multiple") == "true" else name
            shutil.copytree(path, machine.workspace / said["path"] / own, dirs_exist_ok=True)
    return "success", {}


def login(machine: Machine, said: Mapping[str, str]) -> Ended:
    machine.logged_in = bool(said["password"])
    return "success", {}


def build_push(machine: Machine, said: Mapping[str, str]) -> Ended:
    # The API's image is built of what was fetched before.
    fetched = (machine.workspace / said["context"]).exists() and (machine.workspace / ".fetched").exists()
    if not (machine.logged_in and machine.may("packages", "write") and fetched):
        return "failure", {}
    digest = f"sha256:{hashlib.sha256((said['tags'] + said['build-args']).encode()).hexdigest()}"
    machine.forge.registry[said["tags"]] = digest
    (machine.forge.directory / "registry.json").write_text(json.dumps(machine.forge.registry))
    return "success", {"digest": digest}


Action = tuple[set[str], Callable[[Machine, Mapping[str, str]], Ended]]
ACTIONS: dict[str, Action] = {
    "actions/checkout": ({"persist-credentials"}, checkout),
    "actions/setup-python": ({"python-version"}, nothing),
    "actions/setup-node": ({"node-version"}, nothing),
    "actions/upload-artifact": ({"name", "path", "include-hidden-files", "if-no-files-found", "retention-days"}, upload),
    "actions/download-artifact": ({"name", "pattern", "path", "merge-multiple", "run-id", "github-token"}, download),
    "docker/login-action": ({"registry", "username", "password"}, login),
    "docker/build-push-action": ({"context", "push", "provenance", "tags", "build-args"}, build_push),
}
