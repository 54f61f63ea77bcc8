"""playbooks/flags.yml: shows, switches, compares, takes over; and refuses before any connection what is wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.flags import words

from tests.plays.staged import FLAGS, FLAGS_THERE, WITH_FLAGS, Case, Done, Runs, Stage, rule
from tests.unit.flags_file import TEN, TEN_KNOWN, TEN_SAID, boolean, document, share, text

NEWER = text({"loud": boolean(state="DISABLED")}, 5)
BY_ALICE = {"at": "2026-11-27T03:00:00Z", "by": "alice", "why": "it breaks", "version": 5, "changes": ["loud: off -> disabled"]}


def has(content: str, host: str, **more: Any) -> dict[str, Any]:
    answer = {**FLAGS_THERE, "flags": base64.b64encode(content.encode()).decode(), "version": words.version(content), **more}
    return rule("stack_flags", answer, host=host)


# The stage asks for a switch.
NOTHING = ("-e", json.dumps({"flag": "", "to": "", "why": ""}))


def asked(*words: str) -> tuple[str, ...]:
    return (*WITH_FLAGS, *NOTHING, *(one for word in words for one in ("-e", word)))


KNOWN = {"stack_flags": {"file": "{{ inventory_dir }}/flags.json", "known": "flags.yml"}}
WRONG = Case(
    options=(*NOTHING, "-e", json.dumps(KNOWN), "-e", "flag=other", "-e", "to=5"),
    files={"flags.json": text(TEN), "source/flags.yml": yaml.safe_dump(TEN_KNOWN, sort_keys=False)},
)
CASES = {
    "shown": Case(options=asked(), rules=[has(NEWER, "app-2", history=[BY_ALICE])]),
    "switched": Case(options=asked("flag=loud", "to=50", "why=half of all users")),
    "checked": Case(options=(*asked("flag=loud", "to=50", "why=half"), "--check")),
    "ten mistakes": WRONG,
    "unknown": Case(options=asked("flag=loood", "to=50", "why=half")),
    "no share": Case(options=asked("flag=loud", "to=half")),
    "newer there": Case(options=asked("flag=loud", "to=50", "why=half"), rules=[has(NEWER, "app-2", history=[BY_ALICE])]),
    "taken": Case(options=asked("flags_take=true"), rules=[has(NEWER, "app-2")]),
    "brought": Case(options=asked("flags_bring=true", "why=back"), rules=[has(NEWER, "app-2")]),
    "compared": Case(options=asked("flags_diff=other"), files={"../other/flags.json": text({"loud": share(25)}, 3)}),
    "compared with nothing": Case(options=asked("flags_diff=nowhere")),
    "none": Case(options=(*NOTHING, "-e", json.dumps({"stack_flags": None}))),
    "settled": Case(options=asked("flags_settled=true")),
    "not settled": Case(options=asked("flags_settled=true"), rules=[has(NEWER, "app-2", history=[BY_ALICE])]),
    "none, and settled": Case(options=(*NOTHING, "-e", json.dumps({"stack_flags": None}), "-e", "flags_settled=true")),
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"))


@pytest.fixture(scope="module")
def runs(stage: Stage) -> Iterator[Runs]:
    with ThreadPoolExecutor(3) as pool:
        yield Runs(lambda name: pool.submit(stage.play, name, "flags", CASES[name]))


def file(stage: Stage, name: str) -> str:
    return (stage.directory / name.replace(" ", "-") / "flags.json").read_text()


def modules(done: Done) -> set[str]:
    return {str(one["module"]) for one in done.asked}


@pytest.mark.deep
def test_flags_are_shown_with_what_hosts_have_and_who_changed_them(stage: Stage, runs: Runs) -> None:
    done = runs["shown"].result()
    assert done.code == 0, done.output
    for line in (
        "loud: on 0 %, off 100 %",
        "app-2 has version 5, the file 1: loud: on 0 %, off 100 % -> disabled",
        "2026-11-27T03:00:00Z  version 5  alice  it breaks: loud: off -> disabled",
        "2026-11-26T09:00:00Z  version 1  ben  new: loud: new, off",
    ):
        assert line in done.output
    assert "VERDICT done: staging flags" in done.output
    assert file(stage, "shown") == FLAGS


def test_a_flag_is_switched_on_every_host_the_first_one_first_and_in_the_file(stage: Stage, runs: Runs) -> None:
    done = runs["switched"].result()
    assert done.code == 0, done.output
    assert words.document(file(stage, "switched")) == document({"loud": share(50)}, 2)
    assert "changed: loud: on 0 %, off 100 % -> on 50 %, off 50 %" in done.output
    brought = [one for one in done.asked if one["module"] == "stack_flags" and "content" in one and one["content"]]
    assert [one["host"] for one in brought] == ["app-1", "app-2"]
    assert {base64.b64decode(str(one["content"])).decode() for one in brought} == {file(stage, "switched")}
    assert {(one["before"], one["why"]) for one in brought} == {("d" * 64, "half of all users")}


@pytest.mark.deep
def test_check_mode_says_what_would_change_and_writes_nothing(stage: Stage, runs: Runs) -> None:
    done = runs["checked"].result()
    assert done.code == 0, done.output
    assert "changed: loud: on 0 %, off 100 % -> on 50 %, off 50 %" in done.output
    assert file(stage, "checked") == FLAGS


@pytest.mark.deep
def test_ten_mistakes_are_one_message_before_any_connection(runs: Runs) -> None:
    done = runs["ten mistakes"].result()
    assert done.code == 2
    assert modules(done) == set()
    said = done.verdict
    assert said.startswith("VERDICT refused") or "refused" in said
    for one in TEN_SAID:
        assert f"stack_flags: flags.json: {one}" in said
    assert 'flag: "other" is none of the flags; there is ' in said
    assert "why: required; for what, for the history" in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("unknown", 'flag: "loood" is none of the flags; there is loud'),
        ("no share", 'to: "half" is no share; give a whole number of percent from 0 to 100, or on, off, enabled, disabled'),
        ("compared with nothing", "nowhere/flags.json"),
    ],
)
@pytest.mark.deep
def test_what_is_asked_wrongly_is_refused_before_any_connection(stage: Stage, runs: Runs, name: str, said: str) -> None:
    done = runs[name].result()
    assert (done.code, modules(done)) == (2, set())
    assert said in done.verdict
    assert file(stage, name) == FLAGS


@pytest.mark.deep
def test_a_switch_that_the_file_does_not_know_of_is_not_undone(stage: Stage, runs: Runs) -> None:
    done = runs["newer there"].result()
    assert done.code == 2
    assert "app-2 has version 5 by alice, 2026-11-27T03:00:00Z, it breaks, the file 1" in done.verdict
    assert not [one for one in done.asked if one.get("content")]
    assert file(stage, "newer there") == FLAGS


@pytest.mark.deep
def test_the_file_takes_over_what_hosts_have(stage: Stage, runs: Runs) -> None:
    done = runs["taken"].result()
    assert done.code == 0, done.output
    assert file(stage, "taken") == NEWER
    assert not [one for one in done.asked if one.get("content")]


@pytest.mark.deep
def test_hosts_get_what_the_file_says_as_the_newest_version(stage: Stage, runs: Runs) -> None:
    done = runs["brought"].result()
    assert done.code == 0, done.output
    assert words.document(file(stage, "brought")) == document({"loud": share(0)}, 6)
    assert {one["host"] for one in done.asked if one.get("content")} == {"app-1", "app-2"}


@pytest.mark.deep
def test_two_environments_are_compared(runs: Runs) -> None:
    done = runs["compared"].result()
    assert done.code == 0, done.output
    assert "loud: compared on 0 %, off 100 %; other on 25 %, off 75 %" in done.output


@pytest.mark.deep
def test_a_stack_without_flags_says_so(runs: Runs) -> None:
    done = runs["none"].result()
    assert done.code == 0, done.output
    assert "this stack has no feature flags; they are named by stack_flags" in done.output
    assert "stack_flags" not in modules(done)


@pytest.mark.deep
def test_a_job_fails_where_a_host_has_other_flags_than_the_file(stage: Stage, runs: Runs) -> None:
    done = runs["not settled"].result()
    assert done.code == 2, done.output
    assert "app-2 has version 5, the file 1: loud: on 0 %, off 100 % -> disabled" in done.verdict
    assert file(stage, "not settled") == FLAGS
    assert done.files["staging/verdict.json"]["failed"]
    assert "app-2 has version 5" in "".join(done.files["staging/verdict.json"]["messages"])


@pytest.mark.deep
@pytest.mark.parametrize("name", ["settled", "none, and settled"])
def test_a_job_passes_where_flags_are_settled(runs: Runs, name: str) -> None:
    done = runs[name].result()
    assert done.code == 0, done.output
    assert done.files["staging/verdict.json"]["failed"] is False
