"""Whose password opens which vault. Needs no host: every run ends before a connection, in verdicts of both environments."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import ENVIRONMENTS, PASSWORDS, ROOT, Done, offline, vault

pytestmark = pytest.mark.lane("rest")


def view(path: str | Path, passwords: dict[str, str], **variables: str) -> Done:
    return offline("ansible-vault", "view", str(path), passwords=passwords, cwd=ROOT, **variables)


def check(environment: str, *options: str, passwords: dict[str, str]) -> Done:
    chosen = ("--tags", "preflight", "-e", "stack_release=1.0.0", *options)
    return offline("ansible-playbook", "deploy.yml", "-i", f"inventories/{environment}", *chosen, passwords=passwords, cwd=ROOT)


@pytest.mark.parametrize(("mine", "other"), [ENVIRONMENTS, pytest.param(*ENVIRONMENTS[::-1], marks=pytest.mark.deep)])
def test_who_has_one_environments_password_cannot_open_the_others_vault(mine: str, other: str) -> None:
    own = {mine: PASSWORDS[mine]}
    assert "vault_database_url" in view(vault(mine), own).output
    refused = view(vault(other), own)
    assert refused.code != 0
    assert "vault_database_url" not in refused.words
    # Not even under its name.
    assert view(vault(other), {other: PASSWORDS[mine]}).code != 0


@pytest.mark.parametrize(
    "passwords",
    [
        pytest.param({}, marks=pytest.mark.deep),
        pytest.param({"production": "wrong"}, marks=pytest.mark.deep),
        {"staging": PASSWORDS["staging"]},
    ],
)
def test_a_deploy_without_the_right_password_is_refused_and_says_where_it_is_looked_for(passwords: dict[str, str]) -> None:
    done = check("production", "-vvvv", passwords=passwords)
    assert done.code != 0
    assert 'the password of vault id "production" is missing or wrong' in done.words
    for place in ("MORPHEUS_VAULT_PASSWORD_PRODUCTION", "MORPHEUS_VAULT_PASSWORD_FILE_PRODUCTION", "the system keyring"):
        assert place in done.words
    assert "VERDICT refused: production" in done.words
    assert "Traceback" not in done.words


@pytest.mark.deep
def test_a_vault_that_holds_no_yaml_is_refused_without_quoting_it(tmp_path: Path) -> None:
    path = tmp_path / "vault.yml"
    path.write_text("vault_key: [canary-value\ncanary-other: 'x\n")
    passwords = {"staging": "one"}
    assert (
        offline("ansible-vault", "encrypt", "--encrypt-vault-id", "staging", str(path), passwords=passwords, cwd=ROOT).code == 0
    )
    done = check("staging", "-vvvv", "-e", f"stack_vault={path}", passwords=passwords)
    assert "was opened, but holds no YAML mapping of variables" in done.words
    assert "VERDICT refused: staging" in done.words
    assert "canary" not in done.words


@pytest.mark.deep
def test_a_password_is_not_tried_on_a_file_of_another_vault_id(tmp_path: Path) -> None:
    """Production's file, were it encrypted with staging's password by mistake, stays closed to staging."""
    path = tmp_path / "vault.yml"
    path.write_text("vault_key: canary\n")
    both = {"production": "one", "staging": "one"}
    assert offline("ansible-vault", "encrypt", "--encrypt-vault-id", "production", str(path), passwords=both, cwd=ROOT).code == 0
    assert "canary" not in view(path, {"staging": "one"}).words
    # Ansible takes any text for true.
    assert "canary" in view(path, {"staging": "one"}, ANSIBLE_VAULT_ID_MATCH="").words


def test_the_vault_of_another_environment_is_refused_though_its_password_is_there() -> None:
    done = check("staging", "-e", f"stack_vault={ROOT}/{vault('production')}", passwords=PASSWORDS)
    assert done.code != 0
    assert f'{vault("production")}" has the vault id "production", and must have "staging"' in done.words
    assert "Open the vault" not in done.words
    assert "VERDICT refused: staging" in done.words


@pytest.mark.deep
def test_a_vault_in_the_open_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vault.yml"
    path.write_text("vault_key: canary\n")
    done = check("staging", "-vvvv", "-e", f"stack_vault={path}", passwords=PASSWORDS)
    assert "is not wholly encrypted" in done.words
    assert "VERDICT refused: staging" in done.words
    assert "canary" not in done.words
