"""playbooks/ml_contract.yml, and the deploy to production that needs what it has seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml

from tests.plays.staged import VARIABLES, Case, Runs, Stage, rule
from tests.unit.plugins.plugin_utils.contract.test_contracts_of_ml import ENDPOINTS, GOOD, job, ml_pin

ML = {
    "tier": "production",
    "key": "canary-key",
    "endpoints": [{**ENDPOINTS[0], "price_per_second": 0.001}],
    "limits": {"money_per_day": 5},
}
# The key stands in a vault that this run does not open.
UNOPENED = {**ML, "key": "{{ vault_of_nobody }}"}
STACK = {**VARIABLES["stack"], "ml_endpoints": ["comic"]}
FILES = {"source/ml-contract/comic.yml": yaml.safe_dump(GOOD)}


def said(*answers: dict[str, Any], kept: Any = ()) -> list[dict[str, Any]]:
    return [rule("ml_contract", {"changed": False, "answers": list(answers), "kept": list(kept)})]


def case(rules: list[dict[str, Any]], *options: str, ml: Any = ML, files: Any = FILES) -> Case:
    return Case(rules=rules, options=("-e", json.dumps({"ml": ml, "stack": STACK}), *options), files=files)


def kept() -> list[dict[str, str]]:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.contract.files import Contract, Contracts

    contract = Contract("comic.yml", "comic", GOOD["request"], GOOD["answer"], 5.0, 5_000_000)
    return [{"endpoint": "comic", "pin": ml_pin(), "contract": Contracts([contract]).digest("comic")}]


CASES = {
    "kept": ("ml_contract", case(said(job({"panels": ["a"]})), ml=UNOPENED)),
    "broken": ("ml_contract", case(said(job({"panels": ["a"]}), job({}, target="mock")))),
    "no contract": ("ml_contract", case(said(), files={})),
    "never seen": ("deploy", case(said())),
    "of another pin": ("deploy", case(said(kept=[{**kept()[0], "pin": "00000000"}]))),
    "seen": ("deploy", case(said(kept=kept()))),
    "no gateway": ("deploy", case([rule("ml_contract", {"failed": True, "msg": "no gateway runs on this host"})])),
    "staging": ("deploy", case(said(), ml={**ML, "tier": "staging"})),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    stage = Stage(tmp_path_factory.mktemp("stage"))
    with ThreadPoolExecutor(2) as pool:
        yield Runs(lambda name: pool.submit(stage.play, name, *CASES[name]))


def test_a_contract_that_is_kept_is_remembered(runs: Runs) -> None:
    done = runs["kept"].result()
    assert done.code == 0, done.output
    assert "comic.yml: kept by production (comic-xl@1.4.0, 1.0 s)" in done.output
    assert [one["module"] for one in done.asked].count("ml_contract") == 2


def test_one_that_is_broken_is_named_and_nothing_is_remembered(runs: Runs) -> None:
    done = runs["broken"].result()
    assert done.code == 2, done.output
    assert "comic.yml: mock: output: 'panels' is a required property" in done.verdict
    assert [one["module"] for one in done.asked].count("ml_contract") == 1
    assert "canary" not in done.output


@pytest.mark.deep
def test_an_endpoint_without_a_contract_is_refused_before_any_host_is_asked(runs: Runs) -> None:
    done = runs["no contract"].result()
    assert (done.code, list(done.asked)) == (2, []), done.output
    assert "ml-contract: there is no contract of the endpoint comic; write one" in done.verdict


@pytest.mark.parametrize("name", [pytest.param("never seen", marks=pytest.mark.deep), "of another pin"])
def test_a_deploy_to_production_needs_it_for_exactly_its_pins(runs: Runs, name: str) -> None:
    done = runs[name].result()
    assert done.code == 2, done.output
    assert done.verdict.split()[1] == "refused:"
    assert "comic is pinned to comic-xl 1.4.0 (abc), and its contract was never seen kept" in done.verdict
    assert "stack_release" not in {one["module"] for one in done.asked}


@pytest.mark.deep
def test_a_deploy_to_production_that_nobody_can_ask_for_it_is_refused(runs: Runs) -> None:
    done = runs["no gateway"].result()
    assert done.code == 2, done.output
    assert "stack_release" not in {one["module"] for one in done.asked}


@pytest.mark.parametrize("name", ["seen", "staging"])
@pytest.mark.deep
def test_with_it_and_where_no_money_of_users_is_at_stake_the_deploy_goes_on(runs: Runs, name: str) -> None:
    done = runs[name].result()
    assert done.verdict.split()[1] == "deployed:", done.output
