"""The newcomer's path, with what a newcomer types: an empty directory, the installed collection and nothing else. No host is
contacted. From there to a served stack: tests/acceptance/test_new_environment.py.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.newcomer import ROOT, Newcomer, commands, install
from tests.newcomer import new_environment as new
from tests.strangers import FILES

COMPOSE = (ROOT / "stacks" / "example" / "compose.yml").read_text()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("home")
    install(found)
    (found / "ssh").write_text("#!/bin/sh\nexit 255\n")
    (found / "ssh").chmod(0o755)
    return found


@pytest.fixture
def newcomer(home: Path, tmp_path: Path) -> Newcomer:
    """No host answers."""
    here = tmp_path / "shop"
    here.mkdir(mode=0o755)
    return Newcomer(home, here, {"ANSIBLE_SSH_EXECUTABLE": f"{home}/ssh"})


def begin_staging(newcomer: Newcomer) -> str:
    """From an empty directory, as far as no host is asked; the command that it says to deploy with."""
    (newcomer.here / "compose.yml").write_text(COMPOSE)
    said = newcomer.well(new("-e name=staging -e hosts=10.0.0.1,10.0.0.2 -e site=staging.shop.example"))
    assert "Yours to fill in" not in said
    for command in [command for command in commands(said) if re.search(r"\.(fingerprint|config) ", command)]:
        assert "VERDICT done: staging " in newcomer.well(command)
    [deploy] = [command for command in commands(said) if "morpheus.deploy.deploy " in command]
    return deploy


def passes_the_preflight(newcomer: Newcomer, deploy: str, name: str) -> None:
    said = newcomer.well(f"{deploy.replace('/staging', f'/{name}')} --tags preflight")
    assert f"VERDICT done: {name} deploy (--tags preflight)" in said


def test_from_an_empty_directory_to_an_environment_that_passes_the_preflight(newcomer: Newcomer) -> None:
    passes_the_preflight(newcomer, begin_staging(newcomer), "staging")


@pytest.mark.deep
def test_a_second_environment_changes_what_it_has_to_in_the_first_and_both_pass_the_preflight(newcomer: Newcomer) -> None:
    deploy = begin_staging(newcomer)
    before = newcomer.files()
    newcomer.well(new("-e name=production -e hosts=10.1.0.1 -e site=shop.example"))
    after = newcomer.files()
    assert {path for path in before if before[path] != after[path]} == {
        "ansible.cfg",
        "inventories/staging/group_vars/all/stack.yml",
    }
    # With the callback that is enabled by now: it is still no run on an environment.
    done = newcomer.types(new("-e name=production -e hosts=10.9.9.9"))
    assert (done.returncode, "VERDICT" in done.stdout, "-e hosts=10.9.9.9 would be lost" in done.stdout) == (2, False, True)
    newcomer.well("ansible-playbook morpheus.deploy.config -i inventories/production -e config_diff=staging")
    for name in ("staging", "production"):
        passes_the_preflight(newcomer, deploy, name)


@pytest.mark.deep
def test_a_secret_that_both_environments_have_is_refused_in_each(newcomer: Newcomer) -> None:
    (newcomer.here / "compose.yml").write_text(COMPOSE.replace("    restart:", "    env_file: secrets/web.env\n    restart:"))
    editing = replace(newcomer, variables=newcomer.variables | {"EDITOR": "sed -i '$a vault_url: postgresql://canary-in-both'"})
    for name in ("staging", "production"):
        newcomer.well(new(f"-e name={name} -e hosts=h-{name} -e site={name}.shop.example"))
        group_vars = newcomer.here / "inventories" / name / "group_vars"
        editing.well(f"ansible-vault edit {group_vars}/vault.yml")
        (group_vars / "all" / "secrets.yml").write_text('stack_secrets: {web: {DATABASE_URL: "{{ vault_url }}"}}\n')
        newcomer.well(f"ansible-playbook morpheus.deploy.fingerprint -i inventories/{name}")
    for name, other in (("staging", "production"), ("production", "staging")):
        done = newcomer.types(f"ansible-playbook morpheus.deploy.deploy -i inventories/{name} -e stack_release=1.0.0")
        words = f"web.DATABASE_URL has the same value as web.DATABASE_URL of {other}; give each environment its own"
        assert (done.returncode, words in done.stdout) == (2, True), done.stdout
        assert "canary-in-both" not in done.stdout


@pytest.mark.deep
def test_without_a_compose_file_what_is_left_empty_is_refused_with_its_path(newcomer: Newcomer) -> None:
    said = newcomer.well(new("-e name=staging -e hosts=10.0.0.1"))
    ends = [
        line.split(": ")[1] for line in said.splitlines() if line.startswith("  inventories/staging/group_vars/all/stack.yml: ")
    ]
    assert ends == ["stack.services[0].name", "stack.services[0].port", "stack.services[0].health.path"]
    done = newcomer.types("ansible-playbook morpheus.deploy.deploy -i inventories/staging -e stack_release=1.0.0")
    assert done.returncode == 2
    verdict = json.loads((newcomer.here / ".deploy" / "staging" / "verdict.json").read_text())
    [message] = verdict["messages"]
    assert message.splitlines() == [
        "Nothing was contacted or changed. Problems in the configuration:",
        "  - stack.services[0].name: required; the service's name in the Compose files",
        "  - stack.services[0].health.path: required; path that is asked of each replica",
        "  - stack.services[0].port: required; the port on which a replica listens inside its container",
        f'  - stack.compose_files[0]: "{newcomer.here}/inventories/staging/../../compose.yml" does not exist',
    ]


@pytest.mark.deep
def test_without_hosts_the_inventory_is_named(newcomer: Newcomer) -> None:
    assert "\n  inventories/staging/hosts.yml: app.hosts\n" in newcomer.well(new("-e name=staging"))
    done = newcomer.types("ansible-playbook morpheus.deploy.config -i inventories/staging")
    words = f"the inventory {newcomer.here}/inventories/staging has no host in group app"
    assert (done.returncode, words in done.stdout) == (2, True), done.stdout


@pytest.mark.parametrize(
    "options", ["", "-e name=Staging", "-e name=staging -e hosts=10.0.0.1:22", "-e name=staging -e port=http"]
)
@pytest.mark.deep
def test_a_mistyped_command_ends_in_2_and_writes_nothing(newcomer: Newcomer, options: str) -> None:
    done = newcomer.types(new(options))
    assert (done.returncode, "Nothing was written or changed." in done.stdout) == (2, True), done.stdout
    assert newcomer.files() == {}


@pytest.mark.deep
def test_check_mode_says_what_would_be_written_and_writes_nothing(newcomer: Newcomer) -> None:
    said = newcomer.well(new("-e name=staging --check"))
    assert "Would be written for staging:\n  .gitignore\n  .vault/staging (" in said
    assert newcomer.files() == {}


def test_no_password_and_no_key_is_printed(newcomer: Newcomer) -> None:
    done = newcomer.types(new("-e name=staging -vvvv --diff"))
    password = (newcomer.here / ".vault" / "staging").read_text().strip()
    key = newcomer.well("ansible-vault view inventories/staging/group_vars/vault.yml").split("vault_fingerprint_key: ")[1].strip()
    assert (done.returncode, len(key)) == (0, 64)
    assert not [one for one in (password, key) if one in done.stdout + done.stderr]


@pytest.mark.deep
def test_a_write_that_fails_says_that_the_same_command_does_the_rest(newcomer: Newcomer) -> None:
    # A link into a directory in which nobody can make anything.
    link = newcomer.here / "inventories"
    link.symlink_to("/proc/nowhere")
    done = newcomer.types(new("-e name=staging"))
    assert (done.returncode, f"{link}" in done.stdout) == (2, True), done.stdout
    assert "Some files are written. The same command writes the others." in done.stdout
    password = (newcomer.here / ".vault" / "staging").read_text()
    link.unlink()
    newcomer.well(new("-e name=staging"))
    assert (newcomer.here / ".vault" / "staging").read_text() == password
    newcomer.well("ansible-vault view inventories/staging/group_vars/vault.yml")


@pytest.mark.deep
def test_what_is_no_directory_is_named_before_anything_is_written(newcomer: Newcomer) -> None:
    (newcomer.here / ".vault").write_text("a file\n")
    done = newcomer.types(new("-e name=staging"))
    words = ".vault/staging: cannot be read (Not a directory); nothing is written over it. Move it away, and run this again"
    assert (done.returncode, words in done.stdout) == (2, True), done.stdout
    assert newcomer.files() == {".vault": "a file\n"}


def test_a_rollback_asks_for_no_password(newcomer: Newcomer) -> None:
    (newcomer.here / "compose.yml").write_text(COMPOSE)
    newcomer.well(new("-e name=staging -e hosts=10.0.0.1"))
    (newcomer.here / ".vault" / "staging").unlink()
    done = newcomer.types("ansible-playbook morpheus.deploy.rollback -i inventories/staging")
    assert (done.returncode, "could be reached: 10.0.0.1. Nothing was changed. 10.0.0.1: " in done.stdout) == (4, True), (
        done.stdout + done.stderr
    )
    assert "UNREACHABLE 10.0.0.1 (item=10.0.0.1): Take the lease" in done.stdout
    assert "{{" not in done.stdout


@pytest.mark.deep
def test_a_first_look_at_a_strangers_compose_file_leads_to_an_environment_that_passes_the_preflight(newcomer: Newcomer) -> None:
    (newcomer.here / "docker-compose.yml").write_text(FILES["letters"].read_text())
    before = newcomer.files()
    look = "ansible-playbook morpheus.deploy.inspect -e compose=docker-compose.yml"
    said = newcomer.well(look)
    assert "1 left to you, see above." in said
    assert "VERDICT" not in said
    assert newcomer.files() == before
    said = newcomer.well(f"{look} -e write=inventories/staging -e hosts=10.0.0.1 -e site=letters.example -e health=/health")
    assert "With these lines a deploy's checks accept it." in said
    assert "docker-compose.staging.yml" in said
    deploy = "ansible-playbook morpheus.deploy.deploy -i inventories/staging -e stack_release=1.0.0 --tags preflight"
    done = newcomer.types(deploy)
    assert done.returncode != 0
    assert "'vault_app_letters_db_password' is undefined" in done.stdout
    vault = "inventories/staging/group_vars/vault.yml"
    editing = replace(
        newcomer, variables=newcomer.variables | {"EDITOR": "sed -i '$a vault_app_letters_db_password: a-long-canary'"}
    )
    editing.well(f"ansible-vault edit {vault}")
    # What a deploy would refuse is said beforehand, with what mends it.
    config = "ansible-playbook morpheus.deploy.config -i inventories/staging"
    done = newcomer.types(config)
    assert (done.returncode, "is not in inventories/staging/fingerprints.json; if it is meant, run" in done.stdout) == (2, True)
    newcomer.well("ansible-playbook morpheus.deploy.fingerprint -i inventories/staging")
    assert "\nNo problem.\n" in newcomer.well(config)
    assert "VERDICT done: staging deploy (--tags preflight)" in newcomer.well(deploy)
    # What is there is not written over, and looking again does not need it.
    done = newcomer.types(f"{look} -e write=inventories/staging -e site=other.example")
    assert (done.returncode, "is there already and stays as it is" in done.stdout) == (2, True)


@pytest.mark.deep
def test_a_teams_env_file_is_imported_and_no_secret_of_it_is_shown_or_written(newcomer: Newcomer) -> None:
    (newcomer.here / "compose.yml").write_text(
        COMPOSE.replace("    restart:", '    environment: {LEVEL: "${LEVEL:-info}", URL: "${URL}"}\n    restart:')
    )
    (newcomer.here / "live.env").write_text("LEVEL=debug\nURL=postgres://app:canary@db/app\nSPARE=canary\n")
    look = "ansible-playbook morpheus.deploy.inspect -e compose=compose.yml -e env=live.env -vvvv"
    said = newcomer.well(f"{look} -e write=inventories/staging -e hosts=10.0.0.1 -e site=shop.example")
    assert "URL (a URL with a password in it), from the vault; the values stand in live.env" in said
    (newcomer.here / "live.env").unlink()
    assert "canary" not in said + "".join(newcomer.files().values())
    stack = newcomer.files()["inventories/staging/group_vars/all/stack.yml"]
    assert "LEVEL: debug" in stack
    assert "vault_url" in stack
    done = newcomer.types("ansible-playbook morpheus.deploy.inspect -e compose=compose.yml -e env=nowhere.env")
    assert (done.returncode, "env: nowhere.env does not exist" in done.stdout) == (2, True)


@pytest.mark.deep
def test_secrets_of_a_teams_env_file_come_into_the_vault_where_that_is_asked_for(newcomer: Newcomer) -> None:
    (newcomer.here / "compose.yml").write_text(COMPOSE.replace("    restart:", '    environment: {URL: "${URL}"}\n    restart:'))
    (newcomer.here / ".env").write_text("URL=postgres://app:canary-of-both@db/app\n")
    look = "ansible-playbook morpheus.deploy.inspect -e compose=compose.yml -e import_secrets=true -vvvv"
    done = newcomer.types(look)
    assert (done.returncode, "import_secrets: only with -e write=inventories/<name>" in done.stdout) == (2, True)
    for name in ("staging", "production"):
        said = newcomer.well(f"{look} -e write=inventories/{name} -e hosts=h-{name} -e site={name}.example")
        assert f"inventories/{name}/group_vars/vault.yml has the values of vault_url" in said
        assert "canary" not in said + "".join(text for path, text in newcomer.files().items() if path != ".env")
        newcomer.well(f"ansible-playbook morpheus.deploy.fingerprint -i inventories/{name}")
        if name == "staging":
            said = newcomer.well(f"ansible-playbook morpheus.deploy.config -i inventories/{name}")
            assert "\nNo problem.\n" in said
            assert "canary-of-both" in newcomer.well(f"ansible-vault view inventories/{name}/group_vars/vault.yml")
    # One file for two environments is no file of either.
    done = newcomer.types("ansible-playbook morpheus.deploy.config -i inventories/production")
    words = "variables.URL has the same value as variables.URL of staging; give each environment its own"
    assert (done.returncode, words in done.stdout) == (2, True), done.stdout


@pytest.mark.deep
def test_a_first_look_says_what_to_type(newcomer: Newcomer) -> None:
    done = newcomer.types("ansible-playbook morpheus.deploy.inspect")
    assert (done.returncode, "compose: required; the Compose file" in done.stdout) == (2, True)
    done = newcomer.types("ansible-playbook morpheus.deploy.inspect -e compose=nowhere.yml")
    assert (done.returncode, "compose: nowhere.yml does not exist" in done.stdout) == (2, True)
