#!/usr/bin/env python3
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a deploy to production may go on: its environment has required reviewers, or a named person has dispatched it.

Reads one JSON object: rules (protection_rules of the environment), runs (workflow_runs that pushed the tag), event, commit,
actor, triggering_actor and approvers (names, separated by spaces or commas). Prints "reviewers", "approved" or "wait" and why.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any


class ApprovalError(Exception):
    """What a person is told."""


def decision(facts: Mapping[str, Any]) -> tuple[str, str]:
    """One word and its reason. Names are compared as GitHub does, without case."""
    kinds = [rule.get("type") for rule in facts["rules"]]
    if "required_reviewers" in kinds:
        return "reviewers", "GitHub waits for a reviewer of the environment production"
    approvers = {name.lower() for name in re.split(r"[\s,]+", facts["approvers"]) if name}
    if not approvers:
        raise ApprovalError(
            "the environment production has no required reviewers, and the variable APPROVERS names nobody. One of both is needed"
        )
    if facts["event"] != "workflow_dispatch":
        return "wait", f"one of {', '.join(sorted(approvers))}, who has not pushed the tag, dispatches this workflow on it"
    pushed = [run for run in facts["runs"] if run.get("head_sha") == facts["commit"]]
    taggers = {run["actor"]["login"].lower() for run in pushed}
    if not taggers:
        raise ApprovalError("nobody knows who pushed this tag: no run of this workflow began with it at this commit")
    for who in dict.fromkeys([facts["actor"], facts["triggering_actor"]]):
        if who.lower() not in approvers:
            raise ApprovalError(f"{who} is not one of the approvers: {', '.join(sorted(approvers))}")
        if who.lower() in taggers:
            raise ApprovalError(f"{who} has pushed the tag, and nobody approves a tag of their own")
    return "approved", f"{facts['actor']} approves what {', '.join(sorted(taggers))} has tagged"


def main() -> int:
    try:
        word, reason = decision(json.load(sys.stdin))
    except ApprovalError as error:
        sys.stderr.write(f"approval: {error}\n")
        return 2
    sys.stdout.write(f"{word}\n{reason}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
