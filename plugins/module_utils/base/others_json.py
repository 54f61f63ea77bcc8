# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON that somebody else has written: an application, a service that was asked, a file in a store."""

from __future__ import annotations

import json
from typing import Any

# Whoever looks through a document, or shows it, has room for so many levels.
DEEPEST = 100


def loads(text: str | bytes) -> Any:
    """Raises ValueError for all that is no JSON, and for what is nested so deep that Python ends with another error."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise _too_deep() from None
    level = [found]
    for _ in range(DEEPEST):
        level = [one for container in level if isinstance(container, list | dict) for one in _members(container)]
        if not level:
            return found
    raise _too_deep()


def _members(container: list[Any] | dict[str, Any]) -> list[Any]:
    return [one for one in (container.values() if isinstance(container, dict) else container) if isinstance(one, list | dict)]


def _too_deep() -> ValueError:
    return ValueError(f"it is nested more than {DEEPEST} deep")
