"""What a first deploy left on the host, and what users see of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moments import STACK, Moment, live_release, verdict
from testinfra.host import Host
from user import ask


@pytest.fixture
def live(host: Host) -> str:
    """The id that the pointer names."""
    return live_release(host)


@pytest.fixture
def manifest(host: Host, live: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.file(f"{STACK}/releases/{live}/manifest.json").content_string)
    return found


def test_the_pointer_names_the_release(live: str) -> None:
    assert live.startswith("1.0.0-")


def test_the_manifest_says_what_the_release_is(manifest: dict[str, Any], live: str) -> None:
    assert (manifest["id"], manifest["release"], manifest["environment"]) == (live, "1.0.0", "staging")


def test_the_manifest_pins_the_images_that_run(moment: Moment, manifest: dict[str, Any]) -> None:
    for service in ("api", "web", "ml"):
        assert {replica["Image"] for replica in moment.replicas(service)} == {manifest["images"][service]["id"]}
        assert manifest["images"][service]["digest"].startswith("sha256:")


def test_the_release_keeps_the_files_that_a_rollback_needs(host: Host, live: str) -> None:
    files = f"{STACK}/releases/{live}/files"
    for name in ("compose.yml", "compose.staging.yml", "env/api.env", "supabase/migrations/20260701090000_stories.sql"):
        assert host.file(f"{files}/{name}").is_file


def test_releases_are_readable_by_root_alone(host: Host) -> None:
    directory = host.file(f"{STACK}/releases")
    assert (directory.user, directory.mode) == ("root", 0o700)


def test_users_get_the_release_through_the_edge() -> None:
    answer = ask("/health")
    assert (answer.status, answer.version) == (200, "1.0.0")


def test_users_reach_both_replicas(moment: Moment) -> None:
    answered = {json.loads(ask("/api/version").body)["replica"] for _ in range(20)}
    assert answered == {replica["Config"]["Hostname"] for replica in moment.replicas("api")}


def test_paths_without_a_longer_route_go_to_the_web_app() -> None:
    answer = ask("/")
    assert answer.status == 200
    assert "html" in answer.headers["content-type"]


def test_http_redirects_to_https() -> None:
    answer = ask("/health", port=80)
    assert (answer.status, answer.headers["location"]) == (308, "https://molecule.morpheus.app/health")


def test_a_second_converge_found_nothing_to_do() -> None:
    assert verdict()["verdict"] == "unchanged"
