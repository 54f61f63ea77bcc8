# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of an audit: findings of all hosts put together, and the tables of what was seen. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import SECRETS_IN_CONTAINER as IN_CONTAINER
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import cis_controls, reach
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import files as audit_files
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import access as audit_access
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import certificate, finding, network, supabase
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import rules as audit_rules
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import secrets as audit_secrets
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.finding import (
    HIGH,
    LEVELS,
    MEDIUM,
    PASSED,
    Check,
    Finding,
    Settings,
)
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.proofs import CLOSED, OPEN, is_void, place_name

_MEND_HOST = "make it reachable, or take it out of the inventory, and repeat the audit"
_MEND_PROOFS = "name the hosts and the database of every other environment in audit_must_not_reach"


def report(
    hosts: Mapping[str, Mapping[str, Any]],
    settings: Settings,
    recorded: audit_secrets.Recorded,
    maximum: audit_secrets.MaximumAge,
) -> dict[str, Any]:
    """``hosts``: every host of the environment -> its facts; one that has none was not audited, which is a finding."""
    asked = {name: facts for name, facts in sorted(hosts.items()) if "containers" in facts}
    today = settings.now.date()
    known = _secret_names(asked, settings)
    checks = [*_unasked(hosts), *_proved(asked), _endpoints(settings), audit_secrets.check(known, recorded, maximum, today)]
    checks += supabase.check(settings.supabase)
    checks_by_host = {
        name: [
            *audit_rules.check_host(name, facts, settings),
            audit_secrets.copies(name, facts),
            *audit_access.check(name, facts, settings),
        ]
        for name, facts in asked.items()
    }
    found = [*_judged("", checks)]
    for name, mine in checks_by_host.items():
        found += _judged(name, mine)
    found += _passed_benchmark(found, len(asked))
    merged = _merged(found)
    counts = {level: sum(one["level"] == level for one in merged) for level in LEVELS}
    return {
        "environment": settings.environment,
        "stack": settings.stack,
        "date": settings.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "verdict": "failed" if counts[HIGH] else PASSED,
        "counts": counts,
        "vault_opened": settings.secrets is not None,
        "project": str(settings.database.get("project_ref") or ""),
        "findings": merged,
        "proofs": [_proof(name, one, facts["proofs"]) for name, facts in asked.items() for one in facts["proofs"]],
        "supabase_proofs": list(supabase.proofs(settings.supabase)),
        "hosts": [_host(name, hosts[name]) for name in sorted(hosts)],
        "secrets": audit_secrets.table(known, recorded, maximum, today),
        "keys": _keys(asked, settings),
        "files": [
            _file(name, file, facts["accounts"]) for name, facts in asked.items() for file in facts["files"] if _is_listed(file)
        ],
        "accounts": [
            {"host": name, "docker": facts["accounts"]["docker"], "sudo": facts["accounts"]["sudo"]}
            for name, facts in asked.items()
        ],
        "baselines": [row for name, facts in asked.items() for row in audit_access.rows(name, facts, settings)],
        "containers": [_container(name, one) for name, facts in asked.items() for one in facts["containers"]],
        "ports": [_port(name, one, settings) for name, facts in asked.items() for one in _once(facts["sockets"])],
        "certificates": [_certificate(name, one) for name, facts in asked.items() for one in facts["certificates"]],
    }


def _unasked(hosts: Mapping[str, Mapping[str, Any]]) -> list[Check]:
    return [
        Check([], "", [Finding("host-not-audited", HIGH, name, "", _why(facts), _MEND_HOST)])
        for name, facts in sorted(hosts.items())
        if "containers" not in facts
    ]


def _why(facts: Mapping[str, Any]) -> str:
    return " ".join(str(facts.get("msg") or "was not asked: the run was limited to other hosts, or ended before").split())


def _proved(asked: Mapping[str, Mapping[str, Any]]) -> list[Check]:
    if any(one["wanted"] == CLOSED for facts in asked.values() for one in facts["proofs"]):
        return [Check(["proof-absent"], "the inventory names what must not be reached")]
    seen = "nothing was tried, so nothing shows that this environment cannot touch another one"
    return [Check([], "", [Finding("proof-absent", MEDIUM, "", "", seen, _MEND_PROOFS)])]


def _endpoints(settings: Settings) -> Check:
    mend = "look with playbooks/ml_endpoints.yml --check --diff, and let it make them so, or declare them as they are"
    found = [Finding("ml-endpoint", MEDIUM, "", "", sentence, mend) for sentence in settings.endpoints]
    return Check(["ml-endpoint"], "no endpoint is known to differ", found)


def _secret_names(asked: Mapping[str, Mapping[str, Any]], settings: Settings) -> list[str]:
    return sorted({name for facts in asked.values() for name in audit_secrets.names(audit_rules.secret_names(facts, settings))})


def _judged(host: str, checks: Sequence[Check]) -> Iterator[Finding]:
    """What was found, and which ids have passed: those that no check has found anything for."""
    bad = {finding.id for check in checks for finding in check.findings}
    for check in checks:
        yield from check.findings
        yield from (Finding(identity, PASSED, host, "", check.seen) for identity in check.ids if identity not in bad)


def _passed_benchmark(found: Iterable[Finding], hosts: int) -> list[Finding]:
    bad = {finding.id for finding in found}
    seen = f"engines, images and containers of {hosts} hosts" if hosts != 1 else "engine, images and containers of the host"
    return [Finding(f"cis-{item}", PASSED, "", "", seen) for item in cis_controls.CONTROLS if hosts and f"cis-{item}" not in bad]


def _merged(found: Iterable[Finding]) -> list[dict[str, Any]]:
    """The same thing seen in several places is one finding; worst first."""
    places: dict[tuple[str, str, str, str, str], list[tuple[str, str]]] = {}
    for one in found:
        of = places.setdefault((one.level, one.id, one.seen, one.mend, one.required), [])
        if (one.subject, one.host) not in of:
            of.append((one.subject, one.host))
    return [
        {"id": identity, "level": level, "where": _where(where), "seen": seen, "required": required, "mend": mend}
        for (level, identity, seen, mend, required), where in sorted(places.items(), key=_order)
    ]


def _where(places: Iterable[tuple[str, str]]) -> list[str]:
    """``subject on host, host`` for each subject; hosts alone where it is the host that is meant."""
    hosts: dict[str, list[str]] = {}
    for subject, host in places:
        hosts.setdefault(subject, []).extend([host] if host else [])
    texts = [" on ".join(part for part in (subject, ", ".join(names)) if part) for subject, names in hosts.items()]
    return [text for text in texts if text]


def _order(entry: tuple[tuple[str, ...], list[tuple[str, str]]]) -> tuple[int, bool, list[int | str], list[tuple[str, str]]]:
    """By level; what is not of the benchmark first, which goes by its numbers."""
    level, identity = entry[0][0], entry[0][1]
    words: list[int | str] = [int(part) if part.isdecimal() else 0 for part in identity.removeprefix("cis-").split(".")]
    return LEVELS.index(level), identity.startswith("cis-"), words if identity.startswith("cis-") else [identity], entry[1]


def _host(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    if "containers" not in facts:
        return {"host": name, "audited": False, "claimed_for": "", "since": "", "release": "", "containers": 0}
    identity = facts["identity"]
    return {
        "host": name,
        "audited": True,
        "claimed_for": str(identity.get("environment") or ""),
        "since": str(identity.get("claimed") or ""),
        "release": facts["release"].get("id", ""),
        "containers": len(facts["containers"]),
    }


def _proof(host: str, one: Mapping[str, Any], proofs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    reached = one["outcome"] == reach.CONNECTED
    wanted = one["wanted"] == OPEN
    if reached == wanted:
        says_something = wanted or (one["outcome"] != reach.UNRESOLVED and not is_void(proofs, one["from"]))
        result = "as required" if says_something else "void"
    else:
        result = "void" if wanted else "reached"
    return {
        "host": host,
        "from": place_name(one["from"]),
        "target": one["name"],
        "address": f"{one['host']}:{one['port']}",
        "must": "succeed" if wanted else "fail",
        "outcome": one["outcome"],
        "detail": one["detail"],
        "result": result,
    }


def _keys(asked: Mapping[str, Mapping[str, Any]], settings: Settings) -> list[dict[str, Any]]:
    """A row for each key of each service: where it comes from, and how many of its replicas run with it."""
    rows: dict[tuple[str, str, str], list[int]] = {}
    for facts in asked.values():
        for service in facts["services"]:
            if service["once"]:
                continue
            replicas = [
                one
                for one in facts["containers"]
                if one["service"] == service["name"] and finding.is_replica(one, settings.stack)
            ]
            sources = audit_rules.key_sources(service, facts, settings)
            files = {f"{IN_CONTAINER}{file['target']}": file["file"] or "a secret of Compose" for file in service["files"]}
            for key, source in sorted({**sources, **files}.items()):
                counted = rows.setdefault((service["name"], key, source), [0, 0])
                counted[0] += sum(key in one["keys"] or key.removeprefix(IN_CONTAINER) in one["files"] for one in replicas)
                counted[1] += len(replicas)
    return [
        {
            "service": service,
            "key": key,
            "source": source,
            "secret": source.startswith("secrets/"),
            "replicas": f"{have} of {all_}",
        }
        for (service, key, source), (have, all_) in sorted(rows.items())
    ]


def _is_listed(file: Mapping[str, Any]) -> bool:
    """Of settings, which every release has for itself, the ones that run."""
    return file["kind"] != audit_files.SETTINGS or "/project/" in file["path"]


def _file(host: str, file: Mapping[str, Any], accounts: Mapping[str, Any]) -> dict[str, Any]:
    uid, gid = str(file["uid"]), str(file["gid"])
    return {
        "host": host,
        "path": file["path"],
        "kind": file["kind"],
        "owner": f"{accounts['users'].get(uid, uid)}:{accounts['groups'].get(gid, gid)}",
        "mode": f"{file['mode']:04o}",
        "readers": audit_rules.readers(file, accounts) or ["root alone"],
    }


def _container(host: str, one: Mapping[str, Any]) -> dict[str, Any]:
    worst = [found for found in one["findings"] if not found["accepted"]]
    return {
        "host": host,
        "name": one["name"],
        "state": one["state"],
        "restart": one["restart"],
        "user": one["user"] or "root",
        "read_only": one["read_only"],
        "privileged": one["privileged"],
        "capabilities": ", ".join(one["added"]) or ("none" if "ALL" in one["dropped"] else "the engine's default"),
        "networks": one["networks"],
        "items": sorted({f"{found['item']} ({found['level']})" for found in worst}),
        "accepted": sorted({found["item"] for found in one["findings"] if found["accepted"]}),
    }


def _port(host: str, socket: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    return {
        "host": host,
        "port": f"{socket['port']}/{socket['protocol']}",
        "address": socket["address"],
        "who": socket["container"] or socket["process"] or "-",
        "allowed": network.is_loopback(socket) or network.is_allowed(socket, settings.allowed_ports),
    }


def _once(sockets: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found = {(one["protocol"], one["address"], one["port"]): one for one in sockets}
    return sorted(found.values(), key=lambda one: (one["port"], one["protocol"], one["address"]))


def _certificate(host: str, served: Mapping[str, Any]) -> dict[str, Any]:
    row = {"host": host, "site": served["site"], "port": served["port"], "subject": "", "names": [], "expires": ""}
    if served["pem"]:
        shown = certificate.read(served["pem"])
        row |= {"subject": shown.subject, "names": list(shown.names), "expires": f"{shown.expires:%Y-%m-%d}"}
    return {**row, "protocols": dict(served["protocols"])}
