# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host tells Prometheus of deploys: files for the textfile collector of its node exporter.

For people who look at graphs. Nothing is decided by them, so whoever writes one goes on when it cannot be written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically

# The exporter runs as a user of its own.
MODE = 0o644
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n"}


@dataclass(frozen=True)
class Sample:
    name: str
    labels: Mapping[str, str]
    value: float


def text(told: Mapping[str, str], samples: Iterable[Sample]) -> str:
    """As Prometheus reads it. ``told``: name of a metric -> what it is; every sample is a gauge."""
    found = list(samples)
    lines: list[str] = []
    for name, what in told.items():
        lines += [f"# HELP {name} {what}", f"# TYPE {name} gauge"]
        lines += [_line(sample) for sample in found if sample.name == name]
    return "".join(f"{line}\n" for line in lines)


def file(directory: Path, *words: str) -> Path:
    """The file of what ``words`` name; no file begins with a dot, and all end as the exporter wants it."""
    return directory / ("-".join(_UNFIT.sub("_", word) for word in words) + ".prom")


def keep(path: Path, content: str) -> None:
    """The exporter reads it whole or not at all."""
    write_atomically(path, content, mode=MODE)


def _line(sample: Sample) -> str:
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels.items())
    # Whole seconds as they are: a clock's 1764000000 is no 1.764e+09.
    value = f"{sample.value:.3f}".rstrip("0").rstrip(".")
    return f"{sample.name}{{{labels}}} {value}"


def _escaped(value: str) -> str:
    return "".join(_ESCAPES.get(char, char) for char in value)
