# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory says of backups: every problem in it, and what modules are given. Contacts nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url
from ansible_collections.morpheus.deploy.plugins.plugin_utils.backup.declared import Declared

_RECIPIENT = re.compile(r"(age1[a-z0-9]{40,}|ssh-(ed25519|rsa) [A-Za-z0-9+/=]{40,}( .*)?)\Z")
_IDENTITY = "AGE-SECRET-KEY-"


class Backup(Declared):
    """The variable ``backup``. Its secrets: backup_database_url, backup_identity and the keys of the bucket."""

    NAME = "backup"

    def _own(self) -> dict[str, Any]:
        given = self._given
        keep = {"keep_days": given["keep_days"], "keep_at_least": given["keep_at_least"]}
        return {"keep": keep, "schemas": given["schemas"]}

    def _meaning(self) -> Iterator[str]:
        given = self._given
        if bool(given["image"]) == bool(given["programs"]):
            yield (
                "backup.image: say either this, an image of Postgres whose programs are used (postgres:17), or backup.programs, "
                "a directory with such programs on the host"
            )
        if given["image"] and re.search(r":latest\Z|^[^:@]+\Z", given["image"]):
            yield f'backup.image: "{given["image"]}" names no version; name that of the server, such as postgres:17'
        yield from recipient_problems(given["recipients"], "backup.recipients", "a key that age-keygen has made")
        if given["directory"] and not str(given["directory"]).startswith("/"):
            yield f'backup.directory: "{given["directory"]}" does not begin with /'
        if given["keep_at_least"] is not None and given["keep_at_least"] < 1:
            yield "backup.keep_at_least: 0 would remove the last backup that was verified; at least 1 is kept"
        yield from self._of_host()
        yield from self._of_store()
        yield from self._of_secrets()

    def _of_store(self) -> Iterator[str]:
        if not self._s3:
            return
        yield from self._of_bucket()
        endpoint = self._s3.get("endpoint") or "https://s3.amazonaws.com"
        if urlsplit(endpoint).scheme not in ("https", "http") or not urlsplit(endpoint).hostname:
            yield f'backup.s3.endpoint: "{endpoint}" is not a URL such as https://s3.eu-central-1.amazonaws.com'
        yield from self._of_bucket_keys()

    def _of_secrets(self) -> Iterator[str]:
        url = self._secrets.get("backup_database_url")
        if not url:
            yield "backup_database_url: required with backup; the URL of the database, from the environment's vault"
        else:
            try:
                address = connection_url.parse(str(url))
                problem = connection_url.project_problem(address, self._given["project_ref"] or "")
                problem = problem or connection_url.pooler_problem(address)
            except DeployError as exc:
                problem = str(exc)
            if problem:
                yield f"backup_database_url: {problem}"
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
