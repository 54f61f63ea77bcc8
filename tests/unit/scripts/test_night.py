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
    "certificates": {"verdict": "done", "failed": False, "messages": []},
}


def lay(directory: Path, **reports: dict[str, Any]) -> Path:
    for playbook, report in (WELL | reports).items():
        there = directory / f"staging-{playbook}"
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
