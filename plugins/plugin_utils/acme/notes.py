# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has done about certificates, and what went wrong, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme.state import one_line, why_not

_RENEW = "playbooks/certificates.yml"


def outcome(
    found: Mapping[str, Any],
    names: Sequence[str],
    ordered: Mapping[str, Any],
    placed: Mapping[str, Mapping[str, Any]],
    *,
    check_mode: bool = False,
) -> dict[str, Any]:
    """``notes``: all of it; ``problems``: those of it that a person has to mend.

    ``found``: of ``state``; ``ordered``: of the action acme_certificate, empty when it was not called; ``placed``: host ->
    what edge_certificate said there.
    """
    what = f"the certificate for {_few(names)}"
    problems, notes = [], []
    if found["due"] and check_mode:
        notes.append(f"{what} would be issued: {found['why']}")
    elif found["due"] and ordered.get("changed"):
        notes.append(f"{what} was issued ({found['why']}); it ends on {ordered['ends']}")
    elif found["due"]:
        why = one_line(ordered.get("problem") or "it ended without an answer").rstrip(".")
        problems.append(f"{what} could not be issued, and is due because {found['why']}: {why}. {_meanwhile(found)}")
    if found["behind"] and check_mode and not found["due"]:
        notes.append(f"{', '.join(found['behind'])} would get {what}")
    good = [host for host, answer in placed.items() if answer.get("changed") and not answer.get("failed")]
    notes += [f"{', '.join(good)}: {what} is served"] if good else []
    bad = {host: why_not(answer) for host, answer in placed.items() if answer.get("failed") or answer.get("unreachable")}
    lost = {**found["away"], **bad}
    problems += [f"{host} was not given {what}: {why.rstrip('.')}. {_RENEW} brings it along" for host, why in lost.items()]
    return {"notes": [*notes, *(f"warning: {problem}" for problem in problems)], "problems": problems}


def _meanwhile(found: Mapping[str, Any]) -> str:
    if not found["source"]:
        return f"No host serves with one for all names until that is mended and {_RENEW} has run"
    return f"Hosts go on with the one that ends on {found['ends']} (in {found['days']} days); each deploy and {_RENEW} try again"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more names" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
