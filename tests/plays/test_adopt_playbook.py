"""playbooks/adopt.yml: what is asked of whom and in which order, and what is not asked when something speaks against it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.plays.staged import Case, Done, Runs, Stage, rule

REFUSES = rule(
    "stack_adoption_info",
    {"failed": True, "msg": "1 problem in the configuration:\n  - port 80 is held by nginx (pid 812)"},
    host="app-2",
)
RESTARTS = rule("engine_config", {"changed": True, "restart": ["log-opts"], "reload": []}, check_mode=True)
OWNED = rule("host_identity", {"changed": False, "diff": {"before": "staging\n", "after": "staging\n"}}, check_mode=True)
ADOPTED = rule("stack_adoption_info", {"changed": False, "adopted": True, "waits": False, "holders": [], "plan": []})

CASES = {
    "well": Case(options=("-e", "adopt_project=shop", "-e", "adopt_ports_from=proxy,other")),
    "check": Case(options=("--check",)),
    "refused": Case(rules=[REFUSES]),
    "another project": Case(options=("-e", "adopt_project=blog")),
    "a restart on a host of the environment": Case(rules=[RESTARTS, OWNED]),
    "nothing left": Case(rules=[ADOPTED]),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    stage = Stage(tmp_path_factory.mktemp("stage"))
    with ThreadPoolExecutor(3) as pool:
        yield Runs(lambda name: pool.submit(stage.play, name, "adopt", CASES[name]))


def asked(done: Done, host: str = "app-1") -> list[str]:
    """Modules that were asked of a host, with what matters here."""
    about = {"edge_config": "ports", "stack_rollout": "adopts", "host_egress": "hosts"}
    return [
        f"{one['module']} {one[about[one['module']]]}" if about.get(one["module"]) in one else str(one["module"])
        for one in done.asked
        if one["host"] == host
    ]


PORTS = ["80:8080", "443:8443", "127.0.0.1:8405:8405"]


@pytest.mark.deep
def test_everything_is_looked_at_before_the_host_is_provisioned_and_the_edge_waits_until_the_ports_come_over(runs: Runs) -> None:
    done = runs["well"].result()
    assert done.code == 0, done.output
    found = asked(done)
    first = found.index("stack_adoption_info")
    assert set(found[:first]) <= {"host_identity", "engine_config"}
    waits = found.index("edge_config ['waits']")
    rollout = found.index(f"stack_rollout {{'ports': {PORTS}, 'holders': ['proxy']}}")
    assert first < waits < found.index("stack_release") < rollout < found.index("edge_config ['serves']")
    assert found.index("host_egress ['app-1']") > rollout
    [looked] = [one for one in done.asked if one["module"] == "stack_adoption_info" and one["host"] == "app-1"]
    assert looked["ports_from"] == ["proxy", "other"]
    assert "db: shop-db-1 is replaced once" in done.output
    assert "VERDICT deployed: staging 1.1.0 " in done.output


@pytest.mark.deep
def test_check_mode_says_the_plan_and_asks_nothing_else(runs: Runs) -> None:
    done = runs["check"].result()
    assert (done.code, "VERDICT checked: staging adopt" in done.output) == (0, True), done.output
    assert "db: shop-db-1 is replaced once" in done.output
    assert set(asked(done)) == {"host_identity", "engine_config", "stack_adoption_info"}


@pytest.mark.deep
def test_what_speaks_against_one_host_keeps_all_of_them_as_they_are(runs: Runs) -> None:
    done = runs["refused"].result()
    assert (done.code, "VERDICT refused: staging adopt" in done.output) == (2, True), done.output
    assert "port 80 is held by nginx (pid 812)" in done.output.partition("VERDICT")[2]
    assert set(asked(done)) == {"host_identity", "engine_config", "stack_adoption_info"}


@pytest.mark.deep
def test_another_project_is_refused_before_any_host_is_asked(runs: Runs) -> None:
    done = runs["another project"].result()
    assert (done.code, list(done.asked)) == (2, []), done.output
    assert "write stack.name: blog. Nothing was contacted or changed." in " ".join(done.output.split())


@pytest.mark.deep
def test_an_engine_of_the_environment_is_not_restarted_without_its_lease(runs: Runs) -> None:
    done = runs["a restart on a host of the environment"].result()
    assert done.code == 2, done.output
    said = " ".join(done.output.split())
    assert "This host belongs to staging already, and its engine must be restarted for log-opts." in said
    assert "stack_adoption_info" not in asked(done)


@pytest.mark.deep
def test_what_is_adopted_already_is_deployed_to_as_ever(runs: Runs) -> None:
    done = runs["nothing left"].result()
    assert done.code == 0, done.output
    assert "nothing is left to take over; deploy.yml brings the next release" in done.output
    assert "edge_config ['waits']" not in asked(done)
