# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingerprints that tell whether two environments share a secret, with the value and the password of neither.

They stand in the repository, so they must not be worth guessing at: who has no key cannot begin, and who has it pays for
each guess. Knows nothing of vaults and inventories.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, TypedDict

from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file as dotenv
from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import files as secret_files
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets.credentials import endpoint_name

# Shorter values repeat by chance and are found by trying all of them.
MINIMUM_LENGTH = 8
# About 25 ms and 8 MB a value.
_EFFORT = {"n": 2**13, "r": 8, "p": 1, "dklen": 32}
_OF_THE_KEY = "morpheus.deploy: which key is this"
_FINGERPRINT = re.compile(r"[0-9a-f]{32}\Z")
# The env file of stack_secret_variables.
VARIABLES = "variables"
_MEND = "make it with playbooks/fingerprint.yml of its environment"


class Secret(TypedDict):
    """``fingerprint`` is empty for a value that is too short to be compared; ``since`` is the day it was first seen."""

    fingerprint: str
    since: str


class _Endpoints(TypedDict, total=False):
    """Ids of ML endpoints by name, which are no secrets. Where there are none, the file does not speak of them."""

    endpoints: dict[str, str]


class Fingerprints(_Endpoints):
    """The file of one environment; ``key`` tells whether two files were made with the same key."""

    environment: str
    key: str
    secrets: dict[str, Secret]


def fingerprint(key: str, value: str) -> str:
    """32 hexadecimal digits that are equal for equal values under one key, whatever the name or the environment."""
    salt = hmac.digest(key.encode(), b"morpheus.deploy: salt", "sha256")
    hardened = hashlib.scrypt(value.encode("utf-8", "surrogatepass"), salt=salt, **_EFFORT)
    return hmac.digest(key.encode(), hardened, "sha256").hex()[:32]


def key_fingerprint(key: str) -> str:
    """What a file says of the key that it was made with."""
    return fingerprint(key, _OF_THE_KEY)


def too_short(value: str) -> bool:
    return len(value) < MINIMUM_LENGTH


def not_compared(secrets: Mapping[str, str]) -> list[str]:
    """A sentence for each secret that no fingerprint is made of."""
    return [
        f"{name} is not compared with other environments: "
        + (f"{len(value)} characters are too short to be a secret" if value else "it is empty")
        for name, value in sorted(secrets.items())
        if too_short(value)
    ]


def value_problems(variables: Any, files: Any) -> list[str]:
    """Why no fingerprint can be made of a secret, each beginning with its path: ``stack_secrets`` and ``stack_secret_files``."""
    found = []
    for option, given in (("stack_secrets", variables), ("stack_secret_files", files)):
        if not isinstance(given, Mapping):
            found.append(f"{option}: must be a mapping, not {schema.kind(given)}")
    for env_file, values in variables.items() if isinstance(variables, Mapping) else []:
        option = "stack_secret_variables" if env_file == VARIABLES else f"stack_secrets.{env_file}"
        if isinstance(values, Mapping):
            found += [f"{option}.{problem}" for problem in dotenv.problems(values)]
        else:
            found.append(f"{option}: must be a mapping of variables, not {schema.kind(values)}")
    return found + (secret_files.problems(files) if isinstance(files, Mapping) else [])


def env_files(given: Mapping[str, Any]) -> Any:
    """Of an inventory's variables, every env file of secrets by name, that of the secret variables of Compose files included."""
    found, of_compose = given.get("stack_secrets") or {}, given.get("stack_secret_variables") or {}
    return {**found, VARIABLES: of_compose} if of_compose and isinstance(found, Mapping) else found


def by_name(variables: Mapping[str, Any], files: Mapping[str, Any]) -> dict[str, str]:
    """What containers are given, by name: ``<env file>.<VARIABLE>`` or ``files.<name>``.

    What has no text is left out: others complain.
    """
    whole = files if isinstance(files, Mapping) else {}
    found = {f"files.{name}": file.get("content") for name, file in whole.items() if isinstance(file, Mapping)}
    for env_file, values in variables.items():
        if isinstance(values, Mapping):
            found.update({f"{env_file}.{name}": value for name, value in values.items()})
    return {name: str(value) for name, value in sorted(found.items()) if isinstance(value, str)}


def make(
    environment: str,
    key: str,
    secrets: Mapping[str, str],
    today: str,
    before: Fingerprints | None = None,
    endpoints: Mapping[str, str] | None = None,
) -> Fingerprints:
    """The fingerprints of ``secrets``; the day of a value that ``before`` knew already is kept. ``endpoints``: name -> id."""
    known = before["secrets"] if before and before["key"] == key_fingerprint(key) else {}
    entries: dict[str, Secret] = {}
    # Each value once: an environment may give one to several services.
    made = {value: "" if too_short(value) else fingerprint(key, value) for value in set(secrets.values())}
    for name, value in sorted(secrets.items()):
        same = name in known and known[name]["fingerprint"] == made[value]
        entries[name] = {"fingerprint": made[value], "since": known[name]["since"] if same else today}
    made_of = Fingerprints(environment=environment, key=key_fingerprint(key), secrets=entries)
    if endpoints:
        made_of["endpoints"] = dict(sorted(endpoints.items()))
    return made_of


def text(file: Fingerprints) -> str:
    """What stands in the environment's file."""
    return json.dumps(file, indent=2) + "\n"


def read(path: str | Path) -> Fingerprints:
    """The file at ``path``. Raises DeployError, with the path and the mend, when it is missing or broken."""
    try:
        found = json.loads(Path(path).read_text())
    except OSError as exc:
        raise DeployError(f"{path}: cannot be read ({exc.strerror}); {_MEND}") from None
    except ValueError:
        raise DeployError(f"{path}: is not JSON; {_MEND}") from None
    problem = _problem(found)
    if problem:
        raise DeployError(f"{path}: {problem}; {_MEND}")
    result = Fingerprints(environment=found["environment"], key=found["key"], secrets=found["secrets"])
    if "endpoints" in found:
        result["endpoints"] = found["endpoints"]
    return result


def differences(file: Fingerprints, now: Fingerprints) -> dict[str, str]:
    """Name -> ``missing`` (the file lacks it), ``changed`` or ``gone`` (no such secret now) for what is not the same."""
    before, after = _values(file), _values(now)
    found = {name: "missing" for name in after if name not in before}
    found |= {name: "gone" for name in before if name not in after}
    found |= {name: "changed" for name in before.keys() & after.keys() if before[name] != after[name]}
    return dict(sorted(found.items()))


def _values(file: Fingerprints) -> dict[str, str]:
    """What is compared of a file, by name."""
    endpoints = {endpoint_name(name): identity for name, identity in file.get("endpoints", {}).items()}
    return {name: secret["fingerprint"] for name, secret in file["secrets"].items()} | endpoints


def changes(before: Fingerprints | None, now: Fingerprints) -> list[str]:
    """A sentence for everything in which ``now`` differs from the file as it was."""
    if before is None:
        return [f"{name} is new" for name in _values(now)]
    if (before["environment"], before["key"]) != (now["environment"], now["key"]):
        return ["the file was of another environment or key; every secret counts as new"]
    words = {"missing": "is new", "changed": "has changed", "gone": "is gone"}
    return [f"{name} {words[how]}" for name, how in differences(before, now).items()]


def shared(own: Fingerprints, others: Iterable[Fingerprints], allowed: Collection[str] = ()) -> list[str]:
    """A sentence for each secret that is another environment's too; a pair whose names are both ``allowed`` may be equal.

    Files made with another key compare with nothing, which is a problem of its own.
    """
    problems = []
    for other in others:
        if other["environment"] == own["environment"]:
            continue
        if other["key"] != own["key"]:
            problems.append(
                f"the fingerprints of {other['environment']} were made with another key than those of {own['environment']}, so "
                "no secret can be compared; give both vaults the same vault_fingerprint_key and run playbooks/fingerprint.yml "
                "for both"
            )
            continue
        problems += [
            f"{name} has the same value as {theirs} of {other['environment']}; give each environment its own"
            for name, secret in sorted(own["secrets"].items())
            for theirs, their in sorted(other["secrets"].items())
            if secret["fingerprint"] and secret["fingerprint"] == their["fingerprint"] and not {name, theirs} <= set(allowed)
        ]
        problems += [
            f"{endpoint_name(name)} is {identity}, which is {endpoint_name(theirs)} of {other['environment']}, too; give each "
            "environment an endpoint of its own"
            for name, identity in sorted(own.get("endpoints", {}).items())
            for theirs, their_identity in sorted(other.get("endpoints", {}).items())
            if identity == their_identity and not {endpoint_name(name), endpoint_name(theirs)} <= set(allowed)
        ]
    return problems


def _problem(found: Any) -> str:
    """What keeps ``found`` from being a file of fingerprints."""
    if not isinstance(found, dict) or not isinstance(found.get("secrets"), dict):
        return 'is not a file of fingerprints, which has "environment", "key" and "secrets"'
    if not isinstance(found.get("environment"), str) or not found["environment"]:
        return '"environment" does not name one'
    if not _matches(_FINGERPRINT, found.get("key")):
        return '"key" is not a fingerprint'
    for name, secret in found["secrets"].items():
        if not isinstance(secret, dict) or not _is_day(secret.get("since")):
            return f'"{name}" has no "since" with a day'
        if secret.get("fingerprint") != "" and not _matches(_FINGERPRINT, secret.get("fingerprint")):
            return f'"{name}" has no fingerprint of 32 hexadecimal digits'
    endpoints = found.get("endpoints", {})
    if not isinstance(endpoints, dict) or not all(isinstance(identity, str) for identity in endpoints.values()):
        return '"endpoints" is no mapping of names and ids'
    return ""


def _matches(pattern: re.Pattern[str], text: Any) -> bool:
    return isinstance(text, str) and bool(pattern.match(text))


def _is_day(text: Any) -> bool:
    try:
        return bool(date.fromisoformat(text).isoformat() == text)
    except (TypeError, ValueError):
        return False
