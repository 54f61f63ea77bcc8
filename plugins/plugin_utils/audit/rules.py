# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""What an audit requires of one host, and what the facts of facts/host.py say against it. Pure: a rule takes facts and settings
and gives back what it looked at and what it found. Nothing here sees a value of a secret."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.facts import cis_controls, reach
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import exemptions as audit_exemptions
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import files as audit_files
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import tls as tls_probe
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import host as identity
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import Owner
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import certificate

HIGH, MEDIUM, LOW, ACCEPTED, PASSED = "high", "medium", "low", "accepted", "passed"
LEVELS = (HIGH, MEDIUM, LOW, ACCEPTED, PASSED)
OPEN, CLOSED = "open", "closed"
EDGE = "edge"
EXPIRES_HIGH, EXPIRES_MEDIUM = timedelta(days=14), timedelta(days=30)
# The kernel gives these to whoever asks for none: a client's socket, as a rule.
_EPHEMERAL = 32768
_ALLOWED = re.compile(r"(?:(?P<address>\[[0-9A-Fa-f:.]+\]|[0-9.]+):)?(?P<port>\d{1,5})(?:/(?P<protocol>tcp|udp))?\Z")
_OTHERS = 0o004
_GROUP = 0o040
_NOT_OWNER = 0o077
_OTHERS_WRITE = 0o022
_COMES_BACK = ("always", "unless-stopped")

# id -> what is required
RULES: Mapping[str, str] = {
    "host-not-audited": "every host of the environment answers, with all that is asked",
    "host-identity": "the host was claimed for this environment and for no other",
    "database-project": "the database's credentials name the project that the inventory declares",
    "proof-reached": "no connection to what audit_must_not_reach names can be opened",
    "proof-void": "what audit_must_reach names is reached from the same place, so that a failed connection proves something",
    "proof-absent": "the inventory names what must not be reached (audit_must_not_reach), and it was tried",
    "key-undeclared": "a replica gets no variable and no file that the release does not give it",
    "key-missing": "a replica gets every variable and file that the release gives it",
    "secret-shared": "no secret has a value that another environment has too",
    "secret-unrecorded": "every secret has its fingerprint in inventories/<environment>/fingerprints.json",
    "secret-old": "no secret is older than audit_secret_max_age_days",
    "secret-readable": "the file's owner alone may read it (mode 0600 or less)",
    "secret-owner": "secrets belong to root, or to a user that nobody can log in as",
    "secret-leftover": "no copy of a secret is left anywhere: it stands in its own file, and nowhere else",
    "secret-unsearched": "every file that could hold a copy of a secret was read",
    "file-writable": "nothing below /var/lib/morpheus.deploy can be changed by anybody but its owner",
    "account-docker": "nobody is in the group docker, which is root without a password and without a trace",
    "engine-socket": "the engine's socket belongs to root, and nobody else can write to it but the group docker",
    "baseline-missing": "playbooks/claim.yml has recorded who may get into the host and become root on it",
    "baseline-changed": "the baseline on the host is the one whose fingerprint the repository has",
    "account-root": "no account has the uid 0 but root and those of the baseline",
    "account-login": "no account can log in but those of the baseline",
    "account-group": "nobody is in a group that is as good as root but those of the baseline",
    "account-key": "no key opens an account but those of the baseline",
    "account-sudo": "sudo has no rule but those of the baseline",
    "account-sshd": "sshd has no setting of who gets in but those of the baseline",
    "file-setuid": "no program gives another user's rights but those of the baseline, each as it was or as its package has it",
    "container-unknown": "every container, whatever its state, belongs to a stack of this collection or to its edge",
    "hardening-exempt": "a service asks nothing of its host that stack.hardening has to admit, and is given all that hardens it",
    "hardening-unused": "every exemption in stack.hardening admits something that the live release asks for",
    "hardening-refused": "the live release asks nothing of its host that would be refused today",
    "port-open": "what listens beyond loopback is in audit_allowed_ports",
    "tls-expiry": "the certificate is valid for 30 days and more",
    "tls-name": "the certificate carries the name of the site",
    "tls-protocol": "TLS 1.2 or 1.3 is spoken, and nothing older",
    "tls-unanswered": "the edge answers for each certificate with TLS",
    "certificate-left": "no certificate and key lies on the host that the inventory does not name",
}


@dataclass(frozen=True)
class Finding:
    """``id`` never changes its meaning; ``where`` is a host and perhaps what on it."""

    id: str
    level: str
    host: str
    subject: str
    seen: str
    mend: str = ""

    @property
    def required(self) -> str:
        return RULES.get(self.id) or cis_controls.CONTROLS[self.id.removeprefix("cis-")].title


@dataclass(frozen=True)
class Check:
    """What a rule looked at. An id for which nothing was found has passed."""

    ids: Sequence[str]
    seen: str
    findings: Sequence[Finding] = ()


@dataclass(frozen=True)
class Settings:
    """``secrets``: file below secrets/ -> names, as the vault has them; None when it was not opened.

    ``baselines``: host -> fingerprint of its baseline and when it was recorded, as the repository has them.
    """

    environment: str
    stack: str
    now: datetime
    allowed_ports: Sequence[str] = ()
    secrets: Mapping[str, Sequence[str]] | None = None
    database: Mapping[str, Any] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def check_host(host: str, facts: Mapping[str, Any], settings: Settings) -> list[Check]:
    return [rule(host, facts, settings) for rule in _RULES]


def port_problems(allowed: Sequence[Any]) -> list[str]:
    return [
        f"audit_allowed_ports[{number}]: {entry} is no port such as 443, 53/udp or 10.0.0.5:9100"
        for number, entry in enumerate(allowed)
        if not _ALLOWED.match(str(entry))
    ]


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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


def is_replica(container: Mapping[str, Any], stack: str) -> bool:
    """Whether it runs for users of the stack. Paused ones are asked by none, and are still what the release made."""
    return container["project"] == stack and not container["once"] and container["state"] in cis_controls.RUNNING


def readers(file: Mapping[str, Any], accounts: Mapping[str, Any]) -> list[str]:
    """Who may read a file, beside root and who can become root."""
    users, uid, gid = accounts["users"], str(file["uid"]), str(file["gid"])
    found = [] if uid == "0" else [users.get(uid, f"uid {uid}")]
    if file["mode"] & _GROUP:
        found.append(f"group {accounts['groups'].get(gid, gid)}")
    return [*found, "everybody"] if file["mode"] & _OTHERS else found


def is_allowed(socket: Mapping[str, Any], allowed: Sequence[Any]) -> bool:
    for entry in allowed:
        match = _ALLOWED.match(str(entry))
        if not match or int(match["port"]) != socket["port"] or (match["protocol"] or "tcp") != socket["protocol"]:
            continue
        if match["address"] is None or match["address"].strip("[]") == socket["address"]:
            return True
    return False


def is_loopback(socket: Mapping[str, Any]) -> bool:
    return ipaddress.ip_address(socket["address"]).is_loopback


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


def _ports(host: str, facts: Mapping[str, Any], settings: Settings) -> Check:
    found = []
    for socket in facts["sockets"]:
        address = ipaddress.ip_address(socket["address"])
        if is_loopback(socket) or is_allowed(socket, settings.allowed_ports):
            continue
        if socket["protocol"] == "udp" and socket["port"] >= _EPHEMERAL:
            continue
        place = "every address" if address.is_unspecified else socket["address"]
        who = socket["container"] or socket["process"] or "an unknown process"
        seen = f"{who} listens on {place}"
        mend = "stop it or bind it to 127.0.0.1; when it is meant to be open, name it in audit_allowed_ports"
        level = HIGH if address.is_unspecified else MEDIUM
        found.append(Finding("port-open", level, host, f"{socket['port']}/{socket['protocol']}", seen, mend))
    # Once for IPv4 and once for IPv6.
    return Check(["port-open"], f"{len(facts['sockets'])} listening sockets", list(dict.fromkeys(found)))


def _tls(host: str, facts: Mapping[str, Any], settings: Settings) -> Check:
    served = facts["certificates"]
    ids = ["tls-expiry", "tls-name", "tls-protocol", "tls-unanswered"] if served else []
    sites = ", ".join(one["site"] for one in served)
    mend = "run playbooks/provision.yml --tags edge for this inventory, which removes it"
    seen = "a certificate and its key, which the inventory does not name"
    found = [Finding("certificate-left", MEDIUM, host, path, seen, mend) for path in facts["certificates_left"]]
    found += [finding for one in served for finding in _tls_of(host, one, settings)]
    return Check([*ids, "certificate-left"], f"as served for {sites}" if sites else "no site has a certificate", found)


def _tls_of(host: str, served: Mapping[str, Any], settings: Settings) -> list[Finding]:
    site = served["site"]
    if served["trouble"]:
        seen = f"no TLS on port {served['port']}: {served['trouble']}"
        return [Finding("tls-unanswered", HIGH, host, site, seen, "run playbooks/provision.yml for this inventory")]
    found = []
    shown = certificate.read(served["pem"])
    left = shown.expires - settings.now
    renew = "renew it (edge_certificate_paths) and run playbooks/provision.yml"
    if left < EXPIRES_MEDIUM:
        ends = (
            f"expires on {shown.expires:%Y-%m-%d}, in {left.days} days"
            if left > timedelta()
            else f"expired on {shown.expires:%Y-%m-%d}"
        )
        found.append(Finding("tls-expiry", HIGH if left < EXPIRES_HIGH else MEDIUM, host, site, ends, renew))
    if not shown.is_for(site):
        names = ", ".join(shown.names) or "no site at all"
        found.append(Finding("tls-name", MEDIUM, host, site, f"is for {names}", renew))
    spoken = served["protocols"]
    old = [version for version in ("TLSv1.0", "TLSv1.1") if spoken.get(version) == tls_probe.ACCEPTED]
    unknown = [
        version for version in ("TLSv1.0", "TLSv1.1") if spoken.get(version) not in (tls_probe.ACCEPTED, tls_probe.REFUSED)
    ]
    mend = "set ssl-default-bind-options ssl-min-ver TLSv1.2, as the role edge does, and run playbooks/provision.yml"
    if old:
        found.append(Finding("tls-protocol", HIGH, host, site, f"speaks {' and '.join(old)}", mend))
    if unknown:
        seen = f"gave no answer that tells whether it speaks {' and '.join(unknown)}"
        found.append(Finding("tls-protocol", MEDIUM, host, site, seen, "repeat the audit"))
    return found


def _proofs(host: str, facts: Mapping[str, Any], _: Settings) -> Check:
    proofs = facts["proofs"]
    if not any(one["wanted"] == CLOSED for one in proofs):
        return Check([], "")
    places = list(dict.fromkeys(one["from"] for one in proofs))
    found = [_reached(host, one) for one in proofs if one["wanted"] == CLOSED and one["outcome"] == reach.CONNECTED]
    valid = {place for place in places if _is_valid(proofs, place)}
    for place in places:
        if place not in valid:
            # A service may be kept from the database by design, as long as another of the stack is not.
            level = MEDIUM if place and valid - {""} else HIGH
            found.append(Finding("proof-void", level, host, place_name(place), _why_void(proofs, place), _MEND_VOID))
    found += [_untried(host, one) for one in proofs if one["wanted"] == CLOSED and one["outcome"] == reach.UNRESOLVED]
    if places == [""] and facts["release"]:
        seen = "no replica of the stack runs, so nothing was tried from inside one"
        found.append(Finding("proof-void", HIGH, host, "containers", seen, "deploy, and repeat the audit"))
    targets = {(one["host"], one["port"]) for one in proofs if one["wanted"] == CLOSED}
    return Check(
        ["proof-reached", "proof-void"], f"{counted(len(targets), 'target')}, tried from {counted(len(places), 'place')}", found
    )


_MEND_VOID = "let audit_must_reach name what this environment does reach, its own database first; see that it runs"


def is_void(proofs: Sequence[Mapping[str, Any]], place: str) -> bool:
    return not _is_valid(proofs, place)


def place_name(place: str) -> str:
    return f"inside {place}" if place else "the host itself"


def _is_valid(proofs: Sequence[Mapping[str, Any]], place: str) -> bool:
    """Whether a failed connection from there proves something: the ones that must succeed do, and all were really tried."""
    here = [one for one in proofs if one["from"] == place]
    controls = [one for one in here if one["wanted"] == OPEN]
    tried = all(one["outcome"] != reach.UNTRIED for one in here)
    return tried and bool(controls) and all(one["outcome"] == reach.CONNECTED for one in controls)


def _why_void(proofs: Sequence[Mapping[str, Any]], place: str) -> str:
    here = [one for one in proofs if one["from"] == place]
    untried = [one["detail"] for one in here if one["outcome"] == reach.UNTRIED]
    if untried:
        return f"could not be tried: {untried[0]}"
    failed = [f"{one['name']} ({one['detail']})" for one in here if one["wanted"] == OPEN and one["outcome"] != reach.CONNECTED]
    return (
        f"does not reach {', '.join(failed)} either"
        if failed
        else "audit_must_reach is empty, so nothing shows that connections work"
    )


def _reached(host: str, proof: Mapping[str, Any]) -> Finding:
    target = f"{proof['name']}, {proof['host']} port {proof['port']}"
    seen = f"{place_name(proof['from'])} opened a connection to {target} ({proof['detail']})"
    mend = "close the way between the two networks (firewall, security group, peering), and repeat the audit"
    return Finding("proof-reached", HIGH, host, proof["name"], seen, mend)


def _untried(host: str, proof: Mapping[str, Any]) -> Finding:
    seen = f"{place_name(proof['from'])} does not know the name {proof['host']}, so no connection was tried"
    return Finding("proof-void", MEDIUM, host, proof["name"], seen, "give its address, too, in audit_must_not_reach")


_RULES: Sequence[Callable[[str, Mapping[str, Any], Settings], Check]] = (
    *(_trouble, _identity, _database, _proofs, _keys, _files, _accounts, _exemptions, _containers, _ports, _tls),
)
