# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All serverless endpoints of an environment: what is to be done at RunPod, whether it may be, and doing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.runpod import endpoint as one_endpoint
from ansible_collections.morpheus.deploy.plugins.plugin_utils.runpod.api import Api


@dataclass
class Kept:
    """One endpoint. ``actual`` is None while it is to be made."""

    declared: Mapping[str, Any]
    want: Mapping[str, Any]
    actual: Mapping[str, Any] | None
    costs_before: float = 0.0
    costs_after: float = 0.0
    change: dict[str, Any] = field(default_factory=dict)

    @property
    def drift(self) -> list[str]:
        return ["is to be made"] if self.actual is None else one_endpoint.drift(self.actual, self.want)

    def told(self) -> dict[str, Any]:
        return {
            "name": self.declared["name"],
            "id": self.actual["id"] if self.actual else "",
            "drift": self.drift,
            "hourly": self.costs_after,
        }


class Fleet:
    """``declared``: those entries of ``ml.endpoints`` that have ``serverless``, checked."""

    def __init__(self, api: Api, environment: str, declared: Sequence[Mapping[str, Any]], bound: float) -> None:
        self._api, self._bound = api, bound
        there, gpus = api.endpoints(), api.gpus()
        problems: list[str] = []
        self.kept = []
        for entry in declared:
            try:
                self.kept.append(self._look(environment, entry, there, gpus))
            except DeployError as exc:
                problems.append(str(exc))
        problems += self._too_dear() if not problems else []
        if problems:
            raise DeployError("; ".join([*problems, "nothing was changed"]))

    @property
    def before(self) -> float:
        return round(sum(one.costs_before for one in self.kept), 4)

    @property
    def after(self) -> float:
        return round(sum(one.costs_after for one in self.kept), 4)

    @property
    def is_changed(self) -> bool:
        return any(one.actual is None or one.change for one in self.kept)

    def act(self) -> list[dict[str, Any]]:
        """Make them so. What is told of each: its id, and what was different."""
        found = []
        for one in self.kept:
            told = one.told()
            if one.actual is None:
                told["id"] = self._api.create({**one.want, "type": "QUEUE"})["id"]
            elif one.change:
                self._api.update(one.actual["id"], one.change)
            found.append(told)
        return found

    def diff(self) -> dict[str, Any]:
        """Variables of workers by their names only."""
        before = {
            one.want["name"]: _shown(one_endpoint.seen(one.actual, one.want)) for one in self.kept if one.actual is not None
        }
        return {"before": before, "after": {one.want["name"]: _shown(one.want) for one in self.kept}}

    def _look(
        self, environment: str, entry: Mapping[str, Any], there: Sequence[Mapping[str, Any]], gpus: Sequence[Mapping[str, Any]]
    ) -> Kept:
        named = entry["serverless"]["template"]
        want = one_endpoint.wanted(environment, entry, self._api.template(named) if named else None)
        actual = one_endpoint.found(there, entry, want["name"])
        found = Kept(entry, want, actual, costs_after=one_endpoint.price(gpus, want, entry["name"]))
        if actual is not None:
            refused = one_endpoint.other_version(actual, entry)
            if refused:
                raise DeployError(refused)
            found.change = one_endpoint.change(actual, want)
            found.costs_before = one_endpoint.price(gpus, actual, entry["name"])
        return found

    def _too_dear(self) -> list[str]:
        """What makes it cheaper is let pass in any case."""
        if self.after <= max(self._bound, self.before):
            return []
        parts = ", ".join(f"{one.declared['name']} {one.costs_after:g}" for one in self.kept)
        return [
            f"ml.limits.hourly_bound: is {self._bound:g}, and with all workers at work these endpoints would cost {self.after:g} "
            f"an hour ({parts}), so far {self.before:g}; lower workers_max, choose other gpu_pools, or raise the bound"
        ]


def _shown(part: Mapping[str, Any]) -> dict[str, Any]:
    return {**part, "env": sorted(part["env"])}
