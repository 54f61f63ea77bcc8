"""What a night found, in one text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.unit.scripts.programs import program

night = program("scripts/night.py")

WELL: dict[str, dict[str, Any]] = {
    "status": {"hosts": {"app-1": {"drift": []}}, "unknown": []},
    "audit": {"findings": [{"level": "low", "id": "cis-2.5", "where": "docker on app-1", "seen": "..."}]},
    "config": {"problems": [], "drift": {"broken": []}},
    "costs": {"problem": "", "ml": None},
    "flags": {"verdict": "done", "failed": False, "messages": []},
    "certificates": {"verdict": "done", "failed": False, "messages": []},
}


def lay(directory: Path, environment: str = "staging", **reports: dict[str, Any]) -> Path:
    for playbook, report in (WELL | reports).items():
        there = directory / f"{environment}-{playbook}"
        there.mkdir(parents=True)
        (there / night.PLAYBOOKS[playbook]).write_text(json.dumps(report))
    return directory


def test_a_night_without_findings_says_so(tmp_path: Path) -> None:
    body, count = night.text(lay(tmp_path), ["staging"], "run 7")
    assert count == 0
    assert body.startswith("Found by run 7\n\n## staging-status\n\nNothing.\n")


def test_each_finding_is_a_line(tmp_path: Path) -> None:
    status = {"hosts": {"app-1": {"drift": ["api-3 was started by hand"]}, "app-2": {}}, "unknown": ["app-2"]}
    audit = {"findings": [{"level": "high", "id": "secret-shared", "where": "api.KEY", "seen": "is production's, too"}]}
    config = {"problems": ["stack.name: required"], "drift": {"broken": ["ML_ENDPOINT_ID must differ"]}}
    renewal = {"verdict": "failed", "failed": True, "messages": ["the certificate for shop.example could not be issued"]}
    body, count = night.text(lay(tmp_path, status=status, audit=audit, config=config, certificates=renewal), ["staging"], "run 7")
    assert [line for line in body.splitlines() if line.startswith("- ")] == [
        "- app-1: api-3 was started by hand",
        "- app-2: nobody can say what it runs",
        "- high secret-shared api.KEY: is production's, too",
        "- stack.name: required",
        "- ML_ENDPOINT_ID must differ",
        "- the certificate for shop.example could not be issued",
    ]
    assert count == 6


def test_a_rotation_that_stands_half_way_is_told_with_the_command_that_goes_on_with_it(tmp_path: Path) -> None:
    step = "due now: signing_key is tokens are signed with HS256, expected the key on standby in use"
    status = {"environment": "staging", "hosts": {}, "unknown": [], "supabase": {"rotation": [step], "waiting": []}}
    body, count = night.text(lay(tmp_path, status=status), ["staging"], "run 7")
    command = "ansible-playbook playbooks/supabase.yml -i inventories/staging"
    assert f"- rotation of the signing key: {step}; go on with {command}\n" in body
    assert count == 1


def test_a_renewal_that_gives_no_reason_is_a_finding(tmp_path: Path) -> None:
    body, count = night.text(
        lay(tmp_path, certificates={"verdict": "mixed", "failed": True, "messages": []}), ["staging"], "run 7"
    )
    assert count == 1
    assert "## staging-certificates\n\n- it ended as mixed\n" in body


def test_a_playbook_without_a_report_is_a_finding(tmp_path: Path) -> None:
    lay(tmp_path)
    (tmp_path / "staging-audit" / "audit.json").unlink()
    (tmp_path / "staging-config" / "config.json").write_text("{")
    body, count = night.text(tmp_path, ["staging"], "run 7")
    assert count == 2
    assert "- audit left no report (FileNotFoundError); its log says why" in body
    assert "- config left no report (JSONDecodeError); its log says why" in body


def lines(directory: Path, *environments: str) -> list[str]:
    body, count = night.text(directory, environments, "run 7")
    found = [line for line in body.splitlines() if line.startswith("- ")]
    assert len(found) == count
    return found


def test_what_a_status_knows_beside_drift_is_told(tmp_path: Path) -> None:
    status = {
        "hosts": {"app-1": {"drift": [], "kept_off": ["lb-1 sends it nobody"]}},
        "balancers_unread": {"lb-2": "could not be reached"},
        "balancers_damaged": {"lb-1": ["away.map is gone"]},
        "endpoints": ["comic: max_workers is 3, declared 2"],
        "schema": {"source": "unknown", "why": "no route to host", "pending": ["7.sql", "8.sql"], "failed": [], "unknown": []},
        "supabase": {"declared": True, "drift": ["jwt_exp is 60, declared 3600"], "waiting": ["a key"], "problem": ""},
    }
    assert lines(lay(tmp_path, status=status), "staging") == [
        "- app-1: lb-1 sends it nobody",
        "- lb-2: did not say whom it keeps off: could not be reached",
        "- lb-1: away.map is gone",
        "- comic: max_workers is 3, declared 2",
        "- schema: the database was not asked: no route to host",
        "- schema: the live release has migrations that are not applied: 7.sql, 8.sql",
        "- Supabase: jwt_exp is 60, declared 3600",
    ]


def test_of_several_stacks_each_is_told(tmp_path: Path) -> None:
    status = {
        "hosts": {},
        "stacks": {"shop": {"app-1": {"drift": ["api-3 was started by hand"]}}, "blog": {"app-1": {"drift": []}}},
        "schemas": {"blog": {"source": "live", "why": "", "failed": ["3.sql"]}},
    }
    assert lines(lay(tmp_path, status=status), "staging") == [
        "- shop on app-1: api-3 was started by hand",
        "- schema of blog: migrations broke off: 3.sql",
    ]


def test_a_cap_that_is_near_or_will_be_reached_is_a_finding(tmp_path: Path) -> None:
    cap = {"used": 45.0, "limit": 50.0, "near": False, "reached": ""}
    caps = [
        {**cap, "cap": "money_per_day"},
        {**cap, "cap": "requests_per_day", "near": True},
        {**cap, "cap": "money_per_month", "reached": "2026-11-29"},
    ]
    assert lines(lay(tmp_path, costs={"problem": "", "ml": {"caps": caps}}), "staging") == [
        "- requests_per_day: 45 of 50 are used",
        "- money_per_month: 45 of 50 are used, reached on 2026-11-29",
    ]


def test_costs_that_nobody_knows_are_a_finding(tmp_path: Path) -> None:
    costs = {"problem": "app-1 could not be reached", "ml": None}
    assert lines(lay(tmp_path, costs=costs), "staging") == [
        "- what ML endpoints have cost is unknown: app-1 could not be reached"
    ]


def test_hosts_of_both_environments_should_run_on_the_same_versions(tmp_path: Path) -> None:
    same = {"os": "Debian GNU/Linux 13 (trixie)", "compose": "2.26.1", "edge": "3.0.11", "of a newer release": "1"}
    staging = {"hosts": {"app-1": {"versions": {**same, "engine": "28.0.1"}}, "app-2": {"msg": "no engine"}}}
    production = {"stacks": {"shop": {"app-1": {"versions": {**same, "engine": "26.1.5"}}}}}
    lay(lay(tmp_path, status=staging), "production", status=production)
    assert lines(tmp_path, "staging", "production") == [
        "- Docker Engine: 26.1.5 on app-1 of production; 28.0.1 on app-1 of staging"
    ]
    assert lines(tmp_path, "staging") == []


def test_flags_that_are_not_those_of_the_file_are_told_in_the_words_of_the_run(tmp_path: Path) -> None:
    said = "Nothing was changed.\n- app-2 has version 5, the file 1: loud: off -> disabled"
    flags = {"verdict": "refused", "failed": True, "messages": [said]}
    body, count = night.text(lay(tmp_path, flags=flags), ["staging"], "run 7")
    assert count == 1
    assert f"## staging-flags\n\n- {said}\n" in body
