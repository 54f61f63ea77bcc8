# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module has compiled is kept on the host for its next run.

Ansible brings a module with all that it imports in an archive, and Python compiles what it imports from an archive each time: a
second of CPU for a rollout. Whoever imports this first has it from /var/cache instead, as long as the source is the same to the
last byte. Nobody but root writes there or is read, and what is missing, torn or of another Python is compiled as ever.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import marshal
import os
import zipimport
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import CodeType

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import BYTECODE_ROOT

_DIGEST = hashlib.sha256().digest_size


class Bytecode:
    """Of one module. ``_kept``: name of an imported one -> (digest of its source, its code)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = _read(path)
        self._has_more = False

    def code(self, name: str, source: bytes, compiled: Callable[[], CodeType]) -> CodeType:
        """``compiled`` is asked when nothing is kept of this source."""
        digest = hashlib.sha256(source).digest()
        before, code = self._kept.get(name, (b"", b""))
        if before == digest:
            found: CodeType = marshal.loads(code)
            return found
        made = compiled()
        self._kept[name] = digest, marshal.dumps(made)
        self._has_more = True
        return made

    def write(self) -> None:
        """When there is more than before. That it cannot be written costs time and nothing else."""
        if self._has_more:
            with suppress(OSError):
                write_atomically(self._path, _sealed(marshal.dumps(self._kept)), mode=0o600)


def _sealed(body: bytes) -> bytes:
    return importlib.util.MAGIC_NUMBER + hashlib.sha256(body).digest() + body


def _read(path: Path) -> dict[str, tuple[bytes, bytes]]:
    """Empty unless it is whole, of this Python, and nobody else's work: what stands there is run."""
    with suppress(OSError), path.open("rb") as stream:
        about = os.fstat(stream.fileno())
        if about.st_uid == os.geteuid() and not about.st_mode & 0o022:
            content = stream.read()
            body = content[len(importlib.util.MAGIC_NUMBER) + _DIGEST :]
            if content == _sealed(body):
                kept: dict[str, tuple[bytes, bytes]] = marshal.loads(body)
                return kept
    return {}


def keep(archive: Path) -> None:
    """For whatever is imported from an archive from now on. ``archive``: as Ansible names it, after the module."""
    module = archive.stem.removeprefix("ansible_").removesuffix("_payload")
    bytecode = Bytecode(BYTECODE_ROOT / f"{module}.bytecode")
    # Python asks it twice: for where the module is, and for its code. CPython has it since 3.8, under this name.
    compiled = zipimport._get_module_code  # type: ignore[attr-defined]
    seen: dict[str, tuple[CodeType, bool, str]] = {}

    def get_module_code(importer: zipimport.zipimporter, name: str) -> tuple[CodeType, bool, str]:
        if name not in seen:
            source, is_package = importer.get_source(name), importer.is_package(name)
            if source is None:
                found: tuple[CodeType, bool, str] = compiled(importer, name)
                return found
            code = bytecode.code(name, source.encode(), lambda: compiled(importer, name)[0])
            path = Path(importer.archive, importer.prefix, name.rpartition(".")[2])
            seen[name] = code, is_package, str(path / "__init__.py" if is_package else path.with_suffix(".py"))
        return seen[name]

    zipimport._get_module_code = get_module_code  # type: ignore[attr-defined]
    atexit.register(bytecode.write)


# Imported from a file, as by tests and by what runs on the controller, Python keeps it itself.
_loader = getattr(__spec__, "loader", None)
if isinstance(_loader, zipimport.zipimporter) and hasattr(zipimport, "_get_module_code") and os.geteuid() == 0:
    keep(Path(_loader.archive))
