"""playbooks/costs.yml: what the books and the inventory say of money, as a table, a line of JSON and a page."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.plays.staged import Case, Runs, Stage, rule

TODAY = time.strftime("%Y-%m-%d", time.gmtime())
CALL = {"day": TODAY, "endpoint": "comic", "model": "comic-xl@1.4.0", "provider": "runpod", "caller": "api", "requests": 7}
CAP = {"cap": "money_per_day", "used": "4.5", "limit": "5", "near": True, "period": TODAY}
BOOKS = {
    "environment": "staging",
    "tier": "staging",
    "calls": [{**CALL, "money": "4.5", "unsettled": "0"}],
    "caps": [CAP],
}
READ = [rule("ml_costs", {"changed": False, "books": BOOKS})]
SUPABASE = {"supabase": [{"name": "staging", "price_per_hour": 0.01, "since": "2026-01-01"}]}
NOBODY = [rule("ml_costs", {"changed": False, "failed": True, "msg": "no gateway runs on this host"})]


def declared(costs: Any) -> tuple[str, str]:
    return ("-e", json.dumps({"costs": costs}))


CASES = {
    "table": Case(rules=READ, options=declared(SUPABASE)),
    "json": Case(rules=READ, options=("-e", "costs_format=json", "-e", "costs_days=90")),
    "one is away": Case(rules=READ, down=("app-1",)),
    "no gateway": Case(rules=NOBODY, options=declared(SUPABASE)),
    "no format": Case(rules=READ, options=("-e", "costs_format=xml")),
    "no days": Case(rules=READ, options=("-e", "costs_days=all")),
    "wrong costs": Case(rules=READ, options=declared({"supabase": [{"name": "a", "price_per_hour": 1, "since": "ever"}]})),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    stage = Stage(tmp_path_factory.mktemp("stage"))
    with ThreadPoolExecutor(2) as pool:
        yield Runs(lambda name: pool.submit(stage.play, name, "costs", CASES[name]))


def test_costs_are_shown_with_caps_and_forecast_and_a_page_is_written(runs: Runs) -> None:
    done = runs["table"].result()
    assert done.code == 0, done.output
    shown = done.output.partition("\nCOSTS ")[2]
    assert shown.startswith(f"of staging in {TODAY[:7]}, in USD")
    assert "money_per_day  4.50" in shown
    assert "90 %, past warn_at" in shown
    assert "\nstaging   project" in shown
    assert shown.splitlines()[-1] == "details: .deploy/staging/costs.html"
    assert {one["module"] for one in done.asked} == {"ml_costs"}


@pytest.mark.deep
def test_as_json_it_is_one_line_and_the_same_as_the_file(runs: Runs) -> None:
    done = runs["json"].result()
    assert done.code == 0, done.output
    report = json.loads(done.output.splitlines()[-1])
    assert report == done.files["staging/costs.json"]
    assert report["ml"]["month"] == {"requests": 7, "money": 4.5, "unsettled": 0.0}


@pytest.mark.deep
def test_one_host_that_answers_is_enough(runs: Runs) -> None:
    done = runs["one is away"].result()
    assert done.code == 0, done.output
    assert done.files["staging/costs.json"]["problem"] == ""


@pytest.mark.deep
def test_where_nobody_knows_the_books_the_run_fails_and_shows_the_rest(runs: Runs) -> None:
    done = runs["no gateway"].result()
    assert done.code == 2, done.output
    assert "The books of the ML gateways could not be read: app-1 no gateway runs on this host" in done.verdict
    assert done.files["staging/costs.json"]["supabase"]["money"] > 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no format", "costs_format: xml must be table or json"),
        ("no days", "costs_days: all a whole number"),
        ("wrong costs", 'costs.supabase[0].since: "ever" is no time'),
    ],
)
@pytest.mark.deep
def test_what_cannot_be_shown_is_refused_before_any_host_is_asked(runs: Runs, name: str, said: str) -> None:
    done = runs[name].result()
    assert (done.code, list(done.asked)) == (2, []), done.output
    assert said in done.verdict
