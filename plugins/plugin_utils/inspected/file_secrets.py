# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of the Compose file, which a deploy writes as files on the hosts and nobody else brings there. Pure.

Of those that have their value from a variable, given.py has said what gives it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import known_images
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import Needed, vault
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.tagged import Override

# Where a deploy writes it anyway. What ends with .env is an env file there.
_IN_PLACE = re.compile(r"\./secrets/(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?<!\.env)\Z")


def bring(needed: Needed, services: Mapping[str, Mapping[str, Any]], declared: Any) -> None:
    """stack_secret_files, and where the Compose file finds them. What no service reads is left alone."""
    for name, one in declared.items() if isinstance(declared, Mapping) else []:
        readers = {service: content for service, content in services.items() if name in _read(content)}
        if not readers or not isinstance(one, Mapping) or str(one.get("file") or "").startswith("/"):
            continue
        if one.get("environment") and not one.get("file"):
            needed.say(
                f"secrets.{name}", "accepted", f"${one['environment']} gives it, as a file that {' and '.join(readers)} reads"
            )
            continue
        owner, doubt = _owner(readers)
        given = "the vault gives it, as a file that only its owner may read"
        if in_place := _IN_PLACE.match(str(one.get("file"))):
            file = in_place["name"]
            needed.say(f"secrets.{name}", "given", given)
        else:
            file = str(name)
            needed.override.setdefault("secrets", {})[name] = Override({"file": f"./secrets/{name}"})
            where = f"{one['file']}" if one.get("file") else "what is external"
            needed.say(f"secrets.{name}", "changed", f"{where} is on no host; {given}")
        needed.secret_files[file] = {"content": vault(str(name)), **({"owner": owner} if owner else {})}
        if doubt:
            said = f"with which uid is it read by {doubt}? 0, which is root, is assumed (owner)"
            needed.say(f"stack_secret_files.{file}", "yours", said)


def _read(service: Mapping[str, Any]) -> list[Any]:
    listed = service.get("secrets")
    return [one.get("source") if isinstance(one, Mapping) else one for one in listed] if isinstance(listed, list) else []


def _owner(readers: Mapping[str, Mapping[str, Any]]) -> tuple[int, str]:
    """The uid that reads it; and the services of which nobody here knows theirs."""
    found, unknown = set(), []
    for name, service in readers.items():
        user = str(service.get("user") or "").partition(":")[0]
        if user.isdigit() or user == "root":
            found.add(int(user) if user.isdigit() else 0)
        elif not user and known_images.needs(str(service.get("image") or "")):
            # As root, before it becomes another user.
            found.add(0)
        else:
            unknown.append(name)
    if len(found) == 1 and not unknown:
        return found.pop(), ""
    return 0, " and ".join(unknown or readers)
