# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit requires of one host, and what the facts of facts/host.py say against it. Pure: a rule takes facts and settings
and gives back what it looked at and what it found. Nothing here sees a value of a secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.facts import cis_controls
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import exemptions as audit_exemptions
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import files as audit_files
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import host as identity
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import Owner
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.finding import (
    ACCEPTED,
    EDGE,
    HIGH,
    LOW,
    MEDIUM,
    Check,
    Finding,
    Settings,
    counted,
    is_replica,
)
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.network import certificates, open_ports
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.proofs import proofs_of

_OTHERS = 0o004
_GROUP = 0o040
_NOT_OWNER = 0o077
_OTHERS_WRITE = 0o022
_COMES_BACK = ("always", "unless-stopped")


def check_host(host: str, facts: Mapping[str, Any], settings: Settings) -> list[Check]:
    return [rule(host, facts, settings) for rule in _RULES]


def key_sources(service: Mapping[str, Any], facts: Mapping[str, Any], settings: Settings) -> dict[str, str]:
    """Name of each variable that a service gets -> where it comes from; what is read last wins, as in Compose."""
    found: dict[str, str] = {}
    for path in service["env_files"]:
        directory, _, name = path.rpartition("/")
        own = secret_names(facts, settings)
        names = own.get(name, ()) if directory == "secrets" else facts["env_files"].get(path, ())
        found.update(dict.fromkeys(names, path))
    return {**found, **dict.fromkeys(service["environment"], "environment: of Compose")}


def secret_names(facts: Mapping[str, Any], settings: Settings) -> Mapping[str, Sequence[str]]:
    found: Mapping[str, Sequence[str]] = facts["secrets"] if settings.secrets is None else settings.secrets
    return found


def readers(file: Mapping[str, Any], accounts: Mapping[str, Any]) -> list[str]:
    """Who may read a file, beside root and who can become root."""
    users, uid, gid = accounts["users"], str(file["uid"]), str(file["gid"])
    found = [] if uid == "0" else [users.get(uid, f"uid {uid}")]
    if file["mode"] & _GROUP:
        found.append(f"group {accounts['groups'].get(gid, gid)}")
    return [*found, "everybody"] if file["mode"] & _OTHERS else found


def _identity(host: str, facts: Mapping[str, Any], settings: Settings) -> Check:
    owner = Owner(**facts["identity"])
    seen = (
        f"claimed for {owner.environment}, since {owner.claimed or 'an unknown day'}"
        if owner.environment
        else "was never claimed"
    )
    level = HIGH if owner.environment else MEDIUM
    found = [
        Finding("host-identity", level, host, "", seen, problem)
        for problem in identity.problems(settings.environment, owner, sandbox_only=False, is_sandbox=False)
    ]
    return Check(["host-identity"], seen, found)


def _database(host: str, facts: Mapping[str, Any], settings: Settings) -> Check:
    problem, name = facts["database"], str(settings.database.get("secret") or "")
    if problem is None:
        return Check([], "")
    mend = f"put the credentials of {settings.environment}'s own database into its vault and deploy"
    found = [Finding("database-project", HIGH, host, name, f"{name} {problem}", mend)] if problem else []
    return Check(["database-project"], f"{name} leads to the project {settings.database.get('project_ref')}", found)


def _trouble(host: str, facts: Mapping[str, Any], _: Settings) -> Check:
    mend = "mend what the message says, or deploy the release again, and repeat the audit"
    found = [
        Finding("host-not-audited", HIGH, host, "", f"not all could be looked at: {text}", mend) for text in facts["trouble"]
    ]
    return Check(["host-not-audited"], "answered all that was asked", found)


def _keys(host: str, facts: Mapping[str, Any], settings: Settings) -> Check:
    services = {service["name"]: service for service in facts["services"]}
    own = [one for one in facts["containers"] if is_replica(one, settings.stack) and one["service"] in services]
    found = [finding for one in own for finding in _keys_of(host, one, services[one["service"]], facts, settings)]
    return Check(
        ["key-undeclared", "key-missing"] if own else [], f"variables and secret files of {counted(len(own), 'replica')}", found
    )


def _keys_of(
    host: str, container: Mapping[str, Any], service: Mapping[str, Any], facts: Mapping[str, Any], settings: Settings
) -> list[Finding]:
    sources = key_sources(service, facts, settings)
    files = {file["target"]: file["file"] for file in service["files"]}
    running, mounted = set(container["keys"]), set(container["files"])
    fresh = "replace the replica: playbooks/restart.yml, or deploy again"
    name = container["name"]
    found = [
        Finding(
            "key-undeclared", MEDIUM, host, name, f"runs with {key}, which the release does not give {service['name']}", fresh
        )
        for key in sorted(
            [*(running - set(sources) - set(container["image_keys"])), *(f"the file {one}" for one in mounted - set(files))]
        )
    ]
    missing = [f"{key} of {sources[key]}" for key in sorted(set(sources) - running)]
    missing += [f"the file {one} ({files[one] or 'a secret'})" for one in sorted(set(files) - mounted)]
    return found + [Finding("key-missing", MEDIUM, host, name, f"runs without {what}", fresh) for what in missing]


def _files(host: str, facts: Mapping[str, Any], _: Settings) -> Check:
    found: list[Finding] = []
    accounts = facts["accounts"]
    secrets = [file for file in facts["files"] if file["kind"] in audit_files.SECRET_KINDS]
    for file in secrets:
        path, mode = file["path"], f"{file['mode']:04o}"
        if file["mode"] & _NOT_OWNER:
            who = ", ".join(readers(file, accounts)) or "others"
            mend = f"chmod {file['mode'] & 0o700:04o} {path}; was it open for long, rotate what it holds"
            found.append(Finding("secret-readable", HIGH, host, path, f"{file['kind']} of mode {mode}: open to {who}", mend))
        owner = accounts["users"].get(str(file["uid"]), "")
        if file["uid"] and owner in accounts["logins"]:
            found.append(Finding("secret-owner", MEDIUM, host, path, f"belongs to {owner}, who can log in", f"chown root {path}"))
        if file["kind"] == audit_files.LEFTOVER:
            seen = "a copy that a run left which was killed"
            found.append(Finding("secret-leftover", MEDIUM, host, path, seen, f"rm {path}"))
    writable = [file for file in facts["files"] if file["mode"] & _OTHERS_WRITE and not file["path"].endswith(".sock")]
    for file in writable:
        mend = f"chmod {file['mode'] & ~_OTHERS_WRITE & 0o7777:04o} {file['path']}"
        found.append(Finding("file-writable", HIGH, host, file["path"], f"mode {file['mode']:04o}", mend))
    ids = ["secret-readable", "secret-owner", "file-writable"]
    return Check(ids, f"{facts['count']} files and directories, of these {len(secrets)} with secrets", found)


def _accounts(host: str, facts: Mapping[str, Any], _: Settings) -> Check:
    found = [
        Finding("account-docker", MEDIUM, host, name, f"{name} is in the group docker", f"gpasswd --delete {name} docker")
        for name in facts["accounts"]["docker"]
    ]
    return Check(["account-docker"], "nobody is in the group docker", found)


def _containers(host: str, facts: Mapping[str, Any], settings: Settings) -> Check:
    known = {*facts["stacks"], settings.stack, EDGE}
    strangers = [_stranger(host, one) for one in facts["containers"] if one["project"] not in known]
    return Check(["container-unknown"], counted(len(facts["containers"]), "container"), [*strangers, *_benchmark(host, facts)])


def _stranger(host: str, one: Mapping[str, Any]) -> Finding:
    mend = "find out who made it; docker rm --force {name} when nobody wants it".format(name=one["name"])
    seen = "belongs to no stack of this collection and not to the edge"
    if one["state"] not in cis_controls.RUNNING:
        seen += f"; it is {one['state']}"
    if one["restart"] in _COMES_BACK:
        seen += f"; it comes back by itself (restart: {one['restart']})"
    return Finding("container-unknown", MEDIUM if one["restart"] in _COMES_BACK else LOW, host, one["name"], seen, mend)


def _benchmark(host: str, facts: Mapping[str, Any]) -> list[Finding]:
    judged = [*facts["engine"], *facts["images"], *(one for container in facts["containers"] for one in container["findings"])]
    return [
        Finding(
            id=f"cis-{one['item']}",
            level=ACCEPTED if one.get("accepted") else one["level"],
            host=host,
            subject=one["subject"],
            seen=one["text"],
            mend=one["mend"],
        )
        for one in judged
    ]


def _exemptions(host: str, facts: Mapping[str, Any], _: Settings) -> Check:
    found = [_exemption(host, one) for one in facts.get("exemptions") or []]
    ids = ["hardening-exempt", "hardening-unused", "hardening-refused"]
    return Check(ids, f"what {counted(len(facts['services']), 'service')} of the live release may ask of the host", found)


def _exemption(host: str, one: Mapping[str, Any]) -> Finding:
    service, word = one["service"], one["word"]
    own = word in ("docker_socket", "privileged")
    place = f"stack.hardening.{word}" if own else f"{word} in stack.hardening.exempt.{service}"
    if one["state"] == audit_exemptions.ADMITTED:
        mend = "see whether the service still needs it"
        return Finding("hardening-exempt", ACCEPTED, host, service, f"{one['text']}; admitted by {place}", mend)
    if one["state"] == audit_exemptions.UNUSED:
        mend = f"remove {service} from {place}" if own else f"remove {place}"
        return Finding("hardening-unused", LOW, host, service, one["text"], mend)
    mend = f"remove it, or name {service + ' in ' if own else ''}{place}, and deploy"
    return Finding("hardening-refused", HIGH, host, service, one["text"], mend)


def _egress(host: str, facts: Mapping[str, Any], settings: Settings) -> Check:
    mend = f"playbooks/provision.yml --tags egress for the inventory of {settings.environment}"
    admitted = facts["egress"]["admitted"]
    found = [Finding("egress-filter", HIGH, host, "", problem, mend) for problem in facts["egress"]["problems"]]
    found += [
        Finding(
            *("egress-admitted", ACCEPTED, host, stack),
            f"containers of {stack} reach {kind}; admitted by stack.egress",
            "see whether the stack still needs it",
        )
        for stack, kinds in sorted(admitted.items())
        for kind in kinds
    ]
    return Check(["egress-filter", "egress-admitted"], "rules of the kernel, and what loads them at boot", found)


_RULES: Sequence[Callable[[str, Mapping[str, Any], Settings], Check]] = (
    *(_trouble, _identity, _database, proofs_of, _keys, _files, _accounts, _exemptions, _egress, _containers, open_ports),
    certificates,
)
