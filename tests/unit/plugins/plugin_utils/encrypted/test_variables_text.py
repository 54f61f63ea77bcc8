from __future__ import annotations

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.encrypted import text as variables_text
from hypothesis import given

from tests.unit import characters

NASTY = [
    "",
    "plain",
    'it\'s "quoted" \\ $x # no comment',
    "a\nb\r\n\tc",
    "x: y",
    "- z",
    "ü 漢 😀",
    "\x7f\x85\u2028\ufeff",
    " edge ",
    "12",
]

# Text, and the same text with the value of `key` replaced by NEW; everything else must be what it was.
EDITS = [
    pytest.param("key: old\n", 'key: "new"\n', id="plain"),
    pytest.param("key: old  # why\nother: 1\n", 'key: "new"  # why\nother: 1\n', id="comment behind it"),
    pytest.param("key: 'it''s'\n", 'key: "new"\n', id="single quotes"),
    pytest.param('key: "a\\"b"\nz: 1\n', 'key: "new"\nz: 1\n', id="double quotes"),
    pytest.param("key: |\n  a\n  b\n\n# next\nz: 1\n", 'key: "new"\n\n# next\nz: 1\n', id="literal block, a comment after it"),
    pytest.param("key: >-\n  a\n  b\nz: 1\n", 'key: "new"\nz: 1\n', id="folded block"),
    pytest.param("key: |\n  a", 'key: "new"', id="block at the end without a line break"),
    pytest.param("key: one\n  two\nz: 1\n", 'key: "new"\nz: 1\n', id="plain over two lines"),
    pytest.param("key: !unsafe '{{ x }}'\n", 'key: "new"\n', id="a tag goes with its value"),
    pytest.param('key:   "old"\n', 'key:   "new"\n', id="spaces stay"),
    pytest.param(
        "---\n# head\na: [1, 2]\nkey: old\nb: {c: d}\n", '---\n# head\na: [1, 2]\nkey: "new"\nb: {c: d}\n', id="between others"
    ),
    pytest.param("key: old\r\nz: 1\r\n", 'key: "new"\r\nz: 1\r\n', id="line ends of Windows"),
    pytest.param("keys: old\nkey: old\nz: old\n", 'keys: old\nkey: "new"\nz: old\n', id="only this one"),
    pytest.param('"key": old\n', '"key": "new"\n', id="name in quotes"),
    pytest.param("😀: x\nkey: ü\n", '😀: x\nkey: "new"\n', id="characters of several bytes before it"),
]


@pytest.mark.parametrize(("before", "after"), EDITS)
def test_one_value_changes_and_every_other_character_stays(before: str, after: str) -> None:
    assert variables_text.with_value(before, "key", "new") == after
    assert variables_text.read(after, "key") == "new"


def test_what_looks_like_a_template_is_a_value_like_any_other() -> None:
    text = "key: '{{ canary }}'\n"
    assert variables_text.read(text, "key") == "{{ canary }}"
    assert variables_text.read(variables_text.with_value(text, "key", "{% new %}"), "key") == "{% new %}"


REFUSED = [
    pytest.param("other: 1\n", "key is not there", id="missing"),
    pytest.param("key: 12\n", "key must be a string, in quotes if it looks like a number", id="a number"),
    pytest.param("key:\n", "key must be a string, in quotes if it looks like a number", id="empty"),
    pytest.param("key: {a: canary}\n", "key must be a string, in quotes if it looks like a number", id="a mapping"),
    pytest.param("key: !vault canary\n", "key must be a string, in quotes if it looks like a number", id="encrypted once more"),
    pytest.param("key: &a canary\nz: *a\n", "key has an anchor or an alias; write the value itself", id="anchor"),
    pytest.param("z: &a canary\nkey: *a\n", "key has an anchor or an alias; write the value itself", id="alias"),
    pytest.param("{key: canary}\n", "must be variables, one below the other", id="on one line"),
    pytest.param("- canary\n", "must be variables, one below the other", id="a list"),
    pytest.param("", "must be variables, one below the other", id="empty file"),
    pytest.param("key: a\nkey: canary\n", "has key twice", id="twice"),
    pytest.param("a: 1\nkey: 'canary\n", "cannot be read as YAML (line 3)", id="broken"),
    pytest.param(
        "\ufeffkey: canary\n", "begins with a byte order mark, which shifts everything; remove it", id="byte order mark"
    ),
    pytest.param("key: a\n---\nkey: canary\n", "cannot be read as YAML (line 2)", id="two documents"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_cannot_be_changed_is_refused_without_a_word_of_it(text: str, message: str) -> None:
    with pytest.raises(DeployError) as caught:
        variables_text.with_value(text, "key", "new")
    assert str(caught.value) == message


def test_a_line_is_added_changed_and_taken_away_again_without_a_trace() -> None:
    text = "---\n# Ours.\nvault_a: b # c\n"
    once = variables_text.with_mapping(text, "state", {"name": "database", "old": 'a"b'}, "Do not touch.")
    assert once == text + '# Do not touch.\nstate: {"name": "database", "old": "a\\"b"}\n'
    assert variables_text.read_mapping(once, "state") == {"name": "database", "old": 'a"b'}
    twice = variables_text.with_mapping(once, "state", {"name": "ml"}, "Do not touch.")
    assert twice == text + '# Do not touch.\nstate: {"name": "ml"}\n'
    assert variables_text.with_mapping(twice, "state", {}, "Do not touch.") == text
    assert variables_text.with_mapping(text, "state", {}, "Do not touch.") == text


def test_what_somebody_wrote_below_the_line_stays() -> None:
    text = variables_text.with_mapping("a: 1\n", "state", {"x": "y"}, "Do not touch.") + "b: 2\n# end\n"
    assert variables_text.with_mapping(text, "state", {}, "Do not touch.") == "a: 1\nb: 2\n# end\n"


def test_a_last_line_without_an_end_is_given_one() -> None:
    assert variables_text.with_mapping("a: 1", "state", {"x": "y"}, "C.") == 'a: 1\n# C.\nstate: {"x": "y"}\n'


def test_there_is_no_state_where_none_was_written() -> None:
    assert variables_text.read_mapping("a: 1\n", "state") == {}
    assert variables_text.read("a: 1\n", "state") is None


@pytest.mark.parametrize("value", ["{{ lookup('pipe', 'id') }}", "{% x %}", "a{#b"])
def test_what_looks_like_a_template_is_marked_so_that_ansible_does_not_execute_it(value: str) -> None:
    text = variables_text.with_value("key: old\n", "key", value)
    assert text.startswith('key: !unsafe "')
    state = variables_text.with_mapping(text, "state", {"new": value}, "C.")
    assert '"new": !unsafe "' in state
    assert variables_text.read_mapping(state, "state") == {"new": value}
    assert variables_text.read(state, "key") == value


@pytest.mark.parametrize("value", ["a\0b", "a\ud800b"])
def test_a_value_that_no_environment_can_carry_is_refused(value: str) -> None:
    with pytest.raises(DeployError, match="the value holds a character that no environment variable can carry"):
        variables_text.with_value("key: old\n", "key", value)


@pytest.mark.parametrize("value", NASTY)
def test_every_value_reads_back_as_it_was_given(value: str) -> None:
    text = variables_text.with_value("a: 1\nkey: old\n", "key", value)
    assert (variables_text.read(text, "key"), yaml.safe_load(text)) == (value, {"a": 1, "key": value})


texts = characters.text(without="\0")


@given(value=texts, other=texts)
def test_any_value_reads_back_and_leaves_any_other_alone(value: str, other: str) -> None:
    text = variables_text.with_value("key: old\nother: x\n", "other", other)
    changed = variables_text.with_mapping(variables_text.with_value(text, "key", value), "state", {"a": value, "b": other}, "C.")
    assert (variables_text.read(changed, "key"), variables_text.read(changed, "other")) == (value, other)
    assert variables_text.read_mapping(changed, "state") == {"a": value, "b": other}
    back = variables_text.with_mapping(variables_text.with_value(changed, "key", "old"), "state", {}, "C.")
    assert variables_text.with_value(back, "other", "x") == 'key: "old"\nother: "x"\n'
