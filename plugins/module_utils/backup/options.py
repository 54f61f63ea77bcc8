# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that modules of backups have in common, and what they are for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.backup import place, server
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.database import Declared
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.flow import Pace
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.news import News
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.place import Place
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.server import Image, Installed
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api import buckets, client
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.objects import Objects

WHERE: Mapping[str, Mapping[str, Any]] = {
    "image": {"type": "str", "default": ""},
    "programs": {"type": "str", "default": ""},
    "directory": {"type": "str", "default": ""},
    "urls": {"type": "dict", "default": {}, "no_log": True},
    "wait_seconds": {"type": "float", "default": 600.0},
}
DECLARED: Mapping[str, Mapping[str, Any]] = {
    "url": {"type": "str", "required": True, "no_log": True},
    "variable": {"type": "str", "default": "url"},
    "environment": {"type": "str", "required": True},
    "project_ref": {"type": "str", "default": ""},
    "system_identifier": {"type": "str", "default": ""},
}

# Of modules that keep what buckets hold.
STORAGE: Mapping[str, Mapping[str, Any]] = {
    **{name: WHERE[name] for name in ("directory", "urls", "wait_seconds")},
    **client.OPTIONS,
    **client.STORAGE,
    "environment": {"type": "str", "required": True},
}
# Of modules that make a backup, and of those that try one or put it back.
MADE: Mapping[str, Mapping[str, Any]] = {
    "name": {"type": "str", "required": True},
    "why": {"type": "str", "required": True},
    "recipients": {"type": "list", "elements": "str", "required": True},
}
RESTORED: Mapping[str, Mapping[str, Any]] = {
    "state": {"type": "str", "choices": ["planned", "drilled", "restored"], "required": True},
    "record": {"type": "dict", "required": True},
    "identity": {"type": "str", "default": "", "no_log": True},
}


def declared(params: Mapping[str, Any]) -> Declared:
    return Declared(**{name: params[name] for name in DECLARED})


def tools(params: Mapping[str, Any]) -> Installed | Image:
    if bool(params["image"]) == bool(params["programs"]):
        raise DeployError("image and programs: exactly one of them says where Postgres' programs come from")
    return server.tools(params["image"], params["programs"])


def objects(params: Mapping[str, Any]) -> Objects:
    return Objects(buckets.storage(params["url"], params["key"], params))


def where(params: Mapping[str, Any], pace: Pace | None = None) -> Place:
    if bool(params["directory"]) == bool(params["urls"]):
        raise DeployError("directory and urls: exactly one of them says where backups lie")
    return place.of(params["directory"], params["urls"], pace)


@contextmanager
def at_work(params: Mapping[str, Any], found: Installed | Image | None, news: News) -> Iterator[Path]:
    """Alone on this host. Where an archive may grow: beside those that it is to lie among, or in a directory of our own."""
    with place.alone(news.directory, params["wait_seconds"]):
        if isinstance(found, Image):
            found.sweep()
        spool = Path(params["directory"] or news.directory)
        if not params["directory"]:
            for left in spool.glob(".partial-*"):
                left.unlink()
        yield spool
