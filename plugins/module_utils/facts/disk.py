# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all disks of a host show: copies of secrets, what killed runs have left, and who may get in and become root, beside what
the baseline says of it. Reads, and changes nothing."""

from __future__ import annotations

import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import leftovers
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_ROOT, IDENTITY_ROOT, ROOT, STACKS_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import drift as edge_drift
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import CERTIFICATES, EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import access, baseline, secret_copies, walk

# Who may write to one of them is root.
_SOCKETS = ("run/docker.sock", "run/containerd/containerd.sock")
_STACKS = str(STACKS_ROOT)


def own(root: Path) -> Path:
    """Where all that is ours lies, on the host whose files are below ``root``."""
    return root / str(ROOT).lstrip("/")


def sockets(root: Path) -> list[dict[str, Any]]:
    """Owners of the engine's sockets, and who may write to them."""
    found = []
    for name in _SOCKETS:
        with suppress(OSError):
            about = (root / name).stat()
            found.append({"path": f"/{name}", "uid": about.st_uid, "gid": about.st_gid, "mode": stat.S_IMODE(about.st_mode)})
    return found


def abandoned(root: Path) -> list[str]:
    """Directories with secrets that killed runs have left."""
    places = {root / "run": leftovers.PREPARING, own(root) / EDGE_ROOT.name: leftovers.CANDIDATE}
    return [access.shown(root, path) for place, prefix in places.items() for path in leftovers.abandoned(place, prefix)]


def certificates_left(root: Path, sites: Collection[str] | None) -> list[str]:
    """Certificates that the edge does not use, or that the inventory has no more. ``sites``: None where it does not say."""
    paths = EdgePaths(own(root) / EDGE_ROOT.name)
    used = set(edge_drift.certificates(paths))
    # Half-written ones, whose names begin with a dot, are a finding of their own.
    there = sorted((paths.conf / CERTIFICATES).glob("[!.]*"))
    return [access.shown(root, path) for path in there if path not in used or (sites is not None and path.stem not in sites)]


def look(root: Path, engine_root: str, trouble: list[str]) -> dict[str, Any]:
    """What a walk over all files shows. ``engine_root``: where the engine keeps its own; ``trouble``: gets what went wrong."""
    brought = walk.packaged(root)
    secrets, short = secret_copies.values(root / _STACKS.lstrip("/"))
    skip = {*walk.ENGINE, *([engine_root] if engine_root.startswith("/") and engine_root != "/" else [])}
    left = tuple(f"{path}/" for path in abandoned(root))
    walked = walk.walk(root, skip, lambda path: path not in brought and not secret_copies.is_in_place(path, _STACKS, left))
    if not walked.complete:
        trouble.append(f"the walk over all files took more than {walk.SECONDS:g} s; {walked.count} of them were looked at")
    searched = secret_copies.search(walked.files, secrets, root)
    left_out = [*walked.left_out, *(["what packages brought"] if brought else [])]
    return {
        **_compared(root, baseline.entries(root, walked), trouble),
        "searched": {**vars(searched), "values": len(secrets), "short": short, "left_out": left_out, "walked": walked.count},
    }


def _compared(root: Path, now: access.Entries, trouble: list[str]) -> dict[str, Any]:
    before = None
    try:
        before = baseline.BaselineFile(root / str(IDENTITY_ROOT).lstrip("/")).read()
    except DeployError as exc:
        trouble.append(str(exc))
    changed = baseline.differences(before.entries, now) if before else []
    return {
        "access": now,
        "baseline": before.as_dict() if before else None,
        "upgraded": baseline.from_packages(changed, root),
    }
