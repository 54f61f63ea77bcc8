# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rotation gets from outside: a person's answer, and what a provider's program prints."""

from __future__ import annotations

import subprocess

from ansible.errors import AnsibleError
from ansible.utils.display import Display
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.rotation import plan as rotation


def prompt(text: str) -> str:
    try:
        return str(Display().prompt_until(text, private=True).decode())
    except (AnsibleError, UnicodeDecodeError):
        raise DeployError(
            f"nobody could be asked for the new value; put it into the environment variable {rotation.NEW_VALUE_VARIABLE}"
        ) from None


def run_program(command: list[str], text: str, seconds: float) -> str:
    """What a program printed. Its words on failure may hold a value, so they are not repeated."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise DeployError(f"{command[0]} did not end within {seconds:g} s") from None
    except (OSError, UnicodeDecodeError) as exc:
        raise DeployError(f"{command[0]} could not be run: {type(exc).__name__}") from None
    if done.returncode:
        raise DeployError(f"{command[0]} ended with exit status {done.returncode}; run it by hand to see why")
    return done.stdout
