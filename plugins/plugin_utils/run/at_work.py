# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which module each host has begun and not answered, and whether something may be switched there without an answer."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ansible.errors import AnsibleError
from ansible.template import Templar
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import ends


class AtWork:
    """``modules``: host -> the module that it has begun; ``unsure``: those of them that may have switched something."""

    def __init__(self) -> None:
        self.modules: dict[str, str] = {}
        self.unsure: set[str] = set()

    def begins(self, host: Any, module: str, task: Any, play: Any) -> None:
        name = str(host.get_name())
        self.modules[name] = module
        options = _options(host, task, play) if module in ends.SWITCHES else {}
        if ends.may_have_switched(module, options, check_mode=bool(task.check_mode)):
            self.unsure.add(name)

    def ended(self, host: str) -> bool:
        """Whether it may have switched something, should this not be its answer."""
        self.modules.pop(host, None)
        was_unsure = host in self.unsure
        self.unsure.discard(host)
        return was_unsure


def _options(host: Any, task: Any, play: Any) -> dict[str, Any]:
    """Those that say whether something is switched. A task that begins has its options as they were written."""
    written = {name: value for name, value in task.args.items() if name in ends.SAYING}
    variables = play.get_variable_manager().get_vars(play=play, host=host, task=task)
    found: dict[str, Any] = {}
    # What cannot be read fails the task itself, in Ansible's own words.
    with suppress(AnsibleError):
        found = Templar(loader=task.get_loader(), variables=variables).template(written)
    return found
