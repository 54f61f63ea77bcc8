"""What is drawn, at 80 columns: rich draws into a text, so every line that a person would see is looked at."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

pytest.importorskip("rich")

from ansible_collections.morpheus.deploy.plugins.plugin_utils.live import terminal
from ansible_collections.morpheus.deploy.plugins.plugin_utils.live.view import MOST_ROWS, SHOWN_HOSTS, Span, View, folded

WIDTH = 80


def screen(**more: Any) -> Any:
    return terminal.console(colours=False, file=io.StringIO(), width=WIDTH, height=24, **more)


def drawn(view: View, now: float) -> list[str]:
    console = screen()
    console.print(terminal.drawing(view.heads(now), view.rows(now)))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def event(host: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"host": host, "event": kind, **more}


@pytest.fixture
def view() -> View:
    return View(Span("deploy  inventories/staging", 0.0, 41.0), Span("Roll out", 20.0, 25.0), number=6, phases=7)


def at_the_gate(view: View, host: str, now: float, last: str = 'status 503, expected 200: "starting"') -> None:
    view.board.begin(host, now)
    view.board.saw(event(host, "begin", release="1.1.0", steps=12), now)
    view.board.saw(event(host, "started", service="api", replicas=["shop-api-3", "shop-api-4"]), now)
    view.board.saw(event(host, "gate", service="api", replica="shop-api-3", attempts=4, last=last), now)


def test_each_replica_has_a_row_with_what_was_seen_last(view: View) -> None:
    view.board.expect(["app-1", "app-2"])
    at_the_gate(view, "app-1", 21.0)
    lines = drawn(view, 33.0)
    assert lines[0].split() == ["deploy", "inventories/staging", "0:33", "of", "about", "0:41"]
    assert lines[1].split() == ["6", "of", "7", "Roll", "out", "0:13", "of", "about", "0:25"]
    assert [" ".join(line.split()) for line in lines[2:]] == [
        "app-1 at work 1.1.0 0:12",
        'shop-api-3 gate attempt 4: status 503, expected 200: "starting"',
        "shop-api-4 started",
        "app-2 waiting",
    ]


def test_100_hosts_are_summed_up_at_80_columns(view: View) -> None:
    names = [f"production-app-{number:03}.eu-central.shop.example" for number in range(1, 101)]
    view.board.expect(names)
    for name in names[:37]:
        view.board.begin(name, 1.0)
        view.board.end(name, {"release": "1.1.0"}, 9.0, failed=False)
    for name in names[37:47]:
        at_the_gate(view, name, 21.0, "status 503, expected 200: " + "x" * 200)
    view.board.begin(names[99], 21.0)
    view.board.end(names[99], {}, 30.0, failed=True)
    lines = drawn(view, 33.0)
    assert " ".join(lines[2].split()) == "100 hosts: 37 done, 10 at work, 52 waiting, 1 failed"
    assert lines[3].split()[1] == "failed"
    assert len(lines) == 3 + SHOWN_HOSTS + 1
    assert lines[-1].strip() == f"and {11 - SHOWN_HOSTS} more at work or failed"
    assert max(len(line) for line in lines) <= WIDTH


@pytest.mark.parametrize("hosts", [1, 2, 5, 8, 9, 100, 300])
def test_whatever_the_number_of_hosts_it_fits_a_small_terminal(view: View, hosts: int) -> None:
    for number in range(hosts):
        at_the_gate(view, f"app-{number}", 21.0)
    lines = drawn(view, 33.0)
    assert len(lines) <= 3 + MOST_ROWS
    assert max(len(line) for line in lines) <= WIDTH


def test_markup_of_an_application_stays_text(view: View) -> None:
    at_the_gate(view, "app-1", 21.0, "[red]alarm[/red] :boom: [link=x]")
    assert "[red]alarm[/red] :boom: [link=x]" in "\n".join(drawn(view, 22.0))


def test_the_region_is_drawn_again_only_when_it_says_something_else(view: View) -> None:
    console = screen(force_terminal=True)
    region = terminal.Region(console)
    region.draw(view, 33.0)
    before = console.file.getvalue()
    region.draw(view, 33.1)
    assert console.file.getvalue() == before
    region.draw(view, 34.0)
    assert console.file.getvalue() != before
    region.stop()
    region.stop()


LINES = ["VERDICT deployed: staging 1.1.0 (was 1.0.0) in 41.2 s", "  app-1 runs 1.1.0, 6 requests drained"]


def boxed(lines: list[str]) -> list[str]:
    console = screen(force_terminal=True)
    terminal.Region(console).verdict(lines)
    return str(console.file.getvalue()).splitlines()


def test_the_verdict_stands_in_a_box_word_for_word() -> None:
    lines = [*LINES, "  details: .deploy/staging/verdict.json"]
    found = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in boxed(lines)]
    assert [line.strip("│ ") for line in found[1:-1]] == [line.strip() for line in lines]
    assert {len(line) for line in found} == {WIDTH}


def test_what_does_not_fit_stands_below_the_box_as_it_is_so_that_it_can_be_copied() -> None:
    command = "    ansible-playbook rollback.yml -i inventories/production -e rollback_to=1.0.0-77b1e4d2 -e reason=long"
    found = boxed([*LINES, "  mend it with one of:", command, "  details: verdict.json"])
    assert found[-2:] == [command, "  details: verdict.json"]
    assert found[-3][0] == "╰"


def test_no_colour_is_used_when_none_is_wanted(monkeypatch: pytest.MonkeyPatch, view: View) -> None:
    colour = "\x1b[3"
    loud = io.StringIO()
    terminal.Region(terminal.console(colours=True, file=loud, force_terminal=True, color_system="standard")).verdict(LINES)
    assert colour in loud.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    quiet = io.StringIO()
    terminal.Region(terminal.console(colours=True, file=quiet, force_terminal=True, color_system="standard")).verdict(LINES)
    assert colour not in quiet.getvalue()


def test_a_verdict_on_100_hosts_names_those_that_differ() -> None:
    hosts = [f"  app-{number:03} runs 1.1.0, {number} requests drained" for number in range(1, 100)]
    found = folded(["VERDICT mixed: staging 1.1.0", *hosts, "  app-100 runs 1.0.0", "  the gate was not passed"])
    assert found == ["VERDICT mixed: staging 1.1.0", "  99 hosts run 1.1.0", "  app-100 runs 1.0.0", "  the gate was not passed"]


def test_a_verdict_on_few_hosts_is_left_as_it_is() -> None:
    assert folded(LINES) == LINES
