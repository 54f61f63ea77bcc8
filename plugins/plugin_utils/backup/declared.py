# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the variables ``backup`` and ``staging_data`` of an inventory have in common. Contacts nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url


class Declared:
    """``problems`` is empty exactly when ``told`` can be used. No value of a secret is in either.

    ``raw``: the variable, which may be left out; ``options``: of its role; ``secrets``: those of the role, by their names;
    ``hosts``: those of the group ``app``.
    """

    NAME: ClassVar[str]

    def __init__(self, raw: Any, options: Mapping[str, Any], secrets: Mapping[str, Any], hosts: Sequence[str]) -> None:
        shape: list[str] = []
        self._given = schema.typed({self.NAME: raw or {}}, {self.NAME: options[self.NAME]}, "", shape)[self.NAME] or {}
        self._secrets, self._hosts = secrets, hosts
        self._s3 = self._given.get("s3") or {} if isinstance(raw, Mapping) and raw.get("s3") else {}
        self.is_wanted = bool(raw)
        more = list(self._meaning()) if isinstance(raw, Mapping) and raw else []
        self.problems = schema.causes(shape, more) if raw else []

    def told(self) -> dict[str, Any]:
        """``tools``: options that modules of backups have in common; ``s3`` and ``keep``: those of backup_store."""
        if not self.is_wanted or self.problems:
            return {"wanted": self.is_wanted}
        given = self._given
        return {
            "wanted": True,
            "host": given["host"] or self._hosts[0],
            "tools": {"image": given["image"] or "", "programs": given["programs"] or ""},
            "directory": "" if self._s3 else given["directory"],
            "s3": {name: value for name, value in self._s3.items() if value},
            "recipients": given["recipients"],
            "rate": given["rate_megabytes_per_second"],
            "declared": {"project_ref": given["project_ref"], "system_identifier": given["system_identifier"]},
            **self._own(),
        }

    def _own(self) -> dict[str, Any]:
        """What only this variable tells."""
        raise NotImplementedError

    def _meaning(self) -> Iterator[str]:
        """What is wrong with values of the right type."""
        raise NotImplementedError

    def _of_host(self) -> Iterator[str]:
        host = self._given["host"]
        if host and host not in self._hosts:
            yield f'{self.NAME}.host: "{host}" is not a host of group app ({", ".join(self._hosts)})'

    def _of_either_programs(self) -> Iterator[str]:
        if bool(self._given["image"]) == bool(self._given["programs"]):
            yield (
                f"{self.NAME}.image: say either this, an image of Postgres whose programs are used (postgres:17), or "
                f"{self.NAME}.programs, a directory with such programs on the host"
            )

    def _of_version(self) -> Iterator[str]:
        image = self._given["image"]
        if image and re.search(r":latest\Z|^[^:@]+\Z", image):
            yield f'{self.NAME}.image: "{image}" names no version; name that of the server, such as postgres:17'

    def _of_directory(self) -> Iterator[str]:
        directory = self._given["directory"]
        if directory and not str(directory).startswith("/"):
            yield f'{self.NAME}.directory: "{directory}" does not begin with /'

    def _of_bucket(self) -> Iterator[str]:
        if not self._s3:
            return
        if not self._s3.get("bucket"):
            yield f"{self.NAME}.s3.bucket: required; the bucket's name"
        if not is_url(self._s3.get("endpoint") or "https://s3.amazonaws.com"):
            yield (
                f'{self.NAME}.s3.endpoint: "{self._s3["endpoint"]}" is not a URL such as https://s3.eu-central-1.amazonaws.com'
            )

    def _of_url(self, name: str) -> Iterator[str]:
        """``name``: of a secret, the URL of a database."""
        url = self._secrets.get(name)
        if not url:
            return
        try:
            address = connection_url.parse(str(url))
            problem = connection_url.project_problem(address, self._given["project_ref"] or "")
            problem = problem or connection_url.pooler_problem(address)
        except DeployError as exc:
            problem = str(exc)
        if problem:
            yield f"{name}: {problem}"

    def _of_bucket_keys(self) -> Iterator[str]:
        for name in (f"{self.NAME}_s3_access_key", f"{self.NAME}_s3_secret_key") if self._s3 else ():
            if not self._secrets.get(name):
                yield f"{name}: required with {self.NAME}.s3; take it from the environment's vault"


def is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("https", "http") and bool(parts.hostname)
