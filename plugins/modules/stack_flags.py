#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_flags
short_description: Bring feature flags to a stack on a host without a restart, or say which are there
version_added: 0.1.0
description:
  - The file of flags is a live file of the stack, which its services read again by themselves. It is replaced whole, and is
    always younger than the one before, so that whoever watches its time of modification sees the change.
  - It is written only where the flags are those that O(before) names. So of two changes at once the second is refused.
  - Who changed which flag, when and why, is kept on the host.
attributes:
  check_mode:
    support: full
    description: Looks, and says which flags would change.
  diff_mode:
    support: full
    description: Shows what users get by each flag that differs, before and after.
  idempotent:
    support: full
    description: Nothing is written, the history included, where the flags are as wanted.
  platform:
    support: full
    platforms: posix
    description: Linux, where a release of the stack is live.
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  content:
    description: The file of flags, as base64. Left out, nothing is changed.
    type: str
    default: ""
  before:
    description: Digest of the flags that were here when O(content) was made of them, as RV(digest) says it.
    type: str
    default: ""
  by:
    description: Who changes the flags, for the history.
    type: str
    default: ""
  why:
    description: What they are changed for, for the history.
    type: str
    default: ""
  without_lease:
    description:
      - That it is meant to be done without a lease, as C(playbooks/flags.yml) does, because a flag is switched while a deploy
        goes on, too. Without this, C(0) as O(token) is refused, except in check mode.
extends_documentation_fragment:
  - morpheus.deploy.token
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.stack_release
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: See which flags are there
  morpheus.deploy.stack_flags:
    stack: morpheus
  register: flags_read

- name: Bring other ones
  morpheus.deploy.stack_flags:
    stack: morpheus
    content: "{{ lookup('ansible.builtin.file', inventory_dir ~ '/flags.json', rstrip=false) | ansible.builtin.b64encode }}"
    before: "{{ flags_read.digest }}"
    by: alice
    why: half of all users
    without_lease: true
"""

RETURN = r"""
flags:
  description: The file of flags as it was found, as base64. Empty where there is none.
  returned: success
  type: str
  sample: eyJmbGFncyI6IHt9fQo=
version:
  description: Its version.
  returned: success
  type: int
  sample: 7
digest:
  description: Its digest, for O(before).
  returned: success
  type: str
  sample: 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a
changes:
  description: A sentence for each flag that was changed.
  returned: success
  type: list
  elements: str
  sample: ["loud-captions: on 0 %, off 100 % -> on 50 %, off 50 %"]
history:
  description: The last changes, the newest first.
  returned: success
  type: list
  elements: dict
  sample:
    - at: "2026-11-27T09:30:00Z"
      by: alice
      why: half of all users
      version: 8
      changes: ["loud-captions: on 0 %, off 100 % -> on 50 %, off 50 %"]
"""

import base64
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.flags import words
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import live
from ansible_collections.morpheus.deploy.plugins.module_utils.release.live_flags import LiveFlags, digest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module

# Of the history.
_SHOWN = 20


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    given = module.params
    releases = Releases(given["stack"])
    flags = LiveFlags(releases.root)
    before = after = flags.content
    if given["content"]:
        leased.require(given, check_mode=module.check_mode)
        after = base64.b64decode(given["content"])
        change = live.Change(after, given["before"], given["by"], given["why"])
        live.switch(releases, change, check_mode=module.check_mode)
    if problem := flags.lost():
        module.warn(problem)
    return {
        "changed": before != after,
        "flags": base64.b64encode(before).decode(),
        "version": words.version(before),
        "digest": digest(before),
        "changes": words.changes(before, after),
        "history": flags.history(_SHOWN),
        "diff": {"before": words.listing(before), "after": words.listing(after)},
    }


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "content": {"type": "str", "default": ""},
            "before": {"type": "str", "default": ""},
            "by": {"type": "str", "default": ""},
            "why": {"type": "str", "default": ""},
            "token": {"type": "int", "default": 0, "no_log": False},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
