# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""Gets a certificate from an ACME authority by the modules of community.crypto, which run on the controller, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme import request
from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme.order import Order
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import certificate
from ansible_collections.morpheus.deploy.plugins.plugin_utils.rotation.outside import run_program


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
            with self._trusting(str(arguments.get("ca_path") or "")):
                chain = Order(arguments, ask, run_program).chain(made.csr)
            ends = f"{certificate.read(chain).expires:%Y-%m-%d}"
        except (DeployError, AnsibleError, OSError, ValueError, KeyError) as exc:
            return {**found, "problem": str(exc) or type(exc).__name__}
        return {"changed": True, "content": chain + made.key, "ends": ends, "problem": ""}

    @contextmanager
    def _trusting(self, ca_path: str) -> Iterator[None]:
        """Modules know no option for the authority of a directory; Python reads those of a directory that is named to it."""
        if not ca_path:
            yield
            return
        with TemporaryDirectory() as directory:
            (Path(directory) / "ca.pem").write_text(Path(ca_path).expanduser().read_text())
            self._task.environment = [*(self._task.environment or []), {"SSL_CERT_DIR": directory}]
            yield
