from __future__ import annotations

import pytest
from ansible.module_utils.common import warnings


@pytest.fixture(autouse=True)
def _a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Warnings are the process's, and a module has one to itself."""
    monkeypatch.setattr(warnings, "_global_warnings", type(warnings._global_warnings)())
