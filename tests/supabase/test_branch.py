"""Branches for previews against the stand-in: made, waited for, listed, and gone."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.branches import Branches
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.client import Api
from ansible_collections.morpheus.deploy.plugins.modules import supabase_branch, supabase_branch_info

from tests import postgres
from tests.supabase.standin import STAGING, STAGING_TOKEN, StandIn, standin
from tests.unit.module_run import run_module

SPARE = [{"host": f"10.0.0.{number}", "port": 5432, "user": "postgres", "password": "p/w@secret"} for number in (1, 2)]


@pytest.fixture
def supabase() -> Iterator[StandIn]:
    with standin(spare=SPARE, branch_seconds=1) as found:
        yield found


class Run:
    def __init__(self, supabase: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
        self._supabase, self._capsys = supabase, capsys

    def __call__(self, name: str, **more: Any) -> dict[str, Any]:
        return run_module(supabase_branch, self._capsys, self._supabase.options(name=name, **more))

    def listed(self, **more: Any) -> list[dict[str, Any]]:
        found = run_module(supabase_branch_info, self._capsys, self._supabase.options(prefix="preview-", **more))
        return list(found["branches"])


@pytest.fixture
def run(supabase: StandIn, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(supabase, capsys)


def test_a_branch_is_there_and_healthy_when_the_module_returns_and_is_made_once(run: Run, supabase: StandIn) -> None:
    assert run("preview-a", _ansible_check_mode=True)["changed"] is True
    assert supabase.writes() == []
    made = run("preview-a")
    assert (made["changed"], made["status"]) == (True, "ACTIVE_HEALTHY")
    assert made["database"] == SPARE[0]
    again = run("preview-a")
    assert (again["changed"], again["ref"]) == (False, made["ref"])
    [branch] = run.listed(expire_hours=1)
    assert (branch["name"], branch["ref"], branch["expired"]) == ("preview-a", made["ref"], False)
    assert run.listed(expire_hours=0.0000001)[0]["expired"] is True


def test_one_that_a_killed_run_has_left_is_waited_for(run: Run, supabase: StandIn) -> None:
    api = Api.management({**supabase.options(), "ca_path": "", "timeout_seconds": 20})
    left = Branches(api, STAGING).create("preview-a", "")
    assert left.status in ("COMING_UP", "UNKNOWN")
    found = run("preview-a")
    assert (found["changed"], found["ref"], found["status"]) == (False, left.ref, "ACTIVE_HEALTHY")


def test_two_at_once_have_databases_of_their_own_and_both_go(run: Run, supabase: StandIn) -> None:
    first, second = run("preview-a"), run("preview-b")
    assert first["database"]["host"] != second["database"]["host"]
    assert "has reached its limit of branches" in run("preview-c")["msg"]
    assert run("preview-a", state="absent", _ansible_check_mode=True)["changed"] is True
    assert len(run.listed()) == 2
    assert run("preview-a", state="absent")["changed"] is True
    assert [one["name"] for one in run.listed()] == ["preview-b"]
    assert run("preview-a", state="absent")["changed"] is False
    assert run("preview-b", state="absent")["changed"] is True
    assert run.listed() == []


def asked(login: Mapping[str, Any], statement: str) -> str:
    """What a database answers whoever has this login, or why it does not."""
    place = f"host={login['host']} port={login['port']} user={login['user']} dbname=postgres connect_timeout=5"
    psql = [str(postgres.binaries() / "psql"), "-XAtq", f"--command={statement}", place]
    given = {**os.environ, "PGPASSWORD": login["password"]}
    done = subprocess.run(psql, env=given, capture_output=True, text=True, check=False)
    return (done.stdout if done.returncode == 0 else done.stderr).strip()


@pytest.mark.deep
def test_each_has_a_real_database_where_the_stand_in_makes_them_and_it_goes_with_the_branch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Not below pytest's directories: who runs the databases may not enter those.
    with tempfile.TemporaryDirectory(prefix="tests-branches-") as directory:
        Path(directory).chmod(0o755)
        place = Path(directory) / "branches"
        with standin(branches={"host": "127.0.0.1", "directory": str(place)}) as supabase:
            run = Run(supabase, capsys)
            made = run("preview-a")
            first, second = made["database"], run("preview-b")["database"]
            assert made["status"] == "ACTIVE_HEALTHY"
            assert asked(first, "create table stories as select 'the lamp' title; select title from stories") == "the lamp"
            assert 'relation "stories" does not exist' in asked(second, "select title from stories")
            assert "password authentication failed" in asked({**second, "password": first["password"]}, "select 1")
            assert run("preview-a", state="absent")["changed"] is True
            assert "Connection refused" in asked(first, "select 1")
            assert [one.name for one in place.iterdir()] == [str(second["port"])]
        assert "Connection refused" in asked(second, "select 1")
        assert list(place.iterdir()) == []


def test_one_that_was_made_for_something_else_stays(run: Run, supabase: StandIn) -> None:
    body = {"branch_name": "develop", "persistent": True}
    supabase.ask("POST", f"/v1/projects/{STAGING}/branches", STAGING_TOKEN, body)
    assert (
        "the branch develop is persistent, so it was made for something else, and stays" in run("develop", state="absent")["msg"]
    )


def test_one_that_does_not_come_up_is_said_with_its_state(run: Run) -> None:
    assert run("preview-a", wait_seconds=0)["msg"] == (
        f"the branch preview-a of {STAGING} is COMING_UP after 0 s; run this again"
    )


@pytest.mark.parametrize("name", ["", "Preview", "a b", "-a", "a/b", "a" * 41])
def test_a_name_that_no_host_name_takes_is_refused(shared: StandIn, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert "may hold at most 40 lower-case letters" in Run(shared, capsys)(name)["msg"]
    assert shared.get("/log") == []
