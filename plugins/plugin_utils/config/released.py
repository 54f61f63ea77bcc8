# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""What of a configuration a release is made of: an option that came later and says nothing leaves the release the one it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_SERVICE = ("deadline_seconds", "hosts")
_HEALTH = ("host", "headers", "port", "scheme")


def services(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """``stack.services`` without what was not said."""
    found = [_without(service, _SERVICE) for service in given]
    return [one | ({"health": _without(one["health"], _HEALTH)} if one.get("health") else {}) for one in found]


def _without(given: Mapping[str, Any], silent: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in silent or value not in (None, "", {})}
