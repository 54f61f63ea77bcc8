"""The runbook's table of a broken host: what it says that people see is what they see, and what it says to type helps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.unit.damage.damaged_world import LIVE, PROVISION, World, commands
from tests.unit.damage.rows import ROWS

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"
SECTION = "## Something on a host is broken\n"


def table() -> list[tuple[str, str]]:
    """(what people see, what they type) of each row."""
    section = RUNBOOK.read_text().partition(SECTION)[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line.startswith("| `")]
    return [(seen.strip("` "), re.findall(r"`([^`]+)`", command)[0]) for seen, _, command in rows]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with TemporaryDirectory() as directory:
        found = World(Path(directory), monkeypatch)
        yield found
        found.close()


def said(world: World) -> str:
    """All that a person reads who looks, and then tries to replace something."""
    looked = "\n".join(world.status()["drift"])
    return looked if looked else world.restart().said


@pytest.mark.parametrize(("seen", "command"), table(), ids=[seen for seen, _ in table()])
def test_what_the_runbook_says_of_a_broken_host_mends_it(world: World, seen: str, command: str) -> None:
    rows = [row for row in ROWS if seen in row.says] or [row for row in ROWS if row.how == "with the name of the next replica"]
    rows[0].damage(world)
    words = said(world)
    assert seen in words
    if command == "deploy.yml":
        assert world.deploy(LIVE).word in ("changed", "unchanged")
    elif command == "provision.yml":
        world.obey(PROVISION)
    else:
        [typed] = [one for one in commands(words) if one.startswith(command.partition(" <")[0])]
        world.obey(typed)
    assert world.serves()
    assert world.restart().word == "changed"
    assert world.status()["drift"] == []


def test_every_kind_of_damage_that_status_names_is_in_the_runbook() -> None:
    missing = [str(row) for row in ROWS if row.says and not any(seen in row.says or row.says in seen for seen, _ in table())]
    assert missing == []
