# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""What the operating system refuses, in words for people: which path, what is wrong with it, and what mends it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.errors import DeployError

_WHAT = {
    errno.ENOENT: "is missing",
    errno.EISDIR: "is a directory where a file belongs",
    errno.ENOTDIR: "lies below a file where a directory belongs",
    errno.EEXIST: "is a file where a directory belongs",
    errno.ENOSPC: "cannot be written: the disk is full",
}


@contextmanager
def spoken() -> Iterator[None]:
    """Also as a decorator. An OSError becomes a DeployError that names the path and the mend."""
    try:
        yield
    except OSError as exc:
        raise DeployError(sentence(exc)) from exc


def sentence(exc: OSError) -> str:
    path = str(exc.filename2 or exc.filename or "")
    if not path:
        return str(exc)
    what = _WHAT.get(exc.errno or 0, f"cannot be used ({exc.strerror})")
    return f"{path} {what}: {mend(Path(path), exc.errno or 0)}"


def mend(path: Path, number: int = errno.ENOENT) -> str:
    """What brings back a file of ours, by where it lies."""
    if number == errno.ENOSPC:
        return f"make room (df -h {path.parent}), then run this again"
    after = _writer(path.parts)
    if number in (errno.EISDIR, errno.EEXIST):
        return f"move it away (mv {path} {path}.damaged); then {after}"
    if number == errno.ENOTDIR:
        blocking = next((one for one in (path, *path.parents) if one.is_file()), path.parent)
        return f"move {blocking} away (mv {blocking} {blocking}.damaged); then {after}"
    return after


def _writer(parts: tuple[str, ...]) -> str:
    if "releases" in parts[:-2]:
        identity = parts[parts.index("releases") + 1]
        return f"deploy release {identity} again, which writes its files anew"
    if "edge" in parts:
        return "run playbooks/provision.yml for this inventory, which writes it anew"
    if "stacks" in parts:
        return "deploy the release that runs again, which writes it anew"
    return "run this again"
