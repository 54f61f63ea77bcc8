# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exemptions of stack.hardening as an audit tells them: each word that a service has, and what it admits in the live release.

An exemption of which no item of a benchmark speaks would be silent otherwise, and so would one that a newer release no longer
needs, or what an older release asks for that could not be deployed today.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose import hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.hardening import Hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refusals import Project
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

# What nothing in the resolved project shows.
_UNSEEN: Mapping[str, str] = {"mem_limit": "needs no memory limit"}
ADMITTED, UNUSED, REFUSED = "admitted", "unused", "refused"


def exemptions(stack: Stack, project: Project) -> list[dict[str, str]]:
    """{service, word, state, text} of each; nothing for a release from before there was such a thing.

    ``project``: of the live release, as Compose resolves it. Nothing here is a value of a secret.
    """
    rules = Hardening.of(stack)
    if rules is None:
        return []
    services, routed = project.model.get("services") or {}, stack.routed
    found = [one for name, service in services.items() for one in _of_service(rules, name, service, project, name in routed)]
    return list({tuple(one.items()): one for one in found}.values())


def _of_service(rules: Hardening, name: str, service: Mapping[str, Any], project: Project, routed: bool) -> list[dict[str, str]]:
    words, told = rules.words(name), rules.told(name, service)
    asked = list(rules.asked(name, service, project, routed=routed))
    found = [_one(name, one.word, ADMITTED if one.word in words else REFUSED, one.text) for one in asked]
    if told:
        found += [
            _one(name, word, ADMITTED, f"services.{name}: is not given {hardening.GIVEN_WORDS[word]}, which is only reported")
            for word in hardening.GIVEN
            if word not in words and any(key in rules.would_give(name, service) for key in hardening.GIVEN_KEYS[word])
        ]
    for word in sorted(words - {one.word for one in asked}):
        if word in hardening.GIVEN:
            found.append(_one(name, word, ADMITTED, f"services.{name}: is not given {hardening.GIVEN_WORDS[word]}"))
        elif word in _UNSEEN:
            found.append(_one(name, word, ADMITTED, f"services.{name}: {_UNSEEN[word]}"))
        else:
            found.append(_one(name, word, UNUSED, f"services.{name}: asks nothing that {word} admits"))
    return found


def _one(service: str, word: str, state: str, text: str) -> dict[str, str]:
    return {"service": service, "word": word, "state": state, "text": text}
