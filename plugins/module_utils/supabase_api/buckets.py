# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Buckets through Supabase's storage API: what is declared of one, how it differs, and writing that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.client import Api
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.settings import said

# Names that URLs, S3 and file systems take as they are.
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?\Z")
_MIME = re.compile(r"[a-z0-9][a-z0-9.+-]*/(\*|[a-z0-9][a-z0-9.+-]*)\Z")
_PAGE = 100


def name_problem(name: str) -> str:
    if _NAME.match(name) and ".." not in name:
        return ""
    return f'"{name}" cannot be the name of a bucket: at most 63 lower-case letters, digits, and . _ - between them'


def is_mime_type(text: str) -> bool:
    return bool(_MIME.match(text.lower()))


def storage(url: str, key: str, options: Mapping[str, Any]) -> Api:
    return Api(f"{url.rstrip('/')}/storage/v1", {"apikey": key, "Authorization": f"Bearer {key}"}, options)


@dataclass(frozen=True)
class Bucket:
    """``max_file_bytes`` None is what the project allows; no ``mime_types`` are any."""

    name: str
    public: bool
    max_file_bytes: int | None
    mime_types: Sequence[str]

    @property
    def told(self) -> dict[str, Any]:
        return {"public": self.public, "max_file_bytes": self.max_file_bytes, "mime_types": sorted(self.mime_types)}

    def body(self) -> dict[str, Any]:
        limit, kinds = self.max_file_bytes, sorted(self.mime_types) or None
        return {"id": self.name, "name": self.name, "public": self.public, "file_size_limit": limit, "allowed_mime_types": kinds}


class Buckets:
    def __init__(self, api: Api) -> None:
        self._api = api

    def find(self, name: str) -> Bucket | None:
        answer = self._api.ask("GET", _path(name))
        if answer.is_missing:
            return None
        if not answer.is_well:
            raise DeployError(f"the bucket {name} could not be read: GET {self._api.url}{_path(name)} {self._api.told(answer)}")
        found = answer.body
        return Bucket(name, bool(found["public"]), found.get("file_size_limit"), found.get("allowed_mime_types") or [])

    def write(self, wanted: Bucket, before: Bucket | None) -> None:
        """Raises DeployError when the API took it and does not show it."""
        if before is None:
            self._api.write("POST", "/bucket", wanted.body())
        else:
            self._api.write("PUT", _path(wanted.name), wanted.body())
        after = self.find(wanted.name)
        if after is None or after.told != wanted.told:
            seen = "is not there" if after is None else "; ".join(differences(wanted, after))
            raise DeployError(f"the storage API accepted the bucket {wanted.name} and does not show it: {seen}")

    def remove(self, name: str, *, with_objects: bool) -> None:
        """Raises DeployError where objects are in it, unless they may go as well."""
        if not with_objects:
            self.refuse_objects(name)
        else:
            self._api.write("POST", f"{_path(name)}/empty")
        self._api.write("DELETE", _path(name))

    def refuse_objects(self, name: str) -> None:
        inside = self._first(name)
        if inside:
            shown = ", ".join(inside[:3]) + (" and more" if len(inside) > 3 else "")
            raise DeployError(
                f"the bucket {name} is not empty ({shown}), so it stays as it is; move its objects away, or repeat this with "
                f"delete_objects: {name}"
            )

    def _first(self, name: str) -> list[str]:
        body = {"prefix": "", "limit": _PAGE, "offset": 0}
        found = self._api.write("POST", f"/object/list/{quote(name, safe='')}", body)
        return [str(one.get("name")) for one in found or []]


def differences(wanted: Bucket, seen: Bucket) -> list[str]:
    return [
        f"{name} is {said(seen.told[name])}, expected {said(value)}"
        for name, value in wanted.told.items()
        if seen.told[name] != value
    ]


def _path(name: str) -> str:
    return f"/bucket/{quote(name, safe='')}"
