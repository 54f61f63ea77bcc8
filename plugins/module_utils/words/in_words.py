# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module runs and ends: with its result, or its error in words. Whatever it says is masked, and a host that fails it
unexpectedly gets a sentence and no traceback.
"""

from __future__ import annotations

import functools
import io
import json
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import spoken
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, FencedError
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

_REPORT = "Report it, with the traceback that -vvv shows"
# ansible-test raises these in the place of an AnsibleModule, to read the options of a module or to import it. They are raised
# on no host.
_ONLY_READ = ("AnsibleModuleCallError", "ImporterAnsibleModuleException")
_ANY = "See what this host says with: dmesg | tail -20; systemctl --failed. Mend it, then run this again"

# What a module does, given its AnsibleModule: its result. What it puts into the mapping is returned beside an error, too.
Body = Callable[[Any, dict[str, Any]], Mapping[str, Any]]


def run_module(module: Any, body: Body) -> None:
    """The one place where a module ends. Options that have ``no_log`` are masked before ``body`` begins."""
    said.know_options(module)
    about: dict[str, Any] = {}
    try:
        result = body(module, about)
    except (DeployError, FencedError, OSError) as exc:
        module.fail_json(msg=explained(exc), **about)
    else:
        module.exit_json(**result)


def on_the_controller(name: str) -> Body:
    """The body of a module whose action plugin does all the work."""

    def body(module: Any, about: dict[str, Any]) -> Mapping[str, Any]:
        raise DeployError(f"{name} happens on the controller, in its action plugin of the same name")

    return body


def in_words(main: Callable[[], None]) -> Callable[[], None]:
    """For the ``main`` of a module. Whatever it prints leaves the host without secrets, however the module ends.

    A mistake in the code keeps its traceback.
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
                    if type(exc).__name__ in _ONLY_READ:
                        raise
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
