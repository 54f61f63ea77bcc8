# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From claimed hosts to served and seeded by one command, under one lease; and what its seeds may not be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.plays.staged import IDS, WELL, Case, Done, Runs, Stage, rule

THERE = [
    rule("engine_config", {"changed": False, "restart": [], "reload": []}),
    rule("stack_release", {**next(one["answer"] for one in WELL if one["module"] == "stack_release"), "pending": False}),
    rule("supabase_seeds", {"changed": False, "seeded": [], "recorded": []}),
    rule("edge_config", {"changed": False}),
]
BROKEN = {"failed": True, "msg": "the seeds failed: supabase/seed.sql:1: no such table", "begun": False}
NO_SEEDS = {"source/supabase/config.toml": "[db.seed]\nenabled = false\n"}
RESTARTS = [
    rule("engine_config", {"changed": True, "restart": ["live-restore"], "reload": []}),
]
CASES = {
    "sets up": ("setup", Case()),
    "sets up again": ("setup", Case(rules=THERE)),
    "restarts engines": ("setup", Case(rules=RESTARTS)),
    "sets up, and a seed fails": ("setup", Case(rules=[rule("supabase_seeds", BROKEN)])),
    "sets up without seeds": ("setup", Case(files=NO_SEEDS)),
    "sets up where seeds must say so": ("setup", Case(options=("-e", json.dumps({"seeds_free_environments": []})))),
    "seeds where seeds must say so": ("seed", Case(options=("-e", json.dumps({"seeds_free_environments": []})))),
    "seeds a file that says so": (
        "seed",
        Case(
            options=("-e", json.dumps({"seeds_free_environments": []})),
            files={"source/supabase/seed.sql": "-- seed production, staging\nselect 1"},
        ),
    ),
    "seeds again": ("seed", Case(rules=THERE)),
    "seeds nothing": ("seed", Case(files=NO_SEEDS)),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    stage = Stage(tmp_path_factory.mktemp("stage"))
    with ThreadPoolExecutor(2) as pool:
        yield Runs(lambda name: pool.submit(stage.play, name, *CASES[name]))


def verdict(done: Done) -> tuple[str, int]:
    return str(done.files["staging/verdict.json"]["verdict"]), done.code


def modules(done: Done) -> list[str]:
    return list(dict.fromkeys(str(one["module"]) for one in done.asked))


def test_all_of_it_is_one_run_with_one_lease_and_one_word(runs: Runs) -> None:
    done = runs["sets up"].result()
    assert verdict(done) == ("deployed", 0), done.output
    steps = ["lease", "engine_config", "edge_config", "stack_release", "stack_rollout", "supabase_seeds"]
    assert [one for one in modules(done) if one in steps] == steps
    assert [one["host"] for one in done.asked if one["module"] == "lease"] == ["app-1", "app-2"]
    assert {one["token"] for one in done.asked if one["module"] in ("stack_rollout", "supabase_seeds")} == {7}
    assert done.files["staging/verdict.json"]["notes"] == ["seeds run: supabase/seed.sql"]
    assert done.files["staging/verdict.json"]["release_id"] == IDS["1.1.0"]


@pytest.mark.deep
def test_what_is_there_already_stays_as_it_is(runs: Runs) -> None:
    done = runs["sets up again"].result()
    assert verdict(done) == ("unchanged", 0), done.output
    assert "stack_rollout" not in modules(done)


@pytest.mark.deep
def test_engines_are_restarted_under_the_lease_of_the_whole_run(runs: Runs) -> None:
    done = runs["restarts engines"].result()
    assert verdict(done) == ("deployed", 0), done.output
    assert [one["host"] for one in done.asked if one["module"] == "lease"] == ["app-1", "app-2"]
    assert "app-2: the engine was restarted for live-restore" in done.files["staging/verdict.json"]["notes"]


@pytest.mark.deep
def test_a_seed_that_fails_leaves_the_release_that_serves_and_says_so(runs: Runs) -> None:
    done = runs["sets up, and a seed fails"].result()
    assert verdict(done) == ("failed", 2), done.output
    assert done.files["staging/verdict.json"]["messages"] == [BROKEN["msg"]]
    assert "app-1 runs 1.1.0" in done.output


@pytest.mark.deep
def test_without_seeds_it_says_why_and_is_served(runs: Runs) -> None:
    done = runs["sets up without seeds"].result()
    assert verdict(done) == ("deployed", 0), done.output
    assert "enabled is false, so nothing is seeded" in done.output
    assert "supabase_seeds" not in modules(done)


@pytest.mark.parametrize(
    "name", [pytest.param("sets up where seeds must say so", marks=pytest.mark.deep), "seeds where seeds must say so"]
)
def test_where_a_file_must_say_that_it_is_meant_nothing_is_asked_before_it_does(runs: Runs, name: str) -> None:
    done = runs[name].result()
    assert verdict(done) == ("refused", 2)
    assert done.asked == []
    assert "supabase/seed.sql: does not say that it is meant for staging" in done.verdict
    assert 'begin the file with the line "-- seed staging"' in done.verdict


@pytest.mark.deep
def test_a_file_that_says_so_is_run(runs: Runs) -> None:
    done = runs["seeds a file that says so"].result()
    assert verdict(done) == ("deployed", 0), done.output


@pytest.mark.deep
@pytest.mark.parametrize("name", ["seeds again", "seeds nothing"])
def test_seeds_that_are_there_or_are_none_change_nothing(runs: Runs, name: str) -> None:
    done = runs[name].result()
    assert verdict(done) == ("unchanged", 0), done.output
