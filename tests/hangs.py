"""Keeps any test from hanging. A conftest.py takes both names: ``from tests.hangs import never_hangs, pytest_configure``."""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Iterator

import pytest

# Long: on a machine that does much else as well, one of many runs takes minutes.
HANGS_AFTER_SECONDS = 1800

_terminal = sys.__stderr__


def pytest_configure(config: pytest.Config) -> None:
    global _terminal
    # pyproject.toml says so, too, and ansible-test does not read it.
    config.addinivalue_line("markers", "deep: another case of what other tests show")
    # Here pytest does not capture, so this is where a person sees what hangs.
    _terminal = os.fdopen(os.dup(2), "w")


@pytest.fixture(autouse=True)
def never_hangs() -> Iterator[None]:
    """Threads that wait for each other end the whole run with every stack printed, instead of running on for ever."""
    assert _terminal is not None
    faulthandler.dump_traceback_later(HANGS_AFTER_SECONDS, exit=True, file=_terminal)
    yield
    faulthandler.cancel_dump_traceback_later()
