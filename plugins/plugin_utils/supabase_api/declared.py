# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory declares of its Supabase project: every problem in it, and what modules are asked for. Contacts nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api import buckets, settings, signing_keys

_REF = re.compile(r"[a-z]{20}\Z")
_OPTIONS = ("supabase_project", "supabase_buckets", "supabase_others")
_MODES = ("transaction", "session")
# Setting -> the least and the most that it may be.
_RANGES = {
    "auth.password_min_length": (6, 32767),
    "auth.token_seconds": (60, 604800),
    "pooler.size": (1, 3000),
    "data_api.max_rows": (1, 1_000_000),
    "storage.max_file_bytes": (1, 536_870_912_000),
    "signing_key.max_age_days": (1, 3650),
}


class Declared:
    """``problems`` is empty exactly when ``told`` can be used. No value of a token is in it.

    ``raw``: the variables of the role supabase; ``stacks``: those of the environment, whose database may name a project, too.
    """

    def __init__(self, raw: Mapping[str, Any], options: Mapping[str, Any], stacks: Sequence[Any] = ()) -> None:
        shape: list[str] = []
        given = {name: raw.get(name) for name in _OPTIONS if raw.get(name)}
        self._given = schema.typed(given, {name: options[name] for name in _OPTIONS}, "", shape)
        self.is_wanted = bool(given)
        self._project = self._given["supabase_project"] or {}
        self._stacks = stacks
        self.problems = schema.causes(shape, self._meaning()) if given else []

    def told(self) -> dict[str, Any]:
        """``settings``: of the module supabase_project; ``own`` and ``others``: of supabase_isolation_info."""
        if not self.is_wanted or self.problems:
            return {}
        groups = {name: self._group(name) for name in (*settings.GROUPS, "signing_key") if self._group(name)}
        own = self._target({"name": "", **self._project})
        return {
            "settings": groups,
            "own": own,
            "others": [self._target(one) for one in self._given["supabase_others"] or []],
            "buckets": self._given["supabase_buckets"] or [],
        }

    def _group(self, name: str) -> dict[str, Any]:
        """What is declared of it. What is left out is no wish."""
        return {option: value for option, value in (self._project[name] or {}).items() if value is not None}

    @staticmethod
    def _target(given: Mapping[str, Any]) -> dict[str, Any]:
        ref = given["project_ref"]
        databases = given["databases"] or [{"host": f"db.{ref}.supabase.co", "port": 5432, "user": "postgres"}]
        url = given["url"] or f"https://{ref}.supabase.co"
        return {"name": given["name"], "project_ref": ref, "url": url, "databases": databases}

    def _meaning(self) -> Iterator[str]:
        if not self._project:
            yield "supabase_project: required with supabase_buckets and supabase_others; name the environment's own project"
            return
        yield from _of_target("supabase_project", self._project)
        yield from self._of_database()
        if not self._project["token"]:
            yield "supabase_project.token: required; make a token scoped to the project (docs/supabase.md), put it into the vault"
        yield from self._of_settings()
        yield from self._of_buckets()
        yield from self._of_others()

    def _of_database(self) -> Iterator[str]:
        ref = self._project["project_ref"]
        for stack in self._stacks:
            database = stack.get("database") if isinstance(stack, Mapping) else None
            named = database.get("project_ref") if isinstance(database, Mapping) else ""
            if named and ref and named != ref:
                yield f'supabase_project.project_ref: "{ref}" is not stack.database.project_ref, "{named}"; name one project'

    def _of_settings(self) -> Iterator[str]:
        for path, (least, most) in _RANGES.items():
            group, _, name = path.partition(".")
            value = (self._project.get(group) or {}).get(name)
            if isinstance(value, int) and not least <= value <= most:
                yield f"supabase_project.{path}: {value} is not from {least} to {most}"
        site = (self._project["auth"] or {}).get("site_url")
        if site and ("," in site or not _is_url(site)):
            yield f'supabase_project.auth.site_url: "{site}" is not a URL, such as https://staging.example.com'
        for number, url in enumerate((self._project["auth"] or {}).get("redirect_urls") or []):
            if "," in url or not _is_url(url):
                yield f'supabase_project.auth.redirect_urls[{number}]: "{url}" is not a URL, such as https://example.com/**'
        path = "supabase_project.network.allowed_addresses"
        addresses = (self._project["network"] or {}).get("allowed_addresses")
        if addresses == []:
            yield f"{path}: is empty, which would keep everybody away; name some, or leave it out"
        yield from (f"{path}{problem}" for problem in settings.network_problems(addresses or []))
        mode = (self._project["pooler"] or {}).get("mode")
        if mode and mode not in _MODES:
            yield f'supabase_project.pooler.mode: "{mode}" is not one of {", ".join(_MODES)}'
        algorithm = (self._project["signing_key"] or {}).get("algorithm")
        if algorithm and algorithm not in signing_keys.ALGORITHMS:
            known = ", ".join(signing_keys.ALGORITHMS)
            yield f'supabase_project.signing_key.algorithm: "{algorithm}" is not one of {known}'

    def _of_buckets(self) -> Iterator[str]:
        given, seen = self._given["supabase_buckets"] or [], set()
        if given and not self._project["secret_key"]:
            yield "supabase_project.secret_key: required with supabase_buckets; put the project's secret key into the vault"
        for number, bucket in enumerate(given):
            path, name = f"supabase_buckets[{number}]", bucket["name"] or ""
            problem = buckets.name_problem(name)
            if problem:
                yield f"{path}.name: {problem}"
            if name in seen:
                yield f'{path}.name: "{name}" is the name of another bucket'
            seen.add(name)
            for place, kind in enumerate(bucket["mime_types"] or []):
                if not buckets.is_mime_type(kind):
                    yield f'{path}.mime_types[{place}]: "{kind}" is not a type, such as image/png or image/*'

    def _of_others(self) -> Iterator[str]:
        seen = {self._project["project_ref"]: "the environment's own"}
        for number, other in enumerate(self._given["supabase_others"] or []):
            path = f"supabase_others[{number}]"
            yield from _of_target(path, other)
            ref = other["project_ref"]
            if ref in seen:
                yield f'{path}.project_ref: "{ref}" is {seen[ref]} project; each environment has one of its own'
            seen[ref] = f"{other['name']}'s"


def _of_target(path: str, given: Mapping[str, Any]) -> Iterator[str]:
    ref, url = given["project_ref"] or "", given["url"] or ""
    if ref and not _REF.match(ref):
        yield f'{path}.project_ref: "{ref}" is not the reference of a project, 20 lower-case letters'
    if url and not _is_url(url):
        yield f'{path}.url: "{url}" is not a URL, such as https://abcdefghijklmnopqrst.supabase.co'
    for number, database in enumerate(given["databases"] or []):
        if database["port"] is not None and not 1 <= database["port"] <= 65535:
            yield f"{path}.databases[{number}].port: {database['port']} is not a port"


def _is_url(text: str) -> bool:
    parts = urlsplit(text) if text.isprintable() and " " not in text else urlsplit("")
    return parts.scheme in ("http", "https") and bool(parts.hostname)
