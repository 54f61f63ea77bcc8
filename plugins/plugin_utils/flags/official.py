# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What flagd's own JSON schemas say of a file of flags. They lie in roles/preflight/files/flagd, with their origin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

MISSING = "stack_flags: needs jsonschema on the controller, to check flags with flagd's schema: pip install jsonschema"
_FILES = Path(__file__).parents[3] / "roles" / "preflight" / "files" / "flagd"
_ADDRESS = "https://flagd.dev/schema/v0/"
_NAMES = ("flags.json", "targeting.json")


def is_missing() -> bool:
    """jsonschema is loaded where it is needed: Ansible loads every filter of the collection at the start of each run."""
    return find_spec("jsonschema") is None


@cache
def _documents() -> dict[str, Any]:
    return {name: json.loads((_FILES / name).read_text()) for name in _NAMES}


@cache
def operations() -> frozenset[str]:
    """Names of all operations that targeting may use."""
    rules = _documents()["targeting.json"]["definitions"]
    return frozenset(name for key, rule in rules.items() if key.lower().endswith(("rule", "semver")) for name in _keys(rule))


def _keys(rule: Any) -> Iterator[str]:
    yield from rule.get("properties") or {}


@cache
def _validator(part: str) -> Any:
    from jsonschema import Draft7Validator
    from referencing import Registry
    from referencing.jsonschema import DRAFT7

    # Of a schema with a $ref at its top, draft 7 passes over the $id beside it: so each is known by its address.
    known = Registry().with_resources((_ADDRESS + name, DRAFT7.create_resource(text)) for name, text in _documents().items())
    return Draft7Validator({"$ref": _ADDRESS + part}, registry=known)


def problems(value: Any, part: str = "flags.json") -> list[str]:
    """What is wrong with ``value`` by one of the definitions: a path below it, and the words of the schema."""
    return [_said(error) for error in _validator(part).iter_errors(value)]


def _said(error: Any) -> str:
    """Of alternatives the error of the one that comes nearest."""
    from jsonschema.exceptions import best_match

    found = best_match([error])
    path = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in found.absolute_path)
    message = found.message if len(found.message) <= 160 else f"{found.message[:160]} ..."
    return f"{path.removeprefix('.')}: {message}" if path else message
