# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: common_digests
short_description: Find the digests that every host of a run must use
version_added: 0.1.0
description:
  - A tag can be pushed again while hosts pull it. When hosts found different content, the images of a host that has run the
    release before count for all, else those of the first host.
positional: _input
options:
  _input:
    description: What M(morpheus.deploy.stack_release) returned, one result a host.
    type: list
    elements: dict
    required: true
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Find the digests that every host must use
  ansible.builtin.set_fact:
    digests: "{{ ansible_play_hosts | map('extract', hostvars, 'prepared') | morpheus.deploy.common_digests }}"
"""

RETURN = r"""
_value:
  description: Digest by image reference; empty when all hosts agree.
  type: dict
  sample: {"morpheus/api:1.2.0": "sha256:5c1a..."}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def common_digests(prepared: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    found = [{image["reference"]: image["digest"] for image in one["images"].values()} for one in prepared]
    # Not every host runs every service.
    first: dict[str, str] = {}
    for digests in found:
        first = {**digests, **first}
    if all(digest == first[reference] for digests in found for reference, digest in digests.items()):
        return {}
    veterans = [digests for digests, one in zip(found, prepared, strict=True) if one["was_live"]]
    return {**first, **(veterans or found)[0]}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"common_digests": common_digests}
