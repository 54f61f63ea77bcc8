"""The module storage_bucket against the stand-in, which the vendor's client uses beside it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.modules import storage_bucket

from tests.supabase.standin import PRODUCTION, STAGING, TOOLS, StandIn, keys
from tests.unit.module_run import run_module

CLIENT = Path(__file__).parent / "storage_client.py"
PICTURES: dict[str, Any] = {"name": "pictures", "max_file_bytes": 100, "mime_types": ["image/png"]}


class Run:
    def __init__(self, supabase: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
        self._supabase, self._capsys = supabase, capsys

    def __call__(self, **options: Any) -> dict[str, Any]:
        given = {"url": self._supabase.project_url(STAGING), "key": keys(STAGING)["service_role"], **options}
        return run_module(storage_bucket, self._capsys, given)


@pytest.fixture
def run(supabase: StandIn, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(supabase, capsys)


def client(supabase: StandIn, project: str, key: str, *calls: list[Any]) -> list[Any]:
    """What the vendor's client (storage3) gets for each call: [method, bucket, ...]."""
    command: list[Path | str] = [
        TOOLS / "venv/bin/python",
        CLIENT,
        f"{supabase.project_url(project)}/storage/v1/",
        key,
        json.dumps(calls),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def mine(supabase: StandIn, *calls: list[Any]) -> list[Any]:
    return client(supabase, STAGING, keys(STAGING)["service_role"], *calls)


def test_a_bucket_is_made_once_and_is_what_the_vendors_client_sees(run: Run, supabase: StandIn) -> None:
    planned = run(**PICTURES, _ansible_check_mode=True)
    assert (planned["changed"], mine(supabase, ["list"])) == (True, [[]])
    assert run(**PICTURES)["differences"] == ["the bucket pictures: is missing"]
    assert run(**PICTURES)["changed"] is False
    [[bucket]] = mine(supabase, ["list"])
    assert bucket == {"name": "pictures", "public": False, "limit": 100, "types": ["image/png"]}


def test_a_bucket_that_the_vendors_client_made_is_kept_when_it_is_as_declared(run: Run, supabase: StandIn) -> None:
    mine(supabase, ["create", "pictures", {"file_size_limit": 100, "allowed_mime_types": ["image/png"]}])
    assert run(**PICTURES)["changed"] is False


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param({"public": True}, "public is on, expected off", id="public"),
        pytest.param({"file_size_limit": 5}, "max_file_bytes is 5, expected 100", id="size", marks=pytest.mark.deep),
        pytest.param(
            {"allowed_mime_types": ["image/*"]},
            "mime_types is image/*, expected image/png",
            id="types",
            marks=pytest.mark.deep,
        ),
    ],
)
def test_what_somebody_changed_by_hand_is_found_and_mended(
    run: Run, supabase: StandIn, options: dict[str, Any], sentence: str
) -> None:
    run(**PICTURES)
    mine(
        supabase,
        ["update", "pictures", {"public": False, "file_size_limit": 100, "allowed_mime_types": ["image/png"], **options}],
    )
    assert run(**PICTURES, _ansible_check_mode=True)["differences"] == [f"the bucket pictures: {sentence}"]
    assert run(**PICTURES)["changed"] is True
    assert run(**PICTURES)["changed"] is False


@pytest.mark.deep
def test_a_bucket_with_objects_goes_only_when_its_name_is_typed(run: Run, supabase: StandIn) -> None:
    run(**PICTURES)
    mine(supabase, ["upload", "pictures", "stories/1/cover.png", "image/png"])
    for options in ({}, {"_ansible_check_mode": True}):
        refused = run(name="pictures", state="absent", **options)
        assert refused["msg"] == (
            "the bucket pictures is not empty (stories), so it stays as it is; move its objects away, or repeat this with "
            "delete_objects: pictures"
        )
    assert "is not the name of this bucket, pictures" in run(name="pictures", state="absent", delete_objects="other")["msg"]
    assert mine(supabase, ["download", "pictures", "stories/1/cover.png"]) == ["a picture"]
    assert run(name="pictures", state="absent", delete_objects="pictures")["changed"] is True
    assert mine(supabase, ["list"]) == [[]]


def test_an_empty_bucket_goes_and_one_that_is_gone_is_no_change(run: Run, supabase: StandIn) -> None:
    run(**PICTURES)
    assert run(name="pictures", state="absent", _ansible_check_mode=True)["changed"] is True
    assert run(name="pictures", state="absent")["changed"] is True
    assert run(name="pictures", state="absent")["changed"] is False


@pytest.mark.deep
def test_what_a_bucket_does_not_take_is_refused_to_the_vendors_client(run: Run, supabase: StandIn) -> None:
    run(**PICTURES)
    wrong, large = mine(
        supabase, ["upload", "pictures", "a.txt", "text/plain"], ["upload", "pictures", "b.png", "image/png", 101]
    )
    assert ("not supported" in wrong, "exceeded the maximum" in large) == (True, True)


def test_stagings_keys_write_nothing_into_productions_buckets(run: Run, supabase: StandIn, capsys: Any) -> None:
    theirs = {"url": supabase.project_url(PRODUCTION), "key": keys(PRODUCTION)["service_role"], **PICTURES}
    assert run_module(storage_bucket, capsys, theirs)["changed"] is True
    for key in keys(STAGING).values():
        refused = client(supabase, PRODUCTION, key, ["upload", "pictures", "a.png", "image/png"], ["list"])
        assert all("Invalid Compact JWS" in one for one in refused)
        assert run(**PICTURES, url=supabase.project_url(PRODUCTION), key=key)["failed"] is True
    assert client(supabase, PRODUCTION, keys(PRODUCTION)["service_role"], ["objects", "pictures"]) == [[]]


@pytest.mark.parametrize(
    ("name", "is_well"), [("a", True), ("story-pictures_2.x", True), ("A", False), ("a/b", False), ("..", False), ("a b", False)]
)
def test_names_are_such_as_everything_takes(
    shared: StandIn, capsys: pytest.CaptureFixture[str], name: str, is_well: bool
) -> None:
    result = Run(shared, capsys)(name=name)
    assert result["changed"] if is_well else "cannot be the name of a bucket" in result["msg"]
