"""Leaves out what is marked deep, unless -m says which of the two is wanted.

A conftest.py takes the hook: ``from tests.deep import pytest_collection_modifyitems``. ``make deep`` runs what is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "deep" in config.option.markexpr:
        return
    deep = [item for item in items if item.get_closest_marker("deep")]
    items[:] = [item for item in items if item not in deep]
    config.hook.pytest_deselected(items=deep)


def cases(names: Iterable[str], each_time: Collection[str]) -> list[Any]:
    """Parameters of a test, of which all but those of ``each_time`` are deep."""
    return [pytest.param(name, id=name, marks=[] if name in each_time else [pytest.mark.deep]) for name in names]
