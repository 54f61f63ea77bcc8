# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets of the vault that a run has opened: what it says of its end is without them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.words.said import Knowledge, texts

# The fact in which the role preflight keeps the vault that it has opened.
OPENED = "__preflight_vault"


def knowledge(play: Any) -> Knowledge:
    """What hosts say comes without their secrets; what Ansible itself says of a failure may hold one of the vault's."""
    found = Knowledge()
    # At the end of a run that broke off, nothing may keep it from its word.
    with suppress(Exception):
        found.know(_opened(play))
    return found


def _opened(play: Any) -> list[tuple[str, str]]:
    """The secrets of the vault, when the run has opened it."""
    if play is None:
        return []
    manager = play.get_variable_manager()
    app = manager._inventory.groups.get("app")
    hosts = app.get_hosts() if app else []
    facts = manager.get_vars(play=play, host=hosts[0]) if hosts else {}
    return list(texts("", (facts.get(OPENED) or {}).get("variables") or {}))
