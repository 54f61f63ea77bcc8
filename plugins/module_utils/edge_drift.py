# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""Files of the edge without which HAProxy would not start again: it runs from memory, so nobody else would notice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.edge import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.formats import EDGE_FILES, DamagedError

_MEND = "run playbooks/provision.yml for this inventory, which writes it anew"


def differing(paths: EdgePaths, names: Iterable[str]) -> list[str]:
    """Sentences about the files that Edge.differences names. A rollout of the live release mends them, even without a step."""
    return [f"{paths.conf / name} is not as the live release and what is admitted have it" for name in names]


def problems(paths: EdgePaths) -> list[str]:
    listed = paths.conf / "certificates.list"
    names = ["haproxy.cfg", "routes.map", "maintenance.map", *(["certificates.list"] if listed.exists() else [])]
    found = [_problem(paths.conf / name, may_be_empty=name == "routes.map") for name in names]
    for name in _certificates(listed):
        found.append(_problem(paths.conf / "certs" / name, may_be_empty=False))
    return [one for one in found if one]


def _problem(path: Path, *, may_be_empty: bool) -> str:
    try:
        text = EDGE_FILES.commented(path)
    except FileNotFoundError:
        return f"{path} is missing, and HAProxy would not start again: {_MEND}"
    except DamagedError as exc:
        return str(exc)
    return "" if text.strip() or may_be_empty else f"{path} is empty, and HAProxy would not start again: {_MEND}"


def _certificates(listed: Path) -> list[str]:
    """Names of the certificates that certificates.list names, by whatever path HAProxy sees them."""
    try:
        lines = EDGE_FILES.commented(listed).splitlines()
    except (FileNotFoundError, DamagedError):
        return []
    return [Path(line.split()[0]).name for line in lines if line.split() and not line.startswith("#")]
