#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: key_probe
short_description: Make sure that an API accepts a key, or that it refuses it
version_added: 0.1.0
description:
  - When the module returns, the API has answered as O(state) says. It is asked again until it does, for a provider may take a
    while to notice a change.
  - Status 200 to 299 means accepted, 401 and 403 mean refused. Anything else tells nothing, and counts as neither.
  - No message holds the key or the answer's body.
attributes:
  platform:
    support: full
    platforms: posix
    description: Where the API can be reached from.
options:
  url:
    description: What is asked, with GET. No redirect is followed.
    type: str
    required: true
  key:
    description: The key.
    type: str
    required: true
  header:
    description: Header that carries the key.
    type: str
    default: Authorization
  value:
    description:
      - What the header holds, C({secret}) in the place of the key, or C({basic}) in the place of O(username) and the key as
        C(Basic) takes both, in base64.
    type: str
    default: Bearer {secret}
  username:
    description: Whose password the key is, for C({basic}).
    type: str
    default: ""
  state:
    description: What the answer must be. V(told) asks until there is one, and fails for neither.
    type: str
    choices: [accepted, refused, told]
    default: accepted
  wait_seconds:
    description: How long to ask, in seconds.
    type: float
    default: 30.0
  name:
    description: What messages call the key.
    type: str
    default: the key
extends_documentation_fragment:
  - morpheus.deploy.attributes.read_only
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: See that the old key is refused
  morpheus.deploy.key_probe:
    url: https://api.example.com/v2/me
    key: "{{ old_key }}"
    state: refused
    name: the old key
  run_once: true
"""

RETURN = r"""
accepted:
  description: Whether the API accepts the key.
  returned: success
  type: bool
  sample: false
status:
  description: Status of the last answer.
  returned: success
  type: int
  sample: 401
"""

import base64
import re
import time
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Endpoint
from ansible_collections.morpheus.deploy.plugins.module_utils.health.http import HttpProbe
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Answer
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module

ASK_SECONDS = 5.0
POLL_SECONDS = 0.5
REFUSALS = (401, 403)


def verdict(answer: Answer) -> str:
    if answer.error:
        return ""
    if answer.status in REFUSALS:
        return "refused"
    return "accepted" if 200 <= answer.status < 300 else ""


def seen(answer: Answer) -> str:
    """What an answer was, in words that hold nothing of what was asked."""
    return "gave no answer" if answer.error else f"answered with status {answer.status}"


def ask(params: dict[str, Any]) -> Answer:
    """The first answer that is as wanted, or the last one."""
    basic = base64.b64encode(f"{params['username']}:{params['key']}".encode()).decode()
    # One after the other, or a key that holds {basic} would be taken for the place of one.
    value = re.sub(r"\{(secret|basic)\}", lambda found: params["key"] if found[1] == "secret" else basic, params["value"])
    headers = ((params["header"], value),)
    endpoint = Endpoint("api", params["url"], headers=headers)
    deadline = time.monotonic() + params["wait_seconds"]
    wanted = ("accepted", "refused") if params["state"] == "told" else (params["state"],)
    while True:
        answer = HttpProbe()(endpoint, ASK_SECONDS)
        if verdict(answer) in wanted or time.monotonic() >= deadline:
            return answer
        time.sleep(POLL_SECONDS)


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    answer = ask(params)
    found = verdict(answer)
    about |= {"accepted": found == "accepted", "status": answer.status}
    if not found or params["state"] not in ("told", found):
        wanted = (
            "tell whether it accepts" if params["state"] == "told" else "accept" if params["state"] == "accepted" else "refuse"
        )
        raise DeployError(
            f"{params['url']} should {wanted} {params['name']}, and {seen(answer)}, for {params['wait_seconds']:g} s"
        )
    return {"changed": False, **about}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "key": {"type": "str", "required": True, "no_log": True},
            "header": {"type": "str", "default": "Authorization"},
            "value": {"type": "str", "default": "Bearer {secret}", "no_log": False},
            "username": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["accepted", "refused", "told"], "default": "accepted"},
            "wait_seconds": {"type": "float", "default": 30.0},
            "name": {"type": "str", "default": "the key"},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
