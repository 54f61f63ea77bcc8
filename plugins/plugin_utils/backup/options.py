# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory says of backups: every problem in it, and what modules are given. Contacts nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api import buckets
from ansible_collections.morpheus.deploy.plugins.plugin_utils.backup.declared import Declared, is_url

_RECIPIENT = re.compile(r"(age1[a-z0-9]{40,}|ssh-(ed25519|rsa) [A-Za-z0-9+/=]{40,}( .*)?)\Z")
_IDENTITY = "AGE-SECRET-KEY-"


class Backup(Declared):
    """The variable ``backup``. Its secrets: backup_database_url, backup_identity, backup_storage_key and the keys of the
    bucket that backups lie in.
    """

    NAME = "backup"

    def _own(self) -> dict[str, Any]:
        given = self._given
        keep = {"keep_days": given["keep_days"], "keep_at_least": given["keep_at_least"]}
        url = given["storage_url"] or f"https://{given['project_ref']}.supabase.co"
        return {"keep": keep, "schemas": given["schemas"], "buckets": given["buckets"], "storage_url": url}

    def _meaning(self) -> Iterator[str]:
        given = self._given
        yield from self._of_either_programs()
        yield from self._of_version()
        yield from recipient_problems(given["recipients"], "backup.recipients", "a key that age-keygen has made")
        yield from self._of_directory()
        if given["keep_at_least"] is not None and given["keep_at_least"] < 1:
            yield "backup.keep_at_least: 0 would remove the last backup that was verified; at least 1 is kept"
        yield from self._of_host()
        yield from self._of_bucket()
        yield from self._of_bucket_keys()
        yield from self._of_secrets()
        yield from self._of_buckets()

    def _of_buckets(self) -> Iterator[str]:
        """Of the project's buckets that are backed up."""
        given = self._given
        if given["storage_url"] and not is_url(given["storage_url"]):
            yield f'backup.storage_url: "{given["storage_url"]}" is not a URL such as https://abcdefghijklmnopqrst.supabase.co'
        if not given["buckets"]:
            return
        for number, name in enumerate(given["buckets"]):
            problem = buckets.name_problem(name) if isinstance(name, str) else "is not a name"
            if problem:
                yield f"backup.buckets[{number}]: {problem}"
            elif name in given["buckets"][:number]:
                yield f'backup.buckets[{number}]: "{name}" is named twice'
        if not (given["storage_url"] or given["project_ref"]):
            yield "backup.project_ref: required with backup.buckets; the project whose they are"
        if not self._secrets.get("backup_storage_key"):
            yield "backup_storage_key: required with backup.buckets; the project's secret key, from the environment's vault"

    def _of_secrets(self) -> Iterator[str]:
        if not self._secrets.get("backup_database_url"):
            yield "backup_database_url: required with backup; the URL of the database, from the environment's vault"
        yield from self._of_url("backup_database_url")
        identity = self._secrets.get("backup_identity")
        if identity and not str(identity).strip().startswith((_IDENTITY, "-----BEGIN OPENSSH", "# ")):
            yield f"backup_identity: is not a secret key as age-keygen makes it ({_IDENTITY}...)"


def recipient_problems(given: Any, path: str, whose: str) -> Iterator[str]:
    """``whose``: of which key the public part is needed."""
    if not given:
        yield f"{path}: required; the public part (age1...) of {whose}"
    for number, one in enumerate(given or []):
        if isinstance(one, str) and one.startswith(_IDENTITY):
            yield f"{path}[{number}]: is a secret key; put it into the vault, and write its public part (age1...) here"
        elif not isinstance(one, str) or not _RECIPIENT.match(one):
            yield f'{path}[{number}]: "{one}" is not a public key of age (age1...) or SSH (ssh-ed25519 ...)'
