#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_audit
short_description: Collect what an audit of a host judges
version_added: 0.1.0
description:
  - Looks at what really runs and lies on the host. Names, owners, modes and settings of containers, files, accounts, listening
    sockets and certificates, and whether connections to other places succeed.
  - Walks over all local files, for copies of the secrets of this host and for programs that give the rights of another user. The
    walk ends after 120 s and the search after 60 s; what was not read is returned as such.
  - Returns no value of a secret or of a variable, and changes nothing.
  - The filter P(morpheus.deploy.audit_report#filter) judges what it returns.
options:
  stack:
    description: Name of the stack. A host without it, such as a balancer, is looked at as well.
  must_not_reach:
    description: What no connection may be opened to, from the host or from inside a replica of any service.
    type: list
    elements: dict
    default: []
    suboptions: &target
      name:
        description: What it is, in words for the report.
        type: str
        required: true
      host:
        description: Name or address.
        type: str
        required: true
      port:
        description: TCP port.
        type: int
        required: true
      address:
        description: Tried as well as the name, so that a name that is unknown proves nothing.
        type: str
        default: ""
  must_reach:
    description: What connections do succeed to, from the same places. Without it a failed connection proves nothing.
    type: list
    elements: dict
    default: []
    suboptions: *target
  timeout_seconds:
    description: How long a connection may take to be opened, in seconds.
    type: float
    default: 3.0
  database:
    description: Name of the secret with the database's URL, as C(<env file>.<VARIABLE>) or C(files.<name>).
    type: str
    default: ""
  project_ref:
    description: The Supabase project that O(database) must lead to.
    type: str
    default: ""
  sites:
    description: Names of the certificates that the inventory gives the edge. Without it only what the edge uses counts.
    type: list
    elements: str
  issued_for:
    description: Names of the certificate that an ACME authority issues, each of which the edge is asked for.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - morpheus.deploy.attributes.read_only
  - morpheus.deploy.engine
  - morpheus.deploy.stack
seealso:
  - module: morpheus.deploy.stack_status
  - module: morpheus.deploy.host_baseline
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Look at the host
  morpheus.deploy.stack_audit:
    stack: morpheus
  register: audit

- name: Try whether staging can reach production
  morpheus.deploy.stack_audit:
    stack: morpheus
    must_not_reach:
      - name: production's database
        host: db.example.com
        address: 203.0.113.5
        port: 5432
    must_reach:
      - {name: its own database, host: staging-db.example.com, port: 5432}
"""

RETURN = r"""
identity:
  description: What C(/etc/morpheus.deploy/identity.json) says.
  returned: success
  type: dict
  sample: {environment: staging, claimed: "2026-01-01T12:00:00Z"}
release:
  description: The live release; empty without one.
  returned: success
  type: dict
  sample: {id: 1.2.0-3f9a0c1d, release: 1.2.0, environment: staging}
secrets:
  description: Files with secrets that the live release reads, and the names in each.
  returned: success
  type: dict
  sample: {api.env: [DATABASE_URL]}
env_files:
  description: Other env files of the live release, and the names in each.
  returned: success
  type: dict
  sample: {env/api.env: [LOG_LEVEL]}
services:
  description: What the live release gives each service, by name.
  returned: success
  type: list
  elements: dict
  sample: [{name: api, once: false, env_files: [secrets/api.env], environment: [], files: []}]
containers:
  description:
    - Every container of the host, whatever its state and whoever made it, with the names of its variables and what the CIS
      benchmark says against it. Of one that does not run only what would give it the host.
  returned: success
  type: list
  elements: dict
  sample: [{name: morpheus-api-1, state: running, restart: unless-stopped, keys: [DATABASE_URL], read_only: true, findings: []}]
engine:
  description: What the CIS benchmark says against the engine.
  returned: success
  type: list
  elements: dict
  sample: []
images:
  description: What the CIS benchmark says against images of containers.
  returned: success
  type: list
  elements: dict
  sample: []
database:
  description: Why O(database) does not lead to O(project_ref); empty when it does, null when there is nothing to compare.
  returned: success
  type: str
  sample: ""
stacks:
  description: Names of all stacks on the host.
  returned: success
  type: list
  elements: str
  sample: [morpheus]
accounts:
  description: Who is in the group docker and who may use sudo, with names by id.
  returned: success
  type: dict
  sample: {docker: [], sudo: [deploy]}
count:
  description: Number of files and directories below C(/var/lib/morpheus.deploy).
  returned: success
  type: int
  sample: 120
files:
  description: Those that hold secrets, private keys or settings, or that others than their owner may change.
  returned: success
  type: list
  elements: dict
  sample: [{path: /var/lib/morpheus.deploy/stacks/morpheus/secrets/api.env, kind: secret, uid: 0, gid: 0, mode: 384}]
egress:
  description: What is wrong with what keeps containers away, a sentence each, and what stacks are let through to.
  returned: success
  type: dict
  sample: {problems: [], admitted: {morpheus: [metadata]}}
engine_sockets:
  description: Owner and mode of the engine's sockets.
  returned: success
  type: list
  elements: dict
  sample: [{path: /run/docker.sock, uid: 0, gid: 990, mode: 432}]
access:
  description: Who may get into the host and become root on it, by the id of the rule that judges it.
  returned: success
  type: dict
  sample: {account-root: {root: ""}}
baseline:
  description: What M(morpheus.deploy.host_baseline) has recorded; null when the host has none.
  returned: success
  type: dict
  sample: {environment: staging, recorded: "2026-11-24T10:00:00Z", digest: 5d41402a, trouble: "", entries: {}}
upgraded:
  description: Programs of the baseline whose content is another one, and what their package says.
  returned: success
  type: list
  elements: str
  sample: []
searched:
  description: Files with the value of a secret in them, and what was not read.
  returned: success
  type: dict
  sample: {files: 5120, values: 3, short: [], copies: [], more: 0, unread: [], left_out: [/var/lib/docker], walked: 71000}
abandoned:
  description: Directories with secrets that runs have left which were killed.
  returned: success
  type: list
  elements: str
  sample: []
certificates_left:
  description: Certificates, with their keys, that the edge or the inventory does not name.
  returned: success
  type: list
  elements: str
  sample: []
sockets:
  description: What listens, with its process or container.
  returned: success
  type: list
  elements: dict
  sample: [{protocol: tcp, address: 0.0.0.0, port: 22, process: sshd, container: ""}]
certificates:
  description: Certificates as the edge serves them, with the protocol versions that it accepts.
  returned: success
  type: list
  elements: dict
  sample: [{site: www.example.com, port: 443, protocols: {TLSv1.0: refused}}]
proofs:
  description: How each connection ended, from the host and from inside a replica of each service.
  returned: success
  type: list
  elements: dict
  sample: [{from: api, name: production's database, host: db.example.com, port: 5432, wanted: closed, outcome: timed out}]
trouble:
  description: What could not be looked at, and why.
  returned: success
  type: list
  elements: str
  sample: []
"""

import os
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine, everything
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.host import HostAudit
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module

TARGET: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "address": {"type": "str", "default": ""},
}


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    given = module.params
    connections = [{**one, "wanted": "open"} for one in given["must_reach"]]
    connections += [{**one, "wanted": "closed"} for one in given["must_not_reach"]]
    audit = HostAudit(everything.Everything(engine.connect()), Releases(given["stack"]))
    found = audit.look(
        connections, given["timeout_seconds"], given["database"], given["project_ref"], given["sites"], given["issued_for"]
    )
    return {"changed": False, **found}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "must_not_reach": {"type": "list", "elements": "dict", "default": [], "options": TARGET},
            "must_reach": {"type": "list", "elements": "dict", "default": [], "options": TARGET},
            "timeout_seconds": {"type": "float", "default": 3.0},
            "database": {"type": "str", "default": ""},
            "project_ref": {"type": "str", "default": ""},
            "sites": {"type": "list", "elements": "str"},
            "issued_for": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    # Whoever the host serves comes first.
    os.nice(10)
    main()
