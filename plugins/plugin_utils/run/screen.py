# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""Where a verdict is shown: line by line, or by the callback that draws the screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ansible.utils.display import Display

_draw: Callable[[Sequence[str]], bool] | None = None


def drawn_by(draw: Callable[[Sequence[str]], bool]) -> None:
    """``draw``: whether it has shown these lines; otherwise they are shown here."""
    global _draw
    _draw = draw


def show(lines: Sequence[str]) -> None:
    if _draw is None or not _draw(lines):
        for line in lines:
            Display().display(line)
