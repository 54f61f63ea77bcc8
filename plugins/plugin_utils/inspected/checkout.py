# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of a Compose file as a look at it needs it: what lies there, its env files, and private keys by their paths."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import Source

# More is no configuration but data, and stays where it is.
_MOST_FILES, _TEXT_BYTES = 2000, 100_000
_LEFT_OUT = (".git", "node_modules", ".venv", "__pycache__")
_KEY_MARK = b"PRIVATE KEY-----"


def source(directory: Path, named: Collection[str] = ()) -> Source:
    """``named``: paths of env files, below the directory or beside it, whatever they are called."""
    sizes, env_files, keys = {}, {}, []
    for path in _files(directory):
        name, content = str(path.relative_to(directory)), b""
        # What only a service may read, as data that it has mounted, is nothing that a release ships.
        with suppress(OSError):
            sizes[name] = path.stat().st_size
            content = path.read_bytes() if sizes[name] < _TEXT_BYTES else b""
        if path.suffix == ".env" or path.name.startswith(".env"):
            env_files[name] = content.decode(errors="replace")
        if _KEY_MARK in content:
            keys.append(name)
    for name in named:
        with suppress(OSError):
            env_files.setdefault(name, (directory / name).read_bytes()[:_TEXT_BYTES].decode(errors="replace"))
    return Source(sizes, env_files, keys)


def _files(directory: Path) -> Sequence[Path]:
    found: list[Path] = []
    waiting = [directory]
    while waiting and len(found) < _MOST_FILES:
        for path in _inside(waiting.pop()):
            if path.is_dir() and not path.is_symlink() and path.name not in _LEFT_OUT:
                waiting.append(path)
            elif path.is_file():
                found.append(path)
    return found


def _inside(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []
