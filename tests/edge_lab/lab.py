"""One example from its first release to its last, under load, and what was wrong with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.admission import RESOLVE_SECONDS
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock import alone
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.rollout import Rollout
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.switch import HostRollout

from tests.edge_lab.changes import Changes, KilledError, watched
from tests.edge_lab.edge import lab_directory, running_edge
from tests.edge_lab.examples import HARMLESS, Example, Release
from tests.edge_lab.haproxy import Haproxy
from tests.edge_lab.host import STACK, LabHost
from tests.edge_lab.judge import Judge, Span
from tests.edge_lab.load import Load, Place
from tests.edge_lab.state import differences
from tests.edge_lab.toys import Loop, ToyDocker

# Some requests in peace before and after each rollout.
PEACE_SECONDS = 0.25
# Until the engine has started a HAProxy again that has ended.
AWAY_SECONDS = 0.5
# Faults that must keep a release from going live whatever the policy says.
_FATAL = ("sick", "lies", "crashes-at-start", "compose")
SHOWN_VIOLATIONS = 12


@dataclass
class Result:
    """``problems``: what was wrong with the host's state or the rollouts' words; ``violations``: with answers."""

    example: Example
    requests: int = 0
    problems: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    timeline: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        return not self.problems and not self.violations

    def __str__(self) -> str:
        lines = [str(self.example), f"in code: {self.example!r}", "outcomes:", *(f"  {line}" for line in self.outcomes)]
        lines += ["changes (s; * marks where users were hurt):", *(f"  {line}" for line in self.timeline)]
        lines += [f"{len(self.violations)} of {self.requests} requests were answered wrongly"]
        lines += [f"  {line}" for line in self.violations[:SHOWN_VIOLATIONS]]
        lines += ["  ..."] if len(self.violations) > SHOWN_VIOLATIONS else []
        lines += [f"problem: {problem}" for problem in self.problems]
        return "\n".join(lines)


def run(example: Example) -> Result:
    """Try an example. To be called inside ``namespace.own_network``."""
    began = time.monotonic()
    result = Result(example)
    with _laboratory() as lab:
        _Trial(lab, result).run()
    result.seconds = time.monotonic() - began
    return result


@dataclass(frozen=True)
class _Lab:
    loop: Loop
    docker: ToyDocker
    haproxy: Haproxy
    host: LabHost
    changes: Changes


@contextmanager
def _laboratory() -> Iterator[_Lab]:
    with (
        lab_directory() as root,
        running_edge(root, lambda loop: ToyDocker(loop, STACK)) as edge,
        watched(root, edge.docker) as changes,
    ):
        yield _Lab(edge.loop, edge.docker, edge.haproxy, edge.host(), changes)


class _Trial:
    def __init__(self, lab: _Lab, result: Result) -> None:
        self._lab = lab
        self._host = lab.host
        self._example = result.example
        self._result = result
        self._judge = Judge(strict=result.example.strict)
        lab.docker.dns_seconds = result.example.dns_seconds
        lab.changes.disturb = self._end_haproxy
        self._restart = threading.Thread(target=self._restart_policy)

    def run(self) -> None:
        first, *others = self._example.releases
        for release in self._example.releases:
            self._host.write(release)
        done = self._roll(first)
        if done is None or done.outcome.failures:
            self._complain(f"the first release did not even go live: {done and done.outcome.failures}")
            return
        self._lab.changes.made.clear()
        self._compare(first, "after the first rollout")
        load = Load(self._lab.loop, places(self._example))
        zero = time.monotonic()
        load.start()
        try:
            self._rolls(first, others, zero)
        finally:
            load.stop()
        self._start_anew()
        if not any(one.crashed_at for one in self._lab.docker.history):
            self._await_places()
            self._compare(self._live, "after HAProxy was restarted")
        self._judge_all(load, zero)

    def _rolls(self, live: Release, others: list[Release], peace: float) -> None:
        time.sleep(PEACE_SECONDS)
        for release in others:
            last = release is self._example.releases[-1]
            began = time.monotonic()
            self._judge.spans.append(Span(peace, began, (live,)))
            before, live = live, self._change(live, release, disturbed=last)
            peace = time.monotonic()
            keeps = live is before and not (last and self._example.crash)
            self._judge.spans.append(Span(began, peace, (before, release), keeps))
            time.sleep(PEACE_SECONDS)
            if last and self._example.way_back and live is release:
                began = time.monotonic()
                self._judge.spans.append(Span(peace, began, (live,)))
                live = self._finish(live, before, self._roll(before, Kind.ROLLBACK))
                peace = time.monotonic()
                self._judge.spans.append(Span(began, peace, (release, before)))
                time.sleep(PEACE_SECONDS)
        self._judge.spans.append(Span(peace, time.monotonic() + 60.0, (live,)))
        self._live = live

    def _change(self, live: Release, release: Release, *, disturbed: bool) -> Release:
        """Roll ``release`` out, ``disturbed`` as the example says; which release is live then."""
        routed = {one.name for one in live.services if one.routes}
        before = {one.id for one in self._lab.docker.history if one.state == "running" and one.service in routed}
        crash, restart = (self._example.crash, self._example.restart) if disturbed else (0, 0)
        done = self._roll(release, crash=crash, restart=restart)
        if done is None:
            back = self._example.after == "back"
            wanted, kind = (live, Kind.ROLLBACK) if back else (release, Kind.DEPLOY)
            return self._finish(live, wanted, self._roll(wanted, kind))
        found = self._finish(live, release, done)
        after = {one.id for one in self._lab.docker.history if one.state == "running"}
        if done.left == "as_before" and before - after:
            self._complain('it says "as_before", but containers that users reached before are gone')
        return found

    def _finish(self, live: Release, wanted: Release, done: Rollout | None) -> Release:
        """Look at how a rollout ended and at what it left; which release is live then."""
        if done is None:
            self._complain("killed where nothing was to be killed")
            return live
        faults = {one.fault for one in wanted.services} if wanted is not live else set()
        failed = bool(done.outcome.failures)
        if failed and faults <= set(HARMLESS):
            self._complain(f"release {wanted.name} is good and failed: {done.outcome.failures}")
        if not failed and faults & set(_FATAL):
            self._complain(f"release {wanted.name} is no good and went live")
        if failed and done.left in ("mixed", "switched"):
            self._complain(f"the host was left {done.left}: {done.outcome.failures}")
        now = live if failed else wanted
        if not (faults & {"crashes-later"} and not failed):
            self._compare(now, f"after {'the failed' if failed else 'the good'} rollout of {wanted.name}")
        return now

    def _roll(self, release: Release, kind: Kind = Kind.DEPLOY, crash: int = 0, restart: int = 0) -> Rollout | None:
        """None when the controller was killed."""
        changes = self._lab.changes
        changes.note(f"--- {kind.value} of release {release.name} begins")
        changes.begin(crash, restart)
        done = None
        try:
            with alone(self._host, 0) as fence:
                rollout = HostRollout(self._host, fence)
                prepared = rollout.prepare(f"{release.name}-id", restart=False, kind=kind)
                rollout.execute(prepared)
                done = prepared
        except KilledError:
            self._result.outcomes.append(f"{kind.value} of {release.name}: killed at change {crash}")
        except DeployError as exc:
            self._complain(f"{kind.value} of {release.name} ended with an error that nobody caught: {exc}")
            raise
        finally:
            if self._restart.ident:
                self._restart.join()
            changes.begin()
            changes.note(f"--- {kind.value} of release {release.name} ended")
        if done:
            words = "; ".join(done.outcome.failures) or "live"
            self._result.outcomes.append(f"{kind.value} of {release.name}: {words} {f'({done.left})' if done.left else ''}")
        return done

    def _end_haproxy(self) -> None:
        self._ended = time.monotonic()
        self._lab.haproxy.kill()
        self._restart.start()

    def _restart_policy(self) -> None:
        time.sleep(AWAY_SECONDS)
        self._lab.haproxy.start()
        self._judge.gaps.append((self._ended, time.monotonic()))

    def _start_anew(self) -> None:
        """Whenever HAProxy restarts it admits what was admitted."""
        began = time.monotonic()
        self._lab.haproxy.kill()
        self._lab.haproxy.start()
        self._judge.gaps.append((began, time.monotonic()))

    def _await_places(self) -> None:
        """HAProxy serves before DNS has told it of every replica."""
        deadline = time.monotonic() + RESOLVE_SECONDS
        while differences(self._host, self._lab.docker, self._live) and time.monotonic() < deadline:
            time.sleep(0.1)

    def _compare(self, release: Release, when: str) -> None:
        for difference in differences(self._host, self._lab.docker, release):
            self._complain(f"{when}: {difference}")

    def _complain(self, problem: str) -> None:
        self._result.problems.append(problem)

    def _judge_all(self, load: Load, zero: float) -> None:
        hurt = []
        for request in load.requests:
            violation = self._judge.violation(request, self._lab.docker.history)
            if violation:
                hurt.append(request.ended)
                times = f"{request.began - zero:.2f} to {request.ended - zero:.2f} s"
                self._result.violations.append(f"{times}: {violation}")
        self._result.requests = len(load.requests)
        made = self._lab.changes.made
        for (at, what), (until, _) in zip(made, [*made[1:], (zero + 3600, "")], strict=True):
            mark = "*" if any(at <= moment < until for moment in hurt) else " "
            self._result.timeline.append(f"{mark} {at - zero:7.3f} {what}")


def places(example: Example) -> list[Place]:
    """What users ask: every route of any release, and a path below each; of a wildcard one of its hosts."""
    wanted = {route for release in example.releases for route in release.routes()}
    routes = sorted((f"any{host[1:]}" if host.startswith("*.") else host, path) for host, path in wanted)
    found = [Place(host, path) for host, path in routes]
    return [*found, *(Place(host, f"{path.rstrip('/')}/below") for host, path in routes)]
