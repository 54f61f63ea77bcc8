# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps an environment's serverless endpoints at RunPod as its inventory declares them. The key stays on the controller."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.ml import Ml
from ansible_collections.morpheus.deploy.plugins.plugin_utils.runpod.api import Api
from ansible_collections.morpheus.deploy.plugins.plugin_utils.runpod.fleet import Fleet


class ActionModule(ActionBase):  # type: ignore[misc] # ansible-core has no types
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        found = {"changed": False, "endpoints": [], "hourly": {}}
        ml = Ml(self._task.args.get("ml"), specifications.options("ml_gateway"), is_made=False)
        if ml.problems or not ml.serverless:
            why = "; ".join(ml.problems) or "ml.endpoints: none of them has serverless, so there is nothing to keep"
            return {**found, "failed": True, "msg": f"{why}; nothing was contacted or changed"}
        try:
            api = Api(ml.management_url, ml.management_key)
            fleet = Fleet(api, str(self._task.args["environment"]), ml.serverless, ml.hourly_bound)
            told = [one.told() for one in fleet.kept] if self._task.check_mode else fleet.act()
        except DeployError as exc:
            return {**found, "failed": True, "msg": str(exc)}
        hourly = {"before": fleet.before, "after": fleet.after, "bound": ml.hourly_bound}
        diff = {"diff": fleet.diff()} if self._task.diff else {}
        return {"changed": fleet.is_changed, "endpoints": told, "hourly": hourly, **diff}
