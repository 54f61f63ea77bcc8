"""A callback plugin that counts what a run does, in every process of it: one line an operation in the file $OPERATIONS."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.executor import module_common
from ansible.executor.task_queue_manager import FinalQueue
from ansible.plugins.callback import CallbackBase
from ansible.vars.manager import VariableManager

DOCUMENTATION = """
name: operations
type: aggregate
short_description: Count operations
description: Counts them.
"""


def _note(line: str) -> None:
    # Short enough to be written whole, whoever else writes.
    with Path(os.environ["OPERATIONS"]).open("ab", buffering=0) as stream:
        stream.write(f"{line}\n".encode())


def _noting(function: Callable[..., Any], line: Callable[[Any], str]) -> Callable[..., Any]:
    def noted(self: Any, *arguments: Any, **options: Any) -> Any:
        _note(line(arguments))
        return function(self, *arguments, **options)

    return noted


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "operations"

    def __init__(self) -> None:
        super().__init__()
        # Each time that a host's variables are put together: for a task, and by whoever reads them as hostvars.
        VariableManager.get_vars = _noting(VariableManager.get_vars, lambda _: "variables")
        send = FinalQueue.send_task_result
        FinalQueue.send_task_result = _noting(send, lambda given: f"sent {len(pickle.dumps(given[0].as_wire_task_result()))}")
        # Each module that is packed with all that it imports.
        pack = module_common.recursive_finder

        def packing(name: str, *arguments: Any, **options: Any) -> Any:
            _note(f"packed {name}")
            return pack(name, *arguments, **options)

        module_common.recursive_finder = packing
