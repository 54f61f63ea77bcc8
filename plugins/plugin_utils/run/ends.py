# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of one of the collection's playbooks leaves behind, whatever happens to it: which file, and with which exit status.

Pure. How a deploy ended is said by ``verdict``; here is what has not ended yet, and what deploys nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# They change nothing, and write a report of this name.
LOOKING = ("status", "config", "audit", "history", "costs", "logs", "plan")
RUNNING = "running"
# A check mode's, which ends well.
CHECKED = "checked"
FAILED, UNREACHABLE = 2, 4
# One answer of theirs is the whole switch: when it is lost, nobody here knows whether it was done. Each with what shows it.
SWITCHES = {
    "edge_maintenance": "playbooks/status.yml",
    "ml_mode": "playbooks/ml_mode.yml",
    "stack_flags": "playbooks/flags.yml",
}
# Without any of them a switch only looks.
SAYING = ("state", "mode", "content")


def may_have_switched(module: str, options: Mapping[str, Any], *, check_mode: bool) -> bool:
    """Whether something may be switched although no answer came."""
    return module in SWITCHES and not check_mode and any(options.get(name) for name in SAYING)


def looks(playbooks: Sequence[str]) -> bool:
    return bool(playbooks) and all(name in LOOKING for name in playbooks)


def file_name(playbooks: Sequence[str], *, check_mode: bool) -> str:
    """The file that a run replaces when it begins. One that only looks leaves the verdict of the last deploy alone."""
    if looks(playbooks):
        return f"{playbooks[0]}.json"
    return "check.json" if check_mode else "verdict.json"


@dataclass
class Seen:
    """What was seen of a run: hosts that answered, that could not be reached, and what failed.

    ``interrupted``: what ended it before its end.
    """

    playbooks: tuple[str, ...] = ()
    environment: str = ""
    inventory: str = ""
    started: float = 0.0
    check_mode: bool = False
    # What --tags and --skip-tags say, as they were typed.
    tags: str = ""
    limit: str = ""
    # Hosts of the group app that --limit leaves out.
    left_out: list[str] = field(default_factory=list)
    tasks: int = 0
    answered: set[str] = field(default_factory=set)
    unreachable: set[str] = field(default_factory=set)
    # Whether one of them is not let pass, as in a report of what each host says.
    lost: bool = False
    # Hosts that may have switched something, and could not say so.
    unsure: set[str] = field(default_factory=set)
    # Host that was lost -> the module that was at work there.
    lost_at: dict[str, str] = field(default_factory=dict)
    # What failed -> the hosts that said so; none for what is so of the whole run.
    failures: dict[str, list[str]] = field(default_factory=dict)
    changed: bool = False
    reported: bool = False
    interrupted: str = ""

    @property
    def what(self) -> str:
        return ", ".join(self.playbooks)

    @property
    def looks(self) -> bool:
        return looks(self.playbooks)

    def begun(self, pid: int) -> dict[str, Any]:
        """What the file says until the run has ended. It stays when the run is killed: nobody has taken ``pid`` back."""
        return {"verdict": RUNNING, "failed": False, "pid": pid, "messages": [], **self._about()}

    def nothing_asked(self) -> str:
        """Why a run that failed nowhere did nothing either; empty when it did something."""
        if not self.tasks:
            why = "no task was run"
            if self.limit:
                why = f"--limit {self.limit} leaves no host of group app"
            elif self.tags:
                why = f"{self.tags} leaves no task"
            return f"nothing was asked or changed: {why}"
        if self.unreachable and not self.answered:
            return f"nothing was asked or changed: {', '.join(sorted(self.unreachable))} could not be reached"
        return ""

    def verdict(self, seconds: float) -> dict[str, Any]:
        """Of a run that deploys nothing."""
        ended = self.lost or self.failures or self.interrupted
        messages = [self._unreached(host) for host in sorted(self.unreachable)] if ended else []
        messages += [f"{', '.join(sorted(hosts))}: {what}" if hosts else what for what, hosts in self.failures.items()]
        messages += [self.interrupted] if self.interrupted else []
        nothing = self.nothing_asked()
        messages = messages or ([nothing] if nothing else [])
        word = CHECKED if self.check_mode and not self.looks else "done"
        if messages:
            word = "failed" if self.changed or self.unsure or (self.reported and not nothing) else "refused"
        return {
            "verdict": word,
            "failed": bool(messages),
            "seconds": seconds,
            "messages": messages,
            "left_out": self.left_out,
            **self._about(),
        }

    def exit_status(self, *, failed: bool) -> int:
        """0 leaves Ansible's own."""
        if not failed:
            return 0
        return UNREACHABLE if self.unreachable else FAILED

    def _unreached(self, host: str) -> str:
        unsure = " for its answer, so it may have been switched; run the same command again" if host in self.unsure else ""
        return f"{host} could not be reached{unsure}{may_go_on(self.lost_at.get(host, ''))}"

    def _about(self) -> dict[str, Any]:
        return {
            "playbook": self.what,
            "environment": self.environment,
            "inventory": self.inventory,
            "check_mode": self.check_mode,
            "started": round(self.started, 3),
        }

    def lines(self, verdict: Mapping[str, Any], path: str) -> list[str]:
        """For the screen, of a run that deploys nothing: the word first."""
        about = f"{self.environment} {self.what}".strip()
        only = f" ({self.tags})" if self.tags and not verdict["failed"] else ""
        check = "; nothing was changed" if verdict["verdict"] == CHECKED else ""
        lines = [f"VERDICT {verdict['verdict']}: {about}{only} in {verdict['seconds']} s{check}"]
        lines += [f"  left out by --limit: {', '.join(self.left_out)}"] if self.left_out and not self.looks else []
        told = [*verdict["messages"], *(verdict.get("notices") or [])]
        lines += [f"  {line}" for message in told for line in message.splitlines()]
        return [*lines, f"  details: {path}"] if path else lines


# What a host goes on with when its run on the controller has ended. Modules that are not here end within seconds.
_GOES_ON = {
    "stack_rollout": "the rollout goes on there by itself, to its end",
    "stack_migration": "the migration goes on there by itself; the same command waits for it and starts no second one",
    "supabase_migrations": "the migrations go on there, to their end; the same command waits for them",
    "stack_release": "images that are being pulled may come; no replica is touched",
    "engine_config": "a restart of the engine that has begun ends by itself",
    "engine_packages": "the upgrade of the engine goes on there; the same command sees how it ended",
    "database_backup": "the backup goes on there, to its end; the same command waits for it",
    "database_restore": "a restore goes on there, to its end, in one transaction; the same command waits for it",
    "staging_data_export": "the export goes on there, to its end; the same command waits for it",
    "staging_data_import": "the import goes on there, to its end, in one transaction; the same command waits for it",
    "supabase_seeds": "a seed file that was begun is run there to its end, in one transaction; the same command waits for it",
    "edge_upgrade": "the edge is replaced there to the end; the same command sees that it was, and has the balancer take it back",
}


def may_go_on(module: str) -> str:
    """What to know of a host that was lost while ``module`` was at work there; empty where nothing goes on, or nothing that
    matters. A rollout is told otherwise: nobody knows what its host runs.
    """
    goes_on = "" if module in ("stack_rollout", "stack_release") else _GOES_ON.get(module, "")
    return f"; if it had begun: {goes_on}" if goes_on else ""


def goes_on(at_work: Mapping[str, str], unsure: Collection[str], inventory: str, back: str) -> list[str]:
    """What to know of a run that was interrupted. ``at_work``: host -> module that had not answered; ``unsure``: hosts of it that
    may have switched something. ``back``: a rollback's command.
    """
    found = [f"{host}: {_GOES_ON[module]}" for host, module in sorted(at_work.items()) if module in _GOES_ON]
    if found:
        found.append(f"watch it: ansible-playbook playbooks/status.yml -i {inventory}")
    if "stack_rollout" in at_work.values():
        found.append(
            f"stop it: {back}, or any other deploy. Once that one has the lease, the hosts refuse the next step of this one"
        )
    return found + [
        f"{host} had not answered yet, so it may have been switched; run the same command again, or see whether it was: "
        f"ansible-playbook {SWITCHES[at_work[host]]} -i {inventory}"
        for host in sorted(unsure)
    ]
