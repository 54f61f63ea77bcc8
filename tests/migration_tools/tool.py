"""A tool's own program in a process of its own, forked from this one, which has imported the tool: to import it takes longer than
to run it.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
import tempfile
import traceback
from pathlib import Path
from typing import IO


def imported(*names: str) -> None:
    for name in names:
        importlib.import_module(name)


def run(root: Path, script: Path, *words: str) -> str:
    """What it says. It has to end well."""
    with tempfile.TemporaryFile("w+") as said:
        pid = os.fork()
        if not pid:
            os._exit(_program(root, script, words, said))
        _, status = os.waitpid(pid, 0)
        said.seek(0)
        text = said.read()
    assert os.waitstatus_to_exitcode(status) == 0, text
    return text


def _program(root: Path, script: Path, words: tuple[str, ...], said: IO[str]) -> int:
    """Its exit status."""
    ended: object = 1
    sys.stdout = sys.stderr = said
    try:
        os.chdir(root)
        sys.argv = [str(script), *words]
        sys.path.insert(0, str(script.parent))
        # Files that are written anew within a second look as if they were the same.
        sys.dont_write_bytecode = True
        runpy.run_path(str(script), run_name="__main__")
        ended = 0
    except SystemExit as end:
        ended = end.code
    except BaseException:
        traceback.print_exc()
    said.flush()
    return 0 if not ended else 1
