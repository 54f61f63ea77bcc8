"""One change under load: what may be answered meanwhile, what was, and whether everything is as it should be afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.acceptance.world import ROOT, STAGING, Run, play, without_registry
from tests.changes import host
from tests.changes.kinds import Kind
from tests.changes.shop import Release, write
from tests.changes.strain import strained
from tests.load import LoadError, Report
from tests.load.paths import NONE, Asked, written

RELEASE, NEXT = "1.0.0", "2.0.0"
SLOW_SECONDS = 1.5
# Requests that are still sent when the run is over.
AFTERWARDS = 100
SEEN_WITHIN_SECONDS = 20


@dataclass(frozen=True)
class Change:
    """From what is live to what is meant to be live then. ``tried``: what the deploy brings, if it is another one."""

    phase: str
    before: Release
    after: Release
    tried: Release
    verdicts: tuple[str, ...]

    @property
    def paths(self) -> list[str]:
        return list(self.before.routes() | self.tried.routes())

    def meant(self) -> dict[str, set[str]]:
        """Path -> who may answer it at some time: the release that lives or the one that comes, as its routes say."""
        before, after, tried = (release.answers(self.paths) for release in (self.before, self.after, self.tried))
        served = [before] if self.phase == "never" else [before, tried]
        found = {path: {answers[path] for answers in served if path in answers} for path in self.paths}
        for path, answers in found.items():
            # A path is lost when all is well, at the very end, and at no other time.
            if path not in before or path not in after:
                answers.add(NONE)
        return found

    def asked(self) -> list[Asked]:
        """The same with every edition of the services that the routes mean: old routes meet new replicas for a moment."""
        releases = [self.before, self.tried] if self.phase != "never" else [self.before]
        found = []
        for path, answers in self.meant().items():
            names = {answer.partition("/")[0] for answer in answers}
            editions = {one.identity(service) for one in releases for service in one if service.name in names}
            found.append(Asked(path, tuple(sorted(answers | editions))))
        return found


def change_of(kind: Kind, phase: str) -> Change:
    if phase == "back":
        return Change(phase, kind.after, kind.before, kind.before, ("rolled_back",))
    if phase == "good":
        return Change(phase, kind.before, kind.after, kind.after, kind.verdicts)
    spoilt = kind.after.spoilt(phase, kind.before)
    refused = ("refused",) if "refused" in kind.verdicts else ()
    return Change(phase, kind.before, kind.before, spoilt, ("failed", "rolled_back", *refused))


@dataclass(frozen=True)
class Outcome:
    """A row of the table, and what is wrong about it. ``live``: what should run now."""

    kind: str
    phase: str
    sent: int
    failed: int
    strangers: int
    verdict: str
    code: int
    seconds: float
    runs: Mapping[str, int]
    live: Release
    problems: tuple[str, ...]
    evidence: str

    HEADER = (
        "| change | release | requests | failed | other edition | verdict | exit | s | runs afterwards | |\n"
        "|---|---|---|---|---|---|---|---|---|---|"
    )

    def row(self) -> str:
        runs = ", ".join(f"{count} {identity}" for identity, count in sorted(self.runs.items()))
        counts = f"{self.sent:,} | {self.failed:,} | {self.strangers:,}"
        good = "ok" if not self.problems else "WRONG"
        return f"| {self.kind} | {self.phase} | {counts} | {self.verdict} | {self.code} | {self.seconds:.0f} | {runs} | {good} |"


def mended(kind: Kind, live: Release, directory: Path) -> None:
    """What a change has left is made what it should have left, so that the next one says something."""
    if host.problems(live):
        deployed(live, directory, RELEASE if live is kind.before else f"{NEXT}-good")


def deployed(release: Release, directory: Path, name: str = RELEASE) -> None:
    """Without load: it has to succeed, whatever was there before."""
    run = play("deploy.yml", write(release, directory, name))
    problems = [f"exit status {run.code}"] if run.code else host.problems(release)
    assert not problems, "\n".join([*problems, run.output])


def carry_out(kind: Kind, phase: str, directory: Path, *, share: float = 1) -> Outcome:
    """``share``: of the load's quick requests."""
    change = change_of(kind, phase)
    begin, journal_from = time.time(), len(host.journal())
    problems: list[str] = []
    with replace(STAGING, share=share).load(paths=written(change.asked()), **_LOAD) as load:
        with strained(kind.strain):
            run = _play(kind, change, directory)
        verdict = verdict_of(run)
        # Refused: nothing is different, and nothing has to be waited for.
        result = change.before if verdict == "refused" else change.after
        answers = result.answers(change.paths)
        sent = load.snapshot().sent

        def is_over(report: Report) -> bool:
            return _is_seen(report, answers) and report.sent > sent + AFTERWARDS

        try:
            load.wait_until(is_over, SEEN_WITHIN_SECONDS, "answers of what is live")
        except LoadError as error:
            problems.append(f"users do not get {answers}: {error}")
    report = load.report
    if not report.is_clean:
        problems += [f"{report.failed} of {report.sent} requests failed: {dict(report.by_kind)}, {report.unfinished} unfinished"]
        problems += [f"{failure.time - begin:.1f} s: {failure.request}: {failure.detail}" for failure in report.failures[:8]]
    if verdict not in change.verdicts:
        problems.append(f"verdict {verdict}, not {' or '.join(change.verdicts)}")
    if (run.code == 0) != (verdict in ("deployed", "unchanged") or phase == "back"):
        problems.append(f"exit status {run.code} with verdict {verdict}")
    problems += _flaps(report)
    problems += host.problems(result) + host.overlaps()
    lost = [path for path, allowed in change.meant().items() if NONE in allowed]
    evidence = "\n".join([host.evidence(begin, journal_from, lost), run.output]) if problems else ""
    return Outcome(
        kind=kind.name,
        phase=phase,
        sent=report.sent,
        failed=report.failed,
        strangers=_strangers(report, change),
        verdict=verdict,
        code=run.code,
        seconds=run.seconds,
        runs=host.running(),
        live=result,
        problems=tuple(problems),
        evidence=evidence,
    )


# About a hundred a second, a fifth of them on connections of their own.
_LOAD = {"rate_keepalive": 80, "connections": 10, "rate_new": 20, "rate_slow": 2, "slow_seconds": SLOW_SECONDS}
_LOAD |= {"websockets": 0, "uploads": 0}


def _play(kind: Kind, change: Change, directory: Path) -> Run:
    if change.phase == "back":
        with without_registry(host.HOST):
            return play("rollback.yml", directory / "inventories" / "staging")
    name = RELEASE if kind.verdicts == ("unchanged",) else f"{NEXT}-{change.phase}"
    return play("deploy.yml", write(change.tried, directory, name))


def verdict_of(run: Run) -> str:
    path = ROOT / ".deploy" / "staging" / "verdict.json"
    # The file of another run says nothing of this one.
    fresh = path.exists() and path.stat().st_mtime > time.time() - run.seconds
    return str(json.loads(path.read_text())["verdict"]) if fresh else "none"


def _is_seen(report: Report, answers: Mapping[str, str]) -> bool:
    """Whether each path (-> who) has been answered so within the last second."""
    recent = time.time() - 1
    seen = report.by_release
    return all(f"{path} {who}" in seen and seen[f"{path} {who}"].last > recent for path, who in answers.items())


def _strangers(report: Report, change: Change) -> int:
    """Answers from a service that the route means, in the edition of the release whose route does not mean it."""
    meant = {f"{path} {who}" for path, answers in change.meant().items() for who in answers}
    return sum(seen.answers for name, seen in report.by_release.items() if name not in meant)


def _flaps(report: Report) -> list[str]:
    """Paths that were lost, answered again, and so on. Slow requests that began before may end after."""
    found = []
    for name, gone in report.by_release.items():
        path, _, who = name.partition(" ")
        if who != NONE:
            continue
        for other, seen in report.by_release.items():
            if other.startswith(f"{path} ") and seen.first < gone.first < seen.last - SLOW_SECONDS - 1:
                found.append(f"{path} was answered by none, and {seen.last - gone.first:.1f} s later by {other.split()[1]} again")
    return found
