# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of a run, and beside it a page of each of the last runs that could change something."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import run_file

KEEP = 100
_VERDICT = "verdict.json"


def write(place: str, file: str, verdict: Mapping[str, Any]) -> Path:
    """Where the file was written. A page that cannot be written is no matter of the run's."""
    path = run_file.write(place, file, verdict)
    if file == _VERDICT and "hosts" in verdict:
        with suppress(Exception):
            _write_page(path.parent / "runs", verdict)
    return path


def _write_page(directory: Path, verdict: Mapping[str, Any]) -> None:
    # Loaded when it is needed: a run that only looks has none.
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import run_page

    run_file.keep(directory / run_page.file_name(verdict), run_page.html(verdict))
    for old in sorted(directory.glob("*.html"))[:-KEEP]:
        old.unlink(missing_ok=True)
