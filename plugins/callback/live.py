# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: live
type: stdout
short_description: Show a deploy while it happens
version_added: 0.1.0
description:
  - Shows phases and hosts of a run, how long it takes and is expected to take, and of each rollout what happens to every replica
    (start, gate, admission, drain, watch), within a second of its happening on the host.
  - On a terminal the lower part is drawn again and again, by the Python package C(rich). Without it, in a pipe and in CI there
    are plain lines with the time of day; in GitHub's workflows with groups and annotations.
  - A task has a line when it changed something, failed, or takes longer than a moment. What failed is told in three lines, the
    rest below.
  - With C(-v) everything is said as Ansible itself does, and so it is when something in here fails. Nothing of a run depends
    on it.
requirements:
  - Chosen in C(ansible.cfg) by C(stdout_callback = morpheus.deploy.live)
  - rich, to draw on a terminal
extends_documentation_fragment:
  - default_callback
  - result_format_callback
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

import atexit
import functools
import os
import select
import sys
import textwrap
import threading
from collections.abc import Callable
from typing import Any

from ansible import constants, context
from ansible.plugins.callback.default import CallbackModule as Default
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live import channel, github, where, words
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.show import BAD, CHANGED, OK, QUIET, Show
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.times import Times
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import screen
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.opened import knowledge
from ansible_collections.morpheus.deploy.plugins.plugin_utils.stacks import several

ROLLOUT = "morpheus.deploy.stack_rollout"
DEBUG = ("ansible.builtin.debug", "debug")
PAUSE = ("ansible.builtin.pause", "pause")
COLOURS = {
    OK: constants.COLOR_OK,
    CHANGED: constants.COLOR_CHANGED,
    BAD: constants.COLOR_ERROR,
    QUIET: constants.COLOR_SKIP,
}
TICK_SECONDS = 0.2
# Words of a verdict after which a run has taken as long as one takes that does its work.
WORKED = ("deployed", "done", "rolled_back")


def guarded(method: Callable[..., None]) -> Callable[..., None]:
    """Ansible's own way of saying it takes the place of ``method`` once anything in here has failed."""

    @functools.wraps(method)
    def say(self: CallbackModule, *given: Any, **named: Any) -> None:
        with self._lock:
            if self._show:
                try:
                    method(self, *given, **named)
                    return
                except Exception as exc:
                    self._give_up(exc)
            getattr(super(CallbackModule, self), method.__name__)(*given, **named)

    return say


class CallbackModule(Default):  # type: ignore[misc] # ansible-core has no types
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "morpheus.deploy.live"

    def __init__(self) -> None:
        super().__init__()
        # A process is forked and a line written under this one, so whoever draws has to have it, too.
        self._lock = getattr(self._display, "_lock", None) or threading.RLock()
        self._show: Show | None = None
        # What hosts tell, where all else is said as Ansible does.
        self._beside: Show | None = None
        self._over = threading.Event()
        self._playbook: Any = None

    def v2_playbook_on_start(self, playbook: Any) -> None:
        try:
            show = self._begin(playbook)
        except Exception as exc:
            self._give_up(exc)
        else:
            self._show, self._beside = (None, show) if self._display.verbosity else (show, None)
        if not self._show:
            super().v2_playbook_on_start(playbook)

    def _begin(self, playbook: Any) -> Show:
        arguments = context.CLIARGS
        name = str(playbook._file_name).rpartition("/")[2].removesuffix(".yml")
        inventory = " ".join(str(one) for one in arguments.get("inventory") or ())
        title = "  ".join(
            filter(None, [name, inventory, several.part_of(playbook), "(check mode)" * bool(arguments.get("check"))])
        )
        times = Times(f"{title} {arguments.get('subset') or ''} {' '.join(arguments.get('tags') or ())}".strip())
        region = None if self._display.verbosity else where.region()
        show = Show(self._say, title, times, region=region, is_github=github.is_here(os.environ))
        self._playbook = playbook
        self._over.set()
        self._over = threading.Event()
        reader = channel.begin()
        screen.drawn_by(self._verdict)
        thread = threading.Thread(target=self._keep_up, args=(show, reader, self._over), daemon=True)
        atexit.register(self._leave, os.getpid(), thread)
        thread.start()
        return show

    def _leave(self, process: int, thread: threading.Thread) -> None:
        """However the run ends, the terminal is as it was, and no thread is left that Python would end under the lock."""
        if os.getpid() != process:
            return
        self._over.set()
        channel.wake()
        thread.join()
        if self._show and self._show.region:
            self._show.region.stop()

    def _keep_up(self, show: Show, reader: int, over: threading.Event) -> None:
        """Until the run is over: show what hosts tell, and that time goes by."""
        while not over.is_set():
            # It is taken in under the lock, where the end of a rollout takes it in, too.
            select.select([reader], [], [], TICK_SECONDS)
            try:
                with self._lock:
                    if over.is_set() or show not in (self._show, self._beside):
                        return
                    self._take_in(show)
                    show.tick()
            except Exception as exc:
                self._give_up(exc)
            over.wait(TICK_SECONDS / 2)

    @staticmethod
    def _take_in(show: Show) -> None:
        for event in channel.arrived():
            show.saw(event)

    def _say(self, line: str, kind: str) -> None:
        self._display.display(line, color=COLOURS.get(kind))
        # In a pipe it would come in blocks.
        sys.stdout.flush()

    def _give_up(self, exc: BaseException) -> None:
        with self._lock:
            show, self._show, self._beside = self._show or self._beside, None, None
            self._over.set()
            screen.drawn_by(lambda lines: False)
            try:
                if show and show.region:
                    show.region.stop()
            except Exception:
                # It has failed already, and is said below.
                show = None
            self._display.warning(f"the live output has failed ({exc!r}), so Ansible's own takes its place; the run goes on")

    def _verdict(self, lines: Any) -> bool:
        with self._lock:
            if not self._show:
                return False
            try:
                self._over.set()
                shown = self._show.verdict(lines)
                if lines and str(lines[0]).removeprefix("VERDICT ").partition(":")[0] in WORKED:
                    self._show.remember()
                return shown
            except Exception as exc:
                self._give_up(exc)
                return False

    @guarded
    def v2_playbook_on_play_start(self, play: Any) -> None:
        # Ansible's own methods need it when they take over.
        self._play = play
        manager = play.get_variable_manager()
        hosts = manager._inventory.get_hosts(play.hosts, ignore_restrictions=True) if manager is not None else []
        # The callback verdict may have replaced what is played.
        phases = len(self._playbook.get_plays())
        self._shown.phase(words.task(play.get_name()), [host.get_name() for host in hosts], phases)
        self._shown.tick()

    @guarded
    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._last_task_name = task.get_name().strip()
        self._shown.task(words.task(self._last_task_name))

    @guarded
    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self.v2_playbook_on_task_start(task, False)

    @guarded
    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        action = _action(task)
        rolls_out = action == ROLLOUT and not task.check_mode
        self._shown.begin(str(host.get_name()), rolls_out=rolls_out, asks_person=action in PAUSE)

    @guarded
    def v2_runner_on_ok(self, result: Any) -> None:
        self._handle_warnings_and_exception(result)
        host = str(result.host.get_name())
        is_rollout = self._ended_rollout(result, failed=False)
        self._shown.end(host, changed=bool(result.result.get("changed")) and not is_rollout)
        if _action(result.task) in DEBUG and self._run_is_verbose(result):
            self._shown.note(self._debugged(result.result))

    def _debugged(self, found: Any) -> list[str]:
        said = found.get("msg")
        self._clean_results(found, "debug")
        return words.harmless(said if isinstance(said, str) else textwrap.dedent(self._dump_results(found).strip("\n")))

    @guarded
    def v2_runner_on_skipped(self, result: Any) -> None:
        self._handle_warnings_and_exception(result)
        self._shown.end(str(result.host.get_name()))

    @guarded
    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._handle_warnings(result.result)
        self._ended_rollout(result, failed=True)
        self._shown.end(str(result.host.get_name()))
        if not words.told(result):
            self._fail("FAILED", result, "this failure is let pass, and the run goes on" if ignore_errors else "")

    @guarded
    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._handle_warnings(result.result)
        self._ended_rollout(result, failed=True)
        self._shown.end(str(result.host.get_name()))
        if not words.told(result):
            self._fail("UNREACHABLE", result, "the run goes on without it" if result.task.ignore_unreachable else "")

    @guarded
    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._handle_warnings_and_exception(result)
        if _action(result.task) in DEBUG and self._run_is_verbose(result):
            self._shown.note(self._debugged(result.result))

    @guarded
    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._handle_warnings(result.result)
        what = "UNREACHABLE" if result.result.get("unreachable") else "FAILED"
        self._fail(what, result, "", f" (item={self._get_item_label(result.result)})")

    @guarded
    def v2_runner_item_on_skipped(self, result: Any) -> None:
        self._handle_warnings_and_exception(result)

    @guarded
    def v2_runner_retry(self, result: Any) -> None:
        left = result.result.get("retries", 0) - result.result.get("attempts", 0)
        self._shown.note([f"{self.host_label(result)}: tries again, {left} more times at most"], QUIET)

    @guarded
    def v2_on_file_diff(self, result: Any) -> None:
        found = result.result
        for one in found.get("results", ()) if result.task.loop else (found,):
            if one.get("diff") and one.get("changed"):
                self._shown.note(words.harmless(self._get_diff(one["diff"])))

    @guarded
    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._shown.note(["no host matches"], QUIET)

    @guarded
    def v2_playbook_on_no_hosts_remaining(self) -> None:
        self._shown.note(["no host is left to go on with"], QUIET)

    @guarded
    def v2_playbook_on_include(self, included_file: Any) -> None:
        """What is included has tasks with names of their own."""

    @guarded
    def v2_playbook_on_notify(self, handler: Any, host: Any) -> None:
        """Handlers are shown when they run."""

    def v2_playbook_on_stats(self, stats: Any) -> None:
        with self._lock:
            self._over.set()
            try:
                if self._show:
                    self._take_in(self._show)
                    self._show.stop()
            except Exception as exc:
                self._give_up(exc)
        # Of a playbook of somebody's own, who asks for them.
        if not self._show or (stats.custom and self.get_option("show_custom_stats")):
            super().v2_playbook_on_stats(stats)

    @property
    def _shown(self) -> Show:
        if not self._show:
            raise AssertionError("nothing is shown")
        return self._show

    def _ended_rollout(self, result: Any, *, failed: bool) -> bool:
        is_rollout = _action(result.task) == ROLLOUT and not result.task.check_mode
        if is_rollout:
            self._take_in(self._shown)
            self._shown.rolled_out(str(result.host.get_name()), result.result, failed=failed)
        return is_rollout

    def _fail(self, what: str, result: Any, passes: str, item: str = "") -> None:
        # What Ansible itself says of a failure may hold a secret of the vault.
        known = knowledge(self._play)
        said, whose = known.result(words.why(result.result)), known.result(self.host_label(result) + item)
        self._shown.failure(what, " ".join(whose.split()), said, passes=passes)


def _action(task: Any) -> str:
    return str(task.resolved_action or task.action)
