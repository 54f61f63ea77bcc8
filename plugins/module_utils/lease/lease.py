# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's vote on who may deploy now in an environment, below <root>/leases/<environment>/.

vote.py counts those of several hosts.

lease.json      who took the lease last
beat.<token>    the host's uptime at the last sign of life of the run with that token; without it the lease has been given back
lock            held by whoever changes one of the others

What Prometheus is told of it lies in <root>/metrics/, and nothing here reads that.

Time is the host's uptime, never a wall clock, so no clock that is set can make a lease longer or shorter.
"""

from __future__ import annotations

import base64
import fcntl
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import private, write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import HostClock, SystemClock, utc
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import FencedError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import LEASE, DamagedError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import METRICS, ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import spoken
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import history, measured
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence, seen_by_host
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.held import (
    TTL_SECONDS,
    BehindError,
    Claim,
    Held,
    LeaseError,
    Record,
    as_text,
    whose,
)

BEAT_SECONDS = 5.0
POLL_SECONDS = 0.2
# Exit status of the shell commands below when the lease is no longer this run's.
GONE = 3
_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Lease:
    def __init__(self, environment: str, root: Path = ROOT, clock: HostClock | None = None) -> None:
        if not _ENVIRONMENT.fullmatch(environment):
            raise LeaseError(
                f"{environment!r} is not a valid name of an environment: letters, digits, dots, dashes and underscores"
            )
        self.environment = environment
        self.directory = root / "leases" / environment
        self.history = root / "history" / f"{environment}.jsonl"
        self._stacks = root / "stacks"
        self._told = measured.Told(root / METRICS, environment)
        self._clock = clock or SystemClock()

    def acquire(self, claim: Claim, wait_seconds: float = 0.0, token: int = 0) -> Record:
        """The lease, ours, and every fence of the host raised to its token, which is above all that this host has seen.

        ``token``: the one that another host has chosen for this run. Raises BehindError when this one has seen a higher one.
        Raises LeaseError when after ``wait_seconds`` another run has the lease and was seen to live. A run that lives gives a
        sign of life every BEAT_SECONDS, so it takes that long to refuse; one that does not is taken over once its ttl has passed.
        """
        begun = self._clock.uptime()
        first: Held | None = None
        while True:
            with self._locked():
                held = self._look()
                # Asked once more with a higher token. Without one it is another run, of a job that gives all its runs one name.
                if token and held and self._is_of(held, claim.run):
                    self._raise_fences(token, claim.run)
                    return held.record
                if held is None or not held.alive:
                    return self._take(claim, held, token)
            first = first or held
            renewed = (held.record.token, held.beat) != (first.record.token, first.beat)
            if renewed and self._clock.uptime() - begun >= wait_seconds:
                raise LeaseError(self._refusal(held), held)
            self._clock.sleep(POLL_SECONDS)

    def release(self, token: int) -> bool:
        """Whether the lease was still that of ``token``. Then it is free now."""
        with self._locked():
            held = self._look()
            if held is None or held.record.token != token:
                return False
            self._beat(token).unlink()
            self._told.free()
            return True

    def break_(self, why: str, who: str) -> Held | None:
        """End the lease of whoever has it, and say who that was. Its run is fenced off by the next one's higher token."""
        with self._locked():
            held = self._look()
            if held is None:
                return None
            self._remember("broken", held.record, f"{why} (broken by {who})")
            claim = Claim(who, why)
            record = self._record(claim, self.highest() + 1, held, f"broken by {who}: {why}")
            write_atomically(self.directory / "lease.json", as_text(record), mode=0o600)
            self._clear_beats()
            self._told.free()
            return held

    def read(self) -> Held | None:
        """Who has the lease; also one that has expired and was not taken over yet."""
        return self._look()

    def is_of(self, run: str) -> bool:
        """Whether the run ``run`` has the lease already."""
        held = self._look()
        return held is not None and self._is_of(held, run)

    def highest(self) -> int:
        """The highest token that this host has seen."""
        record = self._read_record()
        return max(record.token if record else 0, self._highest_beat(), seen_by_host(self._stacks).token)

    def lost(self) -> str:
        """What is wrong with the history of this host, in a sentence; empty when nothing is."""
        with spoken():
            return history.lost(self.history, known=self._told.ended())

    def renewal(self, token: int) -> str:
        """Shell command that gives a sign of life for ``token``; exits with GONE when it has lost the lease."""
        beat = self._beat(token).name
        # Under the lock, so that no file of a run whose lease has just been taken over comes back.
        return f"{self._enter()}; {_still(beat)}; cut -d' ' -f1 /proc/uptime > {beat}.new && mv {beat}.new {beat}"

    def return_(self, token: int, record: Mapping[str, Any], *, only_if_held: bool) -> str:
        """Shell command that appends ``record`` to the history and gives back the lease of ``token``.

        ``only_if_held``: when the lease is gone, somebody has already recorded the end of this run; exits with GONE then.
        """
        beat = self._beat(token).name
        encoded = base64.b64encode(history.text(record).encode()).decode()
        target = shlex.quote(str(self.history))
        steps = [
            self._enter(),
            *([_still(beat)] if only_if_held else []),
            f"mkdir -p {shlex.quote(str(self.history.parent))}",
            # One write and a flush to the disk.
            f"printf %s {encoded} | base64 -d | dd of={target} bs=1M iflag=fullblock oflag=append conv=notrunc,fsync status=none"
            f" && {self._told.command(beat, record)} && rm -f {beat}",
        ]
        return "; ".join(steps)

    def _enter(self) -> str:
        return f"umask 077; cd {shlex.quote(str(self.directory))} || exit {GONE}; exec 9>>lock; flock -w 5 9 || exit 1"

    @staticmethod
    def _is_of(held: Held, run: str) -> bool:
        return bool(run) and held.record.run == run

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        with spoken():
            # Where it is a directory, which somebody has made.
            stream = open(self.directory / "lock", "a", opener=private)  # noqa: SIM115
        with stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def _beat(self, token: int) -> Path:
        return self.directory / f"beat.{token}"

    def _look(self) -> Held | None:
        record = self._read_record()
        if record is None:
            return None
        try:
            with spoken(but=FileNotFoundError):
                content = self._beat(record.token).read_text(errors="replace")
        except FileNotFoundError:
            return None
        try:
            beat = float(content)
        except ValueError:
            # Torn by a crash of the host, so there was no sign of life since it came up.
            beat = 0.0
        now = self._clock.uptime()
        # Later than now: the host has come up again since.
        return Held(record, beat, now - beat if beat <= now else now)

    def _read_record(self) -> Record | None:
        path = self.directory / "lease.json"
        try:
            if path.is_dir():
                raise LEASE.damaged(path, "it is a directory")
            found = LEASE.load(path)
            return Record(
                int(found["token"]),
                str(found["owner"]),
                str(found["reason"]),
                str(found["run"]),
                str(found["acquired"]),
                float(found["ttl_seconds"]),
                found.get("taken_over"),
            )
        except FileNotFoundError:
            return self._unknown("is missing") if self._highest_beat() else None
        except DamagedError:
            if path.is_dir():
                raise
            return self._unknown("cannot be read")
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return self._unknown("cannot be read")

    def _unknown(self, why: str) -> Record:
        """Whoever has it goes on giving signs of life in a file with the token in its name."""
        return Record(self._highest_beat(), "unknown", f"lease.json {why}", "", "unknown", TTL_SECONDS)

    def _highest_beat(self) -> int:
        suffixes = (path.name.removeprefix("beat.") for path in self.directory.glob("beat.*"))
        return max((int(suffix) for suffix in suffixes if suffix.isdecimal()), default=0)

    def _take(self, claim: Claim, expired: Held | None, token: int) -> Record:
        highest = self.highest()
        if token and token <= highest:
            raise BehindError(token, highest)
        # Seconds of the wall clock let it grow beside hosts that do not answer, too.
        token = token or max(highest + 1, int(self._clock.wall()))
        history.trim(self.history)
        # First: whoever had the lease may write nothing more when it is another's.
        self._raise_fences(token, claim.run)
        why = ""
        if expired:
            why = f"no sign of life for {expired.silent_seconds:.0f} s"
            self._remember("vanished", expired.record, f"{why}; taken over by {claim.owner}")
        record = self._record(claim, token, expired, why)
        # In this order a crash leaves either the old lease or the new one, which ends by itself when nobody renews it.
        # Not rounded: a sign of life in the future would look like one from before a reboot.
        write_atomically(self._beat(record.token), f"{self._clock.uptime()}\n", mode=0o600)
        write_atomically(self.directory / "lease.json", as_text(record), mode=0o600)
        self._clear_beats(keep=record.token)
        self._told.held(claim.reason, self._clock.wall())
        return record

    def _raise_fences(self, token: int, run: str) -> None:
        try:
            Fence.of_host(self._stacks, token, run).enter()
        except FencedError:
            raise BehindError(token, self.highest()) from None

    def _record(self, claim: Claim, token: int, ended: Held | None, why: str) -> Record:
        taken_over = None
        if ended:
            old = ended.record
            taken_over = {"token": old.token, "owner": old.owner, "reason": old.reason, "why": why}
        at = utc(self._clock.wall())
        return Record(token, claim.owner, claim.reason, claim.run, at, claim.ttl_seconds, taken_over)

    def _clear_beats(self, keep: int | None = None) -> None:
        for path in self.directory.glob("beat.*"):
            # What was moved aside has a name of its own.
            if path.suffix[1:].isdecimal() and (keep is None or path != self._beat(keep)):
                path.unlink(missing_ok=True)

    def _remember(self, verdict: str, ended: Record, why: str) -> None:
        record = history.line(
            at=utc(self._clock.wall()),
            verdict=verdict,
            environment=self.environment,
            token=ended.token,
            run=ended.run,
            owner=ended.owner,
            what=ended.reason,
            why=why,
        )
        history.append(self.history, record)

    def _refusal(self, held: Held) -> str:
        return (
            f"{whose(self.environment, held)}. Its last sign of life was {held.silent_seconds:.0f} s ago. "
            "Wait for its end with -e lease_wait_seconds=600. Only when that run is known to be dead: "
            "ansible-playbook playbooks/unlock.yml -i <inventory> -e unlock_reason=..."
        )


def _still(beat: str) -> str:
    return f"[ -e {beat} ] || exit {GONE}"
