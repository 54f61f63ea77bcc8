"""The repository as its owners have set it up: environments with their secrets, people, and what the commands of a run find."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.workflows.bridge import ROOT, parsed
from tests.workflows.forge import COMMIT, Environment, Event, Forge, Run, Trees

TAG = "refs/tags/v1.2.0"
STAGING, PRODUCTION = "https://staging.morpheus.app", "https://morpheus.app"
PUSH, TAGGED = Event("push"), Event("push", TAG)
REVIEWED = [{"type": "required_reviewers"}]
UNREVIEWED = [{"type": "branch_policy"}]


def hosts(name: str, *, vault: bool = True) -> dict[str, str]:
    secrets = {"SSH_KEY": f"key of {name}", "SSH_KNOWN_HOSTS": f"hosts of {name}"}
    return secrets | ({"VAULT_PASSWORD": f"password of {name}"} if vault else {})


class World:
    """``reviewers``: whether the environment production can have some. Else Bob and Carol approve by a dispatch."""

    def __init__(self, directory: Path, change: Callable[[Trees], None] | None = None, *, reviewers: bool = True) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.forge = Forge(directory, change)
        key = directory / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
        self.write(".github/allowed_signers", f"staging {(directory / 'key.pub').read_text()}")
        tags = ("refs/heads/main", "refs/tags/v*")
        self.forge.environments = {
            "staging": Environment(hosts("staging") | {"PROMOTION_KEY": key.read_text()}),
            "production": Environment(hosts("production"), ("refs/tags/v*",), reviewers),
            "production-read": Environment(hosts("production-read"), tags),
            "production-rollback": Environment(hosts("production-rollback", vault=False), tags),
            "release": Environment({}, reviewers=True),
            "preview": Environment(hosts("preview"), ("refs/heads/main", "refs/pull/*/merge")),
        }
        self.forge.variables = {"PREVIEW_DOMAIN": "preview.example"} | ({} if reviewers else {"APPROVERS": "bob carol"})
        self.script: dict[str, Any] = {}
        self.github: dict[str, Any] = {"staging": {}, "rules": REVIEWED if reviewers else UNREVIEWED, "pushed": []}
        (directory / "registry.json").write_text("{}")

    def happens(self, event: Event, workflow: str = "") -> dict[str, Run]:
        """Workflow -> its run."""
        self.say()
        found = {run.workflow: run for run in self.forge.happens(event, workflow)}
        for run in found.values():
            if run.workflow == "deploy-staging" and run.conclusion == "success":
                self.github["staging"][event.sha] = run.number
            if run.workflow == "deploy-production" and event.name == "push":
                self.github["pushed"].append({"head_sha": event.sha, "actor": {"login": event.actor}})
        return found

    def say(self) -> None:
        (self.directory / "script.json").write_text(json.dumps(self.script))
        (self.directory / "github.json").write_text(json.dumps(self.github))

    def staged(self) -> Run:
        """Main was pushed and went well."""
        run = self.happens(PUSH)["deploy-staging"]
        assert run.conclusion == "success", self.log(run)
        return run

    def write(self, path: str, text: str) -> None:
        """What a file of the repository holds, in the place of what this checkout has there."""
        there = self.directory / "sources" / path
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(text)

    def log(self, run: Run) -> str:
        path = run.directory / "log.txt"
        return f"{run.results}\n{path.read_text() if path.exists() else ''}"

    def called(self, command: str) -> list[dict[str, Any]]:
        path = self.directory / "called.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [one for one in map(json.loads, lines) if one["command"] == command]

    @property
    def playbooks(self) -> list[str]:
        """Every run of Ansible: what, where, with whose key."""
        return [
            f"{one['playbook']}{' --check' if one['check'] else ''} on {one['inventory']} with {one['key'] or 'no key'}"
            for one in self.called("ansible-playbook")
        ]


def dispatch(actor: str, ref: str = TAG, **inputs: Any) -> Event:
    return Event("workflow_dispatch", ref, actor=actor, sha=COMMIT, inputs=inputs)


def documented_lines() -> str:
    """The workflow that docs/ci.md gives to other teams."""
    found = re.search(r"```yaml\n(name: Deploy staging\n.*?)```", (ROOT / "docs" / "ci.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def only_of_another_repository(lines: str) -> Callable[[Trees], None]:
    """In which ``lines`` are the only workflow, ``theirs``, and call the one of this repository."""
    called = ".github/workflows/playbook.yml"
    theirs = parsed("workflow", "theirs.yml", lines, {called: (ROOT / called).read_text()})

    def change(trees: Trees) -> None:
        for path in [one for one in trees if one not in (called, ".github/actions/playbook/action.yml")]:
            del trees[path]
        trees[".github/workflows/theirs.yml"] = theirs

    return change
