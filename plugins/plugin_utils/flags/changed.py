# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One flag switched as a person says it: a share of users, a variant for all, or the flag as a whole. Pure."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.schema import kind
from ansible_collections.morpheus.deploy.plugins.module_utils.flags import words

_STATES = {"enabled": "ENABLED", "disabled": "DISABLED"}
_SHARE = re.compile(r"(?P<variant>[^:,]+):(?P<percent>[^:,]+)\Z")
# As people and Ansible write a boolean -> its value.
_BOOLEANS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


class ChangeError(ValueError):
    """Why the flag cannot be switched so, as the end of a problem."""


def changed(flag: Mapping[str, Any], to: Any) -> dict[str, Any]:
    """``flag`` as it is to be. Its other parts stay: a share in the midst of a targeting is changed where it stands.

    Raises ChangeError. ``to``: a percentage of a boolean flag, ``<variant>:<percentage>`` and more of them with commas between, a
    variant, or ``enabled`` and ``disabled``.
    """
    found = copy.deepcopy(dict(flag))
    text = str(to).strip()
    variants = found["variants"]
    if text in variants or (text.lower() in _BOOLEANS and _of_value(variants, _BOOLEANS[text.lower()])):
        variant = text if text in variants else _of_value(variants, _BOOLEANS[text.lower()])
        return {
            **{key: value for key, value in found.items() if key != "targeting"},
            "defaultVariant": variant,
            "state": "ENABLED",
        }
    if text.lower() in _STATES:
        return {**found, "state": _STATES[text.lower()]}
    return _shared(found, _weights(text, found))


def _of_value(variants: Mapping[str, Any], value: bool) -> str:
    return next((name for name, one in variants.items() if one is value), "")


def _weights(text: str, flag: Mapping[str, Any]) -> list[list[Any]]:
    """Variant and weight of each part, in the order in which they stand: so a user whose share grows keeps the side."""
    variants = flag["variants"]
    on = _of_value(variants, True)
    given = {on: _percent(text, text)} if on and ":" not in text else dict(_said(text, variants))
    rest = 100 - sum(given.values())
    if rest < 0:
        raise ChangeError(f'"{text}" gives away {100 - rest} %; at most 100')
    others = [name for name in variants if name not in given]
    default = _of_value(variants, False) if on else flag.get("defaultVariant")
    if rest and default not in others:
        raise ChangeError(f'"{text}" leaves {rest} % of users without a variant; say all of them, to 100')
    others_share = [(default, rest)] if default in others and (rest or on) else []
    return [[name, percent] for name, percent in [*given.items(), *others_share]]


def _said(text: str, variants: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for part in text.split(","):
        found = _SHARE.match(part.strip())
        name = found["variant"].strip() if found else ""
        if not found or name not in variants:
            raise ChangeError(_unknown(text, variants))
        yield name, _percent(found["percent"], text)


def _percent(text: str, whole: str) -> int:
    number = text.strip().removesuffix("%").strip()
    if not (number.isascii() and number.isdigit() and int(number) <= 100):
        raise ChangeError(f'"{whole}" is no share; give a whole number of percent from 0 to 100, or on, off, enabled, disabled')
    return int(number)


def _unknown(text: str, variants: Mapping[str, Any]) -> str:
    names = list(variants)
    example = f"{names[0]}:25"
    return f'"{text}" is none of {", ".join(names)}, nor a share as {example}, nor enabled or disabled'


def _shared(flag: dict[str, Any], weights: list[list[Any]]) -> dict[str, Any]:
    flag["state"] = "ENABLED"
    if not flag.get("targeting"):
        return {**flag, "targeting": {"fractional": weights}}
    places = [rule for rule in _rules(flag["targeting"]) if "fractional" in rule]
    if len(places) != 1:
        count = f"{len(places)} shares" if places else "no share"
        raise ChangeError(
            f"its targeting has {count} of users in it, so nobody can say which is meant; edit the file, and bring it"
        )
    before = places[0]["fractional"]
    if words.parts(before) is None:
        raise ChangeError("the share in its targeting is computed; edit the file, and bring it")
    hashed = before[:1] if len(words.parts(before) or []) < len(before) else []
    order = [name for name, _ in words.parts(before) or []]
    kept = sorted(weights, key=lambda part: order.index(part[0]) if part[0] in order else len(order))
    places[0]["fractional"] = [*hashed, *kept]
    return flag


def _rules(rule: Any) -> Iterator[dict[str, Any]]:
    if isinstance(rule, dict):
        yield rule
        for argument in rule.values():
            yield from _rules(argument)
    elif isinstance(rule, list):
        for one in rule:
            yield from _rules(one)


def problem(flags: Mapping[str, Any], name: Any, to: Any) -> str:
    """Why flag ``name`` cannot be switched so; empty when it can."""
    if not isinstance(name, str) or name not in flags:
        return f'flag: "{name}" is none of the flags; there is {", ".join(flags) or "none"}'
    if isinstance(to, Mapping | list) or to in (None, ""):
        return (
            f"to: must be a share in percent, a variant, enabled or disabled, not {kind(to)}"
            if to
            else "to: required; what it is switched to"
        )
    try:
        changed(flags[name], to)
    except ChangeError as exc:
        return f"to: {exc}"
    return ""


def text(document: Mapping[str, Any], flags: Mapping[str, Any], version: int) -> str:
    """The file with these flags and that version, as it is written."""
    metadata = {**(document.get("metadata") or {}), "version": str(version)}
    whole = {**document, "metadata": metadata, "flags": {**flags}}
    first = {key: whole[key] for key in ("$schema", "metadata") if key in whole}
    return json.dumps({**first, **whole}, indent=2, ensure_ascii=False) + "\n"
