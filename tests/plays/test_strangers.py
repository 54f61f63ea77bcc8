"""Projects in the shapes of public applications, from their Compose file to a preflight that accepts them. No host is contacted.
On hosts: tests/acceptance/test_strangers.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deep import cases
from tests.newcomer import ROOT, install
from tests.strangers import team
from tests.strangers.team import PEOPLE

DOCUMENT = (ROOT / "docs" / "first-environment.md").read_text()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("home")
    install(found)
    return found


@pytest.mark.parametrize("name", cases(PEOPLE, ["ballots"]))
@pytest.mark.deep
def test_a_preflight_accepts_what_the_first_look_and_a_person_write(name: str, home: Path, tmp_path: Path) -> None:
    found = team.of(name, home, tmp_path / name, "10.0.0.1", f"{name}.example")
    said = found.deploys("1.0.0", "--tags preflight")
    assert "VERDICT done: staging deploy (--tags preflight)" in said
    changed, came = team.counted(found.difference())
    print("\n".join(found.difference()))
    assert changed == 0, "the team's own files stay as they are"
    row = next(line for line in DOCUMENT.splitlines() if line.startswith(f"| `{name}` |"))
    assert row.endswith(f"| {came} |"), came
