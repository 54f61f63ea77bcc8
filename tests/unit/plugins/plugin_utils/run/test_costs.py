"""What an environment costs, with the forecast, as a report, a table and a page."""

from __future__ import annotations

import json
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.filter.costs_problems import costs_problems
from ansible_collections.morpheus.deploy.plugins.filter.costs_report import costs_report
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.costs import seconds_of
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import reports
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.costs_page import html
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.costs_table import table

from tests.unit.plugins.plugin_utils.run.test_run_page import EVIL, Page

NOW = seconds_of("2026-11-21T12:00:00Z")
PROJECT = {"name": "staging", "price_per_hour": 0.01, "since": "2026-10-01"}


def call(day: str, money: str, requests: int = 10, **more: Any) -> dict[str, Any]:
    about = {"endpoint": "comic", "model": "comic-xl@1.4.0", "provider": "runpod", "caller": "api", "unsettled": "0"}
    return {"day": day, "requests": requests, "money": money, **about, **more}


def cap(name: str, used: float, limit: float, **more: Any) -> dict[str, Any]:
    period = "2026-11-21" if name.endswith("day") else "2026-11"
    return {"cap": name, "used": str(used), "limit": str(limit), "near": used > 0.8 * limit, "period": period, **more}


def books(*calls: dict[str, Any], caps: tuple[dict[str, Any], ...] = (), environment: str = "staging") -> dict[str, Any]:
    return {"books": {"environment": environment, "tier": "staging", "calls": list(calls), "caps": list(caps)}}


def report(*calls: dict[str, Any], costs: Any = None, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = costs_report({"app-1": books(*calls, **more)}, "staging", costs, NOW)
    return found


# Half of the 21st has gone, so 6.5 days of the last seven; 9.5 are left of the month.
STEADY = [call(f"2026-11-{day:02}", "2") for day in range(10, 21)] + [call("2026-11-21", "1", 5)]


def test_the_forecast_goes_on_as_the_last_seven_days_went() -> None:
    ml = report(call("2026-10-31", "99"), *STEADY)["ml"]
    assert ml["month"] == {"requests": 115, "money": 23.0, "unsettled": 0.0}
    assert ml["forecast"] == {"requests": 210, "money": 42.0}
    # What was before them counts in the month, and not in the pace.
    assert report(call("2026-11-01", "100"), *STEADY)["ml"]["forecast"]["money"] == 142.0


def test_books_that_began_today_have_no_pace_of_an_hour() -> None:
    assert report(call("2026-11-21", "1"))["ml"]["forecast"]["money"] == 10.5
    assert report()["ml"]["forecast"] == {"requests": 0, "money": 0.0}


@pytest.mark.parametrize(
    ("limit", "used", "reached"),
    [(60, 23, ""), (30, 23, "2026-11-25"), (42.1, 23, ""), (42, 23, "2026-12-01"), (20, 23, "2026-11-21")],
    ids=["far", "soon", "just not", "at the very end", "already"],
)
def test_a_cap_of_the_month_has_the_day_on_which_it_is_reached(limit: float, used: float, reached: str) -> None:
    [found] = report(*STEADY, caps=(cap("money_per_month", used, limit),))["ml"]["caps"]
    assert (found["forecast"], found["reached"]) == (42.0, reached)


def test_a_cap_of_a_day_is_compared_with_what_a_day_uses() -> None:
    found = report(*STEADY, caps=(cap("money_per_day", 1, 5), cap("requests_per_day", 5, 100)))["ml"]["caps"]
    assert [(one["forecast"], one["share"], one["reached"]) for one in found] == [(2.0, 0.2, ""), (10.0, 0.05, "")]


def test_this_month_is_told_by_endpoint_model_and_caller_and_what_cost_most_comes_first() -> None:
    more = [call("2026-11-20", "3", caller="worker"), call("2026-11-20", "0.5", endpoint="sketch", model="comic-small@1")]
    by = report(call("2026-10-30", "7", caller="old"), *STEADY, *more)["ml"]["by"]
    assert [(one["name"], one["money"]) for one in by["endpoint"]] == [("comic", 26.0), ("sketch", 0.5)]
    assert [one["name"] for one in by["model"]] == ["comic-xl@1.4.0", "comic-small@1"]
    assert [(one["name"], one["requests"]) for one in by["caller"]] == [("api", 125), ("worker", 10)]


@pytest.mark.parametrize(
    ("more", "hours", "forecast"),
    [
        ({}, 492.0, 7.2),
        ({"since": "2026-11-20"}, 36.0, 2.64),
        ({"since": "2026-11-20T06:00:00Z"}, 30.0, 2.58),
        ({"until": "2026-11-02"}, 24.0, 0.24),
        ({"until": "2026-10-20"}, 0.0, 0.0),
        ({"since": "2026-11-30"}, 0.0, 0.24),
        ({"since": "2026-11-20", "until": "2026-11-22"}, 36.0, 0.48),
    ],
    ids=["all month", "since yesterday", "by the hour", "deleted", "deleted before", "to come", "to go"],
)
def test_supabase_is_billed_by_the_hours_of_this_month(more: dict[str, str], hours: float, forecast: float) -> None:
    found = report(costs={"supabase": [{**PROJECT, **more}]})["supabase"]
    assert found["items"][0]["hours"] == hours
    assert found["forecast"] == forecast
    assert found["money"] == round(hours * 0.01, 6)


def test_one_host_that_answers_is_enough_and_one_of_another_environment_is_not_believed() -> None:
    away, strange = {"unreachable": True}, books(environment="production")
    found = costs_report({"app-1": away, "app-2": strange, "app-3": books(*STEADY)}, "staging", None, NOW)
    assert (found["problem"], found["ml"]["month"]["money"]) == ("", 23.0)
    nobody = costs_report({"app-1": away, "app-2": strange, "app-3": {"failed": True, "msg": "no gateway"}}, "staging", None, NOW)
    assert nobody["ml"] is None
    assert nobody["problem"] == "app-1 could not be reached; app-3 no gateway; app-2 has a gateway of production"
    assert "What ML endpoints have cost is not known: app-1 could not be reached" in "\n".join(table(nobody))


def test_the_table_names_caps_and_when_they_are_reached() -> None:
    found = report(
        *STEADY[-2:],
        costs={"currency": "EUR", "supabase": [PROJECT, {**PROJECT, "name": "preview", "kind": "branch", "since": "2026-11-20"}]},
        caps=(cap("money_per_month", 23, 25), cap("requests_per_month", 115, 1000)),
    )
    lines = table(found, [".deploy/staging/costs.html"])
    assert lines[:9] == [
        "COSTS of staging in 2026-11, in EUR",
        "",
        "ML ENDPOINTS             REQUESTS  MONEY",
        "so far                   15        3.00",
        "at the end of the month  110       22.00",
        "",
        "CAP                 USED   OF     SHARE               FORECAST",
        "money_per_month     23.00  25.00  92 %, past warn_at  22.00 at the end of the month; reached on",
        "                                                      2026-11-22",
    ]
    assert [line.split() for line in lines if line.startswith(("staging", "preview", "all"))] == [
        ["staging", "project", "492.0", "0.01", "4.92", "7.20"],
        ["preview", "branch", "36.0", "0.01", "0.3600", "2.64"],
        ["all", "5.28", "9.84"],
    ]
    assert lines[-1] == "details: .deploy/staging/costs.html"
    assert all(len(line) <= 100 for line in lines)


def test_where_nothing_is_declared_it_says_so() -> None:
    assert table(costs_report({}, "staging", None, NOW))[-1] == (
        "Nothing that costs money is declared: neither ml nor costs.supabase."
    )


def test_the_page_has_a_bar_for_each_day_and_endpoint_and_a_line_for_the_cap() -> None:
    names = [f"e{number}" for number in range(6)]
    calls = [call("2026-11-20", str(9 - number), endpoint=name) for number, name in enumerate(names)]
    found = report(*STEADY, *calls, caps=(cap("money_per_day", 1, 50),))
    page = Page(html({**found, "others": []}))
    bars = [
        attributes for tag, attributes in page.tags if tag == "rect" and "height" in attributes and attributes["height"] != "12"
    ]
    assert len(bars) == 12 + 6
    assert {bar["class"] for bar in bars} == {"c0", "c1", "c2", "c3", "c4"}
    assert "money_per_day 50.00" in page.texts
    assert "others" in page.texts
    # All of the bars of a day together are as high as its money on the scale of the cap.
    heights = sum(float(bar["height"] or 0) for bar in bars)
    assert heights == pytest.approx(260 * sum(float(one["money"]) for one in [*STEADY, *calls]) / 50, abs=0.5)


@pytest.mark.parametrize("number", [1, 2, 21, 60, 400])
def test_days_stand_where_their_time_is_and_no_label_is_written_over_another(number: int) -> None:
    last = date(2026, 11, 21)
    # Of two days without a call nobody writes anything, and they have their place.
    chosen = [last - timedelta(one) for one in range(number) if one in (0, number - 1) or one % 7 > 1]
    page = Page(html({**report(*[call(str(day), "2") for day in chosen]), "others": []}))
    bars = [float(one["x"] or 0) for tag, one in page.tags if tag == "rect" and one.get("height") != "12"]
    step = 930 / number
    assert bars == pytest.approx([70 + step * (number - 1 - (last - day).days + 0.15) for day in reversed(chosen)], abs=0.1)
    labels: dict[str, list[float]] = {}
    for tag, one in page.tags:
        if tag == "text" and one.get("y") in ("292", "308"):
            labels.setdefault(str(one["y"]), []).append(float(one["x"] or 0))
    # At 12 pixels a number of two digits is 15 wide, and a month 50.
    assert all(after - before >= 20 for before, after in pairwise(labels["292"]))
    assert all(after - before >= 52 for before, after in pairwise(labels["308"]))


def test_columns_of_numbers_stand_in_line() -> None:
    found = report(*STEADY, caps=(cap("money_per_month", 23, 25),))
    text = html({**found, "others": []})
    assert '<td class="number">23.00</td><td class="number">25.00</td><td>92 %, past warn_at</td>' in text
    assert '<td>2026-11-20</td><td class="number">10</td><td class="number">2.00</td>' in text


def test_nothing_on_the_page_is_markup_of_a_caller_and_nothing_comes_from_elsewhere() -> None:
    evil: dict[str, Any] = {"endpoint": EVIL, "model": EVIL, "caller": EVIL}
    found = report(call("2026-11-20", "1", **evil), costs={"currency": EVIL, "supabase": [{**PROJECT, "name": EVIL}]})
    text = html({**found, "others": [{**found["own"], "environment": EVIL}], "problem": EVIL})
    Page(text)
    assert "<script" not in text
    assert "http" not in text
    assert "prefers-color-scheme:dark" in text


def test_other_environments_are_told_as_they_were_read_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reports.write("costs", report(*STEADY), as_json=False)
    (tmp_path / ".deploy" / "broken").mkdir()
    (tmp_path / ".deploy" / "broken" / "costs.json").write_text('{"verdict": "running"}')
    production = costs_report({"app-1": books(call("2026-11-21", "8"), environment="production")}, "production", None, NOW)
    shown = reports.write("costs", production, as_json=False)
    assert [line.split()[0] for line in shown[-5:-2]] == ["ENVIRONMENT", "production", "staging"]
    assert "staging" in (tmp_path / ".deploy" / "production" / "costs.html").read_text()
    [line] = reports.write("costs", production, as_json=True)
    assert [one["environment"] for one in json.loads(line)["others"]] == ["staging"]


@pytest.mark.parametrize(
    ("costs", "problems"),
    [
        (None, []),
        ({}, []),
        ({"supabase": [PROJECT, {**PROJECT, "name": "b", "since": date(2026, 10, 1)}]}, []),
        (
            {"supabase": [PROJECT, {**PROJECT, "kind": "db"}]},
            [
                'costs.supabase[1].name: "staging" is already used by costs.supabase[0]',
                'costs.supabase[1].kind: "db" is not one of project, branch',
            ],
        ),
        (
            {"supabase": [{**PROJECT, "since": "last week", "until": "2026-13-01"}]},
            [
                f'costs.supabase[0].{name}: "{text}" is no time; '
                'give a day or a time by UTC, "2026-10-01" or "2026-10-01T08:30:00Z"'
                for name, text in (("since", "last week"), ("until", "2026-13-01"))
            ],
        ),
        (
            {"supabase": [{**PROJECT, "until": "2026-09-30"}]},
            ["costs.supabase[0].until: 2026-09-30 is before since (2026-10-01)"],
        ),
        (
            {"supabase": [{"name": "a", "since": "2026-10-01"}]},
            ["costs.supabase[0].price_per_hour: required; what an hour of it costs"],
        ),
        (
            {"supabase": [{**PROJECT, "price_per_hour": -1}]},
            ["costs.supabase[0].price_per_hour: must be a number, 0 or more, not -1"],
        ),
        ({"sypabase": []}, ['costs.sypabase: unknown key; did you mean "supabase"?']),
    ],
)
def test_what_is_wrong_with_costs_is_said_at_once(costs: Any, problems: list[str]) -> None:
    assert costs_problems(costs) == problems
