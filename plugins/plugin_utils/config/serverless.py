# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How serverless endpoints are to be kept at the provider, as ``ml`` declares it: every problem in it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

SCALERS = ("QUEUE_DELAY", "REQUEST_COUNT")
# RunPod's own bounds.
_LONGEST_IDLE, _SHORTEST_DELAY = 3600, 0.5
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_RESERVED = ("MODEL", "MODEL_VERSION")


def problems(endpoint: Mapping[str, Any]) -> Iterator[str]:
    """``endpoint``: an entry of ``ml.endpoints`` that has ``serverless``; each problem begins with what it is about."""
    given = endpoint["serverless"]
    for problem in (*_of_image(given), *_of_cards(given), *_of_workers(given), *_of_variables(given)):
        yield f"serverless.{problem}"
    if endpoint["provider"] != "runpod":
        yield f"serverless: is kept at RunPod, and the provider is {endpoint['provider']}"


def _of_image(given: Mapping[str, Any]) -> Iterator[str]:
    image = given["image"] or ""
    if bool(image) == bool(given["template"]):
        yield "image: required, or template instead; not both"
    name = image.rpartition("/")[2]
    if image and "@sha256:" not in image and (":" not in name or name.endswith(":latest")):
        yield f'image: "{image}" does not say what runs; give a tag other than latest, or a digest'


def _of_cards(given: Mapping[str, Any]) -> Iterator[str]:
    if not given["gpu_pools"]:
        yield "gpu_pools: name at least one, as RunPod's catalog calls it, for example ADA_24"
    if given["gpu_count"] == 0:
        yield "gpu_count: must be 1 or more"


def _of_workers(given: Mapping[str, Any]) -> Iterator[str]:
    least, most = given["workers_min"] or 0, given["workers_max"]
    if most == 0:
        yield "workers_max: 0 lets nothing run; switch the mode off instead"
    elif most and least > most:
        yield f"workers_min: {least} is more than workers_max ({most})"
    if given["scaler"] not in SCALERS:
        yield f'scaler: "{given["scaler"]}" is not one of {", ".join(SCALERS)}'
    elif given["scaler_value"] is not None:
        least_value = _SHORTEST_DELAY if given["scaler"] == "QUEUE_DELAY" else 1
        if given["scaler_value"] < least_value:
            yield f"scaler_value: must be {least_value:g} or more with {given['scaler']}"
        elif given["scaler"] == "REQUEST_COUNT" and given["scaler_value"] != int(given["scaler_value"]):
            yield "scaler_value: must be a whole number with REQUEST_COUNT"
    if given["idle_timeout_seconds"] is not None and not 1 <= given["idle_timeout_seconds"] <= _LONGEST_IDLE:
        yield f"idle_timeout_seconds: must be from 1 to {_LONGEST_IDLE}, which are the provider's own bounds"


def _of_variables(given: Mapping[str, Any]) -> Iterator[str]:
    for name, value in (given["env"] or {}).items():
        if name in _RESERVED:
            yield f"env.{name}: is set by model and version of the endpoint"
        elif not _VARIABLE.match(str(name)) or not isinstance(value, str):
            yield f"env.{name}: must be a variable with a string; quote it"
