# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment's file of feature flags: every problem in it, and what is past its date. Pure.

What flagd's schema lets pass and no application can use is found here: a variant that there is not, a key that is misspelt, a
flag that nobody asks for. What is left is asked of the schema itself.
"""

from __future__ import annotations

import datetime
import difflib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.schema import kind
from ansible_collections.morpheus.deploy.plugins.module_utils.flags import words
from ansible_collections.morpheus.deploy.plugins.plugin_utils.flags import official

# As people declare what an application asks for -> the definition of flagd's schema.
TYPES = {"boolean": "booleanFlag", "string": "stringFlag", "number": "numberFlag", "object": "objectFlag"}
_OF_FILE = ("$schema", "flags", "metadata", "$evaluators")
_OF_FLAG = ("state", "variants", "defaultVariant", "targeting", "metadata")
_STATES = ("ENABLED", "DISABLED")
_UNKNOWN = object()


class FlagSet:
    """``problems`` is empty exactly when hosts may be given ``text``; ``notes`` are to be known and stop nobody.

    ``known``: type by name of each flag that the application asks for; none where it does not say so.
    """

    def __init__(self, text: str, known: Mapping[str, str] | None, today: datetime.date) -> None:
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.flags: dict[str, Any] = {}
        self._known = known
        self._today = today
        self._document: dict[str, Any] = {}
        if official.is_missing():
            self.problems.append(official.MISSING)
            return
        self._parse(text)
        if self.problems:
            return
        self.flags = self._document["flags"]
        self.problems += [*self._of_file(), *(found for name in self.flags for found in self._of_flag(name))]
        self.notes += [note for name in self.flags for note in self._notes(name)]
        self.notes += [
            f"flags.{name}: is not in the file, so the application goes by its own default"
            for name in known or {}
            if name not in self.flags
        ]

    def _parse(self, text: str) -> None:
        try:
            self._document = json.loads(text, object_pairs_hook=self._once, parse_constant=_no_number)
        except (ValueError, RecursionError) as exc:
            where = f"line {exc.lineno}: {exc.msg}" if isinstance(exc, json.JSONDecodeError) else str(exc)
            self.problems.append(f"is no JSON: {where}")
            return
        if not isinstance(self._document, dict):
            self.problems.append(f"must be a mapping, not {kind(self._document)}")
        elif not isinstance(self._document.get("flags"), dict):
            found = self._document.get("flags", _UNKNOWN)
            self.problems.append("flags: required" if found is _UNKNOWN else f"flags: must be a mapping, not {kind(found)}")

    def _once(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        self.problems += [f'"{name}" stands twice in one mapping, and only the last would count' for name in _twice(names)]
        return dict(pairs)

    def _of_file(self) -> Iterator[str]:
        yield from _unknown_keys("", self._document, _OF_FILE)
        metadata = self._document.get("metadata")
        found = metadata.get("version", _UNKNOWN) if isinstance(metadata, Mapping) else _UNKNOWN
        if found is not _UNKNOWN and found != str(words.version(json.dumps(self._document))):
            yield f"metadata.version: {json.dumps(found)} must be a whole number in quotes, which playbooks/flags.yml counts up"
        rest = {name: value for name, value in self._document.items() if name != "flags"}
        yield from official.problems({**rest, "flags": {}})

    def _of_flag(self, name: str) -> Iterator[str]:
        path, flag = f"flags.{name}", self.flags[name]
        if not name:
            yield "flags: a name is empty"
        if not isinstance(flag, Mapping):
            yield f"{path}: must be a mapping, not {kind(flag)}"
            return
        type_of = _type(flag.get("variants"))
        found = [*self._of_name(name, type_of), *(f"{path}.{one}" for one in self._of_meaning(flag, type_of))]
        yield from found
        if not found:
            yield from (f"{path}.{one}" for one in official.problems(flag, f"flags.json#/definitions/{TYPES[type_of]}"))

    def _of_name(self, name: str, type_of: str) -> Iterator[str]:
        if self._known is None:
            return
        wanted = self._known.get(name)
        if wanted is None:
            yield f"flags.{name}: the application asks for no such flag{_near(name, self._known, '; it asks for')}"
        elif type_of and wanted != type_of:
            yield f"flags.{name}.variants: are {type_of}, and the application asks for {wanted}"

    def _of_meaning(self, flag: Mapping[str, Any], type_of: str) -> Iterator[str]:
        yield from _unknown_keys("", flag, _OF_FLAG)
        if flag.get("state") not in _STATES:
            yield f"state: {_shown(flag, 'state')} is not one of {', '.join(_STATES)}"
        variants = flag.get("variants")
        if not isinstance(variants, Mapping) or not variants:
            yield "variants: required; name at least one, with its value"
            return
        if not type_of:
            kinds = sorted({_kind(value) for value in variants.values()})
            yield f"variants: are {' and '.join(kinds)}; a flag is of one type, {', '.join(TYPES)}"
        default = flag.get("defaultVariant", _UNKNOWN)
        if default is _UNKNOWN:
            yield "defaultVariant: required; null leaves it to the application"
        elif default is not None and default not in variants:
            yield f"defaultVariant: {json.dumps(default)} is none of the variants ({', '.join(variants)})"
        if flag.get("targeting"):
            yield from (f"targeting: {one}" for one in self._of_targeting(flag["targeting"], variants))
        yield from _of_expiry(flag.get("metadata"))

    def _of_targeting(self, rule: Any, variants: Mapping[str, Any]) -> Iterator[str]:
        shared = _mapping(self._document.get("$evaluators"))
        for operation, argument in _operations(rule):
            if operation == "$ref":
                if not isinstance(argument, str) or argument not in shared:
                    yield f"{json.dumps(argument)} is none of the $evaluators ({', '.join(shared) or 'there are none'})"
            elif operation not in official.operations():
                yield f'"{operation}" is no operation{_near(operation, official.operations())}'
            elif operation == "fractional":
                yield from _of_weights(argument)
        for result in dict.fromkeys(_results(rule, shared)):
            if result not in variants:
                yield f"{json.dumps(result)} is none of the variants ({', '.join(variants)})"

    def _notes(self, name: str) -> Iterator[str]:
        flag = self.flags[name]
        metadata = _mapping(flag.get("metadata") if isinstance(flag, Mapping) else None)
        expires = _date(metadata.get("expires"))
        if expires and expires < self._today:
            owner = f" (owner: {metadata['owner']})" if metadata.get("owner") else ""
            yield f"flags.{name}: has expired on {expires}; take it out of the application, and of the file{owner}"


def _unknown_keys(prefix: str, given: Mapping[str, Any], known: Collection[str]) -> Iterator[str]:
    yield from (f"{prefix}{key}: unknown key{_near(key, known, '; known are')}" for key in given if key not in known)


def _near(name: str, known: Collection[str], otherwise: str = "") -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"{otherwise} {', '.join(known) or 'none'}" if otherwise else " of flagd"


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _type(variants: Any) -> str:
    kinds = {_kind(value) for value in variants.values()} if isinstance(variants, Mapping) else set()
    return kinds.pop() if len(kinds) == 1 and kinds <= TYPES.keys() else ""


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "number", float: "number", dict: "object", list: "list"}
    return names.get(type(value), "null")


def _shown(flag: Mapping[str, Any], key: str) -> str:
    return json.dumps(flag[key]) if key in flag else "(missing)"


def _operations(rule: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(rule, Mapping):
        for name, argument in rule.items():
            yield str(name), argument
            yield from _operations(argument)
    elif isinstance(rule, list):
        for one in rule:
            yield from _operations(one)


def _results(rule: Any, shared: Mapping[str, Any], depth: int = 50) -> Iterator[str]:
    """What the targeting may answer, as far as it stands there and is not computed."""
    if isinstance(rule, bool):
        yield str(rule).lower()
    elif isinstance(rule, str):
        yield rule
    elif isinstance(rule, Mapping) and len(rule) == 1 and depth:
        ((name, argument),) = rule.items()
        given = argument if isinstance(argument, list) else [argument]
        if name == "if":
            chosen = [*given[1::2], *(given[-1:] if len(given) % 2 else [])]
        elif name == "fractional":
            chosen = [part[0] for part in given if isinstance(part, list) and part]
        else:
            chosen = [shared[argument]] if name == "$ref" and isinstance(argument, str) and argument in shared else []
        for one in chosen:
            yield from _results(one, shared, depth - 1)


def _of_weights(given: Any) -> Iterator[str]:
    parts = [part for part in given if isinstance(part, list)] if isinstance(given, list) else []
    weights = [part[1] if len(part) > 1 else 1 for part in parts if part]
    wrong = [weight for weight in weights if not isinstance(weight, Mapping) and not _is_weight(weight)]
    yield from (f"fractional: the weight {json.dumps(weight)} must be a whole number, 0 or more" for weight in wrong)
    if not wrong and weights and all(weight == 0 for weight in weights):
        yield "fractional: all weights are 0, so nobody would get a variant by it"


def _is_weight(weight: Any) -> bool:
    return isinstance(weight, int) and not isinstance(weight, bool) and weight >= 0


def _of_expiry(metadata: Any) -> Iterator[str]:
    if isinstance(metadata, Mapping) and "expires" in metadata and not _date(metadata["expires"]):
        yield f'metadata.expires: {json.dumps(metadata["expires"])} is no date; write it as "2026-12-31"'


def _date(given: Any) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(given) if isinstance(given, str) and len(given) == 10 else None
    except ValueError:
        return None


def _twice(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")
