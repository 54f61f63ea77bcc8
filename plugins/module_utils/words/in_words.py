# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""How a module ends: with what it says masked, and where this host fails it unexpectedly, with a sentence and no traceback."""

from __future__ import annotations

import functools
import io
import json
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout

from ansible_collections.morpheus.deploy.plugins.module_utils.base import spoken
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

_REPORT = "Report it, with the traceback that -vvv shows"
_ANY = "See what this host says with: dmesg | tail -20; systemctl --failed. Mend it, then run this again"


def in_words(main: Callable[[], None]) -> Callable[[], None]:
    """For the ``main`` of a module. Whatever it prints leaves the host without secrets, however the module ends.

    Errors of our own are the module's business; a mistake in the code keeps its traceback.
    """

    @functools.wraps(main)
    def ending() -> None:
        code: object = 0
        with said.knowing() as knowledge:
            with redirect_stdout(io.StringIO()) as printed, redirect_stderr(io.StringIO()) as complained:
                try:
                    main()
                except SystemExit as exc:
                    code = exc.code
                except Exception as exc:
                    # As fail_json would, which an error may have come past.
                    code = 1
                    print(json.dumps({"failed": True, **_unexpected(exc)}))
            sys.stderr.write(knowledge.masked(complained.getvalue()))
            sys.stdout.write(said.output(printed.getvalue(), knowledge))
        sys.exit(code)  # type: ignore[arg-type]

    return ending


def _unexpected(error: Exception) -> dict[str, str]:
    if isinstance(error, DeployError | OSError | subprocess.SubprocessError):
        return {"msg": explained(error)}
    where = "".join(traceback.format_exception(error))
    return {"msg": f"a mistake in this collection: {type(error).__name__}: {error}. {_REPORT}", "exception": where}


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
