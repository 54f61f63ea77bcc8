"""The example's inventory gone over to two stacks, the ML gateway and the application behind it, as docs/ml.md says it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

GATEWAY, APPLICATION = "ml-gateway", "morpheus"
# What of a single stack moves to stacks.morpheus. Fingerprints are made for each stack anew.
MOVED = ("source", "secrets", "secret_files", "flags")
LEFT = ("name", "allowed_values")
COMPOSE = {"staging": ["compose.gateway.yml", "compose.gateway.staging.yml"], "production": ["compose.gateway.yml"]}


def files(root: Path, environment: str) -> Path:
    """Where the variables of all hosts lie."""
    return root / "inventories" / environment / "group_vars" / "all"


def ml(root: Path, environment: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((files(root, environment) / "ml.yml").read_text())["ml"]
    return found


def first_time(root: Path, environment: str) -> list[tuple[str, ...]]:
    """The playbooks that bring gateway and application to hosts which have neither, each with its options, in their order."""
    gateway: tuple[str, ...] = ("deploy.yml", "-e", f"stack_name={GATEWAY}")
    everything: tuple[str, ...] = ("deploy.yml",)
    contracts = ("playbooks/ml_contract.yml", "-e", f"stack_name={APPLICATION}")
    # In production nothing goes live whose contracts nobody has seen kept. Elsewhere they are asked of the application's mock.
    is_production = ml(root, environment)["tier"] == "production"
    return [gateway, contracts, everything] if is_production else [gateway, everything, contracts]


def write(root: Path, environment: str, source: Path, told: Mapping[str, Any] | None = None) -> None:
    """``root``: copies of inventories and stacks. ``source``: the repository that they are of. ``told``: another ``ml``."""
    variables = yaml.safe_load((files(source, environment) / "stack.yml").read_text())
    stack = variables.pop("stack")
    example = {key: value for key, value in stack.items() if key not in LEFT}
    example |= {key: variables.pop(f"stack_{key}") for key in MOVED}
    for name in ("stack_release", "stack_fingerprints"):
        variables.pop(name, None)
    del example["secrets"]["api"]["ML_API_KEY"]
    example["compose_files"] += COMPOSE[environment]
    example["hardening"] = {"exempt": {"api": ["networks"]}}
    if environment == "staging":
        example["hardening"]["exempt"]["ml"] = ["networks"]
        del example["secrets"]["ml"]
    example["ml_endpoints"] = ["comic-panels"]
    variables["api_settings"] = {}
    gateway: dict[str, Any] = {
        "source": "{{ inventory_dir }}/../../stacks/ml-gateway",
        "release": "1.0.0",
        "compose_files": ["compose.yml"],
        "env": {"gateway": "{{ ml | morpheus.deploy.ml_gateway_env(stack_environment) }}"},
        "services": [{"name": "gateway", "port": 9100, "health": {"path": "/health", "version": "version"}}],
        "secrets": {"gateway": {"DATABASE_URL": "{{ vault_database_admin_url }}"}},
        "secret_files": {"ml_provider_key": {"content": "{{ vault_ml_api_key }}", "owner": 10001}},
    }
    rotations = yaml.safe_load((files(source, environment) / "rotation.yml").read_text())["stack_rotation"]
    gateway["rotation"] = [{**one, "secrets": ["files.ml_provider_key"]} for one in rotations if one["name"] == "ml"]
    variables["stacks"] = {GATEWAY: gateway, APPLICATION: {**example, "release": "1.0.0", "after": [GATEWAY]}}
    place = files(root, environment)
    # The file that is copied names secrets of the application.
    (place / "rotation.yml").unlink(missing_ok=True)
    (place / "stack.yml").write_text(yaml.safe_dump(variables))
    if told is not None:
        (place / "ml.yml").write_text(yaml.safe_dump({"ml": dict(told)}))
