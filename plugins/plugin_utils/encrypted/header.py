# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an encrypted file is the vault of an environment, told by its header before anybody tries to open it. Pure.

Nothing of what the file holds is ever repeated, except for the vault id in its header.
"""

from __future__ import annotations

import os
import re

_HEADER = re.compile(r"\$ANSIBLE_VAULT;\d+\.\d+;[A-Z0-9]+(?:;(?P<id>[^;\s]+))?\s*\Z")
_BODY = re.compile(r"[0-9a-f]+\s*\Z")


def problem(path: str, text: str, environment: str) -> str:
    """A sentence, or "" when the text is a vault of ``environment``, or any vault when that is empty."""
    path = os.path.normpath(path)
    first, *rest = text.splitlines() or [""]
    header = _HEADER.match(first)
    body = [line for line in rest if line.strip()]
    if not header or not body or not all(_BODY.match(line) for line in body):
        return (
            f'stack_vault: "{path}" is not wholly encrypted. If it contains secrets, rotate them; then '
            f"ansible-vault encrypt --encrypt-vault-id {environment or '<environment>'} {path}"
        )
    if environment in ("", header["id"]):
        return ""
    found = f'the vault id "{header["id"]}"' if header["id"] else "no vault id"
    # Not for one with another id: whoever takes it for his own would overwrite another environment's secrets.
    mend = f"If it is: ansible-vault rekey --new-vault-id {environment}@inventories/vault-client.py {path}"
    return (
        f'stack_vault: "{path}" has {found}, and must have "{environment}", so it is not known as the vault of this environment '
        f"and was not opened. {'Name the right one.' if header['id'] else mend}"
    )


def unreadable(path: str, environment: str, reason: str) -> str:
    path = os.path.normpath(path)
    return (
        f'stack_vault: "{path}" cannot be read ({reason}). To make one: '
        f"ansible-vault create --encrypt-vault-id {environment or '<environment>'} {path}"
    )


def cannot_open(path: str, environment: str, error: str) -> str:
    """``error``: Ansible's own words, of which none is repeated."""
    path = os.path.normpath(path)
    if "ecrypt" not in error:
        return f'stack_vault: "{path}" was opened, but holds no YAML mapping of variables. Mend it: ansible-vault edit {path}'
    name = environment.upper().replace("-", "_")
    return (
        f'stack_vault: "{path}" could not be opened: the password of vault id "{environment}" is missing or wrong. It is taken '
        f"from the variable MORPHEUS_VAULT_PASSWORD_{name}, else from the file that MORPHEUS_VAULT_PASSWORD_FILE_{name} names, "
        f"or .vault/{environment} of the project, "
        f'else from the system keyring (service "morpheus.deploy", user "{environment}")'
    )
