# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of what people are told, in which words, and in which sentence where an inventory says none of its own. Pure."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.words.plain_text import plain

_ALWAYS = ("event", "environment", "playbook")
_OF_A_RUN = (*_ALWAYS, "what", "owner")
_OF_AN_END = (*_OF_A_RUN, "verdict", "release", "previous", "seconds", "hosts", "why")
# Event -> the words that its sentence may have.
WORDS: Mapping[str, tuple[str, ...]] = {
    "start": _OF_A_RUN,
    "success": _OF_AN_END,
    "failure": _OF_AN_END,
    "rollback": _OF_AN_END,
    "lease_broken": (*_ALWAYS, "owner", "holder", "held_for", "why"),
    "cap_near": (*_ALWAYS, "cap", "used", "limit", "share"),
}
EVENTS = tuple(WORDS)
SENTENCES = {
    "start": "{environment}: {what} has begun, by {owner}",
    "success": "{environment}: {what} ended as {verdict} after {seconds} s, by {owner}\n{hosts}",
    "failure": "{environment}: {what} ended as {verdict} after {seconds} s, by {owner}\n{why}\n{hosts}",
    "rollback": "{environment}: {what} ended as {verdict} after {seconds} s, by {owner}\n{why}\n{hosts}",
    "lease_broken": "{environment}: the lease of {holder} ({held_for}) was ended by {owner}: {why}",
    "cap_near": "{environment}: {cap} of the ML endpoints stands at {share} %, {used} of {limit}",
}


def template_problems(templates: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with an inventory's own sentences, by event: each begins with the event."""
    for event, text in templates.items():
        if event not in WORDS:
            yield f"{event}: is no event; there is {', '.join(EVENTS)}"
        elif not isinstance(text, str) or not text.strip():
            yield f"{event}: must be a text with words such as {{environment}} in it"
        else:
            problem = _problem(text, WORDS[event])
            if problem:
                yield f"{event}: {problem}"


def _problem(text: str, words: tuple[str, ...]) -> str:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as exc:
        return f"cannot be read ({exc}); a brace that is meant is written twice"
    for _, word, form, conversion in parts:
        if word is not None and (word not in words or form or conversion):
            how = f"{{{word}{'!' + conversion if conversion else ''}{':' + form if form else ''}}}"
            return f"{how} is no word of it; there is {', '.join(f'{{{one}}}' for one in words)}"
    return ""


def said(event: str, words: Mapping[str, str], templates: Mapping[str, str]) -> str:
    """The sentence of ``event``; lines of which nothing is left are left out."""
    known = {word: plain(words.get(word, "")) for word in WORDS[event]} | {"event": event}
    lines = (templates.get(event) or SENTENCES[event]).format_map(known).splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip())


def of_end(verdict: Mapping[str, Any]) -> tuple[str, ...]:
    """The events of a run that has ended, the one that says most first."""
    goes_back = ("rollback",) if verdict["verdict"] == "rolled_back" else ()
    return (*goes_back, "failure" if verdict["failed"] else "success")


def words_of_end(verdict: Mapping[str, Any], owner: str) -> dict[str, str]:
    """``verdict``: of a run that deploys; ``owner``: who runs it, where no lease says so."""
    lease = verdict.get("lease") or {}
    playbook = str(verdict.get("playbook") or "")
    release = str(verdict.get("release") or "")
    hosts = {name: str(host["release"]) for name, host in sorted((verdict.get("hosts") or {}).items())}
    stacks = {name: str(part["verdict"]) for name, part in (verdict.get("stacks") or {}).items()}
    runs = [f"{name} runs {known}" for name, known in hosts.items() if known]
    return {
        "environment": str(verdict["environment"]),
        "playbook": playbook,
        "what": str(lease.get("reason") or f"{playbook} {release}".strip() or "a run"),
        "owner": str(lease.get("owner") or owner),
        "verdict": str(verdict["verdict"]),
        "release": release,
        "previous": str(verdict.get("previous") or ""),
        "seconds": str(verdict["seconds"]),
        "hosts": ", ".join([f"{name}: {word}" for name, word in stacks.items()] or runs),
        "why": "\n".join(verdict["messages"]),
    }
