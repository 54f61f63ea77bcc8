# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what a Compose file needs to be deployed, and writes a first environment on request. Contacts no host."""

from __future__ import annotations

import dataclasses
import os
from functools import partial
from pathlib import Path
from typing import Any

from ansible.utils.display import Display
from ansible_collections.morpheus.deploy.plugins.action.new_environment import NOTHING, encrypted
from ansible_collections.morpheus.deploy.plugins.action.new_environment import ActionModule as NewEnvironmentAction
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.modules.compose_inspect import OPTIONS
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import compose_asked
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import inspection, written
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.inspection import Inspection
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment import next_steps
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment import project as new_environment
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.asked import Asked, problems


class ActionModule(NewEnvironmentAction):
    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        _, given = self.validate_argument_spec(OPTIONS)
        root, write, env = Path.cwd(), str(given.pop("write")), str(given.pop("env"))
        imports = bool(given.pop("import_secrets"))
        try:
            asked = Asked(name=written.name_of(write) if write else "deploy", **given)
            new_environment.refuse(problems(asked))
            if imports and not write:
                raise DeployError("import_secrets: only with -e write=inventories/<name>, whose new vault gets them")
            found = look(root, asked, env)
            made = None
            if write:
                # The others are in what was found.
                first = dataclasses.replace(asked, compose=str(found.path))
                opens = partial(self._opened, root)
                made = written.environment(root, first, found, opens, encrypted, os.environ, imports=imports)
        except DeployError as exc:
            return {"failed": True, "msg": f"{exc}\n{NOTHING}"}
        lines = inspection.said(found, writes=made is not None)
        try:
            if made and not self._task.check_mode:
                made.write()
        except DeployError as exc:
            return {"failed": True, "msg": f"{exc}\nSome files are written. The same command writes the others."}
        for line in [*lines, *(["", *next_steps.said(made, check_mode=self._task.check_mode)] if made else [])]:
            Display().display(line)
        return {
            "changed": bool(made and made.files),
            "rows": [dataclasses.asdict(row) for row in found.needed.rows],
            "override": found.override,
            "inventory": found.inventory,
            "problems": found.problems,
            "written": [file.path for file in made.files] if made else [],
        }


def look(root: Path, asked: Asked, env: str = "") -> Inspection:
    if not asked.compose:
        raise DeployError("compose: required; the Compose file, for example -e compose=compose.yml")
    paths = [root / Path(one.strip()).expanduser() for one in asked.compose.split(",") if one.strip()]
    first, *more = [Path(os.path.relpath(path, root)) if path.is_relative_to(root) else path for path in paths]
    given = {"site": asked.site, "service": asked.service, "health": asked.health, "env": env}
    return Inspection(first, asked.name, port=int(asked.port or 0), more=more, ask=compose_asked.problems, **given)
