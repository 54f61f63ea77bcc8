"""Programs that are no modules of a package, loaded as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[3]


def program(path: str) -> ModuleType:
    """``path`` below the repository, as a module."""
    name = Path(path).stem
    spec = importlib.util.spec_from_file_location(f"program_{name}", ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
