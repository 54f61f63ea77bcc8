# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run for one of several stacks: the same command once more, as a process of its own, with the variables of that stack."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.stacks.described import OF_THE_RUN, VARIABLES

# The variable by which a run knows that it is a part.
PART = "stacks_part"
# Of it: the hosts of the group app, from which those that the stack does not run on are taken out.
OF_ENVIRONMENT = "of_environment"
# How long Ctrl-C, which reaches every process of the terminal, may take until it is passed on by name.
_SECONDS = 3.0


def variables(name: str, stack: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a run one of this stack. Templates, so that nothing is read that the run does not need, and no value is in them.

    ``given``: what -e gives; it wins.
    """
    own = [key for key in stack if key not in VARIABLES and key not in OF_THE_RUN]
    of_stack = {"name": name, **{key: _template(name, key) for key in own}}
    beside = {variable: _template(name, key) for key, variable in VARIABLES.items() if key in stack and variable not in given}
    return {"stack": of_stack, **beside}


def _template(name: str, key: str) -> str:
    return f"{{{{ stacks[{json.dumps(name)}][{json.dumps(key)}] }}}}"


def command(argv: Sequence[str], playbooks: Sequence[str], playbook: str, extra: Mapping[str, Any]) -> list[str]:
    """``argv``: of this run; ``playbooks``: all that it plays; ``playbook``: the one whose part this is."""
    program, *arguments = argv
    kept = [one for one in arguments if one not in playbooks]
    return [sys.executable, program, playbook, *kept, "-e", json.dumps(extra)]


def play(command: Sequence[str], ended_by: Callable[[], int]) -> int:
    """Its exit status. ``ended_by``: the signal that has interrupted this run, once KeyboardInterrupt says so.

    Then the part is told, too, and its end is waited for, so that its word is there.
    """
    sys.stdout.flush()
    # Ansible keeps them from processes that it starts.
    process = subprocess.Popen(command, stdin=0, stdout=1, stderr=2)
    try:
        return process.wait()
    except KeyboardInterrupt:
        number = ended_by() or signal.SIGINT
        if number == signal.SIGINT:
            _waited(process, _SECONDS)
        if process.poll() is None:
            process.send_signal(number)
        _waited(process, None)
        raise


def _waited(process: subprocess.Popen[bytes], seconds: float | None) -> None:
    while process.poll() is None:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        except KeyboardInterrupt:
            # It has been told, and has its word to say.
            continue
