# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A serverless endpoint as it is declared, beside what RunPod says of it; and what it can cost in an hour. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

# What a worker knows itself by; they are set beside what is declared.
MODEL, VERSION = "MODEL", "MODEL_VERSION"
_SCALERS = {"QUEUE_DELAY": "queueDelay", "REQUEST_COUNT": "requestCount"}

Declared = Mapping[str, Any]
Actual = Mapping[str, Any]


def name_of(environment: str, declared: Declared) -> str:
    """Of one version of a model: the next one is another endpoint, so that a rollback finds the last one."""
    return f"{environment}-{declared['name']}-{declared['version']}"


def wanted(environment: str, declared: Declared, template: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """As RunPod has it. ``declared``: an entry of ``ml.endpoints``; ``template``: what RunPod says of the one it names."""
    given = declared["serverless"]
    workers: dict[str, Any] = {"min": given["workers_min"], "max": given["workers_max"]}
    # RunPod refuses it beside the other scaler.
    if given["scaler"] == "QUEUE_DELAY":
        workers["idleTimeout"] = given["idle_timeout_seconds"]
    gpu: dict[str, Any] = {"pools": sorted(given["gpu_pools"]), "count": given["gpu_count"]}
    if given["gpu_excluded"]:
        gpu["excludedTypes"] = sorted(given["gpu_excluded"])
    own = {MODEL: declared["model"], VERSION: declared["version"]}
    return {
        "name": name_of(environment, declared),
        "image": template["image"] if template else given["image"],
        "env": {**(template or {}).get("env", {}), **(given["env"] or {}), **own},
        "gpu": gpu,
        "workers": workers,
        "scaling": {"type": given["scaler"], _SCALERS[given["scaler"]]: given["scaler_value"]},
        "timeout": declared["timeout_seconds"] * 1000,
    }


def found(endpoints: Sequence[Actual], declared: Declared, name: str) -> Actual | None:
    """The endpoint by the id that the inventory has, else by its name. None when it is still to be made."""
    if declared["id"]:
        by_id = next((one for one in endpoints if one["id"] == declared["id"]), None)
        if by_id is None:
            raise DeployError(f"{declared['name']}: RunPod has no endpoint {declared['id']}; leave id out to have one made")
        return by_id
    by_name = [one for one in endpoints if one["name"] == name]
    if len(by_name) > 1:
        ids = ", ".join(one["id"] for one in by_name)
        raise DeployError(f"{declared['name']}: RunPod has {len(by_name)} endpoints of the name {name} ({ids}); say which by id")
    return by_name[0] if by_name else None


def seen(actual: Actual, want: Mapping[str, Any]) -> dict[str, Any]:
    """What RunPod says, of that which is declared."""
    gpu, workers = actual.get("gpu") or {}, actual.get("workers") or {}
    of_gpu = {"pools": sorted(gpu.get("pools") or []), "count": gpu.get("count", 1)}
    if gpu.get("excludedTypes"):
        of_gpu["excludedTypes"] = sorted(gpu["excludedTypes"])
    return {
        **{key: actual.get(key) for key in ("name", "image", "scaling", "timeout")},
        "env": dict(actual.get("env") or {}),
        "gpu": of_gpu,
        "workers": {key: workers.get(key) for key in want["workers"]},
    }


def change(actual: Actual, want: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a PATCH; empty when all is as declared. A part that differs is sent whole."""
    is_so = seen(actual, want)
    return {key: value for key, value in want.items() if is_so[key] != value}


def drift(actual: Actual, want: Mapping[str, Any]) -> list[str]:
    """In sentences. Variables of a worker may hold what is nobody's business, so only their names are told."""
    is_so, told = seen(actual, want), []
    for key in change(actual, want):
        if key == "env":
            names = sorted(name for name in want["env"].keys() | is_so["env"].keys() if _differs(name, want["env"], is_so["env"]))
            told.append(f"env differs in {', '.join(names)}")
        elif isinstance(want[key], dict):
            parts = [part for part in sorted(want[key].keys() | is_so[key].keys()) if _differs(part, want[key], is_so[key])]
            told += [f"{key}.{part} is {_word(is_so[key].get(part))}, declared is {_word(want[key].get(part))}" for part in parts]
        else:
            told.append(f"{key} is {_word(is_so[key])}, declared is {_word(want[key])}")
    return told


def other_version(actual: Actual, declared: Declared) -> str:
    """Why this endpoint is not made to run the declared version; empty when it may be."""
    runs = dict(actual.get("env") or {}).get(VERSION)
    if runs in (None, declared["version"]):
        return ""
    return (
        f"{declared['name']}: the endpoint {actual['id']} runs version {runs}, and releases may be pinned to it; leave id out "
        f"to have an endpoint for {declared['version']} made, and put its id into the inventory"
    )


def price(gpus: Sequence[Mapping[str, Any]], spoken_of: Mapping[str, Any], name: str) -> float:
    """What the endpoint costs in an hour when every worker runs on the dearest card that it may have."""
    gpu, most = spoken_of.get("gpu") or {}, int((spoken_of.get("workers") or {}).get("max") or 0)
    dearest = 0.0
    for pool in gpu.get("pools") or []:
        excluded = gpu.get("excludedTypes") or []
        prices = [one["price"].get("serverless") for one in gpus if one["pool"] == pool and one["id"] not in excluded]
        known = [float(one) for one in prices if one]
        if not known:
            raise DeployError(
                f"{name}: RunPod's catalog has no price of a card in the pool {pool}, so nobody knows what it may cost; "
                f"known pools are {', '.join(sorted({str(one['pool']) for one in gpus if one['pool']}))}"
            )
        dearest = max(dearest, *known)
    return round(dearest * int(gpu.get("count") or 1) * most, 4)


def _differs(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return name not in one or name not in other or one[name] != other[name]


def _word(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
