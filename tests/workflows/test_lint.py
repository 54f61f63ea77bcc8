"""What can be said of the workflows without running them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.workflows.bridge import ROOT, TOOLS, WorkflowError, bridge, parsed
from tests.workflows.jobs import needs

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
ACTIONS = sorted((GITHUB / "actions").rglob("action.yml"))
FILES = {str(path.relative_to(ROOT)): path.read_text() for path in WORKFLOWS}
_PINNED = re.compile(r"uses: ([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+$")


def tree(path: Path) -> Any:
    name = str(path.relative_to(ROOT))
    return parsed("workflow" if path in WORKFLOWS else "action", name, path.read_text(), FILES)


def steps(path: Path) -> Iterator[Any]:
    read = tree(path)
    for job in read["jobs"].values() if "jobs" in read else [read["runs"]]:
        yield from job.get("steps", [])


def expressions(read: Any) -> Iterator[str]:
    if isinstance(read, dict):
        if set(read) == {"$"}:
            yield read["$"]
        for value in read.values():
            yield from expressions(value)
    elif isinstance(read, list):
        for value in read:
            yield from expressions(value)


def test_there_is_something_to_look_at() -> None:
    names = {path.stem for path in WORKFLOWS}
    assert {"ci", "deploy-staging", "deploy-production", "rollback", "drift", "backup", "playbook", "release"} <= names
    assert [path.parent.name for path in ACTIONS] == ["playbook"]


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: path.stem)
def test_github_itself_can_read_it(path: Path) -> None:
    assert tree(path)["name"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actionlint_finds_nothing(path: Path) -> None:
    # actionlint does not know yet that $/ is the repository of the workflow itself; ./ is what it knows of the same kind.
    text = path.read_text().replace("uses: $/", "uses: ./")
    assert bridge().ask("actionlint", path=path.name, text=text)["found"] == []


def test_zizmor_finds_nothing() -> None:
    words = [str(TOOLS / "venv" / "bin" / "zizmor"), "--offline", "--no-progress", "--color", "never", "--strict-collection", "."]
    done = subprocess.run(words, cwd=GITHUB, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("schema", "paths"), [("github-workflows", WORKFLOWS), ("github-actions", ACTIONS)])
def test_it_fits_its_json_schema(schema: str, paths: list[Path]) -> None:
    program = TOOLS / "venv" / "bin" / "check-jsonschema"
    words = [str(program), "--builtin-schema", f"vendor.{schema}", *map(str, paths)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: path.stem)
def test_every_action_is_pinned_by_commit_with_its_version(path: Path) -> None:
    used = [line.strip() for line in path.read_text().splitlines() if re.search(r"\buses:", line)]
    assert [line for line in used if "uses: $/" not in line and not _PINNED.search(line)] == []


def test_one_action_has_one_commit() -> None:
    found = {match.groups() for path in [*WORKFLOWS, *ACTIONS] for match in re.finditer(_PINNED.pattern, path.read_text(), re.M)}
    assert len({name for name, _ in found}) == len(found)


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: path.stem)
def test_no_expression_is_put_into_a_script(path: Path) -> None:
    assert [step["run"] for step in steps(path) if not isinstance(step.get("run", ""), str)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_rights_are_said_for_every_job(path: Path) -> None:
    read = tree(path)
    assert read["permissions"] == {"contents": "read"}
    assert [name for name, job in read["jobs"].items() if "permissions" not in job] == []
    assert [name for name, job in read["jobs"].items() if "uses" not in job and "timeout-minutes" not in job] == []


def test_only_a_pull_request_s_tests_are_cut_off_by_the_next_run() -> None:
    found = {path.stem: tree(path).get("concurrency") for path in WORKFLOWS}
    # Whoever calls it has a group.
    assert found.pop("playbook") is None
    assert found.pop("ci")["cancel-in-progress"] == {"$": "github.event_name == 'pull_request'"}
    assert {name for name, one in found.items() if one["cancel-in-progress"] is not False} == set()


def test_each_workflow_has_a_group_of_its_own_so_that_a_rollback_waits_for_no_approval() -> None:
    groups = [str((tree(path).get("concurrency") or {}).get("group")) for path in WORKFLOWS]
    assert len(set(groups)) == len(WORKFLOWS)


def test_more_than_reading_is_for_few_jobs() -> None:
    rights = {
        f"{path.stem}.{name}": {right for right, level in job["permissions"].items() if level == "write"}
        for path in WORKFLOWS
        for name, job in tree(path)["jobs"].items()
    }
    assert {name: found for name, found in rights.items() if found} == {
        "deploy-staging.build": {"packages"},
        "drift.report": {"issues"},
        "preview.build": {"packages"},
        "preview.comment": {"pull-requests"},
        "release.publish": {"contents"},
    }


def test_secrets_are_read_in_jobs_of_an_environment_only() -> None:
    bare = [
        f"{path.stem}.{name}"
        for path in WORKFLOWS
        for name, job in tree(path)["jobs"].items()
        if "environment" not in job and any(re.search(r"\bsecrets\b", one) for one in expressions(job))
    ]
    assert bare == []


OWN = "github.event.pull_request.head.repo.full_name == github.repository && "


def is_kept_from_forks(jobs: Mapping[str, Any], name: str) -> bool:
    """Whether it, or one without whose success it does not run, is for pull requests of this repository or for the night."""
    said = jobs[name].get("if", "")
    asks = said["$"] if isinstance(said, dict) else said
    if asks.startswith(OWN) or asks == "github.event_name == 'schedule'":
        return True
    before = needs(jobs[name])
    if "cancelled()" in asks:
        return asks.count(".result == 'success'") == len(before) and all(is_kept_from_forks(jobs, one) for one in before)
    return any(is_kept_from_forks(jobs, one) for one in before)


def test_pull_requests_reach_no_secret() -> None:
    for path in WORKFLOWS:
        read = tree(path)
        triggers = read["on"] if isinstance(read["on"], (dict, list)) else [read["on"]]
        assert "pull_request_target" not in triggers
        assert "workflow_run" not in triggers
        if path.stem == "preview":
            assert [name for name in read["jobs"] if not is_kept_from_forks(read["jobs"], name)] == []
        elif "pull_request" in triggers:
            assert [job for job in read["jobs"].values() if "environment" in job or "secrets" in job or "uses" in job] == []
            assert [one for one in expressions(read) if "secrets" in one] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("timeout-minutes:", "timeout-minuets:"), "Unexpected value 'timeout-minuets'"),
        (("needs: [deploy]", "needs: [deplyo]"), "deplyo"),
        (("inventory: staging", "inventroy: staging"), "inventroy"),
        (("verdict == 'deployed'", "verdict = 'deployed'"), "Unexpected symbol: '='"),
    ],
)
def test_a_slip_is_found_by_githubs_parser(change: tuple[str, str], said: str) -> None:
    path = GITHUB / "workflows" / "deploy-staging.yml"
    text = path.read_text()
    assert change[0] in text
    with pytest.raises(WorkflowError, match=re.escape(said)):
        parsed("workflow", ".github/workflows/deploy-staging.yml", text.replace(*change), FILES)
