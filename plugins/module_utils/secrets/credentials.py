# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory gives that has a fingerprint and reaches no container: what rotations, pulls of images, channels of
notifications and a Supabase project work with, and the ids of ML endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema

# Of an item of stack_rotation, the options that are secrets.
_ADMINISTERS = (("postgres", "admin_url"), ("command", "admin_key"))


def of_rotations(rotations: Any) -> dict[str, str]:
    """What rotations administer with, by name: ``rotation.<name>.admin_url``, ``rotation.<name>.admin_key``."""
    return _texts(_rotations(rotations))


def of_registries(logins: Any) -> dict[str, str]:
    """What images are pulled with, by name: ``registries.<server>.password``, ``registries.<server>.token``."""
    return _texts(_registries(logins))


def of_notifications(notifications: Any) -> dict[str, str]:
    """What channels are reached with, by name: ``notifications.<channel>.url``, ``.token``, ``.password``."""
    return _texts(_notifications(notifications))


def of_supabase(project: Any) -> dict[str, str]:
    """What a Supabase project is reached with, by name: ``supabase_project.token``, ``.secret_key``."""
    return _texts(_supabase(project))


def other_problems(variables: Mapping[str, Any]) -> list[str]:
    """Why no fingerprint can be made of one of these, or of an ML endpoint's id, each beginning with its name."""
    given = [
        *_rotations(variables.get("stack_rotation")),
        *_registries(variables.get("stack_registries")),
        *_notifications(variables.get("notifications")),
        *_supabase(variables.get("supabase_project")),
        *((endpoint_name(str(one.get("name"))), one.get("id")) for one in _endpoints(variables.get("ml"))),
    ]
    return [f"{name}: {schema.no_string(value)}" for name, value in given if value is not None and not isinstance(value, str)]


def _texts(given: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Those that are given. Of what has no text ``other_problems`` speaks."""
    return dict(sorted((name, str(value)) for name, value in given if isinstance(value, str) and value))


def _mappings(given: Any) -> list[Mapping[str, Any]]:
    return [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []


def _rotations(given: Any) -> Iterator[tuple[str, Any]]:
    for one in _mappings(given):
        for section, option in _ADMINISTERS:
            if isinstance(one.get(section), Mapping):
                yield f"rotation.{one.get('name')}.{option}", one[section].get(option)


def _registries(given: Any) -> Iterator[tuple[str, Any]]:
    for one in _mappings(given):
        if isinstance(one.get("server"), str):
            yield from ((f"registries.{one['server'].lower()}.{option}", one.get(option)) for option in ("password", "token"))


def _notifications(given: Any) -> Iterator[tuple[str, Any]]:
    for one in _mappings(given.get("channels") if isinstance(given, Mapping) else None):
        if isinstance(one.get("name"), str):
            yield from ((f"notifications.{one['name']}.{option}", one.get(option)) for option in ("url", "token", "password"))


def _supabase(given: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(given, Mapping):
        yield from ((f"supabase_project.{name}", given.get(name)) for name in ("secret_key", "token"))


def _endpoints(ml: Any) -> list[Mapping[str, Any]]:
    given = ml.get("endpoints") if isinstance(ml, Mapping) else None
    return [one for one in _mappings(given) if one.get("provider") != "mock"]


def of_endpoints(ml: Any) -> dict[str, str]:
    """The provider's id of each ML endpoint, by name. A mock is nobody's."""
    return _texts((str(one.get("name")), one.get("id")) for one in _endpoints(ml))


def endpoint_name(name: str) -> str:
    return f"ml.endpoints.{name}.id"
