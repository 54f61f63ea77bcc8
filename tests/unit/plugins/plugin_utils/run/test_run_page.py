"""The page of a run: what is in it, that nothing in it is anybody's markup, and that pages do not pile up."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import run_pages
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.known import HostState
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.run_page import file_name, html
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.verdict import Run

EVIL = '<script>alert("x")</script>'


def verdict(**more: Any) -> dict[str, Any]:
    run = Run(started=1_764_000_000.0, environment="staging", release="1.1.0", release_id="1.1.0-bb", is_deploy=True)
    gate = {
        "service": "web",
        "name": "shop-web-3",
        "healthy": True,
        "attempts": 14,
        "failures": 11,
        "seconds": 3.9,
        "violation": "",
        "step": "gate",
    }
    watch = {**gate, "step": "watch", "attempts": 60, "failures": 0, "seconds": 5.8}
    check = {"service": "edge", "name": "edge", "step": "check", "healthy": False, "attempts": 3, "failures": 3, "seconds": 0.3}
    seconds = {"start": 0.6, "stop": 0.5, "gate": 3.9, "watch": 6.0, "back admit": 0.2, "check": 0.4}
    run.hosts["app-1"] = HostState(
        release="1.1.0", changed=True, seconds=seconds, gates=[gate, watch, check], plan=[f"web: start {EVIL}"]
    )
    run.hosts["app-2"] = HostState(release="1.0.0", failed="web is sick", interrupted={"db": "it has data"}, errors=3)
    run.lease = {"token": 7, "owner": "anna@laptop", "reason": "deploy 1.1.0"}
    return {**run.verdict(14.2, check_mode=False), "playbook": "deploy", **more}


class Page(HTMLParser):
    """Its texts, and its tags with their attributes; every tag that is opened is closed."""

    VOID = ("meta", "rect")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID or tag == "rect":
            self.open += [] if tag == "meta" else [tag]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_page_says_the_word_what_hosts_run_the_gates_and_the_steps() -> None:
    page = Page(html(verdict(messages=["web is sick"], notices=["chat was not told of failure: connection refused"])))
    texts = [text.strip() for text in page.texts]
    assert "staging: mixed 1.1.0" in texts
    assert "deploy · 2025-11-24T16:00:00Z · 14.2 s · anna@laptop" in texts
    assert "web is sick\nansible-playbook deploy.yml -i inventories/staging" in "\n".join(texts)
    for said in ("chat was not told of failure: connection refused", "shop-web-3", "14", "db (it has data)"):
        assert said in texts
    assert f"web: start {EVIL}" in texts


def test_the_time_of_a_host_is_a_row_of_bars_in_the_order_of_the_steps() -> None:
    page = Page(html(verdict()))
    bars = [(found["class"], float(found["x"] or 0), float(found["width"] or 0)) for tag, found in page.tags if tag == "rect"]
    assert [colour for colour, _, _ in bars[:6]] == ["begin", "gate", "watch", "end", "gate", "back"]
    assert bars[0][1] == 220
    ends = [x + width for _, x, width in bars[:6]]
    assert ends == pytest.approx([*(x for _, x, _ in bars[1:6]), 1000], abs=0.2)
    assert "app-1: watch 6 s" in page.texts


def test_a_gate_a_watch_and_the_check_of_the_edge_begin_with_their_own_kind_of_step() -> None:
    page = Page(html(verdict()))
    bars = [(found["class"], found["x"], found["height"]) for tag, found in page.tags if tag == "rect"]
    of_host = {name: x for (_, x, _), name in zip(bars, ("start", "gate", "watch", "stop", "check"), strict=False)}
    assert [(colour, x) for colour, x, height in bars if height == "8"] == [
        ("gate", of_host["gate"]),
        ("watch", of_host["watch"]),
        ("back", of_host["check"]),
    ]
    texts = [text.strip() for text in page.texts]
    for said in ("shop-web-3: watch, 60 attempts in 5.8 s", "shop-web-3 gate", "shop-web-3 watch", "edge check"):
        assert said in texts
    # What an older version has written does not say which step asked.
    old = verdict()
    old["hosts"]["app-1"]["gates"] = [{"service": "web", "name": "shop-web-3", "healthy": True, "seconds": 3.9}]
    assert "shop-web-3: gate, 0 attempts in 3.9 s" in Page(html(old)).texts


def test_the_seconds_of_each_kind_of_step_stand_in_a_table_in_the_order_of_the_steps() -> None:
    texts = [text.strip() for text in Page(html(verdict())).texts if text.strip()]
    table = texts[texts.index("Seconds by kind of step") + 1 :][:14]
    assert table[:7] == ["host", "start", "gate", "watch", "stop", "check", "back admit"]
    assert table[7:] == ["app-1", "0.6", "3.9", "6", "0.5", "0.4", "0.2"]


def test_nothing_is_loaded_from_elsewhere_and_nothing_that_was_said_is_markup() -> None:
    text = html(verdict(messages=[EVIL], environment=EVIL))
    assert EVIL not in text
    page = Page(text)
    assert {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object"} == set()
    assert not re.search(r"https?://|@import|url\(", text)
    assert not {name for _, found in page.tags for name in found} & {"href", "src", "onload", "style"}


def test_light_and_dark_have_the_same_colours_by_name() -> None:
    text = html(verdict())
    light, dark = (set(re.findall(r"--(\w+):#", part)) for part in text.split("@media(prefers-color-scheme:dark)"))
    assert light == dark & light == dark
    used = set(re.findall(r"var\(--(\w+)\)", text))
    assert used <= light


def test_a_run_without_a_switch_has_no_chart() -> None:
    refused = verdict(hosts={}, verdict="refused", messages=["app-1 is production's"])
    text = html(refused)
    assert ("<svg" in text, "<table" in text) == (False, False)
    assert "app-1 is production&#x27;s" in text


def test_of_several_stacks_the_word_of_each_is_shown() -> None:
    page = Page(html(verdict(stacks={"web": {"verdict": "deployed", "release": "2"}, "extra": {"verdict": "not_tried"}})))
    cells = [text for text in page.texts if text in ("web", "deployed", "2", "extra", "not_tried")]
    assert cells[:5] == ["web", "deployed", "2", "extra", "not_tried"]


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_here")
def test_a_page_lies_beside_the_verdict_and_is_for_whoever_ran_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_pages, "KEEP", 2)
    for second in (1, 2, 3):
        run_pages.write("staging", "verdict.json", verdict(started=float(second)))
    pages = sorted(Path(".deploy/staging/runs").iterdir())
    assert [page.name for page in pages] == ["1970-01-01T00-00-02Z-mixed.html", "1970-01-01T00-00-03Z-mixed.html"]
    assert pages[0].name == file_name(verdict(started=2.0))
    assert (pages[0].stat().st_mode & 0o777, pages[0].parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.usefixtures("_here")
def test_what_only_looks_or_checks_has_no_page_and_one_that_cannot_be_made_keeps_no_verdict_from_its_file() -> None:
    assert run_pages.write("staging", "check.json", verdict()) == Path(".deploy/staging/check.json")
    assert run_pages.write("staging", "verdict.json", {"verdict": "done", "failed": False}) == Path(
        ".deploy/staging/verdict.json"
    )
    assert not Path(".deploy/staging/runs").exists()
    broken = verdict(hosts={"app-1": {}})
    assert run_pages.write("staging", "verdict.json", broken).exists()


SAMPLES = [[1.0, 100, 0, 12], [2.0, 80, 20, 40], [4.0, 200, 0, 12], [4.0, 0, 0, 12]]
STEPS = [[1.2, "web: start"], [1.5, "web: admit"], [2.0, f"{EVIL}: drain"], [3.9, "web: gate failed"]]


def asked(traffic: dict[str, Any]) -> Page:
    found = verdict()
    found["hosts"]["app-1"]["traffic"] = [traffic]
    return Page(html(found))


def test_what_users_asked_is_a_bar_for_each_second_with_errors_and_switches() -> None:
    page = asked({"samples": SAMPLES, "steps": STEPS})
    rates, bad = (
        [(float(found["x"] or 0), float(found["height"] or 0)) for tag, found in page.tags if found.get("class") == name]
        for name in ("rate", "bad5")
    )
    # 100, 80 and, over two seconds, 100 a second.
    assert rates == [(60.0, 110.0), (295.0, 88.0), (530.0, 110.0)]
    assert bad == [(295.0, 22.0)]
    marks = [float(found["x1"] or 0) for tag, found in page.tags if found.get("class") == "mark"]
    assert marks == [412.5, 530.0, 976.5]
    texts = [text.strip() for text in page.texts]
    assert "1 to 2 s: 80/s, 20.0/s with 5xx, 40 ms" in texts
    assert "380 answers, 20 with 5xx" in texts
    assert f"{EVIL}: drain" in texts
    assert "web: start" not in texts


@pytest.mark.parametrize("traffic", [{}, {"samples": [], "steps": STEPS}, {"samples": [[1.0, 0, 0, 0]], "steps": STEPS}])
def test_where_nobody_asked_there_is_no_chart(traffic: dict[str, Any]) -> None:
    page = asked(traffic)
    assert [tag for tag, found in page.tags if tag == "svg"] == ["svg"]
