# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""How a module ends when this host fails it where nobody expected it: with a sentence, and not with a traceback."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable

from ansible_collections.morpheus.deploy.plugins.module_utils import spoken
from ansible_collections.morpheus.deploy.plugins.module_utils.errors import DeployError

_ANY = "See what this host says with: dmesg | tail -20; systemctl --failed. Mend it, then run this again"


def in_words(main: Callable[[], None]) -> Callable[[], None]:
    """For the ``main`` of a module. Errors of our own are the module's business; a mistake in the code keeps its traceback."""

    @functools.wraps(main)
    def ending() -> None:
        try:
            main()
        except (OSError, subprocess.SubprocessError) as exc:
            # As fail_json would, which an error may have come past. What is printed names files and programs, and no value.
            print(json.dumps({"failed": True, "msg": explained(exc)}))
            sys.exit(1)

    return ending


def explained(error: BaseException) -> str:
    """What went wrong, for people: errors of our own say it themselves."""
    if isinstance(error, DeployError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return spoken.sentence(error)
    if isinstance(error, subprocess.TimeoutExpired):
        return f"{_command(error.cmd)} did not end within {error.timeout:g} s. {_ANY}"
    if isinstance(error, subprocess.CalledProcessError):
        return f"{_command(error.cmd)} ended with {error.returncode}. {_ANY}"
    return f"this host failed in the middle of it: {error}. {_ANY}" if isinstance(error, OSError) else str(error)


def _command(command: object) -> str:
    """Its first words: what follows may be long."""
    words = [str(word) for word in command] if isinstance(command, list | tuple) else str(command).split()
    return " ".join(words[:3])
