"""Files of feature flags, for tests."""

from __future__ import annotations

import copy
import json
from typing import Any

BOOLEAN: dict[str, Any] = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
THEME: dict[str, Any] = {"state": "ENABLED", "variants": {"day": "d", "night": "n", "dusk": "k"}, "defaultVariant": "day"}


def boolean(**more: Any) -> dict[str, Any]:
    return {**copy.deepcopy(BOOLEAN), **more}


def theme(**more: Any) -> dict[str, Any]:
    return {**copy.deepcopy(THEME), **more}


def share(percent: int) -> dict[str, Any]:
    """A boolean flag that so many users have."""
    return boolean(targeting={"fractional": [["on", percent], ["off", 100 - percent]]})


def document(flags: dict[str, Any], version: int | None = 1, **more: Any) -> dict[str, Any]:
    return {**({"metadata": {"version": str(version)}} if version is not None else {}), "flags": flags, **more}


def text(flags: dict[str, Any], version: int | None = 1, **more: Any) -> str:
    return json.dumps(document(flags, version, **more), indent=2) + "\n"


# Ten mistakes, and what is said of each.
TEN: dict[str, Any] = {
    "unknown": boolean(),
    "wrong-type": theme(),
    "state": boolean(state="ON"),
    "mixed": boolean(variants={"on": True, "off": "no"}),
    "default": boolean(defaultVariant="offf"),
    "misspelt": boolean(targetting={}),
    "operation": boolean(targeting={"fractionl": [["on", 1]]}),
    "weight": boolean(targeting={"fractional": [["on", 1.5], ["off", 2]]}),
    "variant": boolean(targeting={"fractional": [["of", 1], ["on", 1]]}),
    "expires": boolean(metadata={"expires": "soon"}),
}
TEN_KNOWN = {name: "boolean" for name in TEN if name != "unknown"}
TEN_SAID = [
    "flags.unknown: the application asks for no such flag; it asks for wrong-type, state, mixed, default, misspelt, operation, "
    "weight, variant, expires",
    "flags.wrong-type.variants: are string, and the application asks for boolean",
    'flags.state.state: "ON" is not one of ENABLED, DISABLED',
    "flags.mixed.variants: are boolean and string; a flag is of one type, boolean, string, number, object",
    'flags.default.defaultVariant: "offf" is none of the variants (on, off)',
    'flags.misspelt.targetting: unknown key; did you mean "targeting"?',
    'flags.operation.targeting: "fractionl" is no operation; did you mean "fractional"?',
    "flags.weight.targeting: fractional: the weight 1.5 must be a whole number, 0 or more",
    'flags.variant.targeting: "of" is none of the variants (on, off)',
    'flags.expires.metadata.expires: "soon" is no date; write it as "2026-12-31"',
]
