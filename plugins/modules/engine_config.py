#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: engine_config
short_description: Configure Docker Engine without stopping a container
version_added: 0.1.0
description:
  - When the module returns, C(/etc/docker/daemon.json) says what O(options) say, with all else that it said before, and an engine
    that runs has taken it over. An engine that does not run is not started.
  - The engine is restarted only for what it does not take over by a reload, and only when its containers live on meanwhile
    (C(live-restore)). When that is off it is switched on first, by a reload.
  - A file that is no JSON, or that the engine rejects, is refused before anything is changed. When the engine does not come back
    with the new file, the one from before is put back.
  - A run that was killed between writing and restarting is finished by the next one.
attributes:
  check_mode:
    support: full
    description: Says what would change, and whether a restart is needed. What is refused otherwise is refused then, too.
  diff_mode:
    support: full
    description: Shows the file.
  idempotent:
    support: full
    description: Nothing is written, reloaded or restarted when nothing changed.
  platform:
    support: full
    platforms: posix
    description: Linux with systemd.
options:
  options:
    description:
      - Settings of C(daemon.json). Mappings are merged with what is there, lists are replaced, and null takes a key away.
      - C(log-opts) of another log driver do not stay.
    type: dict
    required: true
  allow_interruption:
    description: Whether a restart may stop containers, because O(options) turn C(live-restore) off.
    type: bool
    default: false
  without_lease:
    description:
      - That an engine which runs is meant to be restarted without a lease. Without this, a restart is refused when O(token) is
        C(0), except in check mode. What needs no restart needs no lease.
extends_documentation_fragment:
  - morpheus.deploy.token
  - morpheus.deploy.without_lease
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Rotate the logs of containers
  morpheus.deploy.engine_config:
    options:
      live-restore: true
      log-driver: json-file
      log-opts: {max-size: 20m, max-file: "5"}
    token: "{{ lease_taken.token | default(0) }}"

- name: See whether an engine that runs would be restarted
  morpheus.deploy.engine_config:
    options:
      dns: [192.0.2.53]
  check_mode: true
  register: planned
"""

RETURN = r"""
restart:
  description: Settings for which the engine was, or in check mode would be, restarted. Empty when it does not run.
  returned: success
  type: list
  elements: str
  sample: [log-opts]
reload:
  description: Settings that the engine took, or in check mode would take over by a reload.
  returned: success
  type: list
  elements: str
  sample: [registry-mirrors]
backup_file:
  description: Copy of the file from before. Empty when it was not written, or was not there.
  returned: success
  type: str
  sample: /etc/docker/daemon.json.4711.2026-01-01@12:00:00~
restarted:
  description: True when the engine was restarted before the module failed.
  returned: failure
  type: bool
  sample: true
msg:
  description: What was done, in a sentence.
  returned: always
  type: str
  sample: /etc/docker/daemon.json was written; the engine was restarted for log-opts
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import DAEMON_FILE as PATH
from ansible_collections.morpheus.deploy.plugins.module_utils.daemon.config import RestartError
from ansible_collections.morpheus.deploy.plugins.module_utils.daemon.setup import EngineSetup, Outcome, SystemDockerd
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def words(outcome: Outcome, *, check_mode: bool) -> str:
    would = "would be" if check_mode else "was"
    found = [f"{PATH} {would} written"] if outcome.written else []
    found += [f"the engine {would} told to take over {', '.join(outcome.change.reload)}"] if outcome.change.reload else []
    found += [f"the engine {would} restarted for {', '.join(outcome.change.restart)}"] if outcome.change.restart else []
    return "; ".join(found) or "there was nothing to do"


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params, is_check = module.params, module.check_mode
    setup = EngineSetup(SystemDockerd(), SystemClock(), PATH, module.backup_local)
    about["restarted"] = False
    unleased = leased.problem(params, check_mode=is_check)
    if unleased:
        due = setup.apply(params["options"], allow_interruption=params["allow_interruption"], check_mode=True).change.restart
        if due:
            raise DeployError(f"the engine must be restarted for {', '.join(due)}. {unleased}")
    try:
        outcome = setup.apply(params["options"], allow_interruption=params["allow_interruption"], check_mode=is_check)
    except RestartError:
        about["restarted"] = True
        raise
    return {
        "changed": outcome.written or bool(outcome.change.restart or outcome.change.reload),
        "restart": list(outcome.change.restart),
        "reload": list(outcome.change.reload),
        "backup_file": outcome.backup,
        "msg": words(outcome, check_mode=is_check),
        "diff": {"before": outcome.before, "after": outcome.after, "before_header": str(PATH), "after_header": str(PATH)},
    }


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "options": {"type": "dict", "required": True},
            "allow_interruption": {"type": "bool", "default": False},
            "token": {"type": "int", "default": 0, "no_log": False},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
