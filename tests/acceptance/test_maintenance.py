"""Maintenance as users see it: a page or JSON with status 503, nothing cut, and deploys that go on working."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.acceptance.world import Environment, Run, eventually, on, says
from tests.load import Load, Report
from tests.meanwhile import meanwhile

PLAYBOOK = "playbooks/maintenance.yml"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
# So many requests a stream of the load has to have made before its share counts.
ENOUGH = 20


def switch(environment: Environment, state: str, *options: str) -> Run:
    run = environment.play(PLAYBOOK, "-e", f"state={state}", *options)
    assert run.code == 0, run.output
    return run


@contextmanager
def maintenance(environment: Environment) -> Iterator[None]:
    switch(environment, "on")
    try:
        yield
    finally:
        switch(environment, "off")


def shows_the_page(environment: Environment) -> bool:
    """Whether users are told to come back later; anything but that or a plain answer is an error."""
    status, headers, body = environment.ask("/", BROWSER)
    assert status in (200, 503)
    if status == 503:
        assert headers["content-type"].startswith("text/html")
        assert int(headers["retry-after"]) > 0
        assert "</html>" in body
    return status == 503


@contextmanager
def asking_for_health(environment: Environment) -> Iterator[list[int]]:
    """Statuses of /health, asked again and again meanwhile."""
    seen: list[int] = []

    def ask() -> None:
        try:
            seen.append(environment.ask("/health")[0])
        except OSError:
            seen.append(0)

    with meanwhile(ask, 0.05):
        yield seen


def answers(load: Load, stream: str, since: Report) -> None:
    """Wait until requests of a stream end well again."""
    count = since.by_stream[stream].ok
    load.wait_until(lambda now: now.by_stream[stream].ok > count, 30, f"a good answer in {stream}")


@pytest.mark.deep
def test_switching_it_under_load_cuts_nothing(staging: Environment) -> None:
    with asking_for_health(staging) as health, staging.load() as load:
        with maintenance(staging):
            before = load.snapshot()
            # What had begun ends well while all that begins is answered by the page: slow requests and the WebSocket.
            for stream in ("slow", "websocket"):
                answers(load, stream, since=before)
            load.wait_until(lambda now: now.by_stream["slow"].failed > ENOUGH, 30, "slow requests refused")
            load.wait_until(lambda now: now.by_stream["upload"].failed > 1, 30, "uploads refused")
            refused = load.snapshot()
        after = load.snapshot()
        for stream in after.by_stream:
            answers(load, stream, since=after)
        again = load.snapshot()
    report = load.report
    print(f"\nmaintenance: {report.failed} refused, {report.ok} answered, of {report.sent}; {len(health)} times health")
    # The only way to fail was the answer of maintenance, and only while it was on.
    assert set(report.by_kind) == {"status_5xx"}, report.failures
    assert [failure for failure in report.failures if not failure.detail.startswith('503 {"error":"maintenance"')] == []
    assert report.failed == again.failed
    assert refused.by_stream["keepalive"].failed > ENOUGH
    assert report.by_stream["websocket"].failed == 0
    assert report.ws_reconnects == 0
    assert report.unfinished == 0
    assert set(health) == {200}


@pytest.mark.deep
def test_people_get_a_page_and_programs_json(staging: Environment) -> None:
    with maintenance(staging):
        assert shows_the_page(staging)
        status, headers, body = staging.ask("/api/version")
        assert (status, headers["content-type"], headers["retry-after"]) == (503, "application/json", "300")
        assert json.loads(body) == {"error": "maintenance", "retry_after": 300}
        assert staging.health()[0] == 200
    assert not shows_the_page(staging)
    assert staging.ask("/api/version")[0] == 200


@pytest.mark.deep
def test_a_deploy_and_a_reload_and_a_restart_leave_it_on(staging: Environment) -> None:
    with maintenance(staging):
        staging.deployed("1.1.0")
        assert staging.verdict()["verdict"] == "deployed"
        assert staging.health()[1]["version"] == "1.1.0"
        assert shows_the_page(staging)
        for seconds in ("61", "60"):
            run = staging.play("playbooks/provision.yml", "--tags", "edge", "-e", f"edge_timeout_seconds={seconds}")
            assert run.code == 0, run.output
            says(run, ["changed=1"])
            assert shows_the_page(staging)
        on(staging.hosts[0], "docker", "restart", "edge-haproxy-1")

        def is_back() -> bool:
            with suppress(OSError):
                return shows_the_page(staging) or pytest.fail("the restart switched maintenance off")
            return False

        eventually(is_back, "the edge answers again", 30)
    run = staging.play("playbooks/provision.yml", "--tags", "edge")
    says(run, ["changed=0"])
    assert not shows_the_page(staging)


@pytest.mark.deep
def test_a_second_time_changes_nothing_and_check_mode_never_does(staging: Environment) -> None:
    before = staging.everything()
    says(switch(staging, "on", "--check", "--diff"), ["changed=1", "-maintenance.map: off", "+maintenance.map: on"])
    assert staging.everything() == before
    assert not shows_the_page(staging)
    with maintenance(staging):
        at_work = staging.everything()
        says(switch(staging, "on"), ["changed=0"])
        says(switch(staging, "off", "--check"), ["changed=1"])
        assert staging.everything() == at_work
        assert shows_the_page(staging)
    assert staging.everything() == before


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), marks=pytest.mark.deep),
        pytest.param(("-e", "state=maybe"), marks=pytest.mark.deep),
        pytest.param(("-e", "state="), marks=pytest.mark.deep),
        ("-e", '{"state": true}'),
        pytest.param(("-e", '{"state": false}'), marks=pytest.mark.deep),
    ],
)
@pytest.mark.deep
def test_a_state_that_is_neither_on_nor_off_is_refused(staging: Environment, options: tuple[str, ...]) -> None:
    before = staging.everything()
    run = staging.play(PLAYBOOK, *options)
    assert run.code == 2
    says(run, ["Say -e state=on or -e state=off.", "failed=1"])
    assert run.output.count("[ERROR]") == 1
    assert staging.everything() == before


@pytest.mark.deep
def test_a_balancer_passes_the_page_on_and_keeps_its_hosts(production: Environment) -> None:
    with asking_for_health(production) as health, maintenance(production):
        # Longer than the balancer takes to find out that its hosts are not well: two checks, a second apart.
        asked = len(health)
        eventually(lambda: shows_the_page(production) and len(health) > asked + 80, "health asked again and again")
    assert set(health) == {200}
    assert not shows_the_page(production)
