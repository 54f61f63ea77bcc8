"""Slow is not dead: what the balancer's checks make of hosts that misbehave, timed on a real HAProxy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.edge_checks.haproxy import CONF, HAProxy, Metronome, balancer, eventually, gateway, running, write_certificate
from tests.edge_checks.upstreams import Behaviour, Upstream

# What is promised, in seconds: from when on, and until when, a host that behaves so is down.
PROMISES = {
    Behaviour.REFUSES: (0.0, 3.0),
    Behaviour.UNANSWERED: (0.0, 3.0),
    Behaviour.UNWELL: (0.0, 3.0),
    Behaviour.ANOTHER_CERTIFICATE: (0.0, 3.0),
    Behaviour.NO_HANDSHAKE: (10.0, 15.0),
    Behaviour.SILENT: (10.0, 15.0),
    Behaviour.ANSWERS_AFTER_6_S: (10.0, 15.0),
}
NEVER_DOWN = (Behaviour.GOOD, Behaviour.ANSWERS_AFTER_3_S)
WATCHED_SECONDS = 16.0


@dataclass
class Site:
    """A balancer with a host for each of some behaviours, which begin at ``changed``."""

    haproxy: HAProxy
    hosts: dict[Behaviour, Upstream]
    changed: dict[Behaviour, float] = field(default_factory=dict)
    longest_stall: float = 0.0

    def seconds_until_down(self, behaviour: Behaviour) -> float:
        seen = self.haproxy.times.get(("upstreams", self.hosts[behaviour].name))
        return seen - self.changed[behaviour] if seen else float("inf")


def start(stack: ExitStack, directory: Path, wanted: list[Behaviour]) -> Site:
    certificate = write_certificate(directory / "own.pem")
    other = write_certificate(directory / "other.pem", "elsewhere.example.com")
    hosts = [Upstream(f"app-{number}", gateway(), certificate, other) for number, _ in enumerate(wanted)]
    for host in hosts:
        stack.enter_context(closing(host))
    haproxy = stack.enter_context(running(directory, balancer(hosts), certificate))
    answered: set[str] = set()

    def all_answer() -> bool:
        answered.add(str(haproxy.get()[1].get("host")))
        return len(answered) == len(hosts)

    eventually(all_answer, 30, lambda: f"only {answered} answer")
    haproxy.watch("upstreams")
    return Site(haproxy, dict(zip(wanted, hosts, strict=True)))


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    """One with a host of each kind, and one whose hosts are all too slow; watched at the same time."""
    with ExitStack() as stack:
        mixed = start(stack, tmp_path_factory.mktemp("mixed"), [*PROMISES, *NEVER_DOWN])
        slow = start(stack, tmp_path_factory.mktemp("slow"), [Behaviour.ANSWERS_AFTER_6_S])
        with Metronome() as metronome:
            for site in (mixed, slow):
                for behaviour, host in site.hosts.items():
                    host.behave(behaviour)
                    site.changed[behaviour] = time.monotonic()
            time.sleep(WATCHED_SECONDS)
        for site in (mixed, slow):
            site.longest_stall = metronome.longest_stall
        yield mixed, slow


@pytest.mark.parametrize("behaviour", PROMISES, ids=lambda behaviour: behaviour.value)
def test_a_host_is_down_no_sooner_and_no_later_than_promised(sites: tuple[Site, Site], behaviour: Behaviour) -> None:
    earliest, latest = PROMISES[behaviour]
    seconds = sites[0].seconds_until_down(behaviour)
    print(f"\na host that {behaviour.value}: down after {seconds:.2f} s (machine stalled {sites[0].longest_stall:.2f} s)")
    assert earliest <= seconds <= latest + sites[0].longest_stall


@pytest.mark.parametrize("behaviour", NEVER_DOWN, ids=lambda behaviour: behaviour.value)
def test_a_host_that_answers_in_time_stays(sites: tuple[Site, Site], behaviour: Behaviour) -> None:
    assert sites[0].hosts[behaviour].name not in sites[0].haproxy.down("upstreams")


def test_users_get_answers_where_every_host_is_down_for_being_slow(sites: tuple[Site, Site]) -> None:
    _, slow = sites
    assert slow.haproxy.down("upstreams") == {"app-0"}
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: slow.haproxy.get(), range(20)))
    assert answers == [(200, {"host": "app-0"})] * 20


def test_a_host_that_is_kept_off_gets_nothing_although_it_is_well_until_it_is_let_in_again(tmp_path: Path) -> None:
    """With one of two hosts kept off the other has it all; with both, both are tried."""
    with ExitStack() as stack:
        site = start(stack, tmp_path, [Behaviour.GOOD, Behaviour.SILENT])
        haproxy = site.haproxy

        def tell(host: str, state: str) -> None:
            answer = haproxy.socket.ask(f"set map {CONF}/away.map {host} {state}")
            if "entry not found" in answer:
                answer = haproxy.socket.ask(f"add map {CONF}/away.map {host} {state}")
            assert not answer.strip(), answer

        tell("app-0", "on")
        eventually(lambda: haproxy.down("upstreams") == {"app-0"}, 15, lambda: str(haproxy.down("upstreams")))
        assert {haproxy.get()[1]["host"] for _ in range(8)} == {"app-1"}
        tell("app-1", "on")
        eventually(lambda: len(haproxy.down("upstreams")) == 2, 15, lambda: str(haproxy.down("upstreams")))
        assert haproxy.get()[0] == 200
        for host in ("app-0", "app-1"):
            tell(host, "off")
        eventually(lambda: not haproxy.down("upstreams"), 15, lambda: str(haproxy.down("upstreams")))
        eventually(lambda: haproxy.get()[1]["host"] == "app-0", 15, lambda: "app-0 gets nothing")


@pytest.mark.parametrize("away", ["", "app-0 o"], ids=["empty", "torn"])
def test_a_host_that_is_kept_off_stays_off_when_the_map_was_lost_and_haproxy_starts_anew(tmp_path: Path, away: str) -> None:
    certificate = write_certificate(tmp_path / "own.pem")
    hosts = [Upstream(name, gateway(), certificate, certificate) for name in ("app-0", "app-1")]
    with ExitStack() as stack:
        for host in hosts:
            stack.enter_context(closing(host))
        maps = {"away.map": away, "kept-off.map": "app-0 on\n"}
        haproxy = stack.enter_context(running(tmp_path, balancer(hosts), certificate, maps=maps))
        eventually(lambda: haproxy.down("upstreams") == {"app-0"}, 15, lambda: str(haproxy.down("upstreams")))
        assert {haproxy.get()[1]["host"] for _ in range(8)} == {"app-1"}
