#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: engine_packages
short_description: Upgrade the packages of Docker Engine without stopping a container
version_added: 0.1.0
description:
  - When the module returns, the installed packages of the engine, the Compose plugin and containerd are the newest that the
    host's repositories have. No other package is upgraded, and none is installed or replaced by another.
  - The engine is restarted. Some packages do that themselves, and Debian's C(docker.io) does not; so whatever still runs from a
    program that was replaced is restarted, also when that was done before.
  - Its containers live on (C(live-restore)); where they would not, the module refuses before anything is changed. Afterwards the
    engine must answer, and the same containers must run.
attributes:
  check_mode:
    support: full
    description: Refreshes the lists of packages, and says what would be upgraded.
  diff_mode:
    support: none
    description: The result names the packages.
  idempotent:
    support: full
    description: Nothing is changed when all of them are the newest.
  platform:
    support: full
    platforms: debian
    description: Debian and Ubuntu.
options:
  allow_interruption:
    description: Whether containers may stop, where C(live-restore) is off.
    type: bool
    default: false
extends_documentation_fragment:
  - morpheus.deploy.token
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.engine_config
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Upgrade the engine
  morpheus.deploy.engine_packages:
    token: "{{ lease_taken.token }}"
"""

RETURN = r"""
upgrades:
  description:
    - Packages that were upgraded, or in check mode would be, each with both versions; and services that ran on from what was
      replaced before.
  returned: success
  type: list
  elements: str
  sample: [docker.io 26.1.5 -> 26.1.6]
begun:
  description: Whether packages may have changed before the module failed.
  returned: failure
  type: bool
  sample: false
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.daemon.packages import EnginePackages, PackagesError
from ansible_collections.morpheus.deploy.plugins.module_utils.daemon.setup import SystemDockerd
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    about["begun"] = False
    leased.require(module.params, check_mode=module.check_mode)
    packages = EnginePackages(SystemDockerd(), SystemClock())
    try:
        upgrades = packages.due() if module.check_mode else packages.apply(allow_interruption=module.params["allow_interruption"])
    except PackagesError as exc:
        about["begun"] = exc.begun
        raise
    return {"changed": bool(upgrades), "upgrades": [str(one) for one in upgrades]}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "allow_interruption": {"type": "bool", "default": False},
            "token": {"type": "int", "default": 0, "no_log": False},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
