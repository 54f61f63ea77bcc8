"""A fleet of hosts that keep a lease, and controllers that ask for it. What hosts do is real, time and links are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import FencedError
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import history
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence, Mark
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.held import TTL_SECONDS, LeaseError
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import BEAT_SECONDS, Lease
from ansible_collections.morpheus.deploy.plugins.modules.lease import take
from ansible_collections.morpheus.deploy.plugins.plugin_utils.lease import vote

ENVIRONMENT = "production"
NOON = 1_800_000_000.0


@dataclass
class Host:
    """``booted``: in true time; ``drift``: how wrong its wall clock is; ``writes``: token and run of each that it let in."""

    name: str
    root: Path
    world: World
    up: bool = True
    booted: float = -1000.0
    drift: float = 0.0
    writes: list[tuple[int, str]] = field(default_factory=list)

    def uptime(self) -> float:
        return self.world.now - self.booted

    def wall(self) -> float:
        return NOON + self.world.now + self.drift

    def sleep(self, seconds: float) -> None:
        # Whoever waits looks less often than in truth, or it would be all that a test does.
        self.world.pass_(max(seconds, 1.0))

    @property
    def lease(self) -> Lease:
        return Lease(ENVIRONMENT, self.root, self)

    def accepts(self, token: int, run: str, stack: str = "shop") -> bool:
        try:
            Fence(self.root / "stacks" / stack, token, run).enter()
        except FencedError:
            return False
        self.writes.append((token, run))
        return True

    @property
    def mark(self) -> Mark:
        """The run that it let in last."""
        return Mark(*self.writes[-1]) if self.writes else Mark()

    def lines(self) -> list[dict[str, Any]]:
        return history.tail(self.lease.history, 9999)


@dataclass
class Kept:
    """The keeper of a run on one host, which knows the token that was granted there."""

    host: Host
    token: int
    renewed: float


@dataclass
class Run:
    """An ansible-playbook on a controller. ``token`` is 0 until it has the lease."""

    name: str
    controller: str
    keepers: dict[str, Kept] = field(default_factory=dict)
    token: int = 0
    stopped: bool = False
    over: bool = False
    problem: str = ""
    steps: Iterator[None] = field(default_factory=lambda: iter(()))
    taken: float = 0.0


@dataclass
class World:
    now: float = 0.0
    hosts: dict[str, Host] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    # Controller and host that do not hear of each other.
    cut: set[tuple[str, str]] = field(default_factory=set)
    count: Callable[..., vote.Count] = vote.count

    def reaches(self, run: Run, name: str) -> bool:
        return self.hosts[name].up and (run.controller, name) not in self.cut

    def pass_(self, seconds: float) -> None:
        """Time passes, and keepers renew what is due, as far as they can."""
        end = self.now + seconds
        while True:
            due = [one for run in self.runs for one in self._due(run) if one.renewed + BEAT_SECONDS <= end]
            if not due:
                break
            kept = min(due, key=lambda one: one.renewed)
            self.now = max(self.now, kept.renewed + BEAT_SECONDS)
            kept.renewed = self.now
            beat = kept.host.lease.directory / f"beat.{kept.token}"
            if beat.exists():
                beat.write_text(f"{kept.host.uptime()}\n")
        self.now = end

    def _due(self, run: Run) -> list[Kept]:
        if run.over or run.stopped:
            return []
        return [kept for name, kept in run.keepers.items() if self.reaches(run, name)]

    def ask(self, run: Run, name: str, token: int) -> dict[str, Any]:
        """The module on a host, and the keeper that the controller leaves behind."""
        if not self.reaches(run, name):
            return {"unreachable": True}
        host = self.hosts[name]
        params = {
            "owner": run.controller,
            "reason": "deploy",
            "run": run.name,
            "ttl_seconds": TTL_SECONDS,
            "wait_seconds": 0.0,
            "token": token,
            "keeps_lease": name in vote.keepers(list(self.hosts)),
        }
        try:
            answer = take(host.lease, params, check_mode=False)
        except LeaseError as exc:
            return {"failed": True, "msg": str(exc), "holder": {"owner": "another"}}
        if answer["taken"]:
            run.keepers[name] = Kept(host, answer["token"], self.now)
        return answer

    def vote(self, run: Run, hosts: list[str]) -> Iterator[None]:
        """What the role lease does, step by step; ``hosts`` are those of the play."""
        keepers = vote.keepers(list(self.hosts))
        answers: list[tuple[str, dict[str, Any]]] = []
        for name in keepers:
            answers.append((name, self.ask(run, name, 0)))
            yield
            if "unreachable" not in answers[-1][1]:
                break
        first, room = answers[-1]
        tried = {name for name, _ in answers}
        token, others = room.get("token", 0), [name for name in self.hosts if name not in tried]
        for attempt in range(2):
            for name in others if token else []:
                if name in hosts or name in keepers:
                    answers.append((name, self.ask(run, name, token)))
                    yield
            counted = self.count(ENVIRONMENT, keepers, hosts, vote.newest(answers))
            if attempt or not counted.again:
                break
            token, others = counted.again, [first, *others]
        run.problem = counted.problem
        if run.problem:
            self.end(run, "refused")
        else:
            run.token, run.taken = counted.token, self.now

    def end(self, run: Run, verdict: str) -> list[str]:
        """The keepers' last command; where they reached their host."""
        reached = [name for name in run.keepers if self.reaches(run, name)]
        for name in reached:
            host, token = run.keepers[name].host, run.keepers[name].token
            history.append(host.lease.history, {"run": run.name, "verdict": verdict})
            (host.lease.directory / f"beat.{token}").unlink(missing_ok=True)
        run.over = True
        return reached

    def in_office(self) -> list[Run]:
        """Runs that have the lease and whose signs of life are fresh wherever it was granted to them."""
        return [run for run in self.runs if run.token and not run.over and run.keepers and self._all_fresh(run)]

    def _all_fresh(self, run: Run) -> bool:
        held = [(kept.host.lease.read(), kept) for kept in run.keepers.values()]
        return all(one is not None and one.alive and one.record.token == kept.token for one, kept in held)
