# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML as people write it, with Compose's own tags: what an earlier file says is taken away, or replaced. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True)
class Reset:
    """What earlier files say here does not count."""


@dataclass(frozen=True)
class Override:
    """Instead of what earlier files say, and not beside it."""

    value: Any


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _reset(dumper: yaml.SafeDumper, data: Reset) -> yaml.Node:
    return dumper.represent_sequence("!reset", [], flow_style=True)


def _override(dumper: yaml.SafeDumper, data: Override) -> yaml.Node:
    if isinstance(data.value, Mapping):
        return dumper.represent_mapping("!override", data.value, flow_style=False)
    return dumper.represent_sequence("!override", data.value, flow_style=True)


def _listed(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=not any(isinstance(one, Mapping) for one in data))


_Dumper.add_representer(Reset, _reset)
_Dumper.add_representer(Override, _override)
_Dumper.add_representer(list, _listed)
# What Ansible hands on knows where it comes from, and is no plain text to YAML.
_Dumper.add_multi_representer(str, lambda dumper, data: dumper.represent_str("".join(data)))


def dump(value: Any) -> str:
    found: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True, default_flow_style=False)
    return found
