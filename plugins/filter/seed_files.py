# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: seed_files
short_description: Read the seed files of a project with Supabase's layout
version_added: 0.1.0
description:
  - Finds the files by C(supabase/config.toml), as Supabase's CLI does, and says everything that is wrong with them at once.
positional: _input, environment, free, project_ref
options:
  _input:
    description: The directory in which the directory C(supabase) lies.
    type: str
    required: true
  environment:
    description: The environment that is to be seeded.
    type: str
    required: true
  free:
    description: Environments in which a file need not say that it is meant for them.
    type: list
    elements: str
    default: [staging, preview]
  project_ref:
    description: The environment's Supabase project. What C(remotes) of the configuration says of it comes before the rest.
    type: str
    default: ""
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Read the seeds
  ansible.builtin.set_fact:
    found: "{{ stack_source | morpheus.deploy.seed_files('staging') }}"
"""

RETURN = r"""
_value:
  description: The files in their order, what is wrong with them, and what is only to be known.
  type: dict
  sample:
    files: [{path: supabase/seed.sql, hash: 61868484fc0ddca2, statements: [{text: insert into t values (1), line: 1}]}]
    problems: []
    notes: []
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any


def seed_files(
    source: str, environment: str, free: Sequence[str] = ("staging", "preview"), project_ref: str = ""
) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase import seeds

    return asdict(seeds.read(Path(source), environment, free, project_ref))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"seed_files": seed_files}
