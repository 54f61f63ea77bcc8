"""Slips of whoever edits a workflow: each makes the trees of all workflows other ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.workflows.bridge import WorkflowError
from tests.workflows.forge import Trees

Change = Callable[[Trees], None]
# What is missing or too much is noticed also where a scenario takes the only one, or the last one.
NOTICED = (AssertionError, WorkflowError, LookupError, ValueError, StopIteration)


def job(workflow: str, name: str) -> Callable[[Trees], Any]:
    return lambda all_trees: all_trees[f".github/workflows/{workflow}.yml"]["jobs"][name]


def sets(where: Callable[[Trees], Any], **keys: Any) -> Change:
    return lambda all_trees: where(all_trees).update(keys)


def drops(where: Callable[[Trees], Any], key: str) -> Change:
    return lambda all_trees: where(all_trees).pop(key)


def skips(where: Callable[[Trees], Any], step: str) -> Change:
    def change(all_trees: Trees) -> None:
        steps = where(all_trees)["steps"]
        steps[:] = [one for one in steps if one["name"] != step]

    return change


def swaps_needs(workflow: str, earlier: str, later: str) -> Change:
    """The later one takes the place of the earlier one, which then waits for it."""

    def change(all_trees: Trees) -> None:
        first, second = job(workflow, earlier)(all_trees), job(workflow, later)(all_trees)
        first["needs"], second["needs"] = [later], list(first["needs"])

    return change
