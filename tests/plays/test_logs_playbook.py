"""playbooks/logs.yml: what all hosts have logged, merged by time, and one request through all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.plays.staged import Case, Runs, Stage, rule

ID = "7d1f2a36-95b4-4c5e-8f3e-2b8f6f6f1d11"
SERVICES = ["edge", "shop.api"]


def line(second: str, service: str, text: str) -> dict[str, str]:
    replica = "edge-haproxy-1" if service == "edge" else f"shop-{service}-1"
    stack, at = ("edge" if service == "edge" else "shop"), f"2026-01-01T12:00:{second.ljust(12, '0')}Z"
    return {"time": at, "stack": stack, "service": service, "replica": replica, "release": "1.0.0", "text": text}


def logged(host: str, *lines: dict[str, str], **more: Any) -> dict[str, Any]:
    result = {"changed": False, "lines": list(lines), "left_out": 0, "unread": [], "services": SERVICES, **more}
    return rule("stack_logs", result, host=host)


ASKED = {"time": "x", "source": "edge", "request_id": ID, "method": "GET", "path": "/api/a", "status": 200, "total_ms": 12}
ANSWERED = {"level": "info", "message": "drawn \x1b[31mred\r\nand more", "request_id": ID}
RULES = [
    logged("app-1", line("03.5", "edge", json.dumps(ASKED)), line("04.25", "api", "plain text"), left_out=7),
    logged("app-2", line("03.75", "api", json.dumps(ANSWERED)), unread=["shop-web-1: its log cannot be read: no driver"]),
]
# Whoever is asked for anything else has nothing to say.
OTHERWISE = [logged(host) for host in ("app-1", "app-2")]
TOLD = [{**one, "since": "2h", "services": ["api", "edge"], "request": ""} for one in RULES] + OTHERWISE
FOLLOWED = [{**one, "since": "1h", "services": [], "request": ID} for one in RULES] + OTHERWISE
BROKEN = {
    "since": ("-e", "since=yesterday"),
    "request": ("-e", '{"request": "a b"}'),
    "logs_lines": ("-e", "logs_lines=all"),
    "logs_format": ("-e", "logs_format=xml"),
}
CASES = {
    "table": Case(rules=TOLD, options=("-e", "service=api,edge", "-e", "since=2h")),
    "json": Case(rules=FOLLOWED, options=("-e", "logs_format=json", "-e", f"request={ID}")),
    "one is away": Case(rules=RULES, down=("app-2",)),
    "one is left out": Case(rules=RULES, options=("--limit", "app-1")),
    "nobody has it": Case(rules=RULES, options=("-e", "service=ghost")),
    **{f"broken {name}": Case(rules=RULES, options=options) for name, options in BROKEN.items()},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    stage = Stage(tmp_path_factory.mktemp("stage"))
    with ThreadPoolExecutor(3) as pool:
        yield Runs(lambda name: pool.submit(stage.play, name, "logs", CASES[name]))


def test_the_lines_of_all_hosts_are_merged_by_time_and_harmless_for_a_terminal(runs: Runs) -> None:
    done = runs["table"].result()
    assert done.code == 0, done.output
    shown = done.output.partition("\nLOGS ")[2].splitlines()
    assert shown == [
        "of staging, 2h, api, edge",
        "",
        f"2026-01-01T12:00:03.500Z app-1 edge-haproxy-1 GET /api/a 200 request_id={ID} total_ms=12",
        f"2026-01-01T12:00:03.750Z app-2 shop-api-1 info drawn red\\nand more request_id={ID}",
        "2026-01-01T12:00:04.250Z app-1 shop-api-1 plain text",
        "app-1 has 7 older lines: ask for fewer services or a shorter time, or for more -e logs_lines",
        "app-2: shop-web-1: its log cannot be read: no driver",
    ]
    assert {one["module"] for one in done.asked} == {"stack_logs"}


@pytest.mark.deep
def test_as_json_it_is_one_line_and_the_same_as_the_file(runs: Runs) -> None:
    done = runs["json"].result()
    assert done.code == 0, done.output
    report = json.loads(done.output.splitlines()[-1])
    assert report == done.files["staging/logs.json"]
    assert [one["host"] for one in report["lines"]] == ["app-1", "app-2", "app-1"]


@pytest.mark.deep
def test_a_host_that_is_away_is_said_and_the_others_are_shown(runs: Runs) -> None:
    done = runs["one is away"].result()
    assert done.code == 4, done.output
    assert "app-1 shop-api-1 plain text" in done.output
    assert "app-2 could not be reached: its lines are missing here" in done.output


@pytest.mark.deep
def test_a_host_that_limit_leaves_out_is_named_and_is_no_failure(runs: Runs) -> None:
    done = runs["one is left out"].result()
    assert done.code == 0, done.output
    assert "app-2 was not asked, because --limit leaves it out: its lines are missing here" in done.output


@pytest.mark.deep
def test_a_service_that_no_host_has_is_refused_with_those_that_they_have(runs: Runs) -> None:
    done = runs["nobody has it"].result()
    assert done.code == 2, done.output
    assert "service: no host has ghost; they have edge, shop.api." in done.output


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.deep
def test_what_no_log_can_be_asked_for_is_refused_before_any_host_is(runs: Runs, name: str) -> None:
    done = runs[f"broken {name}"].result()
    assert (done.code, list(done.asked)) == (2, []), done.output
    assert f"{name}: " in done.verdict
