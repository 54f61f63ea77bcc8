# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Compose service says about its updates, and what it may not say when it is to be rolled without a gap.

Pure, and used twice: on the controller over the files as written, and on the host over the project as Compose resolves it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import image_name
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import FailureAction, Order, UpdatePolicy

_DURATION = re.compile(r"(?:(?P<value>\d+(?:\.\d+)?)(?P<unit>us|ms|s|m|h))")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SECTIONS = ("update_config", "rollback_config")
_POLICY_KEYS = ("parallelism", "delay", "failure_action", "monitor", "max_failure_ratio", "order")


def seconds(value: Any, default: float = 0.0) -> float:
    """A Compose duration ("1m30s", or nanoseconds as a number) in seconds. Raises ValueError for anything else."""
    if value in (None, ""):
        return default
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value / 1e9
    text = str(value)
    if not text or _DURATION.sub("", text):
        raise ValueError(f'"{text}" is not a duration such as 10s or 1m30s')
    return sum(float(match["value"]) * _UNITS[match["unit"]] for match in _DURATION.finditer(text))


def update_policy(service: Mapping[str, Any], section: str = "update_config", exclusive: str = "") -> UpdatePolicy:
    """The service's policy; Compose's defaults, except that new replicas start first where old and new may live side by side.

    ``exclusive``: why they may not (data.reason). Then they are replaced stop-first, and one at a time unless the file
    says stop-first itself. Where it says start-first, it was refused when the release was prepared, or that was before this rule.
    """
    config = (service.get("deploy") or {}).get(section) or {}
    order = Order(config.get("order", Order.START_FIRST.value))
    ruled = bool(exclusive) and order is Order.START_FIRST
    return UpdatePolicy(
        parallelism=1 if ruled else int(config.get("parallelism", 1)),
        delay_seconds=seconds(config.get("delay")),
        order=Order.STOP_FIRST if ruled else order,
        exclusive=exclusive,
        failure_action=FailureAction(config.get("failure_action", FailureAction.PAUSE.value)),
        monitor_seconds=seconds(config.get("monitor")),
        max_failure_ratio=float(config.get("max_failure_ratio", UpdatePolicy.max_failure_ratio)),
    )


def replicas(service: Mapping[str, Any]) -> int:
    """On each host."""
    wanted = (service.get("deploy") or {}).get("replicas", service.get("scale"))
    return 1 if wanted is None else int(wanted or 0)


def time_to_fail_seconds(healthcheck: Mapping[str, Any] | None) -> float:
    """How long Docker may need to call a replica unhealthy that has been well: every retry, each with its timeout.

    Compose's defaults are 30 s each and 3 retries. 0 when there is no healthcheck.
    """
    if not healthcheck or healthcheck.get("disable") or healthcheck.get("test") == ["NONE"]:
        return 0.0
    once = seconds(healthcheck.get("interval"), 30.0) + seconds(healthcheck.get("timeout"), 30.0)
    return once * int(healthcheck.get("retries", 3))


def problems(name: str, service: Mapping[str, Any], *, routed: bool) -> list[str]:
    """Findings about one service, each beginning with its path below ``services``."""
    path = f"services.{name}"
    misshapen = _shape_problems(path, service)
    if misshapen:
        return misshapen
    found = [*_image_problems(path, service), *_policy_problems(path, service)]
    if service.get("container_name") and _may_be_several(service):
        found.append(f"{path}.container_name: its replicas live side by side, so none may have a fixed name")
    if service.get("pre_stop"):
        found.append(f"{path}.pre_stop: replicas are drained and then stopped by signal, without hooks; do it when SIGTERM comes")
    if service.get("network_mode") == "host" and routed:
        found.append(f"{path}.network_mode: old and new replicas cannot share the host's ports; remove it")
    return found


def well_formed(service: Any) -> bool:
    """Whether the parts of a service that these rules read have the shapes that they must have."""
    return not _shape_problems("", service)


def _may_be_several(service: Mapping[str, Any]) -> bool:
    try:
        return replicas(service) > 1
    except (TypeError, ValueError):
        # A variable, or what Compose itself will refuse.
        return False


def _shape_problems(path: str, service: Any) -> list[str]:
    if not isinstance(service, Mapping):
        return [f"{path}: must be a mapping"]
    deploy = service.get("deploy") or {}
    parts = {"deploy": deploy, "healthcheck": service.get("healthcheck") or {}}
    if isinstance(deploy, Mapping):
        parts |= {f"deploy.{key}": deploy.get(key) or {} for key in _SECTIONS}
    found = [f"{path}.{key}: must be a mapping" for key, value in parts.items() if not isinstance(value, Mapping)]
    return found or _count_problems(path, service, deploy)


def _count_problems(path: str, service: Mapping[str, Any], deploy: Mapping[str, Any]) -> list[str]:
    counts = {"deploy.replicas": deploy.get("replicas"), "scale": service.get("scale")}
    return [
        f'{path}.{key}: "{value}" is no number of replicas; write a whole number, 0 or more'
        for key, value in counts.items()
        # Of a variable that nobody gives nothing is left, and that is refused by itself.
        if value not in (None, "") and not re.fullmatch(r"[0-9]+|.*\$.*", str(value))
    ]


def _image_problems(path: str, service: Mapping[str, Any]) -> list[str]:
    image = service.get("image")
    if not image:
        name = path.removeprefix("services.")
        mend = (
            f". Push it, and write beside build: image: <registry>/{name}:${{STACK_RELEASE:?}}"
            if "build" in service
            else ". If the service was renamed or removed in another file, take its lines out of this one"
        )
        return [f"{path}.image: required; hosts run images that were built and tested before, they build none{mend}"]
    # Of a name that is a variable's nothing is left where nobody gives the variable, and that is refused by itself.
    if image_name.parse(str(image)).is_versioned or str(image).startswith(":"):
        return []
    return [f'{path}.image: "{image}" does not say which version runs; give a tag other than latest, or a digest']


def _policy_problems(path: str, service: Mapping[str, Any]) -> list[str]:
    deploy = service.get("deploy") or {}
    return [
        problem for section in _SECTIONS for problem in _section_problems(f"{path}.deploy.{section}", deploy.get(section) or {})
    ]


def watch_problems(name: str, service: Mapping[str, Any], health_seconds: float | None) -> list[str]:
    """A watch must be as long as what watches needs to see that a replica answers no more: ``health_seconds``, as long as what
    ``stack.services`` says may need, or else Docker's healthcheck.

    To be asked of what is deployed, not of what a host has: a release that an older version accepted can be rolled back to.
    """
    path = f"services.{name}"
    if _shape_problems(path, service):
        return []
    deploy = service.get("deploy") or {}
    return [
        problem
        for section in _SECTIONS
        for problem in _monitor_problems(f"{path}.deploy.{section}.monitor", deploy.get(section) or {}, service, health_seconds)
    ]


def _monitor_problems(
    path: str, config: Mapping[str, Any], service: Mapping[str, Any], health_seconds: float | None
) -> list[str]:
    try:
        monitor = seconds(config.get("monitor"))
        needed = round(health_seconds if health_seconds is not None else time_to_fail_seconds(service.get("healthcheck")), 3)
    except ValueError:
        return []
    if not 0 < monitor < needed:
        return []
    who, sum_of, what = (
        ("its health in stack.services", "(interval_seconds + timeout_seconds) x successes", "the health")
        if health_seconds is not None
        else ("the healthcheck", "(interval + timeout) x retries", "the healthcheck")
    )
    return [
        f"{path}: {monitor:g} s is shorter than the {needed:g} s in which {who} can fail ({sum_of}); make it at least "
        f"{needed:g}s, or {what} quicker"
    ]


def _section_problems(path: str, config: Mapping[str, Any]) -> list[str]:
    found = [f"{path}.{key}: unknown key; known are {', '.join(_POLICY_KEYS)}" for key in config if key not in _POLICY_KEYS]
    parallelism = config.get("parallelism", 1)
    if not isinstance(parallelism, int) or isinstance(parallelism, bool) or parallelism < 0:
        found.append(f"{path}.parallelism: {parallelism!r} is not a number of replicas (0 means all at the same time)")
    for key, words in (("order", list(Order)), ("failure_action", list(FailureAction))):
        choices = [word.value for word in words]
        if key in config and config[key] not in choices:
            found.append(f'{path}.{key}: "{config[key]}" is not one of {", ".join(choices)}')
    ratio = config.get("max_failure_ratio", 0)
    if not isinstance(ratio, int | float) or isinstance(ratio, bool) or not 0 <= ratio <= 1:
        found.append(f"{path}.max_failure_ratio: {ratio!r} is not a share of requests between 0 and 1, such as 0.05")
    for key in ("delay", "monitor"):
        try:
            seconds(config.get(key))
        except ValueError as exc:
            found.append(f"{path}.{key}: {exc}")
    return found
