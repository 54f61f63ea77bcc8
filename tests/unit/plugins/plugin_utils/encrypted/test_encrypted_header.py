from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.encrypted.header import cannot_open, problem, unreadable

BODY = "61626364\n6566\n"
NO_PASSWORD = (
    'stack_vault: "a/vault.yml" could not be opened: the password of vault id "my-env" is missing or wrong. It is taken '
    "from the variable MORPHEUS_VAULT_PASSWORD_MY_ENV, else from the file that MORPHEUS_VAULT_PASSWORD_FILE_MY_ENV "
    'names, or .vault/my-env of the project, else from the system keyring (service "morpheus.deploy", user "my-env")'
)
NOT_THERE = (
    'stack_vault: "v/vault.yml" cannot be read (No such file or directory). To make one: '
    "ansible-vault create --encrypt-vault-id staging v/vault.yml"
)

REFUSED = [
    pytest.param(
        f"$ANSIBLE_VAULT;1.2;AES256;production\n{BODY}",
        'has the vault id "production", and must have "staging", so it is not known as the vault of this environment and was not '
        "opened. Name the right one.",
        id="a vault of another environment",
    ),
    pytest.param(
        f"$ANSIBLE_VAULT;1.1;AES256\n{BODY}",
        'has no vault id, and must have "staging", so it is not known as the vault of this environment and was not opened. '
        "If it is: ansible-vault rekey --new-vault-id staging@inventories/vault-client.py v/vault.yml",
        id="a vault without an id",
    ),
    *(
        pytest.param(
            text,
            "is not wholly encrypted. If it contains secrets, rotate them; then "
            "ansible-vault encrypt --encrypt-vault-id staging v/vault.yml",
            id=name,
        )
        for name, text in {
            "a vault in the open": "vault_password: canary\n",
            "empty": "",
            "a header and nothing": "$ANSIBLE_VAULT;1.2;AES256;staging\n",
            "a secret below the encrypted part": f"$ANSIBLE_VAULT;1.2;AES256;staging\n{BODY}vault_password: canary\n",
            "a secret above it": f"vault_password: canary\n$ANSIBLE_VAULT;1.2;AES256;staging\n{BODY}",
            "an odd header": f"$ANSIBLE_VAULT;1.2;AES256;staging;canary\n{BODY}",
            "one encrypted value": "vault_password: !vault |\n  $ANSIBLE_VAULT;1.2;AES256;staging\n  6162\n",
        }.items()
    ),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_a_file_that_is_not_the_environments_vault_is_refused_by_its_look(text: str, message: str) -> None:
    found = problem("v/x/../vault.yml", text, "staging")
    assert found == f'stack_vault: "v/vault.yml" {message}'
    assert "canary" not in found


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_the_environments_own_vault_is_not_refused(end: str) -> None:
    assert problem("vault.yml", f"$ANSIBLE_VAULT;1.2;AES256;staging{end or chr(10)}6162{end}", "staging") == ""


def test_without_an_environment_any_vault_is_one_and_a_plain_file_is_none() -> None:
    assert problem("vault.yml", f"$ANSIBLE_VAULT;1.2;AES256;staging\n{BODY}", "") == ""
    assert "is not wholly encrypted" in problem("vault.yml", "vault_key: canary\n", "")


def test_a_missing_password_names_the_vault_id_and_the_three_places() -> None:
    for error in ("Decryption failed (no vault secrets were found).", "Attempting to decrypt but no vault secrets found."):
        assert cannot_open("a/b/../vault.yml", "my-env", error) == NO_PASSWORD


def test_what_a_vault_holds_is_not_quoted_when_it_is_no_yaml() -> None:
    assert "canary" not in cannot_open("vault.yml", "staging", "YAML parsing failed: canary: [canary")


def test_a_vault_that_is_not_there_is_said_how_to_make() -> None:
    assert unreadable("v/vault.yml", "staging", "No such file or directory") == NOT_THERE
