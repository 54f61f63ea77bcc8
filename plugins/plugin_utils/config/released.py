# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""What of a configuration a release is made of: an option that came later and says nothing leaves the release the one it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_SERVICE = ("deadline_seconds", "hosts", "protocol")
# What every route says.
_ROUTE = ("host", "paths")
_HEALTH = ("host", "headers", "port", "scheme")


def services(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """``stack.services`` without what was not said."""
    found = [_without(service, _SERVICE) for service in given]
    for one in found:
        if one.get("health"):
            one["health"] = _without(one["health"], _HEALTH)
        if one.get("routes"):
            one["routes"] = [{key: value for key, value in route.items() if value or key in _ROUTE} for route in one["routes"]]
    return found


def _without(given: Mapping[str, Any], silent: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in silent or value not in (None, "", {})}
