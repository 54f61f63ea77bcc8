# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks that only look have put together, for the screen and as files below .deploy/<environment>/."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import html_page
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import pages as audit_report
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective import text as config_report
from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight import plan
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import costs_page, costs_table, log_lines, past_table, run_file
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.status_table import table


def write(name: str, report: Mapping[str, Any], *, as_json: bool, place: str = "") -> list[str]:
    """Write the files of the report ``name``, a playbook of ends.LOOKING, and return its lines for the screen.

    ``place``: the directory of the run's files; that of the environment when it is empty.
    """
    directory = run_file.DIRECTORY / (place or report["environment"] or run_file.UNKNOWN)
    if name == "costs":
        report = {**report, "others": _others(directory)}
    texts = {f"{name}.json": json.dumps(report, indent=2, sort_keys=True) + "\n"}
    if name == "audit":
        texts = {"audit.html": html_page.html(report), "audit.md": audit_report.markdown(report), **texts}
    if name == "costs":
        texts["costs.html"] = costs_page.html(report)
    for file, text in texts.items():
        run_file.keep(directory / file, text)
    if as_json:
        return [json.dumps(report, sort_keys=True)]
    lines: Mapping[str, Callable[[], list[str]]] = {
        "status": lambda: table(report, time.time()),
        "config": lambda: config_report.lines(report),
        "history": lambda: past_table.table(report),
        "costs": lambda: costs_table.table(report, [str(directory / "costs.html")]),
        "logs": lambda: log_lines.table(report),
        "plan": lambda: plan.lines(report, str(directory / "plan.json")),
        "audit": lambda: audit_report.summary(report, [str(directory / file) for file in texts]),
    }
    return lines[name]()


def _others(own: Path) -> list[dict[str, Any]]:
    """What the other environments cost, as each was read last on this controller."""
    files = sorted(path for path in run_file.DIRECTORY.glob("*/costs.json") if path.parent != own)
    found = [run_file.read(path.parent.name, path.name).get("own") for path in files]
    return [one for one in found if isinstance(one, dict)]
