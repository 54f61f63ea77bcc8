# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of a new environment, for the screen, and the commands that come next. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.project import PASSWORDS, File, NewEnvironment


def said(environment: NewEnvironment, *, check_mode: bool = False) -> list[str]:
    """For the screen: what was written, what is left to do, and with which commands."""
    name, ends = environment.asked.name, environment.open_ends()
    head = f"{'Would be written' if check_mode else 'Written'} for {name}:"
    lines = [head, *(f"  {file.path}{_remark(file)}" for file in environment.files)]
    lines = lines if environment.files else [f"{name} has everything already."]
    lines += [f"As it was: {', '.join(environment.left)}"] if environment.left else []
    lines += ["Yours to fill in, before a deploy:", *(f"  {end}" for end in ends)] if ends else []
    steps = _steps(environment)
    width = max(len(command) for command, _ in steps)
    return [*lines, *environment.notes, "Next:", *(f"  {command:<{width}}  # {what}" for command, what in steps)]


def _remark(file: File) -> str:
    if file.before is not None:
        return " (added to; what was there stays)"
    return " (the password of its vault, in no repository: keep a copy elsewhere)" if file.path.startswith(PASSWORDS) else ""


def _steps(environment: NewEnvironment) -> list[tuple[str, str]]:
    here, asked, play = environment.here, environment.asked, "ansible-playbook morpheus.deploy."
    login = f"{asked.user}@" if asked.user else ""
    return [
        *((f"ssh {login}{host} sudo true", "accept its key, and see that sudo works") for host in asked.hosts[:1]),
        (f"ansible-vault edit {here}/group_vars/vault.yml", _to_fill(environment.vault_names)),
        (f"{play}fingerprint -i {here}", "after every change of the vault"),
        (f"{play}config -i {here}", "what a deploy would use, and what is wrong; asks no host"),
        (f"{play}provision -i {here}", "the engine and the edge"),
        (f"{play}claim -i {here}", "once: whose hosts and database are"),
        (f"{play}deploy -i {here} -e stack_release={environment.release}", "the tag of your images"),
    ]


def _to_fill(names: Sequence[str]) -> str:
    return f"a line each: {', '.join(f'{name}: <value>' for name in names)}" if names else "secrets, when there are some"
