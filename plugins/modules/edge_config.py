#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edge_config
short_description: Run HAProxy as the edge of a host and change its configuration without cutting a connection
version_added: 0.1.0
description:
  - When the module returns, HAProxy runs in a Compose project of its own with the given configuration and certificates.
  - A configuration is put in place only after HAProxy itself, in the image that runs, has accepted it. When it rejects it
    the module fails with its words and everything stays as it was.
  - A changed configuration or certificate is loaded by a hitless reload. A change that needs a new container is refused while the
    edge runs, unless O(allow_interruption=true).
  - An edge that was taken off its network reaches no replica, so it gets a new container without being asked. When the network
    itself was lost it is made again, and the replicas of every stack that the edge serves are put on it.
  - The edge is also put on the network of every stack of this host, while it runs.
  - The backends of stacks are not the module's business; M(morpheus.deploy.stack_rollout) keeps them beside this configuration.
attributes:
  check_mode:
    support: full
    description: Says what would change, without validating it.
  diff_mode:
    support: partial
    description: Shows the configuration; of certificates only the names.
  idempotent:
    support: full
    description: Nothing is reloaded when nothing changed.
options:
  config:
    description: Content of C(haproxy.cfg).
    type: str
    required: true
  files:
    description: More files of the configuration directory, as relative path to content.
    type: dict
    default: {}
  certificates:
    description: Certificates with chain and private key in PEM, by name. What is not among them is removed from the host.
    type: dict
    default: {}
  placeholders:
    description:
      - Certificates with private key in PEM, by name, of which the host keeps its own by that name once it has one. The role
        C(certificates) brings these and renews them.
    type: dict
    default: {}
  image:
    description: HAProxy's image.
    type: str
    default: haproxy:3.0
  user:
    description: Numeric C(uid:gid) that HAProxy runs as.
    type: str
    default: "99:99"
  ports:
    description: Published ports in Compose's short form.
    type: list
    elements: str
    required: true
  allow_interruption:
    description: Whether a change may replace the running container, which cuts every connection through it.
    type: bool
    default: false
extends_documentation_fragment:
  - morpheus.deploy.engine
seealso:
  - module: morpheus.deploy.stack_rollout
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Run the edge
  morpheus.deploy.edge_config:
    config: "{{ lookup('ansible.builtin.template', 'haproxy.cfg.j2') }}"
    certificates:
      www.example.com: "{{ lookup('ansible.builtin.file', 'www.example.com.pem') }}"
    ports: ["80:8080", "443:8443"]
"""

RETURN = r"""
changes:
  description:
    - What changed, or would change in check mode. Files by name, C(container), and C(network) when the edge was not on its own.
  returned: success
  type: list
  elements: str
  sample: [haproxy.cfg]
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import state as edge_state
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container import setup as edge_setup
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.settings import EdgeSettings
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    files: dict[str, str] = {"haproxy.cfg": params["config"], **params["files"]}
    paths = EdgePaths(EDGE_ROOT)
    before = _read(paths, files)
    settings = EdgeSettings(params["image"], params["user"], params["ports"])
    setup = edge_setup.EdgeSetup(paths, engine.Engine(engine.connect(), edge_state.PROJECT), settings, SystemClock())
    certificates = setup.with_own(params["certificates"], params["placeholders"])
    if module.check_mode:
        changes = setup.differences(files, certificates)
    else:
        changes = setup.apply(files, certificates, allow_interruption=params["allow_interruption"])
    after = "".join(files[name] for name in sorted(files))
    return {"changed": bool(changes), "changes": changes, "diff": {"before": before, "after": after}}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "str", "required": True},
            "files": {"type": "dict", "default": {}},
            "certificates": {"type": "dict", "default": {}, "no_log": True},
            "placeholders": {"type": "dict", "default": {}, "no_log": True},
            "image": {"type": "str", "default": "haproxy:3.0"},
            "user": {"type": "str", "default": "99:99"},
            "ports": {"type": "list", "elements": "str", "required": True},
            "allow_interruption": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


def _read(paths: EdgePaths, files: dict[str, str]) -> str:
    texts = [paths.conf / name for name in sorted(files)]
    return "".join(path.read_text(errors="replace") for path in texts if path.is_file())


if __name__ == "__main__":
    main()
