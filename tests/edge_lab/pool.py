"""Examples tried beside each other: each worker is a process with a network of its own, and mostly waits."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager

from tests.edge_lab.examples import Example
from tests.edge_lab.haproxy import root_file_system
from tests.edge_lab.lab import Result, run
from tests.edge_lab.namespace import end_with_parent, own_network
from tests.hangs import HANGS_AFTER_SECONDS

WORKERS = int(os.environ.get("EDGE_LAB_WORKERS", "5"))
_life = ExitStack()


class Pool:
    def __init__(self, executor: ProcessPoolExecutor) -> None:
        self._executor = executor
        self._tried: dict[Example, Future[Result]] = {}

    def begin(self, example: Example) -> Future[Result]:
        """The same example is tried once."""
        if example not in self._tried:
            self._tried[example] = self._executor.submit(_try, example)
        return self._tried[example]


@contextmanager
def workers() -> Iterator[Pool]:
    if os.geteuid():
        raise RuntimeError("the edge laboratory needs root: for namespaces of its own, and to run HAProxy in its own file system")
    root_file_system()
    executor = ProcessPoolExecutor(WORKERS, multiprocessing.get_context("fork"), _move_in)
    try:
        yield Pool(executor)
    finally:
        executor.shutdown(cancel_futures=True)


def _move_in() -> None:
    end_with_parent()
    _life.enter_context(own_network())


def _try(example: Example) -> Result:
    # A worker that hangs ends with every stack printed, and with it the pool.
    faulthandler.dump_traceback_later(HANGS_AFTER_SECONDS, exit=True, file=2)
    try:
        return run(example)
    finally:
        faulthandler.cancel_dump_traceback_later()
