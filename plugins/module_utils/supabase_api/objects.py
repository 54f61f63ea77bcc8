# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the buckets of a Supabase project, through its storage API: listed, read and written."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.client import Api

_PAGE = 1000
PLAIN = "application/octet-stream"


@dataclass(frozen=True)
class Stored:
    """``path``: within its bucket; ``kind``: its type, as image/png."""

    bucket: str
    path: str
    size: int
    kind: str


class Objects:
    def __init__(self, api: Api) -> None:
        self._api = api

    def require(self, bucket: str) -> None:
        """Raises DeployError when it is not there."""
        if self._api.ask("GET", f"/bucket/{quote(bucket, safe='')}").is_missing:
            raise DeployError(
                f"the project has no bucket {bucket}; correct its name, or make it: declare it in supabase_buckets and run "
                "playbooks/supabase.yml"
            )

    def listed(self, bucket: str) -> list[Stored]:
        """All of a bucket, by their paths. Raises DeployError when it is not there."""
        self.require(bucket)
        return sorted(self._below(bucket, ""), key=lambda one: one.path)

    def read(self, one: Stored) -> AbstractContextManager[http.client.HTTPResponse | None]:
        """Its bytes; None where it has gone since it was listed."""
        return self._api.opened(_place(one.bucket, one.path))

    def write(self, one: Stored, content: IO[bytes]) -> None:
        """In the place of one that is there."""
        headers = {"Content-Type": one.kind or PLAIN, "x-upsert": "true"}
        self._api.send(_place(one.bucket, one.path), content, one.size, headers)

    def _below(self, bucket: str, folder: str) -> Iterator[Stored]:
        offset = 0
        while True:
            body = {"prefix": folder, "limit": _PAGE, "offset": offset, "sortBy": {"column": "name", "order": "asc"}}
            page: list[dict[str, Any]] = self._api.write("POST", f"/object/list/{quote(bucket, safe='')}", body) or []
            for found in page:
                path = f"{folder}/{found['name']}" if folder else str(found["name"])
                # A folder is no object, and has no id.
                if found.get("id") is None:
                    yield from self._below(bucket, path)
                else:
                    about = found.get("metadata") or {}
                    yield Stored(bucket, path, int(about.get("size") or 0), str(about.get("mimetype") or PLAIN))
            offset += len(page)
            if len(page) < _PAGE:
                return


def path_problem(path: str) -> str:
    """Why a path leads elsewhere than into its bucket; empty where it does not."""
    if any(part in ("", ".", "..") for part in path.split("/")) or not path.isprintable():
        return f"{path!r} is not the path of an object"
    return ""


def _place(bucket: str, path: str) -> str:
    return f"/object/{quote(bucket, safe='')}/{quote(path, safe='/')}"
