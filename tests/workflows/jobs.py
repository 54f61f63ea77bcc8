"""The jobs of a run: who waits for whom, who is skipped, what an environment admits, matrices, and workflows that are called."""

from __future__ import annotations

import fnmatch
import itertools
import re
from collections.abc import Mapping
from typing import Any

from tests.workflows.bridge import WorkflowError
from tests.workflows.forge import Forge, Job, Run, condition, known, said_inputs, text, value
from tests.workflows.steps import Machine

_KEYS = {"name", "runs-on", "timeout-minutes", "permissions", "environment", "outputs", "steps"}
_CALL_KEYS = {"name", "uses", "with", "secrets", "permissions"}
_BOTH_KEYS = {"needs", "if", "strategy"}
OURS = "morpheus-deploy/morpheus.deploy"
_LEVELS = ("none", "read", "write")
Rights = Mapping[str, str]


class Workflow:
    """One file of a run: the one that an event has begun, or one that a job of it calls.

    ``secrets``: what the caller hands on. ``inherits``: whether jobs get the secrets of their environment.
    """

    def __init__(self, forge: Forge, run: Run, path: str, inputs: Mapping[str, Any], prefix: str = "") -> None:
        self.forge, self.run, self.path, self.prefix = forge, run, path, prefix
        self.tree = forge.trees[path]
        self.inputs = inputs
        self.secrets: dict[str, str] = {}
        self.inherits = True
        self.jobs: dict[str, Job] = {}

    def execute(self, ceiling: Rights) -> dict[str, str]:
        """Its outputs. ``ceiling``: the most that its token may do."""
        waiting = dict(self.tree["jobs"])
        while waiting:
            ready = [name for name, job in waiting.items() if all(one in self.jobs for one in needs(job))]
            if not ready:
                raise WorkflowError(f"{self.path}: {', '.join(waiting)} wait for each other, or for a job that is not there")
            # GitHub starts them all at once. The last one first: so a job that does not say for what it waits finds nothing.
            name = ready[-1]
            self.jobs[name] = self._job(name, waiting.pop(name), ceiling)
            self.run.jobs[f"{self.prefix}{name}"] = self.jobs[name]
        called = self.tree["on"].get("workflow_call") if isinstance(self.tree["on"], dict) else None
        contexts = {"jobs": {name: {"outputs": job.outputs, "result": job.result} for name, job in self.jobs.items()}}
        return {name: text(value(one["value"], contexts)) for name, one in ((called or {}).get("outputs") or {}).items()}

    def _job(self, name: str, read: Any, ceiling: Rights) -> Job:
        known(read, _BOTH_KEYS | (_CALL_KEYS if "uses" in read else _KEYS), f"{self.path}: {name}")
        contexts = self.forge.contexts(self.run, self.inputs)
        contexts["needs"] = {one: {"result": self.jobs[one].result, "outputs": self.jobs[one].outputs} for one in needs(read)}
        if not condition(read.get("if", "success()"), contexts, self._status(read)):
            return Job("skipped")
        rights = granted(read.get("permissions", self.tree["permissions"]), ceiling, f"{self.path}: {name}")
        strategy = known(read.get("strategy") or {}, {"matrix", "fail-fast"}, f"{self.path}: {name}: strategy")
        several = combinations(value(strategy.get("matrix") or {}, contexts))
        ended: list[Job] = []
        for number, combination in enumerate(several):
            own = f"{name} ({', '.join(map(text, combination.values()))})" if combination else name
            if any(one.result == "failure" for one in ended) and strategy.get("fail-fast", True):
                ended.append(Job("cancelled"))
            elif "uses" in read:
                ended.append(self._call(own, read, contexts | {"matrix": combination}, rights))
            else:
                ended.append(self._run(f"{own}-{number}", read, contexts | {"matrix": combination}, rights))
            if combination:
                self.run.jobs[f"{self.prefix}{own}"] = ended[-1]
        results = [one.result for one in ended]
        worst = next((one for one in ("failure", "cancelled") if one in results), "success")
        return Job(worst, {key: text for one in ended for key, text in one.outputs.items()}, ended[0].steps, ended[0].why)

    def _status(self, read: Any) -> str:
        before = self._ancestors(read)
        results = {self.jobs[one].result for one in before}
        if "failure" in results:
            return "failure"
        return "success" if {self.jobs[one].result for one in needs(read)} <= {"success"} else "skipped"

    def _ancestors(self, read: Any) -> set[str]:
        direct = set(needs(read))
        return direct.union(*(self._ancestors(self.tree["jobs"][one]) for one in direct))

    def _call(self, name: str, read: Any, contexts: dict[str, Any], rights: Rights) -> Job:
        # Another repository names this one and a commit of it.
        path = re.sub(rf"^{OURS}/(.+)@[0-9a-f]{{40}}$", r"\1", read["uses"]).removeprefix("$/").removeprefix("./")
        if path not in self.forge.trees:
            raise WorkflowError(f"{self.path}: {name}: {read['uses']} is not there")
        tree = self.forge.trees[path]
        definition = tree["on"]["workflow_call"] or {}
        given = said_inputs(definition.get("inputs") or {}, value(read.get("with") or {}, contexts), f"{self.path}: {name}")
        called = Workflow(self.forge, self.run, path, given, f"{self.prefix}{name}/")
        said = read.get("secrets") or {}
        # Without "inherit" a called workflow gets what is named, and not what its environments have.
        called.inherits = said == "inherit"
        own = contexts | {"secrets": self.secrets}
        called.secrets = dict(self.secrets) if called.inherits else {key: text(value(one, own)) for key, one in said.items()}
        outputs = called.execute(rights)
        results = {job.result for job in called.jobs.values()}
        result = next((one for one in ("failure", "cancelled") if one in results), "success")
        return Job(result if results != {"skipped"} else "skipped", outputs)

    def _run(self, name: str, read: Any, contexts: dict[str, Any], rights: Rights) -> Job:
        secrets = dict(self.secrets)
        if "environment" in read:
            environment = text(value(read["environment"], contexts))
            refusal = self._refused(environment)
            if refusal:
                return Job("failure", why=refusal)
            if self.inherits and not self.run.event.fork:
                secrets |= self.forge.environments[environment].secrets
        machine = Machine(self.forge, self.run, f"{self.prefix}{name}".replace("/", "-").replace(" ", "-"), rights)
        contexts |= {"secrets": secrets, "runner": {"os": "Linux", "temp": str(machine.temp)}, "env": {}}
        return machine.execute(read["steps"], contexts, read.get("outputs") or {}, self.path)

    def _refused(self, name: str) -> str:
        if name not in self.forge.environments:
            raise WorkflowError(f"{self.path}: there is no environment {name!r}")
        environment, ref = self.forge.environments[name], self.run.event.ref
        if not any(fnmatch.fnmatchcase(ref, pattern) for pattern in environment.refs):
            return f"the environment {name} does not admit {ref}"
        if environment.reviewers:
            self.forge.asked.append(name)
            answer = self.forge.answers.get(name, "timed out")
            if answer != "granted":
                return f"the approval for {name} was {answer}"
        return ""


def needs(read: Any) -> list[str]:
    said = read.get("needs", [])
    return [said] if isinstance(said, str) else list(said)


def combinations(matrix: Any) -> list[dict[str, Any]]:
    axes = {name: some for name, some in matrix.items() if name not in ("include", "exclude")}
    if "exclude" in matrix or (axes and "include" in matrix):
        raise WorkflowError("the runner knows a matrix of axes, or one of include, and no other")
    if "include" in matrix:
        return list(matrix["include"])
    return [dict(zip(axes, one, strict=True)) for one in itertools.product(*axes.values())]


def granted(asked: Any, ceiling: Rights, where: str) -> dict[str, str]:
    """The rights of a job's token. More than the caller has is refused, as GitHub refuses the whole run."""
    for right, level in asked.items():
        if _LEVELS.index(level) > _LEVELS.index(ceiling.get(right, "none")):
            raise WorkflowError(f"{where}: asks for {right}: {level}, and may have {ceiling.get(right, 'none')}")
    return dict(asked)
