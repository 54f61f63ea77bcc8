"""A lineage that was lost. What is made anew is compared with the one that was there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import DamagedError, NewerFormatError
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage import journal, recall
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.journal import Journal
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Kind, Lineage, Rolling, Status
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.recall import Evidence, Kept, Running
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from hypothesis import given
from hypothesis import strategies as st

IDS = ("1.0-a", "1.1-b", "1.2-c")
CREATED = {identity: f"2026-01-0{number}T00:00:00Z" for number, identity in enumerate(IDS, 1)}
KEPT = {identity: Kept(created) for identity, created in CREATED.items()}


class Told:
    """A lineage, and the journal that tells what was done to it as rollouts tell it."""

    def __init__(self) -> None:
        self.lineage = Lineage()
        self.journal: list[dict[str, Any]] = []

    def tell(self, event: str, identity: str, **details: Any) -> None:
        self.journal.append({"at": 1_700_000_000.0 + len(self.journal), "event": event, "release": identity, **details})

    def begin(self, identity: str, kind: Kind) -> None:
        self.lineage.prepared(identity)
        self.lineage.begin(identity, kind)
        self.tell("begin", identity, kind=kind.value, steps=3)
        self.tell("intent", "", step="api: start 1 candidate")

    def end(self, identity: str, kind: Kind, outcome: str) -> None:
        if outcome == "live":
            self.lineage.went_live(identity, kind)
            self.tell("live", identity)
        elif outcome in ("as_before", "taken_back", "mixed"):
            self.lineage.failed(identity, "gate", unfinished=outcome == "mixed")
            self.tell("failed", identity, left=outcome, why="gate")
        elif outcome == "pruned" and identity != self.lineage.live:
            self.lineage.forget(identity)
            self.tell("pruned", "", releases=[identity])

    def again(self, *containers: Running, **evidence: Any) -> Lineage:
        return recall.lineage(Evidence(KEPT, self.journal, containers, **evidence))


RUNS = st.lists(
    st.tuples(
        st.sampled_from(IDS),
        st.sampled_from(list(Kind)),
        st.sampled_from(["live", "as_before", "taken_back", "mixed", "pruned", "killed"]),
    ),
    max_size=8,
)


@given(RUNS)
def test_what_the_journal_tells_is_the_lineage_that_was_lost(runs: list[tuple[str, Kind, str]]) -> None:
    told = Told()
    for identity, kind, outcome in runs:
        if outcome != "pruned":
            told.begin(identity, kind)
        told.end(identity, kind, outcome)
    found, lost = told.again(), told.lineage
    assert (found.trail, found.rolling, found.previous()) == (lost.trail, lost.rolling, lost.previous())
    statuses = {identity: lost.status(identity) for identity in IDS}
    assert {identity: found.status(identity) for identity in IDS} == statuses


@given(RUNS, st.sampled_from(IDS))
def test_a_release_that_never_went_live_is_never_one_to_go_back_to(runs: list[tuple[str, Kind, str]], last: str) -> None:
    """Whatever has been lost of the journal, and whatever runs."""
    told = Told()
    for identity, kind, outcome in runs:
        told.begin(identity, kind)
        told.end(identity, kind, outcome)
    good = {event["release"] for event in told.journal if event["event"] == "live"}
    for start in range(0, len(told.journal), 2):
        told.journal = told.journal[start:]
        assert told.again(Running("api", last, "f")).previous() in {*good, ""}


@pytest.mark.parametrize("event", ["begin", "live", "failed"])
def test_an_event_that_names_no_release_makes_none(event: str) -> None:
    """A deploy that was refused before its release was known."""
    told = Told()
    told.tell(event, "", why="the edge is down")
    assert set(told.again().fates) == set(KEPT)


def test_events_keep_their_time_and_their_reason() -> None:
    told = Told()
    told.begin("1.0-a", Kind.DEPLOY)
    told.end("1.0-a", Kind.DEPLOY, "live")
    told.begin("1.1-b", Kind.DEPLOY)
    told.end("1.1-b", Kind.DEPLOY, "taken_back")
    found = told.again()
    assert (found.fates["1.0-a"].at, found.fates["1.1-b"].at) == ("2023-11-14T22:13:22Z", "2023-11-14T22:13:25Z")
    assert found.fates["1.1-b"].why == "gate"
    assert (found.fates["1.2-c"].status, found.fates["1.2-c"].at) == (Status.PREPARED, CREATED["1.2-c"])


OF_11 = ("1.1-b", {"api": "new", "db": "same"})
NEW, OLD, SAME = Running("api", "1.1-b", "new"), Running("api", "1.0-a", "old"), Running("db", "1.0-a", "same")
ALONE = [
    pytest.param([], ("", {}), "", None, id="nothing runs"),
    # What an older release has started and this one has left as it was included.
    pytest.param([NEW, SAME], OF_11, "1.1-b", None, id="all that runs is as the project directory says"),
    pytest.param([NEW, OLD], OF_11, "1.0-a", "1.1-b", id="half-way: what was prepared first ran before"),
    pytest.param([NEW], ("", {}), "1.1-b", None, id="one release, and no project directory"),
]


@pytest.mark.parametrize(("containers", "activated", "live", "rolling"), ALONE)
def test_without_a_journal_the_containers_tell_what_is_live(
    containers: list[Running], activated: tuple[str, dict[str, str]], live: str, rolling: str | None
) -> None:
    found = recall.lineage(Evidence(KEPT, (), containers, activated))
    assert (found.live, found.previous()) == (live, "")
    assert found.rolling == (Rolling(rolling, Kind.DEPLOY) if rolling else None)


def test_where_the_journal_ends_too_early_what_runs_is_believed() -> None:
    told = Told()
    told.begin("1.0-a", Kind.DEPLOY)
    told.end("1.0-a", Kind.DEPLOY, "live")
    found = told.again(Running("api", "1.1-b", "new"), activated=("1.1-b", {"api": "new"}))
    assert (found.live, found.previous(), found.status("1.0-a")) == ("1.1-b", "1.0-a", Status.SUPERSEDED)


def test_replicas_of_a_release_that_failed_do_not_make_it_good() -> None:
    """Its gate passed and the check through the edge did not; the host stayed so."""
    told = Told()
    for identity, outcome in (("1.0-a", "live"), ("1.1-b", "mixed")):
        told.begin(identity, Kind.DEPLOY)
        told.end(identity, Kind.DEPLOY, outcome)
    found = told.again(Running("api", "1.1-b", "new"), activated=("1.1-b", {"api": "new"}))
    assert (found.live, found.rolling, found.status("1.1-b")) == ("1.0-a", Rolling("1.1-b", Kind.DEPLOY), Status.FAILED)


def test_the_schema_is_that_of_every_release_whose_rollout_began_and_of_every_migration() -> None:
    kept = {"1.0-a": Kept("", {"head": "3", "compatible_since": "1"}), "1.1-b": Kept("", {"head": "9", "compatible_since": "9"})}
    begun = [{"event": "begin", "release": "1.0-a", "kind": "deploy"}]
    found = recall.lineage(Evidence(kept, begun))
    assert (found.schema.head, found.schema.compatible_since) == ("3", "1")
    migrated = {"event": "migrated", "release": "gone", "schema": {"head": "4", "compatible_since": "2"}, "files": {"4": "abc"}}
    found = recall.lineage(Evidence(kept, [*begun, migrated]))
    assert (found.schema.head, found.schema.compatible_since, found.schema.files) == ("4", "2", {"4": "abc"})


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    """Two releases that were live, and one that failed."""
    found = Releases("shop", tmp_path)
    lineage, told = Lineage(), Journal(found.root / "journal.jsonl")
    for identity, outcome in zip(IDS, ("live", "live", "failed"), strict=True):
        found.write_files(identity, identity[:3], "staging", {"compose.yml": b""})
        found.write_manifest(Manifest(identity, identity[:3], "staging", Stack(), created=CREATED[identity]))
        lineage.prepared(identity)
        told.write("begin", release=identity, kind="deploy")
        if outcome == "live":
            lineage.went_live(identity, Kind.DEPLOY)
            told.write("live", release=identity)
        else:
            lineage.failed(identity, "gate", unfinished=False)
            told.write("failed", release=identity, left="taken_back", why="gate")
    found.write_lineage(lineage)
    return found


@pytest.mark.parametrize(("damage", "said"), [("gone", "is missing"), ("torn", "cannot be read (it ends in the middle)")])
def test_a_host_without_its_lineage_says_what_it_took_from_where(releases: Releases, damage: str, said: str) -> None:
    path, before = releases.root / "lineage.json", releases.lineage()
    path.write_text(path.read_text()[:100]) if damage == "torn" else path.unlink()
    found = releases.lineage()
    assert (found.trail, found.rolling) == (before.trail, before.rolling)
    assert (releases.live(), releases.live_release(), found.previous()) == ("1.1-b", "1.1", "1.0-a")
    assert releases.notes == [
        f"{path} {said}; what it said is taken from 6 events of the journal, 3 manifests of releases/, 0 running containers of "
        "the engine: 1.1-b is live; 1.0-a was before it; no good, or never live: 1.2-c. The next deploy writes it anew"
    ]


def test_before_the_first_deploy_nothing_is_missing(tmp_path: Path) -> None:
    releases = Releases("shop", tmp_path)
    assert (releases.lineage(), releases.notes) == (Lineage(), [])


def test_a_directory_in_its_place_is_told_away_before_anything_is_written(releases: Releases) -> None:
    path = releases.root / "lineage.json"
    path.unlink()
    path.mkdir()
    assert releases.live() == "1.1-b"
    with pytest.raises(DamagedError) as caught:
        releases.write_lineage(releases.lineage())
    assert str(caught.value) == (
        f"{path} cannot be read (it is a directory): move it away (mv {path} {path}.damaged); then deploy the release that runs "
        "again, which writes it anew from the journal, the manifests and the containers"
    )


@pytest.mark.parametrize("name", ["lineage.json", "releases/1.1-b/manifest.json"])
def test_what_a_newer_version_wrote_is_never_taken_for_lost_or_written_over(releases: Releases, name: str) -> None:
    path = releases.root / name
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(NewerFormatError, match=r"has format 99, and this version of morpheus\.deploy knows"):
        releases.live_release()
    with pytest.raises(NewerFormatError):
        releases.has("1.1-b") and releases.lineage()


def test_a_torn_line_of_the_journal_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path).write("begin", release="1.0-a")
    with path.open("a") as stream:
        stream.write('{"event": "li')
    Journal(path).write("live", release="1.0-a")
    assert [event["event"] for event in journal.events(path)] == ["begin", "live"]
    assert all("format" not in event for event in journal.events(path))


def test_a_journal_of_a_newer_version_is_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"format": 2, "event": "live"}\n')
    with pytest.raises(NewerFormatError, match=r"knows journals only up to format 1: .* or move the file away \(mv "):
        journal.events(path)
