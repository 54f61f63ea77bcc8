#!/usr/bin/env python3
"""Gives ansible-vault the password of one vault id: from MORPHEUS_VAULT_PASSWORD_<ID>, or from a file.

The file is the one that MORPHEUS_VAULT_PASSWORD_FILE_<ID> names, else .sandbox/vault/<id>, which the sandbox makes for the
demo vaults.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path

SANDBOX = Path(__file__).resolve().parents[1] / ".sandbox" / "vault"


def password(vault_id: str) -> str:
    """The password of ``vault_id``. One that opens nothing when there is none: a rollback must run without any."""
    name = vault_id.upper().replace("-", "_")
    given = os.environ.get(f"MORPHEUS_VAULT_PASSWORD_{name}")
    if given:
        return given
    path = Path(os.environ.get(f"MORPHEUS_VAULT_PASSWORD_FILE_{name}") or SANDBOX / vault_id)
    return path.read_text().strip() if path.is_file() else secrets.token_hex(16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vault-id", required=True)
    sys.stdout.write(password(parser.parse_args().vault_id) + "\n")


if __name__ == "__main__":
    main()
