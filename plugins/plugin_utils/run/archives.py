# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archives of this collection's modules, kept from one run to the next.

Ansible packs a module with all that it imports when a run needs it first, and throws the archive away when the run ends. To find
what the modules of a deploy import takes more of the controller's CPU than anything else, and gives the same every time. An
archive holds code and no argument. It is used only while every file that it may hold is what it was; otherwise it is made again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ansible import constants
from ansible.module_utils import basic
from ansible.plugins.loader import module_utils_loader
from ansible.release import __version__

_OURS = "ansible_collections.morpheus.deploy.plugins.modules."
_PLUGINS = Path(__file__).parents[2]
_OF_ANSIBLE = Path(basic.__file__).parent
# Of so many versions of the code: a checkout is edited, and others are tried.
_VERSIONS = 4


class Archives:
    def __init__(self) -> None:
        self._place: Path | None = None

    def bring(self) -> None:
        """Give this run those of earlier ones. What cannot be had is made by Ansible, as always."""
        with suppress(OSError):
            self._place = _place()
            if self._place and self._place.exists():
                os.utime(self._place)
                for path in _archives(self._place):
                    _link(path, _of_this_run())

    def keep(self) -> None:
        """Keep those that this run has made, unless the code was changed meanwhile."""
        with suppress(OSError):
            place = self._place
            made = [path for path in _archives(_of_this_run()) if not (place / path.name).exists()] if place else []
            if not made or place is None or place != _place():
                return
            for path in made:
                _link(path, place)
            others = sorted((path for path in place.parent.iterdir() if path != place), key=lambda path: path.stat().st_mtime)
            for path in others[: 1 - _VERSIONS]:
                shutil.rmtree(path, ignore_errors=True)


def _of_this_run() -> Path:
    return Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache")


def _place() -> Path | None:
    """Where those of the code as it is lie, or nowhere, when others may write there or somebody replaces parts of Ansible."""
    paths = {Path(path) for path in module_utils_loader.print_paths().split(os.pathsep)}
    if any(path.is_dir() and path != _OF_ANSIBLE and _OF_ANSIBLE not in path.parents for path in paths):
        return None
    base = Path(constants.ANSIBLE_HOME, "morpheus.deploy", "archives")
    place = base / _code()
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Not made before there is something to keep: a run that packs nothing would push another version's out.
    return place if _is_only_ours(base) and (not place.exists() or _is_only_ours(place)) else None


def _is_only_ours(directory: Path) -> bool:
    found = directory.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _code() -> str:
    """Of this collection what the files hold, wherever it lies; of Ansible when they were installed."""
    digest = hashlib.sha256(f"{__version__} {_OF_ANSIBLE}".encode())
    for path in _files(_PLUGINS / "modules", _PLUGINS / "module_utils"):
        digest.update(f"\n{path.relative_to(_PLUGINS)} {hashlib.sha256(path.read_bytes()).hexdigest()}".encode())
    for path in _files(_OF_ANSIBLE):
        found = path.stat()
        digest.update(f"\n{path} {found.st_size} {found.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _files(*directories: Path) -> Iterator[Path]:
    for directory in directories:
        for path, names, files in os.walk(directory):
            names.sort()
            yield from (Path(path, name) for name in sorted(files) if name.endswith(".py"))


def _archives(directory: Path) -> list[Path]:
    """Those that are whole: what is being written has another name."""
    if not directory.is_dir():
        return []
    found = [path for path in directory.iterdir() if path.name.startswith(_OURS)]
    return [path for path in found if not path.name.endswith((".lock", "-part"))]


def _link(path: Path, directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = directory / f"{path.name}.{os.getpid()}-part"
    try:
        part.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, part)
    part.replace(directory / path.name)
