# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the callback ``verdict`` watches this run, seen from the plugins of a task, whose process is a fork of the run's.

Without it a run ends without a word, and leaves the file of the one before it.
"""

from __future__ import annotations

import os
from pathlib import Path

from ansible import constants

NAME = "morpheus.deploy.verdict"
VARIABLE = "ANSIBLE_CALLBACKS_ENABLED"

_begun = False


def begin() -> None:
    """The callback is there. Every task's process is forked later and knows it, too."""
    global _begun
    _begun = True


def problem() -> str:
    """Why nobody watches, and what to do; empty when the callback does."""
    return "" if _begun else f"the callback {NAME} is not loaded, so this run could not say how it ended. {_mend()}"


def facts_problem() -> str:
    """Why hosts could set variables, and what to do; empty when they cannot.

    What a module returns as ``ansible_facts`` would stand above the inventory: a host that was taken over would say which files
    of the controller it gets. Where Ansible read no configuration at all, ``problem`` says so, and one mend is for both.
    """
    if not constants.INJECT_FACTS_AS_VARS or (problem() and not constants.CONFIG_FILE):
        return ""
    where = f"in {constants.CONFIG_FILE}, " if constants.CONFIG_FILE else ""
    return (
        "what hosts answer would take the place of variables of the inventory (inject_facts_as_vars): "
        f"{where}below [defaults] write inject_facts_as_vars = false"
    )


def _mend() -> str:
    here = Path.cwd()
    if NAME in constants.CALLBACKS_ENABLED:
        return "It is enabled, and Ansible could not load it: see its warning above."
    if VARIABLE in os.environ:
        return f"{VARIABLE}={os.environ[VARIABLE]} takes the place of what ansible.cfg enables: add {NAME} to it, or unset it."
    if constants.CONFIG_FILE:
        return f"{constants.CONFIG_FILE} does not enable it: below [defaults] write callbacks_enabled = {NAME}."
    if (here / "ansible.cfg").exists():
        return f"Ansible ignores {here}/ansible.cfg because everybody may write {here}: chmod o-w {here}."
    return f"No ansible.cfg was read: run it from the project's directory, or set ANSIBLE_CONFIG, or {VARIABLE}={NAME}."
