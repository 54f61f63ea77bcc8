#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
from __future__ import annotations

DOCUMENTATION = r"""
module: database_identity
short_description: Claim a Postgres database for an environment, or make sure that it belongs to it
version_added: 0.1.0
description:
  - With O(state=checked), when the module returns the database that O(url) reaches is the declared one. It is asked in a
    read-only transaction.
  - The Supabase project is told by host name or user name, the cluster by its system identifier, the environment by a marker,
    the only row of the table C(morpheus_deploy.identity). The first is compared before anything is contacted.
  - With O(state=claimed), when the module returns the marker is that of O(environment). Another environment's is refused.
    Every user of the database may read the marker.
  - When something differs, when the marker is missing and when the database cannot be reached within O(timeout_seconds), the
    module fails with what was expected and what was seen. No message holds the URL or its password.
attributes:
  check_mode:
    support: full
    description: Asks as ever, refuses what it would refuse and writes nothing.
  diff_mode:
    support: full
    description: The environment of the marker before and after.
  idempotent:
    support: full
    description: A claim by the same environment changes nothing.
  platform:
    support: full
    platforms: posix
    description: Where the database can be reached from.
options:
  url:
    description:
      - C(postgresql://user:password@host:5432/database). Of its parameters C(sslmode) and C(sslrootcert) count.
      - A URL that can be read in two ways is refused, and so are parameters that lead elsewhere, such as C(hostaddr).
    type: str
    required: true
  variable:
    description: What messages call the URL.
    type: str
    default: url
  environment:
    description: The environment that the database must belong to.
    type: str
    required: true
  state:
    description: V(checked) makes sure that the database is the declared one, V(claimed) lets the environment claim it.
    type: str
    choices: [checked, claimed]
    default: checked
  release_from:
    description: With O(state=claimed), the environment whose marker may be replaced.
    type: str
    default: ""
  project_ref:
    description: The Supabase project that the URL must name. Empty asks for none.
    type: str
    default: ""
  system_identifier:
    description: The system identifier that the cluster must have. Empty asks for none.
    type: str
    default: ""
  ledger:
    description:
      - Table of a migration tool (C(schema.table), with a column C(version)) whose versions are to be read. Empty reads none.
    type: str
    default: ""
  timeout_seconds:
    description: How long to wait for a connection to each address of the host, in seconds.
    type: int
    default: 5
requirements:
  - psycopg2, on the host
seealso:
  - module: morpheus.deploy.host_identity
author:
  - The morpheus.deploy maintainers
"""

EXAMPLES = r"""
- name: Claim the database, once
  morpheus.deploy.database_identity:
    url: "{{ database_url }}"
    environment: staging
    state: claimed
    project_ref: stagingmorpheusproj1
  run_once: true

- name: Make sure that the database is staging's
  morpheus.deploy.database_identity:
    url: "{{ database_url }}"
    environment: staging
    project_ref: stagingmorpheusproj1
  run_once: true
"""

RETURN = r"""
environment:
  description: The environment of the marker.
  returned: success
  type: str
  sample: staging
system_identifier:
  description: The cluster's system identifier; empty when the user may not ask for it.
  returned: success
  type: str
  sample: "7451239908170123456"
versions:
  description: Versions of the schema that O(ledger) lists.
  returned: success
  type: list
  elements: str
  sample: ["0001", "0002"]
"""

import os
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.morpheus.deploy.plugins.module_utils import connection_url, database_identity
from ansible_collections.morpheus.deploy.plugins.module_utils.database_identity import Seen
from ansible_collections.morpheus.deploy.plugins.module_utils.errors import DeployError

try:
    import psycopg2  # type: ignore[import-not-found,import-untyped,unused-ignore] # on hosts only
except ImportError:
    psycopg2 = None


def reach(params: dict[str, Any]) -> Any:
    """A connection to the declared project. Raises DeployError when the URL names another one, or nobody answers."""
    address = connection_url.parse(params["url"])
    problem = connection_url.project_problem(address, params["project_ref"])
    if problem:
        raise DeployError(f"{problem}; nothing was contacted")
    # libpq would take what the URL leaves open from there.
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    try:
        return psycopg2.connect(connect_timeout=params["timeout_seconds"], tcp_user_timeout=5000, **address.keywords())
    except psycopg2.Error as exc:
        why = connection_url.scrubbed(str(exc), params["url"])
        raise DeployError(f"leads to a database that cannot be used from this host: {why}") from None


def check(connection: Any, params: dict[str, Any], expected: Seen) -> tuple[Seen, Seen]:
    """What the database says, twice: nothing changes."""
    connection.set_session(readonly=True)
    seen = database_identity.look(connection, psycopg2.errors.InsufficientPrivilege)
    found = database_identity.problems(expected, seen)
    if found:
        raise DeployError("leads to a database that " + ", and ".join(found))
    return seen, seen


def claim(connection: Any, params: dict[str, Any], expected: Seen, *, check_mode: bool) -> tuple[Seen, Seen]:
    """What the database said before, and what it says now."""
    if check_mode:
        connection.set_session(readonly=True)
    else:
        database_identity.lock(connection)
    before = database_identity.look(connection, psycopg2.errors.InsufficientPrivilege)
    found = database_identity.claim_problems(expected, before, params["release_from"])
    if found:
        raise DeployError("leads to a database that " + ", and ".join(found))
    after = Seen(params["environment"], before.system_identifier)
    if after != before and not check_mode:
        database_identity.mark(connection, params["environment"])
        connection.commit()
    return before, after


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True, "no_log": True},
            "variable": {"type": "str", "default": "url"},
            "environment": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["checked", "claimed"], "default": "checked"},
            "release_from": {"type": "str", "default": ""},
            "project_ref": {"type": "str", "default": ""},
            "system_identifier": {"type": "str", "default": ""},
            "ledger": {"type": "str", "default": ""},
            "timeout_seconds": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    params = module.params
    if psycopg2 is None:
        module.fail_json(msg=f"{missing_required_lib('psycopg2')} playbooks/provision.yml installs it.")
    if not params["environment"]:
        module.fail_json(msg="environment must not be empty")
    if params["ledger"] and not re.fullmatch(database_identity.TABLE, params["ledger"]):
        module.fail_json(msg=f'ledger: "{params["ledger"]}" is no <schema>.<table>')
    expected = Seen(params["environment"], params["system_identifier"])
    try:
        connection = reach(params)
        try:
            if params["state"] == "claimed":
                before, after = claim(connection, params, expected, check_mode=module.check_mode)
            else:
                before, after = check(connection, params, expected)
            versions = database_identity.versions(connection, params["ledger"], psycopg2.errors.InsufficientPrivilege)
        finally:
            connection.close()
    except DeployError as exc:
        module.fail_json(msg=f"{params['variable']} {exc}")
    except psycopg2.Error as exc:
        why = connection_url.scrubbed(str(exc), params["url"])
        module.fail_json(msg=f"{params['variable']} leads to a database that does not tell whose it is: {why}")
    module.exit_json(
        changed=after != before,
        environment=after.environment,
        system_identifier=after.system_identifier,
        versions=versions,
        diff={"before": f"{before.environment}\n", "after": f"{after.environment}\n"},
    )


if __name__ == "__main__":
    main()
