# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
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
