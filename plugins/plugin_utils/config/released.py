# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a configuration a release is made of: an option that came later and says nothing leaves the release the one it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose import hardening
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import public_check

_SERVICE = ("deadline_seconds", "hosts", "protocol")
# What every route says.
_ROUTE = ("host", "paths")
_OF_THE_RUN = ("secret", "lock_timeout_seconds", "statement_timeout_seconds")
_MIGRATION = ("preset", "reader", "breaking")
_HEALTH = ("host", "headers", "port", "scheme")


def shortened(found: Mapping[str, Any]) -> dict[str, Any]:
    """Those parts of ``found`` that are said of which a release has less than is said."""
    return {name: shorten(found[name]) for name, shorten in _SHORTENED.items() if found.get(name)}


def services(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """``stack.services`` without what was not said."""
    found = [_without(service, _SERVICE) for service in given]
    for one in found:
        if one.get("health"):
            one["health"] = _without(one["health"], _HEALTH)
        if one.get("routes"):
            one["routes"] = [{key: value for key, value in route.items() if value or key in _ROUTE} for route in one["routes"]]
    return found


def migration(given: Mapping[str, Any]) -> dict[str, Any]:
    """``stack.migration`` without what only its run needs, and without what came later and was not said."""
    silent = ("engine",) if given["engine"] == "command" else ()
    found = {name: value for name, value in given.items() if name not in (*_OF_THE_RUN, *silent)}
    return _without(found, _MIGRATION)


def _without(given: Mapping[str, Any], silent: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in silent or value not in (None, "", {})}


_SHORTENED: Mapping[str, Callable[[Any], Any]] = {
    "services": services,
    "migration": migration,
    "public_check": public_check.released,
    "hardening": hardening.released,
}
