from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.origins import of_inventory, origin, read, source

WEAK = source("all/a.yml", "---\nname: shop\nstack:\n  name: shop\n  port: 8000\n  flags: [true, null]\nonly_weak: 1\n")
STRONG = source(
    "app/b.yml",
    """---
base: &base
  level: info
stack:
  <<: *base
  name: shop

  text: >-
    folded
    line
  deep: {list: [{a: 1}, {a: 2}]}
secret: !vault |
  $ANSIBLE_VAULT;1.1;AES256
  6162
raw: !unsafe "{{ this }}"
when: 2026-01-02
""",
)

PLACES = [
    pytest.param(["stack", "name"], "shop", "app/b.yml:6", id="the strongest file that has it"),
    pytest.param(["stack", "port"], 8000, "all/a.yml:5", id="a weaker file, where mappings are merged"),
    pytest.param(["only_weak"], 1, "all/a.yml:7", id="the only file"),
    pytest.param(["stack", "flags", 0], True, "all/a.yml:6", id="true, which cannot carry a tag"),
    pytest.param(["stack", "flags", 1], None, "all/a.yml:6", id="null, which cannot either"),
    pytest.param(["stack", "level"], "info", "app/b.yml:3", id="a merged key stands where its anchor stands"),
    pytest.param(["stack", "text"], "folded line", "app/b.yml:8", id="a folded text begins at its key"),
    pytest.param(["stack", "deep", "list", 1, "a"], 2, "app/b.yml:11", id="in a list of mappings"),
    pytest.param(["stack", "deep"], {"list": []}, "app/b.yml:11", id="a mapping stands at its key"),
    pytest.param(["raw"], "{{ this }}", "app/b.yml:15", id="an unsafe text"),
    pytest.param(["name"], "other", "", id="another value than the files have"),
    pytest.param(["stack", "port"], True, "", id="true is not 1"),
    pytest.param(["nowhere"], 1, "", id="no file"),
    pytest.param(["stack", "name", "below"], 1, "", id="below a scalar"),
]


@pytest.mark.parametrize(("path", "value", "place"), PLACES)
def test_a_value_stands_in_the_strongest_file_that_has_this_very_value(path: list[Any], value: Any, place: str) -> None:
    assert origin([WEAK, STRONG], path, value) == (place, False)


def test_true_is_not_taken_for_one() -> None:
    assert origin([source("a.yml", "a: 1\n")], ["a"], True) == ("", False)


def test_an_encrypted_value_is_found_without_being_opened() -> None:
    class Encrypted:
        def __eq__(self, other: object) -> bool:
            raise AssertionError("it was opened")

        __hash__ = None  # type: ignore[assignment]

    assert origin([WEAK, STRONG], ["secret"], Encrypted()) == ("app/b.yml:12", True)


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n", "text", "a: &a [*a]\n", "? {a: 1}\n: 2\n", "\x00"])
def test_what_is_no_mapping_or_cannot_be_read_has_no_values(text: str) -> None:
    assert origin([source("a.yml", text)], ["a"], 1) == ("", False)


def test_a_file_that_is_wholly_encrypted_says_so() -> None:
    found = source("vault.yml", "$ANSIBLE_VAULT;1.2;AES256;staging\n6162\n")
    assert (found.encrypted, found.variables.value) == (True, {})


INVENTORY = read("""---
all:
  vars: {a: 1}
  children:
    app:
      vars: {a: 2}
      hosts:
        one: {a: 3}
        two:
    empty:
""")


@pytest.mark.parametrize(("name", "kind", "line"), [("all", "vars", 3), ("app", "vars", 6), ("one", "hosts", 8)])
def test_variables_of_an_inventory_file_are_found_wherever_they_stand(name: str, kind: str, line: int) -> None:
    found = of_inventory(INVENTORY, name, kind).at(["a"])
    assert found is not None
    assert found.line == line


@pytest.mark.parametrize(("name", "kind"), [("two", "hosts"), ("empty", "vars"), ("other", "vars")])
def test_who_has_no_variables_in_an_inventory_file_has_none(name: str, kind: str) -> None:
    assert of_inventory(INVENTORY, name, kind).value == {}
