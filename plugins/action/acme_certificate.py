# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gets a certificate from an ACME authority by the modules of community.crypto, which run on the controller, too."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.urls import ConnectionError, open_url
from ansible.plugins.action import ActionBase
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme import request
from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme.order import Order
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import certificate
from ansible_collections.morpheus.deploy.plugins.plugin_utils.rotation.outside import run_program

PATIENCE_SECONDS = 20


class ActionModule(ActionBase):  # type: ignore[misc] # ansible-core has no types
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        found = {"changed": False, "content": "", "ends": "", "problem": ""}
        if self._task.check_mode:
            return {**found, "changed": True}
        arguments = self._task.args
        made = request.make(arguments["names"])

        def ask(module: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
            answer: Mapping[str, Any] = self._execute_module(module_name=module, module_args=dict(options), task_vars=task_vars)
            return answer

        try:
            ca_path = str(arguments.get("ca_path") or "")
            _require_answer(str(arguments["directory"]), ca_path)
            if ca_path:
                # The modules have no option for it.
                named = {"SSL_CERT_FILE": str(Path(ca_path).expanduser().absolute())}
                self._task.environment = [*(self._task.environment or []), named]
            chain = Order(arguments, ask, run_program).chain(made.csr)
            ends = f"{certificate.read(chain).expires:%Y-%m-%d}"
        except (DeployError, AnsibleError, OSError, ValueError, KeyError) as exc:
            return {**found, "problem": str(exc) or type(exc).__name__}
        return {"changed": True, "content": chain + made.key, "ends": ends, "problem": ""}


def _require_answer(directory: str, ca_path: str) -> None:
    """DeployError for an authority that is away: the modules would ask it for minutes."""
    try:
        open_url(directory, timeout=PATIENCE_SECONDS, ca_path=str(Path(ca_path).expanduser()) if ca_path else None)
    except (OSError, HTTPException, ConnectionError) as exc:
        raise DeployError(f"{directory} does not answer: {getattr(exc, 'reason', None) or exc}") from None
