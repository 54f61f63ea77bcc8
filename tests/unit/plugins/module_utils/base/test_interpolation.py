"""Variables are read as Compose reads them: the answers in the table are those that Compose 2.26 gave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.interpolation import (
    Missing,
    interpolated,
    names,
    substituted,
)

from tests.unit.compose_program import config

KNOWN = {"P": "plain", "E": ""}
VALUES = {
    "none": "none",
    "${P}": "plain",
    "$P": "plain",
    "$P-x": "plain-x",
    "$P $$P": "plain $P",
    "$$X": "$X",
    "$$$$X": "$$X",
    "$${P}": "${P}",
    "$$${P}": "$plain",
    "$1 $": "$1 $",
    "${E}": "",
    "${E-def}": "",
    "${E:-def}": "def",
    "${X-def}": "def",
    "${X:-def}": "def",
    "${X-}": "",
    "${X:-}": "",
    "${P-def}": "plain",
    "${P:-def}": "plain",
    "${P?words}": "plain",
    "${P:?words}": "plain",
    "${E?words}": "",
    "${E+y}": "y",
    "${E:+y}": "",
    "${X+y}": "",
    "${X:+y}": "",
    "${P+y}": "y",
    "${P:+y}": "y",
    "${X:-a$$b}": "a$b",
    '${X:-"q"}': '"q"',
    "${_A1-ok}": "ok",
    "${X:-}}": "}",
    "${X:-a{b}c}": "a{b}c",
    "${X:-{a}}": "{a}",
    "${X:-{}}": "{}",
    "${X-:-b}": ":-b",
    "${X-a:b}": "a:b",
    "${X:-a:?b}": "a:?b",
    "${X-a?b}": "a?b",
    "${X:-a+b}": "a+b",
    "${X-$P}": "plain",
    "${X-$$P}": "$P",
    "${P:+a${P}b}": "aplainb",
    "${P:+${X-u}}": "u",
    "${X:-${Y:-${Z:-deep}}}": "deep",
    "x${X-${P:+i}}y${P}": "xiyplain",
}
MISSING = {
    "${X}": [Missing("X", "${X}")],
    "$X": [Missing("X", "$X")],
    "a${X}b${Y}": [Missing("X", "${X}"), Missing("Y", "${Y}")],
    "${X?}": [Missing("X", "${X?}", "")],
    "${X:?}": [Missing("X", "${X:?}", "")],
    "${X:?give it}": [Missing("X", "${X:?give it}", "give it")],
    "${X:?not ${P}}": [Missing("X", "${X:?not ${P}}", "not plain")],
    "${E:?is empty}": [Missing("E", "${E:?is empty}", "is empty")],
    "${X:-${Y}}": [Missing("Y", "${Y}")],
    "${X:-${Y?no}}": [Missing("Y", "${Y?no}", "no")],
    # Compose reads these, though nothing of them is used.
    "${P:-${Y?no}}": [Missing("Y", "${Y?no}", "no")],
    "${X:+${Y?no}}": [Missing("Y", "${Y?no}", "no")],
    "${P:-${Y}}": [],
    "${X+${Y}}": [],
}
INVALID = {
    "${X": "${X",
    "${}": "${}",
    "${1X}": "${1X}",
    "${X:}": "${X:}",
    "${P.x}": "${P.x}",
    "${ P }": "${ P }",
    "a${P/x}b": "${P/x}",
}


@pytest.mark.parametrize("text", VALUES)
def test_a_value_is_put_in_place(text: str) -> None:
    found = interpolated(text, KNOWN)
    assert (found.text, found.missing, found.invalid) == (VALUES[text], [], "")


@pytest.mark.parametrize("text", MISSING)
def test_what_nobody_gives_is_told(text: str) -> None:
    assert interpolated(text, KNOWN).missing == MISSING[text]


@pytest.mark.parametrize("text", INVALID)
def test_a_brace_that_is_no_variable_is_told(text: str) -> None:
    assert interpolated(text, KNOWN).invalid == INVALID[text]


def test_names_are_all_that_are_mentioned() -> None:
    assert names("${A:-${B}} $C $$D ${E:+${F?x}}") == {"A", "B", "C", "E", "F"}


def test_only_what_is_known_is_substituted() -> None:
    text = "${P}/$P/${P:-x}/${X:-${P}}/$$P/${X:?}/$"
    assert substituted(text, KNOWN) == "plain/plain/plain/${X:-${P}}/$$P/${X:?}/$"


def test_compose_itself_says_the_same(tmp_path: Path) -> None:
    texts = list(VALUES)
    environment = {f"V{number}": text for number, text in enumerate(texts)}
    (tmp_path / "compose.yml").write_text(json.dumps({"services": {"w": {"image": "a:1", "environment": environment}}}))
    (tmp_path / "given.env").write_text('P="plain"\nE=""\n')
    found = config(tmp_path, "--env-file", "given.env").model["services"]["w"]["environment"]
    assert {text: found[f"V{number}"].replace("$$", "$") for number, text in enumerate(texts)} == VALUES
