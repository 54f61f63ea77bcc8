# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contracts of a stack's ML endpoints: files of a request, the JSON schema of what is answered, and bounds.

They lie in ml-contract/ of the stack's source. Several may be about one endpoint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema

DIRECTORY = "ml-contract"
_OPTIONS: Mapping[str, Any] = {
    "endpoint": {"type": "str", "required": True, "description": "the name in ml.endpoints"},
    "request": {"type": "dict", "required": True, "description": "the body of a /runsync, with input"},
    "answer": {"type": "dict", "required": True, "description": "the JSON schema of the job's output"},
    "bounds": {
        "type": "dict",
        "default": {},
        "options": {"seconds": {"type": "float", "default": 60.0}, "bytes": {"type": "int", "default": 5_000_000}},
    },
}


@dataclass(frozen=True)
class Contract:
    """``file``: its name, by which it is told."""

    file: str
    endpoint: str
    request: Mapping[str, Any]
    answer: Mapping[str, Any]
    seconds: float
    bytes: int


@dataclass
class Contracts:
    """``problems`` is empty exactly when ``all`` can be used."""

    all: list[Contract] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, source: str) -> Contracts:
        found = cls()
        for path in sorted(Path(source, DIRECTORY).glob("*.yml")):
            found._add(path)
        return found

    def of(self, endpoint: str) -> list[Contract]:
        return [one for one in self.all if one.endpoint == endpoint]

    def digest(self, endpoint: str) -> str:
        """Of all that is asked of an endpoint; empty when nothing is."""
        about = [[one.request, one.answer, one.seconds, one.bytes] for one in self.of(endpoint)]
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16] if about else ""

    def lacking(self, pins: Mapping[str, Any]) -> list[str]:
        """What is pinned and has no contract."""
        return [f"{DIRECTORY}: there is no contract of the endpoint {name}; write one" for name in pins if not self.of(name)]

    def _add(self, path: Path) -> None:
        name = f"{DIRECTORY}/{path.name}"
        shape: list[str] = []
        try:
            raw = yaml.safe_load(path.read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
            self.problems.append(f"{name}: cannot be read as YAML ({type(exc).__name__})")
            return
        if not isinstance(raw, Mapping):
            self.problems.append(f"{name}: must be a mapping, not {schema.kind(raw)}")
            return
        given = schema.typed(raw, _OPTIONS, "", shape)
        bounds = given["bounds"]
        found = [] if isinstance((given["request"] or {}).get("input"), Mapping) else ["request.input: required; a mapping"]
        found += [f"bounds.{key}: must be above 0" for key in ("seconds", "bytes") if bounds[key] == 0]
        problems = schema.causes(shape, found)
        self.problems += [f"{name}: {problem}" for problem in problems]
        if not problems:
            contract = Contract(
                path.name, given["endpoint"], given["request"], given["answer"], bounds["seconds"], bounds["bytes"]
            )
            self.all.append(contract)


def unseen(contracts: Contracts, pins: Mapping[str, Mapping[str, Any]], kept: Sequence[Mapping[str, Any]]) -> list[str]:
    """Pins for which nobody has seen today's contracts kept, each in a sentence."""
    seen = {(one["endpoint"], one["pin"], one["contract"]) for one in kept}
    problems = contracts.lacking(pins)
    for name, pin in pins.items():
        digest = contracts.digest(name)
        if digest and (name, pin_of(pin), digest) not in seen:
            was = any(one["endpoint"] == name and one["pin"] == pin_of(pin) for one in kept)
            what = "the contract has changed since it was seen kept" if was else "its contract was never seen kept"
            problems.append(f"{name} is pinned to {pin['model']} {pin['version']} ({pin['id']}), and {what}")
    return problems


def pin_of(pin: Mapping[str, Any]) -> str:
    return str(pin["called"]).partition("@")[2]
