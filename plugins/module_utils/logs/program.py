# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that sends logs away, as one file that runs without Ansible: made of the modules that this process has imported."""

from __future__ import annotations

import importlib
import io
import sys
import zipfile
from pathlib import PurePosixPath
from typing import Any

_OWN = "ansible_collections.morpheus.deploy.plugins.module_utils."
_MAIN = f"{_OWN}logs.shipper"
# Zip files know no earlier time, and the same modules are to make the same file.
_WHEN = (1980, 1, 1, 0, 0, 0)


def archive() -> bytes:
    importlib.import_module(_MAIN)
    files = {"__main__.py": f"from {_MAIN} import main\n\nmain()\n"}
    for name, module in sorted(sys.modules.items()):
        if name.startswith(_OWN) and getattr(module, "__file__", None):
            path = PurePosixPath(*name.split("."))
            files |= {str(above / "__init__.py"): "" for above in path.parents if above.name}
            if not hasattr(module, "__path__"):
                files[f"{path}.py"] = _source(name, module)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as found:
        for name, text in sorted(files.items()):
            found.writestr(zipfile.ZipInfo(name, _WHEN), text)
    return packed.getvalue()


def _source(name: str, module: Any) -> str:
    source = module.__spec__.loader.get_source(name)
    return source.decode() if isinstance(source, bytes) else str(source)
