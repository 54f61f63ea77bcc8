# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What services ask of their host, by the rules that judge it: the inventory admits it, and rows say how to be without. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose.hardening import Hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refusals import LISTS, Project, Refusal
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import Needed
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.placeholders import is_in


def say(needed: Needed, services: Mapping[str, Any], project: Project, routed: Collection[str], override_name: str) -> None:
    """``services``: with the lines of the override."""
    hardening: dict[str, Any] = {}
    for name, one in services.items():
        asked = Hardening().asked(name, one, project, routed=name in routed) if isinstance(one, Mapping) else ()
        for refusal in asked:
            # What nobody has said yet is admitted by nobody.
            if is_in(needed, refusal.text):
                continue
            listed = hardening if refusal.word in LISTS else hardening.setdefault("exempt", {})
            key, word = (refusal.word, name) if refusal.word in LISTS else (name, refusal.word)
            if word not in listed.setdefault(key, []):
                listed[key].append(word)
            place, _, said = refusal.text.partition(": ")
            out = f"the service out of hardening.{refusal.word}" if refusal.word in LISTS else f"{refusal.word} out of there"
            said += f"; stack.hardening below admits it ({refusal.word}). To be without it: "
            needed.say(place, "exempted", f"{said}{_instead(refusal, place, one, override_name)}, and take {out}")
    if hardening:
        needed.stack["hardening"] = hardening


def _instead(refusal: Refusal, place: str, service: Mapping[str, Any], override_name: str) -> str:
    """What to write. Of lists, the rest may be wanted."""
    if refusal.mend != "remove it":
        return refusal.mend
    key = place.rpartition(".")[2]
    is_one = isinstance(service.get(key), str | int | float)
    return f"write {key}: !reset null for the service in {override_name}" if is_one else "remove it from the Compose file"
