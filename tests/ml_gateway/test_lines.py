"""The gateway stays small enough to be read before it is trusted with money."""

from __future__ import annotations

from tests.ml_gateway.lines import PROGRAMS, lines, of_files


def test_comments_docstrings_and_empty_lines_do_not_count() -> None:
    assert lines('"""What\nit is."""\n\n# Why.\nONE = 1\n\n\ndef two() -> int:\n    """Two."""\n    return 2\n') == 3


def test_the_gateway_has_fewer_than_600_lines() -> None:
    found = of_files()
    assert set(PROGRAMS) <= set(found)
    assert sum(number for name, number in found.items() if name not in PROGRAMS) < 600
