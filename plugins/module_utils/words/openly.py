# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack's configuration says for everybody to read: names, hosts, URLs, images. Pure.

Some keep such values among the secrets, too. There they protect nothing, and stars in their place would make what modules tell
each other useless.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# Values that users choose, which may be secrets by mistake.
_CHOSEN = re.compile(
    r"stack\.(env\.|variables\.|public_check\.headers\.|services\[\d+\]\.routes\[\d+\]\.(request|response)_headers\.)"
)


def leaves(path: str, found: Any) -> Iterator[tuple[str, str]]:
    """Every text, with its path."""
    if isinstance(found, Mapping):
        for key, one in found.items():
            yield from leaves(f"{path}.{key}", one)
    elif isinstance(found, list):
        for number, one in enumerate(found):
            yield from leaves(f"{path}[{number}]", one)
    elif isinstance(found, str):
        yield path, found


def is_chosen(path: str) -> bool:
    return bool(_CHOSEN.match(path))


def of_stack(stack: Mapping[str, Any]) -> Iterator[str]:
    yield from (text for path, text in leaves("stack", stack) if not is_chosen(path))


def of_manifest(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Of a release as its host keeps it."""
    yield from of_stack(manifest.get("stack") or {})
    yield from (text for _, text in leaves("images", manifest.get("images") or {}))
    yield from (str(manifest.get(key) or "") for key in ("id", "release", "environment"))
