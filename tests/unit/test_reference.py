"""docs/reference.md has a row for every role, module and plugin, in the words of its own documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.reference import PAGE, plugins, roles, tables, written


def test_the_page_is_as_the_documentation_says() -> None:
    text, texts = PAGE.read_text(), tables()
    assert set(re.findall(r"<!-- (\w+) -->", text)) == set(texts)
    assert text == written(text, texts), "regenerate it: python -m tests.unit.reference"


def test_each_entry_point_of_a_role_has_a_row_and_main_comes_first(tmp_path: Path) -> None:
    (tmp_path / "shop" / "meta").mkdir(parents=True)
    specs = "argument_specs: {check: {short_description: Look}, main: {short_description: Open the shop}}"
    (tmp_path / "shop" / "meta" / "argument_specs.yml").write_text(specs)
    assert roles(tmp_path)[2:] == ["| [shop](../roles/shop/README.md) |  | Open the shop |", "| shop | `check` | Look |"]


def test_a_plugin_has_the_words_of_its_documentation(tmp_path: Path) -> None:
    (tmp_path / "till.py").write_text('DOCUMENTATION = r"""\nshort_description: Count the money\n"""\n')
    assert plugins(tmp_path, "module") == ["| module | does |", "|---|---|", "| `till` | Count the money |"]


def test_a_plugin_without_documentation_is_named(tmp_path: Path) -> None:
    (tmp_path / "till.py").write_text("x = 1\n")
    with pytest.raises(LookupError, match=r"^till\.py has no DOCUMENTATION$"):
        plugins(tmp_path, "module")


def test_only_what_is_between_the_markers_is_written() -> None:
    page = "# Page\n<!-- a -->\nold\n<!-- /a -->\nkept\n"
    assert written(page, {"a": "new\n"}) == "# Page\n<!-- a -->\nnew\n<!-- /a -->\nkept\n"
