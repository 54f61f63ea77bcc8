#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_rollout
short_description: Switch a host to a prepared release without dropping a request
version_added: 0.1.0
description:
  - When the module returns, exactly the release's replicas run on this host and the edge sends requests to them alone. Each
    of them has passed its gate, and every replica it replaced was drained before it was stopped.
  - The plan is made from what runs, not from what an earlier run did. After a crash, running the module again does the
    rest.
  - When a candidate does not pass its gate, or fails while it is watched (C(deploy.update_config.monitor) of the Compose file),
    the candidates are removed, the replicas before them serve on, and the module fails. With C(failure_action=rollback) what
    was switched already goes back too; with C(failure_action=pause) it stays.
  - The host's own edge must answer the stack's C(public_check) with the release before the rollout counts as good.
  - What goes wrong once the release serves (old releases that cannot be removed, an edge that cannot be tidied, a disk without
    room for what is to be remembered) is a warning.
  - One rollout of a stack works on a host at a time. After a good deploy, releases beyond the
    stack's C(retention) are removed.
  - Nothing that a replica has written is deleted. A volume without a name that a removed one leaves behind is named in a warning.
  - A service that writes to a volume or a directory of its own, or that has a fixed host port, address or name, is replaced
    stop-first, one replica at a time. When its new version is no good, the old one is started again whatever C(failure_action)
    says.
  - A job, a service that ends, runs in its turn, once for each release. When it does not end well, the services that wait for its
    end are not touched, and its last log lines are in the message.
  - Services whose configuration, image content, env files, secret files and mounted files are the same are not touched.
attributes:
  check_mode:
    support: full
    description: Returns the plan and changes nothing.
  diff_mode:
    support: full
    description: Before, the replicas that run; after, the steps with their reasons, or the replicas that run then.
  idempotent:
    support: partial
    description: With O(restart=true) every run replaces every replica.
options:
  release_id:
    description: Id of a release that M(morpheus.deploy.stack_release) prepared on this host. The live one when left out.
    type: str
    default: ""
  restart:
    description: Replace every replica, also those that are current.
    type: bool
    default: false
  kind:
    description:
      - C(rollback) when the release that runs is given up because it is no good. It counts as failed then, and no later rollback
        chooses it by itself.
    type: str
    choices: [deploy, rollback]
    default: deploy
  runs_jobs:
    description:
      - Whether jobs that run on one host (C(hosts=one), the default of C(stack.jobs)) run on this one. To be true on one host
        of a deploy, whose rollout must have ended well before that of another one begins.
    type: bool
    default: true
  jobs_done:
    description: Of these jobs, those that have ended well for the release on another host.
    type: list
    elements: str
    default: []
  adopts:
    description:
      - For a host whose users are served by other containers as yet, and whose edge waits for its ports. Until the edge has them
        nothing is stopped that serves users, and they go back when it does not answer. Without it such a host is refused.
      - Where a release is live and the edge has its ports it changes nothing.
    type: dict
    suboptions:
      ports:
        description: Ports of the edge, in Compose's short form.
        type: list
        elements: str
        required: true
      holders:
        description: Names of the containers that have them now, as M(morpheus.deploy.stack_adoption_info) returns them.
        type: list
        elements: str
        default: []
extends_documentation_fragment:
  - morpheus.deploy.engine.stacks
  - morpheus.deploy.stack
  - morpheus.deploy.token.fenced
  - morpheus.deploy.run
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.stack_release
  - module: morpheus.deploy.stack_adoption_info
  - module: morpheus.deploy.health_gate
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Switch to the prepared release
  morpheus.deploy.stack_rollout:
    stack: morpheus
    release_id: "{{ prepared.id }}"
    token: "{{ lease_taken.token }}"

- name: Replace every replica by a fresh one of the same release
  morpheus.deploy.stack_rollout:
    stack: morpheus
    restart: true
    token: "{{ lease_taken.token }}"
"""

RETURN = r"""
release:
  description: Name of the release.
  returned: always, once the release was found
  type: str
  sample: 1.2.0
release_id:
  description: Id of the release.
  returned: always, once the release was found
  type: str
  sample: 1.2.0-3f9a0c1d
previous:
  description: Name of the release that was live before; empty at the first rollout.
  returned: always, once the release was found
  type: str
  sample: 1.1.0
previous_id:
  description: Id of that release.
  returned: always, once the release was found
  type: str
  sample: 1.1.0-77b1e4d2
kind:
  description: What O(kind) said.
  returned: always, once the release was found
  type: str
  sample: deploy
switched:
  description: Whether another release than before is live on this host now.
  returned: always, once the release was found
  type: bool
  sample: true
failure_action:
  description: C(rollback) when a service of the release asks for it in C(deploy.update_config.failure_action), else C(pause).
  returned: always, once the release was found
  type: str
  sample: rollback
public_check:
  description: What is to be asked through the edge and the balancer, from the release's own configuration.
  returned: always, once the release was found
  type: dict
  sample: {url: "https://www.example.com/health", version: version, successes: 3, deadline_seconds: 30.0}
steps:
  description: The plan, in check mode; otherwise the steps that were done.
  returned: always, once the release was found
  type: list
  elements: str
  sample: ["api: start 2 candidates (changed: image morpheus/api:1.1.0 -> morpheus/api:1.2.0)"]
replaced:
  description: Names of replicas that were removed.
  returned: always, once the release was found
  type: list
  elements: str
  sample: [morpheus-api-1, morpheus-api-2]
gates:
  description: What each gate and each watch saw of each candidate.
  returned: always, once the release was found
  type: list
  elements: dict
  sample:
    - service: api
      step: gate
      name: morpheus-api-3
      url: http://172.18.0.5:8000/health
      healthy: true
      attempts: 14
      failures: 11
seconds:
  description: Wall seconds by kind of step. Of services that rolled at the same time the longest counts.
  returned: always, once the release was found
  type: dict
  sample: {start: 0.6, gate: 3.9, admit: 0.1, drain: 0.1, await: 2.8, stop: 0.5, remove: 0.1}
drained:
  description: Sessions that replicas still had when they were drained, and that ended before they were stopped.
  returned: always, once the release was found
  type: int
  sample: 6
cut:
  description:
    - Requests that a replica broke off when it was stopped, by the edge's own counters, and tunnels (WebSockets) that were open
      when their replica ended.
  returned: always, once the release was found
  type: int
  sample: 0
left_behind:
  description:
    - Connections that a worker of the edge from before a reload still holds. They are cut when they outlive it, see the option
      C(edge_hard_stop_after_seconds) of the role C(edge).
  returned: always, once the release was found
  type: int
  sample: 0
errors:
  description:
    - Requests for which users got a 5xx from candidates between their admission and the end of their watch, those among them
      that were not answered to the end.
  returned: always, once the release was found
  type: int
  sample: 0
interrupted:
  description:
    - Services that were gone for a while, because their last replica had to go before the next one could come, each with the
      reason. In check mode those that would be.
  returned: always, once the release was found
  type: list
  elements: dict
  sample: [{service: db, why: "stop-first: writes to the volume db-data"}]
killed:
  description:
    - Services of which replicas did not end on their signal within C(stop_grace_period), so that the engine killed them.
      C(seconds) is the longest time that one of them was given. Candidates that failed are not among them.
  returned: always, once the release was found
  type: list
  elements: dict
  sample: [{service: worker, replicas: [morpheus-worker-1], seconds: 10, signal: SIGTERM}]
traffic:
  description:
    - What users asked of the stack at this host's edge while the rollout was at work. Empty where nothing was done.
  returned: always, once the release was found
  type: dict
  contains:
    samples:
      description:
        - A list for each second. Seconds since the rollout began, answers since the list before, those with 5xx, and the mean
          time to an answer in milliseconds of the slowest service over its last 1,024.
        - Of a long rollout neighbours are merged.
      returned: when something was done
      type: list
      elements: list
    steps:
      description: When each step was done, in seconds since the rollout began, and which one it was.
      returned: when something was done
      type: list
      elements: list
  sample: {samples: [[1.0, 104, 0, 12], [2.0, 101, 0, 12]], steps: [[1.4, "api: admit"]]}
pruned:
  description: Ids of releases that were removed from the host after a good rollout, with images that nobody needs any more.
  returned: always, once the release was found
  type: list
  elements: str
  sample: [1.0.0-0c5d2a91]
fenced:
  description: True when another run has taken the lease over. That run plans what is left to do; nothing was taken back.
  returned: on failure of a run that lost its lease
  type: bool
  sample: true
left:
  description:
    - After a failure, what runs on this host now. C(as_before) when nothing was switched; C(taken_back) when what was switched
      serves the release before it again; C(switched) when the release that failed runs, and nothing else; C(mixed) when the host
      runs parts of several releases.
    - A failure without it is one of a module that was killed, or that lost its lease in the middle; nobody knows what runs.
  returned: on failure, also when nothing was begun
  type: str
  sample: as_before
"""

import time
from collections.abc import Mapping
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, FencedError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import state as edge_state
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import waiting
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.handover import Handover
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock import alone
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import measured
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.adoption import HostAdoption
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.prepare import running
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.rollout import Rollout
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.switch import HostRollout
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import name_in
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module

LEFT = {
    "as_before": "Nothing was switched: this host runs what it ran before{previous}",
    "taken_back": "What had been switched was taken back: this host serves the release before it again{previous}",
    "switched": "Nothing was taken back: this host runs the release that failed ({release})",
    "mixed": "This host runs more than one release now; deploy the good one again to mend it",
}
# Of a first release there is nothing to go back to.
FIRST = "This host runs a part of the release, and none was live here before; deploy a good one to mend it"
ADOPTED = {
    "mixed": "This host runs a part of the release beside what ran before, which serves users as far as the edge does not; "
    "playbooks/adopt.yml goes on with a good release",
    "taken_back": "What had to stop first was brought back by the project's own Compose files: this host runs what ran before",
}


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    # What goes wrong while it is carried out is in the rollout.
    about["left"] = "as_before"
    leased.require(params, check_mode=module.check_mode)
    client = engine.connect()
    host = StackHost(params["stack"], client)
    if not params["adopts"]:
        waiting.require_over(host.edge_paths)
    host.runs_jobs, host.jobs_done = params["runs_jobs"], params["jobs_done"]
    host_rollout: HostRollout | None = None
    try:
        with alone(host, 0 if module.check_mode else params["token"], params["run"]) as fence:
            host_rollout = _adoption(host, fence, client, params["adopts"]) if params["adopts"] else HostRollout(host, fence)
            rollout = host_rollout.prepare(
                params["release_id"], restart=params["restart"], kind=Kind(params["kind"]), look_only=module.check_mode
            )
            for note in [*host.releases.notes, *rollout.damage]:
                module.warn(note)
            if module.check_mode:
                return _result(rollout, [str(step) for step in rollout.steps])
            if rollout.changed:
                with host_rollout.traffic:
                    host_rollout.execute(rollout)
                rollout.traffic = host_rollout.traffic.as_dict()
            measured.keep(host.releases, rollout, time.time())
    except FencedError:
        about["fenced"] = True
        if host_rollout and host_rollout.begun:
            del about["left"]
        raise
    for warning in [*host.engine.kept, *rollout.warnings]:
        module.warn(warning)
    about.clear()
    result = _result(rollout, rollout.outcome.done)
    if rollout.outcome.failures:
        about |= {"left": rollout.left, **result}
        raise DeployError("\n".join([*rollout.outcome.failures, left_in_words(rollout, adopts=bool(params["adopts"]))]))
    return result


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "release_id": {"type": "str", "default": ""},
            "restart": {"type": "bool", "default": False},
            "kind": {"type": "str", "choices": [kind.value for kind in Kind], "default": Kind.DEPLOY.value},
            "runs_jobs": {"type": "bool", "default": True},
            "jobs_done": {"type": "list", "elements": "str", "default": []},
            "adopts": {
                "type": "dict",
                "options": {
                    "ports": {"type": "list", "elements": "str", "required": True},
                    "holders": {"type": "list", "elements": "str", "default": []},
                },
            },
            "token": {"type": "int", "default": 0, "no_log": False},
            "run": {"type": "str", "default": ""},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


def _adoption(host: StackHost, fence: Fence, client: Any, adopts: Mapping[str, Any]) -> HostAdoption:
    edge = engine.Engine(client, edge_state.PROJECT)
    handover = Handover(host.edge_paths, edge, SystemClock(), adopts["ports"], adopts.get("holders") or [])
    return HostAdoption(host, fence, handover)


def left_in_words(rollout: Rollout, *, adopts: bool) -> str:
    first = {**LEFT, "mixed": FIRST, **(ADOPTED if adopts else {})}
    words = (LEFT if rollout.previous else first)[rollout.left]
    previous = f" ({rollout.previous.release})" if rollout.previous else ""
    said = words.format(previous=previous, release=rollout.manifest.release) + "."
    lasting = " and ".join(rollout.lasting)
    return f"{said} What {rollout.manifest.release} did before stays so: {lasting}." if lasting else said


def _result(rollout: Rollout, steps: list[str]) -> dict[str, Any]:
    outcome = rollout.outcome
    # In check mode nothing was done, so what would be is said.
    interrupted = (
        outcome.interrupted if outcome.done else {one.service: one.interrupts for one in rollout.steps if one.interrupts}
    )
    before = running(rollout.before)
    after = running(rollout.after) if rollout.after else [*before, *(f"plan: {step}" for step in steps)]
    return {
        "changed": rollout.changed,
        "release": rollout.manifest.release,
        "release_id": rollout.manifest.id,
        "kind": rollout.kind.value,
        "previous": rollout.previous.release if rollout.previous else name_in(rollout.was),
        "previous_id": rollout.was,
        "switched": rollout.changed and rollout.switches and not outcome.failures,
        "failure_action": rollout.failure_action.value,
        "public_check": rollout.target.stack.public_check,
        "steps": steps,
        "replaced": outcome.removed,
        "gates": outcome.gates,
        "seconds": outcome.seconds,
        "drained": outcome.drained,
        "cut": outcome.cut,
        "left_behind": outcome.left_behind,
        "errors": outcome.errors,
        "interrupted": [{"service": name, "why": why} for name, why in sorted(interrupted.items())],
        "killed": outcome.as_killed(),
        "pruned": rollout.pruned,
        "traffic": rollout.traffic,
        "diff": {"before": "\n".join(before) + "\n", "after": "\n".join(after) + "\n"},
    }


if __name__ == "__main__":
    main()
