# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells people of a run, and calls the programs that want to know its end.

Nothing here fails a run: what went wrong is a sentence of its verdict, in ``notices``.
A message is sent by a program of its own, and nobody waits for it before the end of the run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.words.said import Knowledge
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease.who import who
from ansible_collections.morpheus.deploy.plugins.plugin_utils.notify import caps, configured, events, hooks, programs
from ansible_collections.morpheus.deploy.plugins.plugin_utils.notify.channels import SECRETS, Told, asked, message
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.ends import Seen
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.opened import knowledge

Verdict = dict[str, Any]
_INTERRUPTED = "the run was interrupted"


class Announcer:
    """What it knows is of one run, and of a part for one of several stacks it says nothing: the whole run does."""

    def __init__(self) -> None:
        self._told: Told | None = None
        # (channel, event, the program that sends).
        self._sending: list[tuple[str, str, programs.Program]] = []
        self._notices: list[str] = []
        self._broken: set[str] = set()
        self._has_begun = False

    def saw(self, module: str, result: Mapping[str, Any], play: Any, seen: Seen) -> None:
        """A module has ended."""
        if seen.check_mode or result.get("failed"):
            return
        about = {"environment": seen.environment, "playbook": seen.what}
        # Whatever is wrong here is no matter of the run's, and its end says it once more.
        with suppress(Exception):
            if module == "lease":
                self._saw_lease(result, play, about)
            elif module == "ml_mode":
                known = result.get("caps") or []
                for one in caps.untold(seen.environment, known):
                    self._send(play, ["cap_near"], {**about, **caps.words(one)})
                caps.tell(seen.environment, known)

    def ended(self, verdict: Verdict, play: Any, *, is_part: bool) -> Verdict:
        """The verdict with ``notices``. What was told of it has arrived then, or will not."""
        if is_part:
            return verdict
        try:
            self._end(verdict, play)
        except Exception as exc:
            self._notices.append(f"notifications and hooks were left out: a mistake in this collection, {type(exc).__name__}")
        known = self._known(play)
        notices = [known.masked(notice) for notice in dict.fromkeys(self._notices)]
        return {**verdict, "notices": notices} if notices else verdict

    def _known(self, play: Any) -> Knowledge:
        found = knowledge(play)
        found.know((key, str(one[key])) for one in (self._told or Told()).channels for key in SECRETS if one[key])
        return found

    def _end(self, verdict: Verdict, play: Any) -> None:
        if verdict.get("check_mode"):
            return
        if "lease" in verdict:
            words = events.words_of_end(verdict, who(os.environ))
            self._send(play, events.of_end(verdict), words)
            for name in hooks.of_end(verdict):
                self._call(name, self._read(play), json.dumps(hooks.facts(name, verdict, words)), play)
        for channel, event, program in self._sending:
            try:
                why = programs.not_sent(program)
            except KeyboardInterrupt:
                why = _INTERRUPTED
            self._notices += [f"{channel} was not told of {event}: {why}"] if why else []
        said = "\n".join(verdict["messages"])
        if self._sending or "lease" in verdict:
            self._notices += [f"not everybody was told: {one}" for one in self._read(play).problems if one not in said]

    def _call(self, name: str, found: Told, line: str, play: Any) -> None:
        if name not in found.hooks:
            return
        try:
            problem = programs.called(name, found.hooks[name], line, self._known(play))
        except KeyboardInterrupt:
            problem = f"the hook {name} was stopped: {_INTERRUPTED}"
        self._notices += [problem] if problem else []

    def _saw_lease(self, result: Mapping[str, Any], play: Any, about: Mapping[str, str]) -> None:
        owner = str(result.get("owner") or "")
        # Counted once more, when every host is asked again.
        if result.get("token") and result.get("granted_by") and not result.get("again") and not self._has_begun:
            self._has_begun = True
            self._send(play, ["start"], {**about, "what": str(result.get("reason") or ""), "owner": owner})
            over = result.get("taken_over")
            if over:
                self._break(play, about, over, str(over.get("why") or ""), owner)
        # Of one that was broken by a person, on each of its hosts.
        if result.get("changed") and result.get("holder"):
            self._break(play, about, result["holder"], str(result.get("reason") or ""), owner)

    def _break(self, play: Any, about: Mapping[str, str], held: Mapping[str, Any], why: str, owner: str) -> None:
        if str(held.get("run") or held.get("token")) not in self._broken:
            self._broken.add(str(held.get("run") or held.get("token")))
            words = {"holder": str(held.get("owner") or ""), "held_for": str(held.get("reason") or ""), "why": why}
            self._send(play, ["lease_broken"], {**about, **words, "owner": owner})

    def _send(self, play: Any, happened: Sequence[str], words: Mapping[str, str]) -> None:
        found = self._read(play)
        for channel, event in asked(found, happened):
            line = json.dumps(message(channel, found, event, {**words, "event": event}))
            self._sending.append((channel["name"], event, programs.sender(line, found.timeout_seconds)))

    def _read(self, play: Any) -> Told:
        # Once, at the first event: a later play has the same inventory.
        if self._told is None:
            self._told = configured.of_play(play)
        return self._told
