from __future__ import annotations

import json
import shutil
import string
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.env_file import names as names_of
from ansible_collections.morpheus.deploy.plugins.module_utils.base.env_file import problems, render, with_value
from ansible_collections.morpheus.deploy.plugins.module_utils.base.env_file import values as values_of
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.hangs import HANGS_AFTER_SECONDS
from tests.unit import characters
from tests.unit.effort import examples

RENDERED = [
    pytest.param("", 'A=""\n', id="empty"),
    pytest.param("plain", 'A="plain"\n', id="plain"),
    pytest.param("it costs $5", 'A="it costs $$5"\n', id="dollar"),
    pytest.param("${HOME}", 'A="$${HOME}"\n', id="interpolation"),
    pytest.param("$$", 'A="$$$$"\n', id="two dollars"),
    pytest.param('say "hi"', 'A="say \\"hi\\""\n', id="double quotes"),
    pytest.param("it's", 'A="it\'s"\n', id="single quote"),
    pytest.param("C:\\new\\table", 'A="C:\\\\new\\\\table"\n', id="backslashes"),
    pytest.param('\\"', 'A="\\\\\\""\n', id="backslash and quote"),
    pytest.param("\\$", 'A="\\\\$$"\n', id="backslash and dollar"),
    pytest.param("a # b", 'A="a # b"\n', id="no comment"),
    pytest.param("  padded  ", 'A="  padded  "\n', id="spaces at both ends"),
    pytest.param("line\nline", 'A="line\nline"\n', id="line feed"),
    pytest.param("tab\tend", 'A="tab\tend"\n', id="tab"),
    pytest.param("Käse 🧀", 'A="Käse 🧀"\n', id="unicode"),
    pytest.param("A=b", 'A="A=b"\n', id="equals sign"),
]


@pytest.mark.parametrize(("value", "text"), RENDERED)
def test_a_value_is_rendered_in_double_quotes(value: str, text: str) -> None:
    assert render({"A": value}) == text


def test_names_are_in_order_so_that_equal_variables_make_equal_files() -> None:
    assert render({"B": "2", "A": "1"}) == render({"A": "1", "B": "2"}) == 'A="1"\nB="2"\n'


def test_no_variables_make_an_empty_file() -> None:
    assert render({}) == ""


SECRET = "hunter2-canary"
WRONG = [
    pytest.param({"A": 5}, ["A: must be a string, not a number; quote it in the inventory"], id="whole number"),
    pytest.param({"A": 0.5}, ["A: must be a string, not a number; quote it in the inventory"], id="number"),
    pytest.param({"A": True}, ["A: must be a string, not a boolean; quote it in the inventory"], id="boolean"),
    pytest.param({"A": None}, ['A: is empty; write "" in the inventory where that is meant'], id="null"),
    pytest.param({"A": [SECRET]}, ["A: must be a string, not a list; quote it in the inventory"], id="list"),
    pytest.param({"A": {"b": SECRET}}, ["A: must be a string, not a mapping; quote it in the inventory"], id="mapping"),
    pytest.param({"A": SECRET + "\0"}, ["A: holds a NUL character, which no environment can carry"], id="NUL"),
    pytest.param(
        {"1A": SECRET},
        ["1A: is not a name for an environment variable (letters, digits and _, no digit first)"],
        id="digit first",
    ),
    pytest.param(
        {"A-B": SECRET}, ["A-B: is not a name for an environment variable (letters, digits and _, no digit first)"], id="dash"
    ),
    pytest.param(
        {"A\n": SECRET},
        ["A\n: is not a name for an environment variable (letters, digits and _, no digit first)"],
        id="line feed",
    ),
    pytest.param(
        {"": SECRET}, [": is not a name for an environment variable (letters, digits and _, no digit first)"], id="empty name"
    ),
    pytest.param(
        {5: SECRET}, ["5: is not a name for an environment variable (letters, digits and _, no digit first)"], id="number"
    ),
    pytest.param(
        {"A": 5, "OK": SECRET, "B": None},
        [
            "A: must be a string, not a number; quote it in the inventory",
            'B: is empty; write "" in the inventory where that is meant',
        ],
        id="several at once",
    ),
    pytest.param({"A": SECRET, "_b9": ""}, [], id="nothing"),
]


@pytest.mark.parametrize(("values", "found"), WRONG)
def test_problems_name_the_variable_and_never_its_value(values: dict[Any, Any], found: list[str]) -> None:
    assert problems(values) == found
    assert SECRET not in "".join(problems(values))


def test_a_variable_longer_than_linux_takes_is_refused() -> None:
    """The kernel counts bytes of name, sign, value and end; a container with more does not start ("argument list too long")."""
    assert problems({"KEY": "x" * (131_072 - len("KEY=") - 1)}) == []
    said = (
        "KEY: is 131073 bytes long, and no container starts with an environment variable of more than 131072; "
        "bring it as a file (stack_secret_files, or stack.files for what is not secret)"
    )
    assert problems({"KEY": "é" * ((131_072 - len("KEY=")) // 2)}) == [said]


def test_the_limit_is_that_of_the_kernel() -> None:
    for value, starts in (("x" * (131_072 - len("KEY=") - 1), True), ("x" * (131_072 - len("KEY=")), False)):
        try:
            subprocess.run(["true"], env={"KEY": value}, check=True)
            assert starts
        except OSError:
            assert not starts


def test_what_cannot_be_written_as_utf_8_is_a_problem_and_no_crash_later() -> None:
    values = {"A": SECRET + "\ud800"}
    found = problems(values)
    assert len(found) == 1
    assert found[0].startswith("A: ")
    assert SECRET not in found[0]


def parsed(text: str) -> dict[str, str]:
    """Compose's rule for double quotes, written down anew: backslash escapes, then ``$$`` is a dollar sign."""
    values = {}
    while text:
        name, text = text.split('="', 1)
        value = ""
        while text[0] != '"':
            if text[0] == "\\":
                escaped = text[1]
                assert escaped in '\\"', f"\\{escaped} means something else to Compose"
                value += escaped
                text = text[2:]
            elif text[0] == "$":
                assert text[1] == "$", "a single dollar sign would be interpolated"
                value += "$"
                text = text[2:]
            else:
                value += text[0]
                text = text[1:]
        assert text[1] == "\n"
        values[name] = value
        text = text[2:]
    return values


# Not by a regular expression, for which Hypothesis looks at every character of Unicode first.
LETTERS = f"{string.ascii_letters}_"
names = st.tuples(st.sampled_from(LETTERS), st.text(f"{LETTERS}{string.digits}", max_size=8)).map("".join)
nasty_text = st.text(st.sampled_from(list("$\"'\\#`{}()=: \t\n\r%!&;~ntaxu0é🧀\u2028\x7f")), max_size=20)
any_text = characters.text(max_size=40, without="\0")


@given(st.dictionaries(names, nasty_text | any_text, max_size=6))
@example({"A": "\\n", "B": "\\\n"})
def test_every_value_comes_back_as_it_was_given(values: dict[str, str]) -> None:
    assert problems(values) == []
    assert parsed(render(values)) == values
    assert values_of(render(values)) == values
    assert names_of(render(values)) == sorted(values)


def compose_reads(directory: Path, text: str) -> dict[str, str]:
    """What ``docker compose config`` makes of an env file. Needs the plugin only, no engine."""
    (directory / "api.env").write_bytes(text.encode())
    (directory / "compose.yml").write_text("services: {api: {image: api, env_file: api.env}}\n")
    done = subprocess.run(
        ["docker", "compose", "--project-name", "oracle", "config", "--format", "json"],
        cwd=directory,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(directory)},
        capture_output=True,
        check=False,
        timeout=HANGS_AFTER_SECONDS,
    )
    assert done.returncode == 0, done.stderr.decode()
    environment: dict[str, str] = json.loads(done.stdout)["services"]["api"].get("environment") or {}
    # In what it prints, Compose writes every dollar sign twice, so that it could be read again.
    return {name: value.replace("$$", "$") for name, value in environment.items()}


def compose_is_here() -> bool:
    return bool(shutil.which("docker")) and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0


@pytest.mark.skipif(not compose_is_here(), reason="docker compose is not installed")
@settings(max_examples=examples(4), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(values=st.lists(nasty_text | any_text, min_size=40, max_size=60))
@example(
    values=[
        "",
        " ",
        "$",
        "$$",
        "${A}",
        '"',
        '\\"',
        "\\",
        "\\\\",
        "#",
        "a #b",
        "'",
        "`id`",
        "\n",
        "a\r\nb",
        "\r",
        "\\n",
        "\\u0041",
    ]
)
def test_compose_itself_reads_back_what_was_rendered(tmp_path: Path, values: list[str]) -> None:
    variables = {f"V{number}": value for number, value in enumerate(values)}
    assert compose_reads(tmp_path, render(variables)) == variables


@pytest.mark.parametrize(("value", "text"), RENDERED)
def test_one_value_of_a_file_is_replaced_and_the_others_stay(value: str, text: str) -> None:
    before = {"AA": value, "B": 'x\nA="y"\n', "C": "\\"}
    assert with_value(render({"A": "old", **before}), "A", value) == render({"A": value, **before})


def test_a_variable_that_is_not_there_is_not_added() -> None:
    assert with_value(render({"A": "1"}), "B", "2") is None
