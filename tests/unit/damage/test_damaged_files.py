"""Every file below /var/lib/morpheus.deploy and /etc/morpheus.deploy x what can happen to it x every command that reads it.

No command may end in a traceback, and none may say what is not so. It works as ever; or it works and says what was lost; or it
refuses in words that name the path, what is wrong and the command that mends. That command is then run, and all is as before.
What comes of it is the table in docs/damage.md. Regenerate it with python -m tests.unit.damage
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.damage.files import (
    COMMANDS,
    DAMAGES,
    FILES,
    KEEP_AWAY,
    NOT_QUIET,
    OF_EGRESS,
    QUIET,
    Case,
    applies,
    case,
    label_of,
    table,
)
from tests.unit.damage.prepared import PreparedHost

ROOT = Path(__file__).parents[3]
CASES = [(label, damage) for label in FILES for damage in DAMAGES if applies(label, damage)]
# Each damage with some file, from the rarest on, and every third file of the others with one damage: one after the other.
RARE_FIRST = sorted(DAMAGES, key=lambda damage: sum(found == damage for _, found in CASES))
_found: dict[tuple[str, str], Case] = {}


def each_time() -> set[tuple[str, str]]:
    chosen: dict[str, str] = {}
    for damage in RARE_FIRST:
        label = next(label for label, found in CASES if found == damage and label not in chosen)
        chosen[label] = damage
    for number, label in enumerate([label for label in FILES if label not in chosen][::3]):
        possible = [found for own, found in CASES if own == label]
        chosen[label] = possible[number % len(possible)]
    return set(chosen.items())


def marked() -> list[Any]:
    chosen = each_time()
    return [pytest.param(*one, marks=[] if one in chosen else [pytest.mark.deep]) for one in CASES]


def test_every_file_of_a_real_host_is_in_the_table(host: PreparedHost) -> None:
    assert sorted({label_of(path) for path in host.files()}) == sorted(FILES)


EVERY = {**COMMANDS, **OF_EGRESS, KEEP_AWAY: PreparedHost.keep_away}


@pytest.mark.parametrize("command", EVERY)
def test_an_undamaged_host_gives_no_warning(host: PreparedHost, command: str) -> None:
    answer = EVERY[command](host)
    assert not answer.get("failed"), answer
    assert (answer["warnings"], answer.get("drift", []), answer.get("pending", False)) == ([], [], False)
    assert not answer.get("changes")


def test_each_damage_and_a_third_of_the_files_are_tried_each_time() -> None:
    tried = [case.values for case in marked() if not case.marks]
    labels, damages = ([case[place] for case in tried] for place in (0, 1))
    assert ({*damages}, len({*labels})) == ({*DAMAGES}, len(labels))
    assert len(labels) >= len(FILES) / 3


@pytest.mark.parametrize(("label", "damage"), marked())
def test_no_command_says_what_is_not_so_and_the_mend_mends(host: PreparedHost, label: str, damage: str) -> None:
    found = _found[label, damage] = case(host, label, damage)
    assert found.wrong == {}, json.dumps(found.wrong, indent=2)
    assert found.after_mend == {}, f"after {found.mend}: {json.dumps(found.after_mend, indent=2)}"
    known = QUIET.get(label, NOT_QUIET)
    assert found.is_quiet == (damage in known.damages), (
        f"{label} that is {damage}: no command says a word. Let one say it, with the path and what mends it; or say in QUIET why "
        "nothing is lost"
        if found.is_quiet
        else f"{label} that is {damage} is in QUIET, and is said: {found.words}"
    )


@pytest.mark.deep
def test_the_table_in_the_docs_is_what_was_found_here() -> None:
    if len(_found) < len(CASES):
        pytest.skip("needs the tests above, all of them, in this process")
    text = (ROOT / "docs/damage.md").read_text()
    assert table(_found.values()) in text, "regenerate it: python -m tests.unit.damage"
