# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole encrypted file of variables, on the controller: its text, and another text in its place under the same vault id.

The passwords are those that Ansible has loaded already. Plain text is in this process' memory and nowhere else.
"""

from __future__ import annotations

import os
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, is_encrypted, parse_vaulttext_envelope
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError


class EncryptedFile:
    def __init__(self, path: str, vault: VaultLib) -> None:
        # What a link leads to is written, not the link.
        self.path = Path(path).resolve()
        self._vault = vault

    def read(self) -> str:
        """The text. Raises DeployError when there is none, or no password for it."""
        return self._decrypted()[0]

    def write(self, text: str) -> None:
        """Put ``text`` in its place: after a crash the file is the old one or the new one, whole."""
        _, identity, secret = self._decrypted()
        encrypted: bytes = self._vault.encrypt(text, secret, identity)
        write_atomically(self.path, encrypted, mode=self.path.stat().st_mode & 0o777)
        handle = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _decrypted(self) -> tuple[str, str | None, object]:
        try:
            data = self.path.read_bytes()
        except OSError as exc:
            raise DeployError(f"{self.path}: cannot be read ({exc.strerror})") from None
        if not is_encrypted(data):
            raise DeployError(f"{self.path}: is not encrypted as a whole, and a rotation writes into no other file")
        try:
            identity = parse_vaulttext_envelope(data)[3]
            plain, _, secret = self._vault.decrypt_and_get_vault_id(data.decode())
            return bytes(plain).decode(), identity, secret
        except (AnsibleError, UnicodeDecodeError):
            raise DeployError(f"{self.path}: cannot be decrypted; is the password of its vault id right?") from None
