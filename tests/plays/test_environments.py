"""The example environments, by the command that shows them. No host is contacted and no vault opened."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.commands import ENVIRONMENTS, Done, checkout, offline, vault


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return checkout(tmp_path)


def play(here: Path, *words: str) -> Done:
    return offline("ansible-playbook", *words, passwords={}, cwd=here)


@pytest.mark.parametrize(("environment", "other"), [ENVIRONMENTS, pytest.param(*ENVIRONMENTS[::-1], marks=pytest.mark.deep)])
def test_the_examples_have_no_problem_and_break_no_rule(here: Path, environment: str, other: str) -> None:
    options = ("-i", f"inventories/{environment}", "-e", f"config_diff={other}", "-e", "config_format=json")
    done = play(here, "playbooks/config.yml", *options)
    assert done.code == 0, done
    [line] = [line for line in done.output.splitlines() if line.startswith("{")]
    report = json.loads(line)
    assert json.loads((here / ".deploy" / environment / "config.json").read_text()) == report
    assert (report["problems"], report["drift"]["broken"]) == ([], [])
    assert report["vault"] == {"path": vault(environment), "opened": False}
    values = report["values"]
    assert values["stack_environment"]["value"] == environment
    assert values["stack_environment"]["origin"] == f"inventories/{environment}/group_vars/all/stack.yml:2"
    assert values["stack_secrets.api.DATABASE_URL"]["secret"] == "set in vault.yml (vault not opened)"
    assert [key for key, cell in values.items() if cell["origin"].startswith("not ")] == []


@pytest.mark.parametrize(
    "playbook",
    [
        pytest.param(("playbooks/config.yml",), marks=pytest.mark.deep),
        ("deploy.yml", "--tags", "preflight", "-e", "stack_release=1.0.0"),
    ],
)
def test_the_inventory_to_read_has_no_problem_and_needs_no_vault(here: Path, playbook: tuple[str, ...]) -> None:
    done = play(here, *playbook, "-i", "inventories/example")
    assert done.code == 0, done
    assert "VERDICT done: staging " in done.output


@pytest.mark.deep
def test_the_inventory_of_previews_has_no_problem_and_its_vault_is_no_inventory(here: Path) -> None:
    path = here / vault("preview")
    path.parent.mkdir()
    # Whoever reads it, without its password, fails.
    path.write_text("$ANSIBLE_VAULT;1.2;AES256;preview\n30\n")
    done = play(here, "playbooks/config.yml", "-i", "inventories/preview", "-e", "preview_name=pr-1", "-e", "stack_release=1.0.0")
    assert done.code == 0, done
    assert done.errors == ""


def test_rules_that_are_broken_are_named_in_one_message_and_end_the_run(here: Path) -> None:
    wrong = '{"config_must_match": ["stack.env.api.ML_ENDPOINT_ID"], "config_must_differ": ["stack.name"]}'
    options = ("-i", "inventories/staging", "-e", "config_diff=production", "-e", wrong)
    done = play(here, "playbooks/config.yml", *options)
    assert done.code == 2, done
    assert re.search(
        r"In the configuration of staging: - stack.name must differ, and is morpheus in both "
        r"\(inventories/staging/group_vars/all/stack.yml:\d+ and inventories/production/group_vars/all/stack.yml:\d+\) "
        r"- stack.env.api.ML_ENDPOINT_ID must be the same, and is mock in staging ",
        done.words,
    )
    assert done.output.rstrip().endswith("2 rules broken.")


@pytest.mark.deep
def test_the_reserved_name_of_before_is_refused_with_the_new_one(here: Path) -> None:
    done = play(here, "playbooks/config.yml", "-i", "inventories/staging", "-e", "diff=production")
    assert done.code == 2, done
    assert "diff: no longer does anything. To compare environments give -e config_diff=production." in done.words
