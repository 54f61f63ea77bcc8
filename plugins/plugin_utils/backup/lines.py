# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups as lines for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def lines(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Youngest first. ``records``: as backup_store returns them."""
    found = [_line(one) for one in reversed(records)]
    return found or ["There is no backup yet."]


def _line(one: Mapping[str, Any]) -> str:
    buckets = one.get("buckets") or {}
    rows = sum(int(table["rows"]) for table in one.get("tables", {}).values())
    held = [f"{about['objects']} objects of {name}" for name, about in sorted(buckets.items())] or [f"{rows} rows"]
    verified = f"verified {one['verified']}" if one.get("verified") else "NOT verified"
    of = f", of {one['of']}" if one.get("of") else ""
    return f"{one['name']}  {one['at']}  {verified}  {', '.join(held)}, {size(one['size'])}  ({one['why']}{of})"


def size(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} {_UNITS[-1]}"
