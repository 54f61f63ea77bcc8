"""The runbook's table of a broken host: what it says that people see is what they see, and what it says to type helps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.damage.damaged_world import LIVE, PROVISION, World, commands
from tests.unit.damage.rows import ROWS

ROOT = Path(__file__).parents[3]
RUNBOOK = ROOT / "docs" / "runbook.md"
SECTION = "## Something on a host is broken\n"


def rows(text: str) -> list[list[str]]:
    """The cells of each row: what people see, what happened, what they type, and what goes with it."""
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| you see ")]
    return [[cell.strip() for cell in line[1:-1].split(" | ")] for line in lines]


def table() -> list[tuple[str, str]]:
    """(what people see, what they type) of each row of a broken host."""
    section = RUNBOOK.read_text().partition(SECTION)[2].partition("\n## ")[0]
    return [(seen.strip("`"), command.strip("`")) for seen, _, command, _ in rows(section)]


def test_a_command_stands_alone_in_its_column_and_can_be_typed_as_it_is() -> None:
    """Words beside it would be copied, too, at 3 a.m."""
    typed = [command for _, _, command, _ in rows(RUNBOOK.read_text().partition("\n## Tried by")[0]) if command]
    assert len(typed) > 30
    assert [one for one in typed if not re.fullmatch(r"`(ansible-playbook|docker|kill) [^`]+`", one)] == []
    for one in typed:
        if playbook := re.match(r"`ansible-playbook (\S+) ", one):
            assert (ROOT / playbook[1]).is_file(), one
            assert " -i inventories/<env>" in one


def said(world: World) -> str:
    """All that a person reads who looks, and then tries to replace something."""
    looked = "\n".join(world.status()["drift"])
    return looked if looked else world.restart().said


@pytest.mark.parametrize(("seen", "command"), table(), ids=[seen for seen, _ in table()])
def test_what_the_runbook_says_of_a_broken_host_mends_it(world: World, seen: str, command: str) -> None:
    damages = [row for row in ROWS if seen in row.says] or [row for row in ROWS if row.how == "with the name of the next replica"]
    damages[0].damage(world)
    words = said(world)
    assert seen in words
    if command.startswith("ansible-playbook deploy.yml"):
        assert world.deploy(LIVE).word in ("changed", "unchanged")
    elif command.startswith("ansible-playbook"):
        assert PROVISION.split()[0] in command
        assert command.endswith("--tags edge")
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
