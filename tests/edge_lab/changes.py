"""Every change that a rollout makes: written down, and each one a moment at which the controller may die.

A change is a command to HAProxy that does something, a file put in place, or something done to a container. They are seen where
they leave the process, so that no part of the rollout needs to know of the laboratory.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket

from tests.edge_lab.toys import ToyDocker


class KilledError(BaseException):
    """The controller ends here, and nothing of it is heard any more: no handler of errors may run."""


@dataclass
class Changes:
    root: Path
    # Monotonic time and words of each change.
    made: list[tuple[float, str]] = field(default_factory=list)
    # Numbers of the change that is not made any more, nor any after it, and of one before which ``disturb`` is called; 0: none.
    fatal: int = 0
    disturbed: int = 0
    disturb: Callable[[], None] = lambda: None
    _count: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def begin(self, fatal: int = 0, disturbed: int = 0) -> None:
        """Count from here on."""
        self.fatal, self.disturbed, self._count = fatal, disturbed, 0

    def before(self, what: str) -> None:
        with self._lock:
            self._count += 1
            if self.fatal and self._count >= self.fatal:
                if self._count == self.fatal:
                    self.note(f"*** killed before: {what}")
                raise KilledError
            if self._count == self.disturbed:
                self.note("*** HAProxy ends and is started anew")
                self.disturb()
            self.note(what)

    def note(self, what: str) -> None:
        self.made.append((time.monotonic(), what))


_seen: Changes | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "os.rename" and _seen:
        target = Path(str(arguments[1]))
        if _seen.root in target.parents:
            _seen.before(f"write {target.relative_to(_seen.root)}")


sys.addaudithook(_hook)


@contextmanager
def watched(root: Path, docker: ToyDocker) -> Iterator[Changes]:
    """All changes below ``root``, to ``docker`` and to any HAProxy, from now on."""
    global _seen
    changes = Changes(root)
    ask = Socket.ask

    def watched_ask(self: Socket, command: str) -> str:
        if command.split()[0] == "show" or (command.startswith("@!") and " show " in command):
            return ask(self, command)
        changes.before(f"haproxy: {command}")
        return ask(self, command)

    Socket.ask = watched_ask  # type: ignore[method-assign]
    docker.before_change = changes.before
    _seen = changes
    try:
        yield changes
    finally:
        _seen = None
        docker.before_change = lambda what: None
        Socket.ask = ask  # type: ignore[method-assign]
