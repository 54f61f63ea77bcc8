# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run is shown: on a terminal that can be drawn on, or line by line."""

from __future__ import annotations

import os
import sys

from ansible import constants
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live import github
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.show import Drawn


def region() -> Drawn | None:
    """None where there is no such terminal, or no rich."""
    if not sys.stdout.isatty() or os.environ.get("TERM", "") in ("", "dumb", "unknown") or github.is_here(os.environ):
        return None
    try:
        from ansible_collections.morpheus.deploy.plugins.plugin_utils.live import terminal
    except ImportError:
        return None
    return terminal.Region(terminal.console(colours=not constants.ANSIBLE_NOCOLOR))
