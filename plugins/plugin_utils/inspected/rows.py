# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look has found, as lines of a table. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import Row

_ORDER = ("yours", "exempted", "changed", "given", "accepted")


def table(rows: Iterable[Row], services: Collection[str] = ()) -> list[str]:
    """For the screen: what a person must do first, and what holds for several services once."""
    found = sorted(rows if not services else together(rows, services), key=lambda row: _ORDER.index(row.how))
    width = max(len(row.place) for row in found)
    return [f"{row.how:<8}  {row.place:<{width}}  {row.said}" for row in found]


def together(rows: Iterable[Row], services: Collection[str]) -> list[Row]:
    """Rows that say the same of the same key of several services are one, which names all of them."""
    found: dict[tuple[str, str, str], list[tuple[str, Row]]] = {}
    for row in rows:
        # The longest one, because names have dots.
        owner = max((one for one in services if f"{row.place}.".startswith(f"services.{one}.")), key=len, default="")
        place = f"services.*{row.place.removeprefix(f'services.{owner}')}" if owner else row.place
        found.setdefault((row.how, place, row.said), []).append((owner, row))
    merged = []
    for (how, place, said), same in found.items():
        names = list(dict.fromkeys(f"services.{owner}" for owner, _ in same if owner))
        merged.append(Row(place, how, f"{', '.join(names)}: {said}") if len(names) > 1 else same[0][1])
    return merged
