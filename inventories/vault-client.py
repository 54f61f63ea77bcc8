#!/usr/bin/env python3
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives ansible-vault the password of one vault id. The first of these that has one:

1. the variable MORPHEUS_VAULT_PASSWORD_<ID>
2. a file: the one that MORPHEUS_VAULT_PASSWORD_FILE_<ID> names, else <ID> in the directory MORPHEUS_VAULT_PASSWORD_DIR, which is
   .sandbox/vault when not set: there the sandbox puts the passwords of the demo vaults
3. the system keyring, when the Python package keyring is there: service morpheus.deploy, user <ID>
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

DIRECTORY = Path(__file__).resolve().parents[1] / ".sandbox" / "vault"
SERVICE = "morpheus.deploy"


def password(vault_id: str, environment: Mapping[str, str], from_keyring: Callable[[str], str]) -> str:
    """The password of ``vault_id``. One that opens nothing when there is none: a rollback must run without any."""
    return known(vault_id, environment, from_keyring, DIRECTORY) or os.urandom(16).hex()


def known(vault_id: str, environment: Mapping[str, str], from_keyring: Callable[[str], str], directory: Path) -> str:
    """The same, and "" when there is none."""
    name = vault_id.upper().replace("-", "_")
    named = environment.get(f"MORPHEUS_VAULT_PASSWORD_FILE_{name}")
    path = Path(named) if named else Path(environment.get("MORPHEUS_VAULT_PASSWORD_DIR") or directory) / vault_id
    return environment.get(f"MORPHEUS_VAULT_PASSWORD_{name}") or from_file(path) or from_keyring(vault_id)


def from_file(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.expanduser().read_text().strip()
    return ""


def from_keyring(vault_id: str) -> str:
    try:
        return importlib.import_module("keyring").get_password(SERVICE, vault_id) or ""
    except Exception:  # No such package, no keyring in this session, a locked one: each backend has errors of its own.
        return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vault-id", required=True)
    sys.stdout.write(password(parser.parse_args().vault_id, os.environ, from_keyring) + "\n")


if __name__ == "__main__":
    main()
