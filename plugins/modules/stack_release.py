#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_release
short_description: Prepare a release of a stack on a host
version_added: 0.1.0
description:
  - When the module returns, the host holds all that a rollout of the release needs. Its files lie below
    C(/var/lib/morpheus.deploy/stacks/<stack>/releases/<id>), its images have been pulled and are recorded by digest, and the
    current secrets lie beside it.
  - No replica is touched. On failure nothing has been written.
  - A migration of the same release that a killed run has left at work is waited for, and stopped when the time is over that
    M(morpheus.deploy.stack_migration) would have given it. Beside any other one the release is refused, and so is one whose
    migration files differ from those that were applied.
  - A release is never changed afterwards. Its id is the name given in O(release) and a hash of all that it consists of, so an
    edited file makes another release.
attributes:
  check_mode:
    support: full
    description: Writes and pulls nothing. RV(ignore:plan) is the plan; an image that is not on the host yet counts as changed.
  diff_mode:
    support: full
    description: Before, the replicas that run; after, the steps that a rollout would take, with reasons. Never a value.
  idempotent:
    support: full
    description: A release that is prepared already is left as it is.
options:
  release:
    description: Name of the release, as its images are tagged.
    type: str
    required: true
  environment:
    description: Name of the environment that the host belongs to.
    type: str
    required: true
  stack:
    description: The stack's configuration as the filter P(morpheus.deploy.stack_config#filter) gives it.
    type: dict
    required: true
  files:
    description: The release's files, as relative path to base64 of the content.
    type: dict
    required: true
  live_files:
    description:
      - Files in the directories that C(live_files) of O(stack) names, as relative path to base64 of the content. They change
        under running replicas and are no part of the release. Feature flags (C(flags/flags.json)) of an older version than the
        host's are not written.
    type: dict
    default: {}
  executable:
    description: Paths among O(files) and O(live_files) that can be run.
    type: list
    elements: str
    default: []
  secrets:
    description: Env files with secrets, as name of the file to its content. Written with mode 0600, outside the release.
    type: dict
    default: {}
  secret_files:
    description:
      - File secrets, as name of the file to base64 of its content. They lie beside the env files, for C(secrets) of Compose.
      - Base64 so that a short value is not masked wherever it occurs in what the module returns.
    type: dict
    default: {}
  rights:
    description:
      - Who may read a file of O(secret_files), as its name to C(owner) (a uid) and C(mode) (as C("0400")). Another owner or mode
        counts as a changed secret.
    type: dict
    default: {}
  registries:
    description:
      - Logins of registries, as server to base64 of JSON with C(username) and C(password), or with C(token). Images are pulled
        with them through the engine's API, and nothing of them is left on the host.
      - Base64 so that a short value is not masked wherever it occurs in what the module returns.
    type: dict
    default: {}
  elsewhere:
    description: Services that run on other hosts alone. They are neither checked nor pulled, nor run on this one.
    type: list
    elements: str
    default: []
  runs_jobs:
    description:
      - Whether jobs that run on one host (C(hosts=one), the default of C(stack.jobs)) run on this one. To be true on one host
        of a deploy.
    type: bool
    default: true
  git_sha:
    description: Commit of the deploy project, for the record.
    type: str
    default: ""
  digests:
    description:
      - Digests by image reference that another host of this run has found. They are used even where a tag says something else
        by now, so that every host runs the same content.
    type: dict
    default: {}
  memory_free_mb:
    description:
      - What must be left of the host's memory, in MB, while replicas start beside those that they replace. What one takes is
        what the running ones of its service use, or else its limit. A release that does not fit is refused.
    type: int
    default: 0
  reports_refusals:
    description:
      - In check mode, ask registries for every image that is not on the host, and say in RV(refusals) why images, disk or
        memory do not suffice, instead of failing for the first reason.
    type: bool
    default: false
  keeps_ledger:
    description:
      - Ask the database for its ledger of migrations, by the login in C(stack.migration.reader), and keep it on the host, as
        M(morpheus.deploy.stack_ledger) does. So a run that applies no migration needs no other module for that.
    type: bool
    default: false
extends_documentation_fragment:
  - morpheus.deploy.engine.stacks
  - morpheus.deploy.token.fenced
  - morpheus.deploy.run
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.stack_rollout
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Prepare the release
  morpheus.deploy.stack_release:
    release: "{{ preflight_config.release }}"
    environment: "{{ preflight_config.environment }}"
    stack: "{{ preflight_config.stack }}"
    files: "{{ preflight_config.files }}"
    live_files: "{{ preflight_config.live_files }}"
    executable: "{{ preflight_config.executable }}"
    secrets:
      api.env: "{{ {'DATABASE_URL': vault_database_url} | morpheus.deploy.env_file }}"
    secret_files:
      session_secret: "{{ vault_session_secret | ansible.builtin.b64encode }}"
    rights:
      session_secret: {owner: 10001, mode: "0400"}
    token: "{{ lease_taken.token }}"
  register: prepared
"""

RETURN = r"""
id:
  description: Id of the release on the host.
  returned: success
  type: str
  sample: 1.2.0-3f9a0c1d
release:
  description: Name of the release.
  returned: success
  type: str
  sample: 1.2.0
previous:
  description: Name of the release that is live now; empty before the first deploy.
  returned: always
  type: str
  sample: 1.1.0
previous_id:
  description: Id of the release that is live now; empty before the first deploy.
  returned: always
  type: str
  sample: 1.1.0-77b1e4d2
idle:
  description: Whether no replica of the stack runs, although a release is live.
  returned: when it was found out
  type: bool
  sample: false
was_live:
  description: Whether this host has run the release before, so that every host must use the images recorded here.
  returned: success
  type: bool
  sample: false
pending:
  description: Whether a rollout of this release would do anything.
  returned: success
  type: bool
  sample: true
ledger:
  description:
    - C(live) when the database was asked for its ledger, with O(keeps_ledger), and the host keeps what it answered. Otherwise
      empty.
  returned: success
  type: str
  sample: live
versions:
  description:
    - Versions of the schema that the release's migration brings. Empty when this host does not know yet that they were
      applied, so that the migration has to tell it.
  returned: success
  type: list
  elements: str
  sample: ["0001"]
jobs:
  description: Jobs of the release that run on one host, are yet to be run, and would run on this one.
  returned: success
  type: list
  elements: str
  sample: [setup]
jobs_done:
  description: Jobs of the release that have ended well on this host.
  returned: success
  type: list
  elements: str
  sample: []
on_host:
  description: Whether the host holds the release now. False only in check mode, for a release that is not there yet.
  returned: success
  type: bool
  sample: true
plan:
  description: What a rollout would do now, one sentence a step.
  returned: success
  type: list
  elements: str
  sample: ["api: start 2 candidates (changed: image morpheus/api:1.1.0 -> morpheus/api:1.2.0)"]
images:
  description: Images by service.
  returned: success
  type: dict
  sample:
    api: {reference: "morpheus/api:1.2.0", digest: "sha256:5c1a...", id: "sha256:9e0b..."}
changed_secrets:
  description: Names of secret files whose content changed.
  returned: success
  type: list
  elements: str
  sample: [api.env]
put_right:
  description:
    - Names of secret files that somebody changed on this host, and that were written again where replicas of the live release
      have them mounted.
  returned: success
  type: list
  elements: str
  sample: [session]
changed_live_files:
  description: Names of live files that were written or removed.
  returned: success
  type: list
  elements: str
  sample: [flags/features.json]
newer_flags:
  description:
    - The file of feature flags on this host, as base64, where that stays because the one in O(live_files) is older. Empty
      otherwise.
  returned: success
  type: str
  sample: ""
routes:
  description:
    - For those who tell balancers. C(now), the keys of the routes that the stack has on this host, and C(wanted), all routes of
      the release, with whether each is on this host (C(here)) and says who may come (C(guarded)).
  returned: success
  type: dict
  sample: {now: [shop.example/], wanted: {shop.example/: {here: true, guarded: false}}}
refusals:
  description: Why a deploy would be refused on this host, a sentence each.
  returned: success, with O(reports_refusals)
  type: list
  elements: str
  sample: ["the registry ghcr.io has no image ghcr.io/shop/api:1.2.0: manifest unknown. Was it built and pushed?"]
problems:
  description: Every problem with the configuration as Compose resolves it.
  returned: when the configuration is refused
  type: list
  elements: str
  sample: ["services.api.network_mode: old and new replicas cannot share the host's ports; remove it"]
"""

import base64
import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext, suppress
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base import clock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import ConfigError, DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import hosted
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine, registries
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock import alone
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrations import Migrations
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.prepare import Prepared, prepare, running
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.wanted import Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.release.secret_files import Rights
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    leased.require(module.params, check_mode=module.check_mode)
    secret_files = _decoded(module.params["secret_files"])
    said.know(secret_files.items())
    logins = registries.unpacked(module.params["registries"])
    said.know(registries.secrets(logins))
    wanted = Wanted(
        release=module.params["release"],
        environment=module.params["environment"],
        stack=Stack.of(module.params["stack"]).without(module.params["elsewhere"]),
        files=_bytes(module.params["files"]),
        live_files=_bytes(module.params["live_files"]),
        executable=module.params["executable"],
        secrets={**module.params["secrets"], **secret_files},
        git_sha=module.params["git_sha"],
        digests=module.params["digests"],
        rights={name: Rights(int(given["owner"]), int(given["mode"], 8)) for name, given in module.params["rights"].items()},
    )
    # What runs is said only once it is known.
    about |= {"release": wanted.release, "environment": wanted.environment}
    host = StackHost(module.params["stack"]["name"], engine.connect())
    host.engine.logins = logins
    host.runs_jobs = module.params["runs_jobs"]
    about |= {"previous": host.releases.live_release(), "previous_id": host.releases.live()}
    try:
        # In check mode nothing is written, so nobody has to wait for anybody.
        with nullcontext() if module.check_mode else alone(host, module.params["token"], module.params["run"]) as fence:
            migrations = Migrations(host.one_offs, fence.check) if fence else Migrations(host.one_offs)
            prepared = prepare(
                host,
                wanted,
                migrations,
                check_mode=module.check_mode,
                memory_free_mb=module.params["memory_free_mb"],
                refusals=[] if module.check_mode and module.params["reports_refusals"] else None,
            )
    except (DeployError, OSError) as exc:
        # Whoever is refused is told what runs, and that a release is live does not mean that anything of it does.
        with suppress(DeployError):
            about["idle"] = bool(about["previous"]) and _is_idle(host.engine.observe(set()))
        if isinstance(exc, ConfigError):
            about["problems"] = exc.problems
        raise
    for warning in [*host.releases.notes, *prepared.warnings]:
        module.warn(warning)
    return {
        "changed": prepared.changed,
        "id": prepared.id,
        **about,
        "idle": bool(about["previous"]) and _is_idle(prepared.replicas),
        "was_live": prepared.was_live,
        "pending": prepared.pending,
        "ledger": _kept_ledger(host, prepared) if module.params["keeps_ledger"] and not module.check_mode else "",
        "versions": prepared.versions,
        "jobs": prepared.jobs,
        "jobs_done": prepared.jobs_done,
        "on_host": not (module.check_mode and prepared.is_new),
        "plan": [*_live_plan(prepared, wanted), *(str(step) for step in prepared.steps)],
        "images": prepared.images,
        "changed_secrets": prepared.changed_secrets,
        "put_right": prepared.put_right,
        "changed_live_files": prepared.changed_live_files,
        "newer_flags": base64.b64encode(prepared.newer_flags).decode(),
        "routes": {"now": hosted.now(host.edge_paths, host.stack), "wanted": hosted.wanted(wanted.stack)},
        "refusals": prepared.refusals,
        "diff": _diff(prepared),
    }


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "str", "required": True},
            "environment": {"type": "str", "required": True},
            "stack": {"type": "dict", "required": True},
            "files": {"type": "dict", "required": True},
            "live_files": {"type": "dict", "default": {}},
            "executable": {"type": "list", "elements": "str", "default": []},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "secret_files": {"type": "dict", "default": {}, "no_log": True},
            "rights": {"type": "dict", "default": {}},
            "registries": {"type": "dict", "default": {}, "no_log": True},
            "elsewhere": {"type": "list", "elements": "str", "default": []},
            "runs_jobs": {"type": "bool", "default": True},
            "git_sha": {"type": "str", "default": ""},
            "digests": {"type": "dict", "default": {}},
            "memory_free_mb": {"type": "int", "default": 0},
            "reports_refusals": {"type": "bool", "default": False},
            "keeps_ledger": {"type": "bool", "default": False},
            "token": {"type": "int", "default": 0, "no_log": False},
            "run": {"type": "str", "default": ""},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


def _is_idle(replicas: Iterable[Replica]) -> bool:
    return not any(replica.state is State.RUNNING for replica in replicas)


def _kept_ledger(host: StackHost, prepared: Prepared) -> str:
    # What few runs use, and takes long to import.
    from ansible_collections.morpheus.deploy.plugins.module_utils.operations import ledger

    now = clock.utc(time.time())
    found = ledger.look(host.releases, now, release_id=prepared.id, keep=True)
    return ledger.LIVE if found["source"] == ledger.LIVE else ""


def _live_plan(prepared: Prepared, wanted: Wanted) -> list[str]:
    return [f"live files: {'bring' if name in wanted.live_files else 'remove'} {name}" for name in prepared.changed_live_files]


def _bytes(files: Mapping[str, str]) -> dict[str, bytes]:
    return {name: base64.b64decode(content) for name, content in files.items()}


def _decoded(files: Mapping[str, str]) -> dict[str, str]:
    return {name: content.decode() for name, content in _bytes(files).items()}


def _diff(prepared: Prepared) -> dict[str, str]:
    before = running(prepared.replicas)
    return {
        "before_header": f"live release {prepared.live or '(none)'}",
        "after_header": f"release {prepared.id}",
        "before": "\n".join(before) + "\n",
        "after": "\n".join([*before, *(f"plan: {step}" for step in prepared.steps)]) + "\n",
    }


if __name__ == "__main__":
    main()
