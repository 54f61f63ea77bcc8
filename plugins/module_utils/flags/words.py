# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of feature flags in flagd's format, in words: its version, what each flag does, and how two files differ. Pure.

It is not checked here. What is no file of flags has no version and no flag.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# Where services find it, below a stack's live files.
DIRECTORY = "flags"
NAME = f"{DIRECTORY}/flags.json"

Flag = Mapping[str, Any]


def document(content: str | bytes | None) -> Mapping[str, Any]:
    try:
        found = json.loads(content or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def flags(content: str | bytes | None) -> dict[str, Flag]:
    found = document(content).get("flags")
    return {str(name): flag for name, flag in found.items() if isinstance(flag, Mapping)} if isinstance(found, Mapping) else {}


def version(content: str | bytes | None) -> int:
    """How often it was changed by playbooks/flags.yml; 0 for a file that never was."""
    metadata = document(content).get("metadata")
    text = str(metadata.get("version") or "") if isinstance(metadata, Mapping) else ""
    return int(text) if text.isascii() and text.isdigit() else 0


def shares(flag: Flag) -> list[tuple[str, int]] | None:
    """Variant and weight of each part, where shares of users are all that the targeting says."""
    targeting = flag.get("targeting")
    return parts(targeting.get("fractional")) if isinstance(targeting, Mapping) and set(targeting) == {"fractional"} else None


def parts(fractional: Any) -> list[tuple[str, int]] | None:
    """Of an operation ``fractional``, without what it hashes; none where a variant or a weight is computed."""
    given = fractional if isinstance(fractional, list) else []
    found = given if given and isinstance(given[0], list) else given[1:]
    if not found or not all(map(_is_part, found)):
        return None
    return [(part[0], part[1] if len(part) > 1 else 1) for part in found]


def _is_part(part: Any) -> bool:
    if not isinstance(part, list) or len(part) not in (1, 2) or not isinstance(part[0], str):
        return False
    return len(part) == 1 or (isinstance(part[1], int) and not isinstance(part[1], bool) and part[1] >= 0)


def phrase(flag: Flag) -> str:
    """What users get by it."""
    if flag.get("state") == "DISABLED":
        return "disabled"
    default = flag.get("defaultVariant")
    otherwise = str(default) if default is not None else "the application's own default"
    if not flag.get("targeting"):
        return otherwise
    found = shares(flag)
    if found is None:
        return f"by its targeting, else {otherwise}"
    total = sum(weight for _, weight in found) or 1
    return ", ".join(f"{variant} {100 * weight / total:g} %" for variant, weight in found)


def listing(content: str | bytes | None) -> str:
    """A line for each flag."""
    return "".join(f"{name}: {phrase(flag)}\n" for name, flag in flags(content).items())


def changes(before: str | bytes | None, after: str | bytes | None) -> list[str]:
    """A sentence for each flag that differs."""
    old, new = flags(before), flags(after)
    found = []
    for name in sorted({*old, *new}):
        if name not in old:
            found.append(f"{name}: new, {phrase(new[name])}")
        elif name not in new:
            found.append(f"{name}: taken out, was {phrase(old[name])}")
        elif old[name] != new[name]:
            found.append(f"{name}: {_change(old[name], new[name])}")
    return found


def _change(old: Flag, new: Flag) -> str:
    if phrase(old) != phrase(new):
        return f"{phrase(old)} -> {phrase(new)}"
    keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    return f"{phrase(new)}, with another {' and '.join(keys)}"
