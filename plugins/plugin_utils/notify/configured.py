# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the inventory of a run wants told, read by the callback without any task, while the run is at work or at its end.

A run that needs no vault has not opened it. Channels take their secrets from it, so it is opened here, when Ansible has its
password. Without it these channels are left out, and a sentence says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.template import Templar
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.encrypted import header
from ansible_collections.morpheus.deploy.plugins.plugin_utils.notify.channels import Told, told
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.opened import OPENED


def of_play(play: Any) -> Told:
    """What the variables of the first host of the group ``app`` say, which are the same for every one."""
    manager = play.get_variable_manager() if play is not None else None
    if manager is None:
        return Told()
    app = manager._inventory.groups.get("app")
    hosts = app.get_hosts() if app else []
    variables = manager.get_vars(play=play, host=hosts[0]) if hosts else {}
    notifications, hooks = variables.get("notifications"), variables.get("hooks")
    if not notifications and not hooks:
        return Told()
    values = variables if OPENED in variables else {**_of_the_vault(variables, manager._loader), **variables}
    templar = Templar(loader=manager._loader, variables=values)
    unread: list[str] = []
    wanted = _notifications(notifications, templar, unread)
    found = told(wanted, _templated(hooks, "hooks", templar, unread), specifications.options("preflight"))
    # Of what is wrong nothing is guessed. Beside what cannot be read, the rest is good.
    return Told(problems=[*unread, *found.problems]) if found.problems else replace(found, problems=unread)


def _notifications(raw: Any, templar: Any, unread: list[str]) -> Any:
    """Each channel by itself, so that one that needs the vault does not take the others along."""
    channels = raw.get("channels") if isinstance(raw, Mapping) else None
    if not isinstance(channels, list):
        return _templated(raw, "notifications", templar, unread)
    rest = _templated({key: value for key, value in raw.items() if key != "channels"}, "notifications", templar, unread)
    read = [_templated(one, f"notifications.channels[{number}]", templar, unread) for number, one in enumerate(channels)]
    there = [one for one in read if one is not None]
    return {**(rest or {}), "channels": there} if there or not channels else None


def _templated(raw: Any, path: str, templar: Any, unread: list[str]) -> Any:
    try:
        return templar.template(raw)
    except Exception as exc:  # Ansible's and every plugin's own errors.
        # Of its words nothing that could hold a value.
        undefined = "'" in str(exc) and "is undefined" in str(exc)
        name = str(exc).partition("'")[2].partition("'")[0]
        unread.append(f"{path}: cannot be read, " + (f"{name} is not known to this run" if undefined else type(exc).__name__))
        return None


def _of_the_vault(variables: Mapping[str, Any], loader: Any) -> Mapping[str, Any]:
    """What it holds, where this run has the password of this environment's vault."""
    templar = Templar(loader=loader, variables=variables)
    try:
        path, environment = (str(templar.template(variables.get(name) or "")) for name in ("stack_vault", "stack_environment"))
        if not path or header.problem(path, Path(path).read_bytes().decode("utf-8", "replace"), environment):
            return {}
        found = loader.load_from_file(path, cache="none", unsafe=True)
    except (AnsibleError, OSError):
        return {}
    return found if isinstance(found, Mapping) else {}
