#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: lease
short_description: Take, give back, break or read the lease of an environment, which says who may deploy now
version_added: 0.1.0
description:
  - With O(state=held), when the module returns this host's vote belongs to this run and to no other. It is kept until
    C(ansible-playbook) ends, however it ends, and given back then. With one host that is the environment's lease.
  - Several hosts keep the lease of an environment. The first one that answers chooses the token, the others are asked with
    it, and O(state=counted) says whether they are enough. The role P(morpheus.deploy.lease#role) does all of it.
  - A process on the controller, the keeper, renews the lease every five seconds while C(ansible-playbook) lives and is not
    stopped. Nothing but the keeper's connection is used for that.
  - A run that gives no sign of life for O(ttl_seconds) loses the lease to the next one that asks. The next one's token is
    higher, and the modules of this collection refuse the lower one on every host. A host raises its fence when it grants.
  - When another run has the lease and lives, the module fails and names its owner. Seeing that takes at most five seconds,
    also without O(wait_seconds).
  - Takes the host's uptime for time, so clocks that differ or are set do not matter.
  - Taking and giving back is not reported as a change, because nothing of it is left when the run has ended.
  - With O(identity), the host is compared with the environment before anything else, as M(morpheus.deploy.host_identity) does it.
    That saves a run of its own.
attributes:
  action:
    support: full
    description: The action plugin fills in O(owner) and O(run) and starts the keeper, so the module is of no use without it.
  async:
    support: none
    description: The keeper must belong to the run itself.
  check_mode:
    support: full
    description: Takes, gives back and breaks nothing. Says who has the lease, and does not fail when it is another run.
  diff_mode:
    support: none
    description: There is nothing to compare.
  platform:
    support: full
    platforms: linux
    description: Needs C(/proc/uptime), and C(flock), C(base64) and C(dd) in the shell.
options:
  environment:
    description: The environment whose lease it is.
    type: str
    required: true
  state:
    description:
      - V(held) takes the lease, V(free) gives it back, V(broken) ends it whoever has it, V(read) says who has it.
      - V(counted) asks no host. It says whether O(answers) make the lease this run's, and fails when they do not.
      - V(free) is rarely needed, because the end of the run does the same.
    type: str
    choices: [held, free, broken, read, counted]
    default: held
  reason:
    description: What the lease is taken for, or with O(state=broken) why it is broken. Required for the latter. Others read it.
    type: str
    default: ""
  owner:
    description:
      - Who takes or breaks the lease.
      - When empty, the user at the controller's name. In CI the user is the one that E(GITHUB_ACTOR), E(GITLAB_USER_LOGIN) or
        E(BUILD_USER) names.
    type: str
    default: ""
  run:
    description: What identifies this run in the history, for example the number of a CI job. Random when empty.
    type: str
    default: ""
  wait_seconds:
    description: How long to wait for the end of another run, in seconds.
    type: float
    default: 0.0
  ttl_seconds:
    description: How long a lease lives after its run's last sign of life, in seconds. Four renewals or more fit into it.
    type: float
    default: 20.0
  token:
    description:
      - With O(state=free), what O(state=held) returned. Another run's lease is left alone.
      - With O(state=held), the token that another host has chosen for this O(run). Then it is an answer, and no failure, that
        another run has the lease or that this host has seen a higher token. With V(0) this host chooses it.
    type: int
    default: 0
  keeps_lease:
    description: With O(state=held), whether this host is one of those that keep the lease. Others say which token they have seen.
    type: bool
    default: true
  keepers:
    description: With O(state=counted), the hosts that keep the lease.
    type: list
    elements: str
    default: []
  hosts:
    description: With O(state=counted), the hosts that the run writes on. No other run may have any of them.
    type: list
    elements: str
    default: []
  answers:
    description:
      - With O(state=counted), what the tasks with O(state=held) ended with. Of two answers of a host the later one counts.
    type: list
    elements: dict
    default: []
  may_repeat:
    description: With O(state=counted), say in RV(again) with which token to ask every host once more, and do not fail.
    type: bool
    default: false
  count:
    description: With O(state=read), how many lines of the history to return.
    type: int
    default: 0
  identity:
    description:
      - With O(state=held) and O(state=broken), make sure first that the host is the environment's. Not looked at when left out.
    type: dict
    suboptions:
      sandbox_only:
        description: As O(morpheus.deploy.host_identity#module:sandbox_only).
        type: bool
        default: false
      database:
        description: As O(morpheus.deploy.host_identity#module:database).
        type: dict
        suboptions:
          url:
            description: As O(morpheus.deploy.database_identity#module:url).
            type: str
            required: true
          variable:
            description: What messages call the URL.
            type: str
            default: url
          project_ref:
            description: The Supabase project that the URL must name. Empty asks for none.
            type: str
            default: ""
          system_identifier:
            description: The system identifier that the cluster must have. Empty asks for none.
            type: str
            default: ""
          ledger:
            description: Table of a migration tool (C(schema.table)) whose versions are to be read. Empty reads none.
            type: str
            default: ""
          timeout_seconds:
            description: How long to wait for a connection to each address of the host, in seconds.
            type: int
            default: 5
requirements:
  - psycopg2, on the host, with a database in O(identity)
seealso:
  - module: morpheus.deploy.stack_rollout
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Take the lease, once for all hosts
  morpheus.deploy.lease:
    environment: production
    reason: deploy 1.2.0
  run_once: true
  delegate_to: app-1.example.com
  register: lease_taken

- name: Take the lease, or wait up to ten minutes for it
  morpheus.deploy.lease:
    environment: production
    reason: deploy 1.2.0
    wait_seconds: 600
  run_once: true
  delegate_to: app-1.example.com

- name: See who has it
  morpheus.deploy.lease:
    environment: production
    state: read
  register: lease_seen

- name: End the lease of a run that is known to be dead
  morpheus.deploy.lease:
    environment: production
    state: broken
    reason: The laptop of anna was lost on a train
"""

RETURN = r"""
environment:
  description: The environment whose lease it is.
  returned: always
  type: str
  sample: production
token:
  description: The fencing token, a number that is higher for each later lease. V(0) when nothing was granted.
  returned: success
  type: int
  sample: 1764000000
owner:
  description: Who took or broke the lease, or tried to.
  returned: always
  type: str
  sample: anna@laptop
reason:
  description: What O(reason) says.
  returned: always
  type: str
  sample: deploy 1.2.0
run:
  description: What identifies this run in the history.
  returned: always
  type: str
  sample: 5f0c3a9d21b4
taken_over:
  description: Whose lease had ended without being given back, and why it counts as ended. Null when it was free.
  returned: success
  type: dict
  sample:
    token: 1763999000
    owner: ben@desk
    reason: deploy 1.1.0
    why: no sign of life for 21 s
holder:
  description:
    - Who has the lease now, or with O(state=free) and O(state=broken) who had it. Null when it is free.
    - C(alive) is false for a lease that has expired and was not taken over yet. C(beat_seconds) is the time since the last sign
      of life, C(expires_seconds) the time until it expires without another one.
  returned: always
  type: dict
  sample:
    token: 1764000000
    owner: anna@laptop
    reason: deploy 1.2.0
    run: 5f0c3a9d21b4
    acquired: "2026-11-24T10:00:00Z"
    ttl_seconds: 20.0
    taken_over: null
    alive: true
    beat_seconds: 1.3
    expires_seconds: 18.7
granted:
  description: Whether this host has granted it.
  returned: success, with O(state=held)
  type: bool
  sample: true
granted_by:
  description: Hosts that have granted it.
  returned: with O(state=counted)
  type: list
  elements: str
  sample: [app-1.example.com, app-2.example.com, app-3.example.com]
taken:
  description: Whether it was granted by this very task.
  returned: success, with O(state=held)
  type: bool
  sample: true
seen:
  description: The highest token of another run on this host, when it is of importance for this one. V(0) otherwise.
  returned: success, with O(state=held)
  type: int
  sample: 0
kept_off:
  description: Hosts that the balancer keeps off, because they were away when others got another release.
  returned: when the lease was granted
  type: list
  elements: str
  sample: []
again:
  description: With which token every host is to be asked once more. V(0) when that would change nothing.
  returned: with O(state=counted)
  type: int
  sample: 0
out_of_reach:
  description: Whether it was not granted for nothing but hosts that could not be reached.
  returned: failure, with O(state=counted)
  type: bool
  sample: true
unreached:
  description: Hosts that keep the lease and could not be asked.
  returned: with O(state=counted)
  type: list
  elements: str
  sample: [app-1.example.com]
history:
  description: The last lines of the environment's history on this host, the newest last.
  returned: success, with O(state=read)
  type: list
  elements: dict
  sample: []
history_problem:
  description: What is wrong with the history of this host, also as a warning. Empty when nothing is.
  returned: success, with O(state=read)
  type: str
  sample: ""
host:
  description: The host that answered.
  returned: always
  type: str
  sample: app-1.example.com
keeper:
  description: The process on the controller that keeps the lease, for the callback that ends the run.
  returned: when the lease was taken
  type: dict
  sample: {pid: 4711, handover: /tmp/morpheus.deploy.lease.x1y2z3}
database:
  description: What the database said, as M(morpheus.deploy.database_identity) returns it. Empty when none was asked.
  returned: success
  type: dict
  sample: {environment: production, system_identifier: "7451239908170123456", versions: ["0001"]}
foreign:
  description: True when the host or the database is not the environment's, or is not to be read. Nothing was written then.
  returned: on failure of the check that O(identity) asks for
  type: bool
  sample: true
msg:
  description: What was done, in a sentence.
  returned: always
  type: str
  sample: The lease of production was taken.
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import away, history
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.held import (
    BehindError,
    Claim,
    Held,
    LeaseError,
    Record,
    whose,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import Lease
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import check as environment_check
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import explained, in_words, run_module

# How many runs back a host may have been kept off.
REMEMBERED = 200


def take(lease: Lease, params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    if check_mode:
        held = lease.read()
        taker = f" {whose(lease.environment, held)}." if held else ""
        return {"msg": f"Check mode: the lease was not taken.{taker}", "holder": _shown(held)}
    if not params["keeps_lease"]:
        return _not_granted("This host does not keep the lease.", lease.highest())
    asked = params["token"]
    claim = Claim(params["owner"], params["reason"], params["run"], params["ttl_seconds"])
    kept = bool(asked) and lease.is_of(claim.run)
    try:
        record = lease.acquire(claim, params["wait_seconds"], asked)
    except BehindError as exc:
        return _not_granted(f"The lease was not granted: {exc}.", exc.highest)
    except LeaseError as exc:
        if not asked:
            raise
        return _not_granted(str(exc), lease.highest()) | {"holder": _shown(exc.holder)}
    old = record.taken_over
    over = f" It was taken over from {old['owner']}: {old['why']}." if old else ""
    return {
        "msg": f"The lease of {lease.environment} was taken.{over}",
        "token": asked or record.token,
        "granted": True,
        "taken": not kept,
        "seen": 0,
        "taken_over": old,
        "holder": _just_taken(record),
        "kept_off": away.kept_off(history.tail(lease.history, REMEMBERED)),
    }


def _not_granted(why: str, seen: int) -> dict[str, Any]:
    return {"msg": why, "granted": False, "taken": False, "seen": seen, "holder": None}


def give_back(lease: Lease, params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    held = lease.read()
    ours = bool(held and held.record.token == params["token"]) if check_mode else lease.release(params["token"])
    words = "was given back" if ours else f"is not that of token {params['token']} any more and was left alone"
    return {"msg": f"The lease of {lease.environment} {words}.", "holder": _shown(held)}


def break_(lease: Lease, params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    held = lease.read() if check_mode else lease.break_(params["reason"], params["owner"])
    if held is None:
        return {"msg": f"Nobody holds the lease of {lease.environment}.", "holder": None}
    words = whose(lease.environment, held, "is" if check_mode else "was")
    end = "Check mode: it was not broken." if check_mode else "It was broken."
    life = f"last sign of life {held.silent_seconds:.0f} s ago"
    return {"msg": f"{words}, {life}. {end}", "holder": _shown(held), "changed": True}


def read(lease: Lease, params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    held = lease.read()
    words = whose(lease.environment, held) if held else f"Nobody holds the lease of {lease.environment}"
    told = {"history": history.tail(lease.history, params["count"]), "history_problem": lease.lost()}
    return {"msg": f"{words}.", "holder": _shown(held), **told}


def counted(lease: Lease, params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    raise DeployError("the controller counts, and asks no host for it")


STATES = {"held": take, "free": give_back, "broken": break_, "read": read, "counted": counted}


def _shown(held: Held | None) -> dict[str, Any] | None:
    return held.as_dict() if held else None


def _just_taken(record: Record) -> dict[str, Any]:
    return Held(record, 0.0, 0.0).as_dict()


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    who = {name: params[name] for name in ("environment", "owner", "reason", "run")}
    about |= {"holder": None, **who}
    # Also refuses nan, which would be waited for without end.
    if not (params["wait_seconds"] >= 0 and params["ttl_seconds"] >= 1):
        raise DeployError("wait_seconds must be 0 or more, ttl_seconds 1 or more")
    if params["state"] == "broken" and not params["reason"].strip():
        raise DeployError("reason must say why the lease is broken: the next one to look will want to know")
    database: dict[str, Any] = {}
    if params["identity"] and params["state"] in ("held", "broken"):
        try:
            database = environment_check.check(HostIdentity(), params["environment"], params["identity"])
        except DeployError:
            about["foreign"] = True
            raise
    try:
        lease = Lease(params["environment"])
        done = STATES[params["state"]](lease, params, check_mode=module.check_mode)
    except LeaseError as exc:
        about["holder"] = _shown(exc.holder)
        raise
    except (DeployError, OSError) as exc:
        raise DeployError(f"the lease of {params['environment']} cannot be read or written: {explained(exc)}") from exc
    if done.get("history_problem"):
        module.warn(done["history_problem"])
    return {"changed": False, "token": 0, "taken_over": None, "database": database} | who | done


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "environment": {"type": "str", "required": True},
            "state": {"type": "str", "choices": list(STATES), "default": "held"},
            "reason": {"type": "str", "default": ""},
            "owner": {"type": "str", "default": ""},
            "run": {"type": "str", "default": ""},
            "wait_seconds": {"type": "float", "default": 0.0},
            "ttl_seconds": {"type": "float", "default": 20.0},
            "token": {"type": "int", "default": 0, "no_log": False},
            "keeps_lease": {"type": "bool", "default": True},
            "keepers": {"type": "list", "elements": "str", "default": []},
            "hosts": {"type": "list", "elements": "str", "default": []},
            "answers": {"type": "list", "elements": "dict", "default": []},
            "may_repeat": {"type": "bool", "default": False},
            "count": {"type": "int", "default": 0},
            "identity": {"type": "dict", "options": dict(environment_check.OPTIONS)},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
