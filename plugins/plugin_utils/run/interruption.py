# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ends a run before its end: Ctrl-C, a signal of the CI, a terminal that goes away, an error of Ansible itself."""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Callable
from typing import Any

_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "the end of its terminal (SIGHUP)"}


class Interruption:
    """Calls ``say`` when the process ends although ``over`` was not called. A SIGKILL alone cannot be noticed.

    Each signal ends the run as Ctrl-C does, with Ansible's exit status 99: its own way with SIGTERM runs nothing any more.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._process = os.getpid()
        self._signal = 0
        self._armed = False
        self._installed = False

    def begin(self) -> None:
        self._armed = True
        if self._installed:
            return
        self._installed = True
        atexit.register(self._at_exit)
        # Ansible's handler, which tells the processes of its tasks, then raises KeyboardInterrupt.
        ends = signal.getsignal(signal.SIGINT)

        def interrupted(number: int, frame: Any) -> None:
            self._signal = self._signal or number
            # A task's process is a fork of this one and has this handler for a moment.
            if os.getpid() == self._process and callable(ends):
                ends(signal.SIGINT, frame)
            raise KeyboardInterrupt

        for number in _NAMES:
            # nohup and the like have it ignored.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, interrupted)

    def sent_by(self) -> int:
        """The signal that has interrupted the run; 0 for none."""
        return self._signal

    def over(self) -> None:
        self._armed = False

    def _at_exit(self) -> None:
        if not self._armed or os.getpid() != self._process:
            return
        self._armed = False
        for number in _NAMES:
            signal.signal(number, signal.SIG_IGN)
        self._say(self.how())

    def how(self) -> str:
        if self._signal:
            return f"the run was interrupted by {_NAMES[signal.Signals(self._signal)]}"
        return "Ansible ended the run before its end; its own error stands above"
