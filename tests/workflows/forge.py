"""GitHub for one repository, as far as its workflows need it: which runs an event begins, who waits for whom, what environments
admit, and what is kept. What it does not know is an error.
"""

from __future__ import annotations

import copy
import fnmatch
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.workflows.bridge import ROOT, WorkflowError, evaluated, parsed

if TYPE_CHECKING:
    from tests.workflows.steps import Action

REPOSITORY = "shop/shop"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
Trees = dict[str, Any]
_STATUS = re.compile(r"\b(?:success|failure|cancelled|always)\(")
_KEYS = {"name", "run-name", "on", "permissions", "concurrency", "jobs"}
_TRIGGERS = {"push", "pull_request", "workflow_dispatch", "workflow_call", "schedule"}


@dataclass(frozen=True)
class Environment:
    """``refs``: patterns of refs that may use it. ``reviewers``: whether somebody has to approve."""

    secrets: Mapping[str, str]
    refs: tuple[str, ...] = ("refs/heads/main",)
    reviewers: bool = False


@dataclass(frozen=True)
class Event:
    name: str
    ref: str = "refs/heads/main"
    actor: str = "anna"
    triggering_actor: str = ""
    sha: str = COMMIT
    inputs: Mapping[str, Any] = field(default_factory=dict)
    fork: bool = False
    # What became of a pull request.
    action: str = "opened"
    # Which of the schedules it is; each of every workflow where none is named.
    schedule: str = ""

    @property
    def payload(self) -> dict[str, Any]:
        """Of it, what workflows read."""
        if self.name == "schedule":
            return {"schedule": self.schedule}
        if self.name != "pull_request":
            return {}
        home = "mallory/shop" if self.fork else REPOSITORY
        pull = {"number": int(self.ref.split("/")[2]), "head": {"repo": {"full_name": home}}}
        return {"action": self.action, "pull_request": pull}


@dataclass
class Job:
    """``steps``: name -> how it ended. ``why``: of a job that no step has failed."""

    result: str
    outputs: dict[str, str] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)
    why: str = ""


@dataclass
class Run:
    number: int
    workflow: str
    event: Event
    jobs: dict[str, Job] = field(default_factory=dict)
    conclusion: str = ""
    directory: Path = Path()

    @property
    def results(self) -> dict[str, str]:
        return {name: job.result for name, job in self.jobs.items()}

    @property
    def summary(self) -> str:
        path = self.directory / "summary.md"
        return path.read_text() if path.exists() else ""


@cache
def _trees() -> Trees:
    files = {str(path.relative_to(ROOT)): path.read_text() for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
    found = {path: parsed("workflow", path, text, files) for path, text in files.items()}
    for path in sorted((ROOT / ".github" / "actions").rglob("action.yml")):
        found[str(path.relative_to(ROOT))] = parsed("action", str(path.relative_to(ROOT)), path.read_text(), {})
    return found


def trees() -> Trees:
    """Path -> workflow or action, as GitHub's parser reads it; the caller's own, to be changed at will."""
    return copy.deepcopy(_trees())


def known(read: Any, keys: set[str], where: str) -> Any:
    """``read``, when it has no key that the runner would pass over."""
    unknown = sorted(set(read) - keys)
    if unknown:
        raise WorkflowError(f"{where}: the runner does not know {', '.join(unknown)}")
    return read


def value(read: Any, contexts: Mapping[str, Any], status: str = "success") -> Any:
    """``read`` with every expression in it evaluated."""
    if isinstance(read, dict):
        if set(read) == {"$"}:
            return evaluated(read["$"], contexts, status)
        return {name: value(one, contexts, status) for name, one in read.items()}
    return [value(one, contexts, status) for one in read] if isinstance(read, list) else read


def text(read: Any) -> str:
    """As GitHub puts a value into a variable."""
    if isinstance(read, bool) or read is None:
        return {True: "true", False: "false", None: ""}[read]
    return str(int(read)) if isinstance(read, float) and read.is_integer() else str(read)


def condition(read: Any, contexts: Mapping[str, Any], status: str) -> bool:
    """``if``: a condition that asks for no status means "and nothing before it has failed"."""
    said = read["$"] if isinstance(read, dict) else text(read)
    return bool(evaluated(said if _STATUS.search(said) else f"success() && ({said})", contexts, status))


class Forge:
    """``answers``: environment -> granted, denied or timed out. ``change``: spoils the workflows before anything runs."""

    def __init__(self, directory: Path, change: Callable[[Trees], None] | None = None) -> None:
        self.directory = directory
        self.trees = trees()
        if change:
            change(self.trees)
        self.environments: dict[str, Environment] = {}
        self.variables: dict[str, str] = {}
        self.answers: dict[str, str] = {}
        self.asked: list[str] = []
        self.registry: dict[str, str] = {}
        self.artefacts: dict[tuple[int, str], Path] = {}
        self.runs: list[Run] = []
        # What a test has in the place of a stand-in for an action, and more variables of every script.
        self.actions: dict[str, Action] = {}
        self.shell: dict[str, str] = {}

    def happens(self, event: Event, workflow: str = "") -> list[Run]:
        """Every run that ``event`` begins, at its end; with ``workflow`` that one's, which a dispatch has to name."""
        begun = [self._new(path, event) for path in self._begun_by(event, workflow)]
        for run in begun:
            self._execute(run)
        return begun

    def together(self, *events: Event, workflow: str) -> list[Run]:
        """Runs of events that come while the first one's run is at work."""
        begun = [
            self._new(path, event) for event in events for path in self._begun_by(event, workflow) if self._stem(path) == workflow
        ]
        waiting = begun[:1]
        for run in begun[1:]:
            group, cancels = self._concurrency(run)
            same = [one for one in waiting if self._concurrency(one)[0] == group]
            # The one that is at work goes on, unless it is to be cancelled; of those that wait only the newest stays.
            for older in same if cancels else [one for one in same if one is not begun[0]]:
                older.conclusion = "cancelled"
                waiting.remove(older)
            waiting.append(run)
        for run in waiting:
            self._execute(run)
        return begun

    def tree(self, run: Run) -> Any:
        return self.trees[f".github/workflows/{run.workflow}.yml"]

    def contexts(self, run: Run, inputs: Mapping[str, Any]) -> dict[str, Any]:
        event = run.event
        kind, name = {"heads": "branch", "tags": "tag", "pull": "branch"}[event.ref.split("/")[1]], event.ref.split("/", 2)[2]
        github = {"event_name": event.name, "ref": event.ref, "ref_name": name, "ref_type": kind, "sha": event.sha}
        github |= {"actor": event.actor, "triggering_actor": event.triggering_actor or event.actor, "repository": REPOSITORY}
        github |= {"run_id": str(run.number), "server_url": "https://github.com", "token": "the-token"}
        github |= {"workflow": self.tree(run)["name"]}
        return {"github": {**github, "event": event.payload}, "inputs": dict(inputs), "vars": dict(self.variables)}

    def _begun_by(self, event: Event, workflow: str) -> list[str]:
        found = []
        for path, tree in self.trees.items():
            if "jobs" not in tree:
                continue
            known(tree, _KEYS, path)
            triggers = (
                tree["on"]
                if isinstance(tree["on"], dict)
                else dict.fromkeys([tree["on"]] if isinstance(tree["on"], str) else tree["on"])
            )
            known(triggers, _TRIGGERS, f"{path}: on")
            chosen = self._stem(path) == workflow if workflow or event.name == "workflow_dispatch" else True
            if event.name in triggers and chosen and self._admits(triggers[event.name] or {}, event, f"{path}: on.{event.name}"):
                found.append(path)
        return found

    @staticmethod
    def _admits(filters: Any, event: Event, where: str) -> bool:
        if event.name == "schedule":
            crons = [known(one, {"cron"}, where)["cron"] for one in filters]
            return not event.schedule or event.schedule in crons
        known(filters, {"branches", "tags", "inputs", "types"}, where)
        if event.name == "pull_request":
            return event.action in filters.get("types", ["opened", "synchronize", "reopened"])
        if event.name != "push" or not filters:
            return True
        kind, name = event.ref.split("/", 2)[1:]
        patterns = filters.get({"heads": "branches", "tags": "tags"}[kind], [])
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

    def _new(self, path: str, event: Event) -> Run:
        run = Run(len(self.runs) + 1, self._stem(path), event)
        run.directory = self.directory / f"run-{run.number}"
        run.directory.mkdir(parents=True)
        self.runs.append(run)
        return run

    @staticmethod
    def _stem(path: str) -> str:
        return Path(path).stem

    def _concurrency(self, run: Run) -> tuple[str, bool]:
        said = known(self.tree(run).get("concurrency") or {}, {"group", "cancel-in-progress"}, f"{run.workflow}: concurrency")
        contexts = self.contexts(run, self._inputs(run))
        return text(value(said.get("group", str(run.number)), contexts)), bool(
            value(said.get("cancel-in-progress", False), contexts)
        )

    def _inputs(self, run: Run) -> dict[str, Any]:
        triggers = self.tree(run)["on"]
        if run.event.name != "workflow_dispatch" or not isinstance(triggers, dict):
            return {}
        return said_inputs((triggers["workflow_dispatch"] or {}).get("inputs", {}), run.event.inputs, run.workflow)

    def _execute(self, run: Run) -> None:
        from tests.workflows.jobs import Workflow

        workflow = Workflow(self, run, f".github/workflows/{run.workflow}.yml", self._inputs(run))
        workflow.execute(
            {"contents": "write", "actions": "write", "issues": "write", "packages": "write", "pull-requests": "write"}
        )
        results = set(run.results.values())
        run.conclusion = "failure" if "failure" in results else "success" if "success" in results else "skipped"


def said_inputs(definitions: Mapping[str, Any], said: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What a workflow gets of what was said, or one sentence about what does not fit."""
    known(said, set(definitions), f"{where}: inputs")
    found = {}
    for name, definition in definitions.items():
        known(definition, {"description", "type", "required", "default", "options"}, f"{where}: inputs.{name}")
        if name not in said and definition.get("required"):
            raise WorkflowError(f"{where}: inputs.{name} is required")
        kind = definition.get("type", "string")
        given = said.get(name, definition.get("default", False if kind == "boolean" else ""))
        if kind == "choice" and given not in definition["options"]:
            raise WorkflowError(f"{where}: inputs.{name}: {given!r} is none of {', '.join(definition['options'])}")
        if isinstance(given, bool) != (kind == "boolean") or isinstance(given, (int, float)) != (kind in ("number", "boolean")):
            raise WorkflowError(f"{where}: inputs.{name}: {given!r} is no {kind}")
        found[name] = given
    return found
