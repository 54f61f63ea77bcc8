from __future__ import annotations

from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.encrypted.file import EncryptedFile

STAGING, PRODUCTION = VaultSecret(b"one"), VaultSecret(b"two")
BOTH = VaultLib([("production", PRODUCTION), ("staging", STAGING)])


def file(path: Path, text: str = "a: 1\n", vault_id: str | None = "staging") -> Path:
    path.write_bytes(BOTH.encrypt(text, STAGING, vault_id))
    return path


def test_a_text_is_replaced_under_the_same_vault_id_and_mode(tmp_path: Path) -> None:
    path = file(tmp_path / "vault.yml")
    path.chmod(0o640)
    one = EncryptedFile(str(path), BOTH)
    assert one.read() == "a: 1\n"
    one.write("a: canary ü\n")
    assert one.read() == "a: canary ü\n"
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;staging\n")
    assert b"canary" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["vault.yml"]
    # The other environment's password opens it no more than before.
    with pytest.raises(DeployError, match="cannot be decrypted"):
        EncryptedFile(str(path), VaultLib([("production", PRODUCTION)])).read()


def test_a_file_without_an_id_gets_none(tmp_path: Path) -> None:
    path = file(tmp_path / "vault.yml", vault_id=None)
    # Ansible calls that id so, and with vault_id_match tries no other one's password.
    EncryptedFile(str(path), VaultLib([("default", STAGING)])).write("b: 2\n")
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.1;AES256\n")


def test_what_a_link_leads_to_is_written(tmp_path: Path) -> None:
    path = file(tmp_path / "real.yml")
    (tmp_path / "link.yml").symlink_to(path)
    EncryptedFile(str(tmp_path / "link.yml"), BOTH).write("b: 2\n")
    assert (tmp_path / "link.yml").is_symlink()
    assert EncryptedFile(str(path), BOTH).read() == "b: 2\n"


def test_what_cannot_be_read_is_said_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "vault.yml"
    with pytest.raises(DeployError, match=f"{path}: cannot be read"):
        EncryptedFile(str(path), BOTH).read()
    path.write_text("a: canary\n")
    with pytest.raises(DeployError, match="is not encrypted as a whole") as caught:
        EncryptedFile(str(path), BOTH).read()
    assert "canary" not in str(caught.value)
