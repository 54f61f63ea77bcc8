#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_baseline
short_description: Record who may get into a host and become root on it
version_added: 0.1.0
description:
  - When the module returns, C(/etc/morpheus.deploy/baseline.json) says who may get into the host and become root on it. Accounts
    with the uid 0 and those that can log in, members of groups that are as good as root, keys that open an account, rules of
    sudo, sshd's settings of who gets in, and programs that give the rights of another user, with their content.
  - A baseline that is there stays as it is, whatever has changed since, unless O(renew=true).
  - M(morpheus.deploy.stack_audit) compares the host with it.
attributes:
  check_mode:
    support: full
    description: Says what would be recorded.
  diff_mode:
    support: full
    description: Entries before and after.
  idempotent:
    support: full
    description: A host that is what its baseline says is not recorded again.
  platform:
    support: full
    platforms: posix
    description: Linux.
options:
  environment:
    description: The environment that the host belongs to.
    type: str
    required: true
  renew:
    description: Whether a baseline that is there is replaced by what the host is now.
    type: bool
    default: false
  known:
    description:
      - RV(digest) that was returned when the baseline was recorded, from where nobody on this host can change it.
      - When the baseline is gone or is another one, the module fails unless O(renew=true).
    type: str
    default: ""
seealso:
  - module: morpheus.deploy.stack_audit
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Record what the host is
  morpheus.deploy.host_baseline:
    environment: staging

- name: Record it again, because an account has been added
  morpheus.deploy.host_baseline:
    environment: staging
    renew: true
"""

RETURN = r"""
digest:
  description: SHA-256 of the file.
  returned: success
  type: str
  sample: 5d41402abc4b2a76b9719d911017c592ae5d41402abc4b2a76b9719d911017c5
recorded:
  description: When it was recorded, UTC.
  returned: success
  type: str
  sample: "2026-11-24T10:00:00Z"
differences:
  description: In which way the host is not what its baseline said before, a sentence each. None for a host that had none.
  returned: success
  type: list
  elements: str
  sample: ["new account-sudo: /etc/sudoers.d/ben: ben ALL=(ALL) ALL"]
"""

import time
from pathlib import Path
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base import clock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import DamagedError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import IDENTITY_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import baseline
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.baseline import Baseline, BaselineFile
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import host as identity
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module

# Of the host's own files.
ROOT = Path("/")


def before(file: BaselineFile, *, renew: bool) -> Baseline | None:
    try:
        return file.read()
    except DamagedError:
        # It is to be replaced.
        if renew and not file.path.is_dir():
            return None
        raise


def record(params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """What the module returns. Raises DeployError when the baseline may not be touched."""
    environment, renew = params["environment"], params["renew"]
    owner = HostIdentity(ROOT / str(IDENTITY_ROOT).lstrip("/")).read()
    problems = identity.problems(environment, owner, sandbox_only=False, is_sandbox=False)
    if problems:
        raise DeployError("\n".join(problems))
    file = BaselineFile(ROOT / str(IDENTITY_ROOT).lstrip("/"))
    found = before(file, renew=renew)
    if not renew:
        baseline.require_known(file.path, found, environment, params["known"])
    now = baseline.now(ROOT)
    entries = found.entries if found else {}
    result = {
        "changed": found is None or (renew and (entries != now or found.environment != environment or bool(found.trouble))),
        "differences": [baseline.sentence(one) for one in baseline.differences(entries, now)] if found else [],
        "digest": found.digest if found else "",
        "recorded": found.recorded if found else "",
    }
    if result["changed"]:
        recorded = clock.utc(time.time())
        result |= {"recorded": recorded, "digest": baseline.digest(environment, recorded, now)}
        result["diff"] = {"before": baseline.lines(entries), "after": baseline.lines(now)}
        if not check_mode:
            file.write(environment, recorded, now)
    return result


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    return record(module.params, check_mode=module.check_mode)


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "environment": {"type": "str", "required": True},
            "renew": {"type": "bool", "default": False},
            "known": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
