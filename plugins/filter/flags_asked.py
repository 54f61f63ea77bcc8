# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: flags_asked
short_description: Check an environment's feature flags, and what is asked of them
version_added: 0.1.0
description:
  - Reads the file of flags and checks it as a deploy does, with what C(playbooks/flags.yml) is asked to switch. Contacts nobody.
positional: _input
options:
  _input:
    description: The inventory's variable C(stack_flags).
    type: dict
    required: true
  source:
    description: The inventory's variable C(stack_source).
    type: str
    default: ""
  inventory:
    description: Directory of the inventory.
    type: str
    required: true
  request:
    description: What is asked, as C(flag) and C(to), C(bring) or C(take), with C(why); and C(diff), another environment.
    type: dict
    default: {}
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Read the flags, and switch one
  ansible.builtin.set_fact:
    asked: >-
      {{ stack_flags | morpheus.deploy.flags_asked(stack_source, inventory_dir, {'flag': 'loud', 'to': 25, 'why': 'a try'}) }}
"""

RETURN = r"""
_value:
  description: All problems, each with its path, or the file as it stands. C(changes) says whether something is to be brought.
  type: dict
  sample:
    problems: []
    notes: ["stack_flags: flags.json: flags.loud: has expired on 2026-10-01; take it out of the application, and of the file"]
    file: inventories/staging/flags.json
    text: '{"flags": {}}'
    changes: true
    compared: []
"""

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_NONE = "stack_flags: is not set, so there are no flags; name the file of this environment's flags"


def flags_asked(
    given: Mapping[str, Any] | None, source: str = "", inventory: str = "", request: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.flags import files
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.flags.asked import Request, compared

    asked = {**(request or {})}
    diff = str(asked.pop("diff", None) or "")
    wanted = Request(**asked)
    if not isinstance(given, Mapping) or not given.get("file"):
        problems = [_NONE] if wanted.changes or wanted.take or diff else []
        return {"problems": problems, "notes": [], "file": "", "text": "", "changes": False, "compared": []}
    found = files.read(given, Path(source), datetime.date.today())
    # What hosts have takes the place of what is wrong with the file.
    problems = [*([] if wanted.take else found.problems), *wanted.problems(found.flags)]
    other, problem = _beside(Path(str(given["file"])), Path(inventory), diff) if diff else ("", "")
    problems += [problem] if problem else []
    names = (Path(inventory).resolve().name, diff)
    return {
        "problems": problems,
        "notes": found.notes,
        "file": str(given["file"]),
        "text": found.text,
        "changes": wanted.changes,
        "compared": compared(found.text, other, names) if diff and not problems else [],
    }


def _beside(path: Path, inventory: Path, environment: str) -> tuple[str, str]:
    """The file of another environment, which lies in its inventory where this one's lies in its own."""
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.flags import files

    directory = inventory.resolve()
    if not path.resolve().is_relative_to(directory):
        return "", f'flags_diff: "{path}" does not lie in the inventory, so nobody knows where that of {environment} lies'
    other = directory.parent / environment / path.resolve().relative_to(directory)
    found = files.read({"file": str(other)}, Path(), datetime.date.today())
    return found.text, "; ".join(found.problems).replace("stack_flags.file", "flags_diff")


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"flags_asked": flags_asked}
