#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_adoption_info
short_description: Say what it means for a running Compose project that a stack takes it over
version_added: 0.1.0
description:
  - Compares what runs of the Compose project that has the stack's name with a release. It changes nothing and waits for nobody.
  - The host need not be provisioned; it must have the command C(docker) with Compose.
  - Fails, with every problem at once, when something would be lost or somebody else's be taken.
extends_documentation_fragment:
  - morpheus.deploy.attributes.read_only
options:
  release:
    description: Name of the release that is to take over.
    type: str
    required: true
  environment:
    description: Name of the environment, which the Compose files may use.
    type: str
    required: true
  stack:
    description: The stack as the filter P(morpheus.deploy.stack_config#filter) gives it.
    type: dict
    required: true
  files:
    description: What the release ships, as relative path to base64 of the content.
    type: dict
    required: true
  secrets:
    description: Env files with secrets, as name of the file to its content. Nothing of them is kept on the host.
    type: dict
    default: {}
  elsewhere:
    description: Services that run on other hosts alone.
    type: list
    elements: str
    default: []
  http_port:
    description: Port of the host on which the edge is to serve plain HTTP.
    type: int
    default: 80
  https_port:
    description: Port of the host on which the edge is to serve HTTPS.
    type: int
    default: 443
  tls:
    description: Whether the edge has a certificate.
    type: bool
    default: true
  ports_from:
    description: Names of containers of other projects that may be ended because the edge gets their ports.
    type: list
    elements: str
    default: []
  drops:
    description: Services that run and that the release does not have, and that may end.
    type: list
    elements: str
    default: []
  leaves:
    description: Volumes, and directories of the host, that services have now and that may be left behind.
    type: list
    elements: str
    default: []
seealso:
  - module: morpheus.deploy.stack_rollout
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Look at what runs
  morpheus.deploy.stack_adoption_info:
    release: "{{ preflight_config.release }}"
    environment: "{{ preflight_config.environment }}"
    stack: "{{ preflight_config.stack }}"
    files: "{{ preflight_config.files }}"
  register: found
"""

RETURN = r"""
adopted:
  description: Whether the stack runs here already and nothing is left to take over.
  returned: success
  type: bool
  sample: false
waits:
  description: Whether others have the edge's ports now, so that it has to come up without them and get them later.
  returned: success
  type: bool
  sample: true
holders:
  description: Names of the containers that hand ports over to the edge.
  returned: success
  type: list
  elements: str
  sample: [shop-proxy-1]
plan:
  description: What is replaced, kept, handed over and interrupted, one sentence each.
  returned: success
  type: list
  elements: str
  sample: ["db: shop-db-1 (postgres:16) is replaced once; keeps the volume shop_data"]
problems:
  description: Everything that speaks against it, with the way out.
  returned: when it is refused
  type: list
  elements: str
  sample: ["volumes.data: the container blog-db-1 of the project blog writes to the volume shop_data as well"]
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.adoption import found as adoption_found
from ansible_collections.morpheus.deploy.plugins.module_utils.adoption import ports as adoption_ports
from ansible_collections.morpheus.deploy.plugins.module_utils.adoption.look import Asked, Look, look
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import ConfigError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import STACKS_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import precautions
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.release.scratch import scratch
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    found = looked(params)
    if found.problems:
        about["problems"] = list(found.problems)
        raise ConfigError(list(found.problems))
    return {
        "changed": False,
        "adopted": found.adopted,
        "waits": found.ports.waits,
        "holders": list(found.ports.holders),
        "plan": list(found.plan),
    }


def looked(params: Mapping[str, Any]) -> Look:
    stack = Stack.of(params["stack"]).without(params["elsewhere"])
    project = params["stack"]["name"]
    wanted = (params["http_port"], params["https_port"])
    asked = Asked(project, params["https_port"], params["tls"], params["drops"], params["leaves"])
    docker = adoption_found.Docker()
    containers = docker.containers()
    heard = adoption_ports.listening(wanted)
    ports = adoption_ports.ports(wanted, containers, heard, project, params["ports_from"])
    files = {name: base64.b64decode(content) for name, content in params["files"].items()}
    with scratch(params["release"], params["environment"], files, params["secrets"]) as workspace:
        directory = STACKS_ROOT / project / "project"
        names = workspace.compose_files(stack.compose_files)
        resolved = Compose(project, workspace.files, names, workspace.variables, (), stack.profiles).model()
        model = json.loads(json.dumps(resolved).replace(str(workspace.files), str(directory)))
        for name in stack.elsewhere:
            (model.get("services") or {}).pop(name, None)
        ground = compose_data.Ground.of(stack, workspace.shipped(), [str(directory)])
    own = [one for one in containers if one.project == project and one.running]
    here = precautions.Here(
        mounted=[mounted for one in own for mounted in one.mounts],
        networks=docker.networks(precautions.names(model, "networks")),
        volumes=docker.volumes(precautions.names(model, "volumes")),
    )
    return look(asked, model, ground, containers, ports, here)


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "str", "required": True},
            "environment": {"type": "str", "required": True},
            "stack": {"type": "dict", "required": True},
            "files": {"type": "dict", "required": True},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "elsewhere": {"type": "list", "elements": "str", "default": []},
            "http_port": {"type": "int", "default": 80},
            "https_port": {"type": "int", "default": 443},
            "tls": {"type": "bool", "default": True},
            "ports_from": {"type": "list", "elements": "str", "default": []},
            "drops": {"type": "list", "elements": "str", "default": []},
            "leaves": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
