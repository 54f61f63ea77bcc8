# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a rollback goes, for a whole environment, from what each of its hosts knows. Pure, and decided once for all hosts.

``hosts``: name of the host -> the result of the module stack_info. ``left_out``: name -> what is known of a host that
stays as it is, see fleet.LeftOut. It has no say in where the others go, but it may have migrated the database that all share.
``ledgers``: name of a host that was asked -> the result of the module stack_ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.schema import Schema

Hosts = Mapping[str, Mapping[str, Any]]
_NONE: Hosts = MappingProxyType({})


@dataclass
class Decision:
    """``problems``: why there is no rollback to ``id``; ``cannot_undo``: what stays as it is, to be said before it begins."""

    id: str = ""
    release: str = ""
    leaves: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    cannot_undo: list[str] = field(default_factory=list)
    # What of the database it was judged by; see schema.Evidence.
    ledger: dict[str, str] = field(default_factory=dict)
    # Host -> the keys of its routes, now, and all routes of the release, see edge/hosted.py.
    routes: dict[str, dict[str, Any]] = field(default_factory=dict)


def decide(hosts: Hosts, wanted: str = "", left_out: Hosts = _NONE, ledgers: Hosts = _NONE) -> Decision:
    """``wanted``: id or name of a release, or empty for the last one that was live and good on all hosts."""
    decision = Decision()
    # A host that never ran anything has no say; it must hold the target all the same.
    voters = {name: info for name, info in hosts.items() if info["live"] or info["rolling"]}
    if not voters:
        decision.problems.append("no release of this stack is live on any host yet, so there is nothing to go back from")
        return decision
    decision.id = _named(hosts, wanted, decision) if wanted else _last_good(voters, decision)
    if decision.problems:
        return decision
    decision.release = next(
        (one["release"] for info in hosts.values() for one in info["releases"] if one["id"] == decision.id), decision.id
    )
    decision.leaves = sorted({info["live"] for info in hosts.values()} - {decision.id, ""})
    for name, info in sorted(hosts.items()):
        decision.problems += [f"{name}: {problem}" for problem in _obstacles(info, decision.id)]
    decision.routes = {name: _routes(info, decision.id) for name, info in hosts.items()}
    schema = Schema.of(ledgers, [info["schema"] for info in [*hosts.values(), *left_out.values()] if info["schema"]])
    made_for = _schema_of(hosts, decision.id).get("head", "")
    decision.ledger = schema.evidence.as_dict()
    way = _way_out(hosts, schema, decision.id)
    decision.problems += [f"{problem}. {way}" for problem in schema.problems(decision.id, made_for)]
    decision.cannot_undo = [*_cannot_undo(schema, decision, made_for), *_of_jobs(hosts, decision)]
    decision.cannot_undo += [
        f"a migration that was run from {name} is not known here: {info['problem']}"
        for name, info in sorted(left_out.items())
        if info["problem"]
    ]
    return decision


def _named(hosts: Hosts, wanted: str, decision: Decision) -> str:
    known = {one["id"]: one["release"] for info in hosts.values() for one in info["releases"]}
    if wanted in known:
        return wanted
    found: list[str] = sorted(identity for identity, release in known.items() if release == wanted)
    if len(found) == 1:
        return found[0]
    if found:
        lines = [f"-e rollback_to={identity}   {_fates(hosts, identity)}" for identity in found]
        decision.problems.append(
            "\n      ".join([f'rollback_to: "{wanted}" was deployed with different configurations; choose one of them:', *lines])
        )
    else:
        decision.problems.append(f'rollback_to: "{wanted}" is retained on no host; retained are {_listed(known)}')
    return ""


def _fates(hosts: Hosts, identity: str) -> str:
    """When a release was live on which host, so that a person can tell two of one name apart."""
    found = {name: _fate(one) for name, info in sorted(hosts.items()) for one in info["releases"] if one["id"] == identity}
    return "; ".join(f"{name}: {fate}" for name, fate in found.items())


def _fate(release: Mapping[str, Any]) -> str:
    at, why = release["at"], release["why"]
    words = {
        "live": f"live since {at}",
        "superseded": f"live until {at}",
        "failed": f"failed at {at}" + (f" ({why})" if why else ""),
    }
    return words.get(release["status"], "never live")


def _last_good(hosts: Hosts, decision: Decision) -> str:
    unfinished = {info["rolling"]["id"]: info["rolling"]["kind"] for info in hosts.values() if info["rolling"]}
    if "rollback" in unfinished.values():
        # An earlier rollback was killed: this one goes on with it.
        targets = {str(identity) for identity, kind in unfinished.items() if kind == "rollback"}
    elif unfinished:
        targets = {_base(info, set(unfinished)) for info in hosts.values()}
    elif len({info["live"] for info in hosts.values()}) > 1:
        targets = _common(hosts)
    else:
        targets = {str(info["previous"]) for info in hosts.values()}
    targets -= {""}
    if len(targets) == 1:
        return targets.pop()
    # What has never gone live, or has failed, may be asked for by its id, and is offered to nobody.
    good = ("live", "superseded")
    names = {one["id"]: one["release"] for info in hosts.values() for one in info["releases"] if one["status"] in good}
    # Where every host runs it already, there is nothing to go back to.
    others = {
        identity: release for identity, release in names.items() if any(info["live"] != identity for info in hosts.values())
    }
    if targets:
        lives = "; ".join(f"{name} runs {info['live'] or 'nothing'}" for name, info in sorted(hosts.items()))
        decision.problems.append(
            f"the hosts do not agree on the release before ({lives}); choose one with -e rollback_to=<id>: {_listed(names)}"
        )
    else:
        decision.problems.append(
            "no host knows an earlier release that was live and good; "
            + (f"choose one with -e rollback_to=<id>: {_listed(others)}" if others else "deploy the one that you want")
        )
    return ""


def _base(info: Mapping[str, Any], unfinished: set[str]) -> str:
    """What this host ran before a deploy that was not finished everywhere."""
    return str(info["previous"] if info["live"] in unfinished else info["live"])


def _common(hosts: Hosts) -> set[str]:
    """Releases that run on some host and that every other host runs too, or ran before what it runs now."""
    return {
        candidate
        for candidate in {info["live"] for info in hosts.values()}
        if candidate and all(candidate == info["live"] or candidate == info["previous"] for info in hosts.values())
    }


def _routes(info: Mapping[str, Any], identity: str) -> dict[str, Any]:
    wanted: Mapping[str, Any] = next((one.get("routes", {}) for one in info["releases"] if one["id"] == identity), {})
    # Plain ones: Ansible's own, in which hosts' answers come, cannot be copied.
    return {"now": [*info.get("routes", [])], "wanted": {key: {**one} for key, one in wanted.items()}}


def _obstacles(info: Mapping[str, Any], identity: str) -> list[str]:
    found = next((one for one in info["releases"] if one["id"] == identity), None)
    if found is None:
        retained = {one["id"]: one["release"] for one in info["releases"]}
        return [f"release {identity} is not retained here; retained are {_listed(retained)}"]
    problems = [found["problem"]] if found.get("problem") else []
    if found["missing_images"]:
        problems.append(
            f"the images {', '.join(found['missing_images'])} of release {identity} are no longer on this host; pull them there, "
            "or choose another release with -e rollback_to=<id>"
        )
    if found["missing_secrets"]:
        problems.append(
            f"release {identity} reads secrets that are gone ({', '.join(found['missing_secrets'])}); put them back into "
            "stack_secrets or stack_secret_files and deploy the live release again first"
        )
    return problems


def _way_out(hosts: Hosts, schema: Schema, identity: str) -> str:
    """What to do instead of going back to a release that does not run on the database."""
    good = {one["id"] for info in hosts.values() for one in info["releases"] if one["status"] in ("live", "superseded")}
    lives = {info["live"] for info in hosts.values()}
    able = [one for one in sorted(good - lives - {identity}) if not schema.problems(one, _schema_of(hosts, one).get("head", ""))]
    if able:
        return f"Choose one that does with -e rollback_to=<id> ({', '.join(able)}), or repair forward with a deploy"
    return "No other retained release does either; repair forward with a deploy"


def _cannot_undo(schema: Schema, decision: Decision, made_for: str) -> list[str]:
    found = []
    head, words, release = schema.head, schema.evidence.words, decision.release
    if schema.is_ahead(decision.id, made_for) and not decision.problems:
        found.append(f"the database stays at schema {head}; release {release} was made for {made_for} and runs on it")
    elif head:
        found.append(f"the database stays as it is, at schema {head}")
    found += [words] if words else []
    unknown = schema.unknown(decision.id)
    if unknown:
        found.append(
            f"the database has {', '.join(unknown)} applied, which no retained release has a file of: nobody here knows whether "
            f"release {release} runs with it"
        )
    found.append("secrets stay the current ones; only code and plain configuration go back")
    found.append("what the newer release has written, sent or deleted stays so")
    return found


def _of_jobs(hosts: Hosts, decision: Decision) -> list[str]:
    """What jobs did for the releases that are left, and for those that failed since the target was live."""
    found: dict[str, set[str]] = {}
    for info in hosts.values():
        since = next((one.get("at", "") for one in info["releases"] if one["id"] == decision.id), "")
        left = {*decision.leaves, info["rolling"].get("id", "")} - {decision.id}
        for one in info["releases"]:
            if one["id"] in left or (one["status"] == "failed" and one.get("at", "") >= since and one["id"] != decision.id):
                for job in one.get("jobs", []):
                    found.setdefault(job, set()).add(one["release"])
    return [f"what the job {job} did for {', '.join(sorted(names))} stays so" for job, names in sorted(found.items())]


def _schema_of(hosts: Hosts, identity: str) -> Mapping[str, str]:
    schemas: Sequence[Mapping[str, str]] = [
        one["schema"] for info in hosts.values() for one in info["releases"] if one["id"] == identity and one["schema"]
    ]
    return schemas[0] if schemas else {}


def _listed(known: Mapping[str, str]) -> str:
    return ", ".join(sorted(known)) or "none"
