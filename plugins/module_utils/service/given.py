# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a configuration says, as the types that it is meant as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def listed(given: Any) -> tuple[str, ...]:
    return tuple(map(str, given))


def texts(given: Mapping[Any, Any]) -> dict[str, str]:
    return {str(name): "" if value is None else str(value) for name, value in given.items()}


def said(given: Mapping[str, Any], **types: Any) -> dict[str, Any]:
    """Name -> value of those that are said at all. 0 and "" are said."""
    return {name: kind(given[name]) for name, kind in types.items() if given.get(name) is not None}
