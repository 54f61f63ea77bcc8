from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import run_file

REFUSED = {"verdict": "refused"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def there(**files: Any) -> None:
    """``files``: environment -> what its verdict.json says."""
    for environment, content in files.items():
        path = Path(".deploy") / environment / "verdict.json"
        path.parent.mkdir(parents=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def found() -> dict[str, Any]:
    return {path.parent.name: json.loads(path.read_text())["verdict"] for path in Path(".deploy").glob("*/verdict.json")}


def test_a_run_replaces_the_file_of_its_own_environment() -> None:
    there(staging={"verdict": "deployed"}, production={"verdict": "mixed"})
    assert run_file.write("staging", "verdict.json", REFUSED) == Path(".deploy/staging/verdict.json")
    assert found() == {"staging": "refused", "production": "mixed"}


def test_one_that_may_have_been_meant_for_any_environment_counts_for_all() -> None:
    there(staging={"verdict": "deployed"}, production="torn {")
    assert run_file.write("", "verdict.json", REFUSED) == Path(".deploy/unknown/verdict.json")
    assert found() == dict.fromkeys(("unknown", "staging", "production"), "refused")


def test_while_it_may_still_learn_which_one_is_meant_it_leaves_others_alone() -> None:
    there(staging={"verdict": "deployed"})
    run_file.write("", "verdict.json", REFUSED, everywhere=False)
    assert found() == {"unknown": "refused", "staging": "deployed"}


def test_the_file_of_another_run_that_is_at_work_is_left_alone() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    there(staging={"verdict": "running", "pid": os.getppid()}, production={"verdict": "running", "pid": ended.pid})
    run_file.write("", "verdict.json", REFUSED)
    assert found() == {"unknown": "refused", "staging": "running", "production": "refused"}


@pytest.mark.parametrize("name", ["..", "../outside", "staging/../../outside", "/tmp/morpheus-outside", "a\0b", "."])
def test_the_name_of_an_environment_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    """A run is refused for its environment's name after it has begun to write down how it goes."""
    assert run_file.write(name, "verdict.json", REFUSED) == Path(".deploy/unknown/verdict.json")
    assert run_file.read(name, "verdict.json") == REFUSED
    assert list(tmp_path.rglob("verdict.json")) == [tmp_path / ".deploy" / "unknown" / "verdict.json"]
