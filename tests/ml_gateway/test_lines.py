"""The gateway stays small enough to be read before it is trusted with money."""

from __future__ import annotations

from tests.ml_gateway.lines import SERVICE, lines, of_files


def test_comments_docstrings_and_empty_lines_do_not_count() -> None:
    assert lines('"""What\nit is."""\n\n# Why.\nONE = 1\n\n\ndef two() -> int:\n    """Two."""\n    return 2\n') == 3


def test_the_gateway_has_fewer_than_600_lines() -> None:
    """All of it: what serves calls, and the program beside it. Nothing of it lies where nobody counts."""
    found = of_files()
    assert {path.name for path in SERVICE.rglob("*.py")} == set(found)
    assert len(list(SERVICE.rglob("*.py"))) == len(found)
    assert {"main.py", "control.py"} <= set(found)
    assert sum(found.values()) < 600
