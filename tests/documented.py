"""Commands as a page of docs has them, so that what a test types is what people read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
_BLOCK = re.compile(r" {4,}(ansible-playbook .*)")
_PLACEHOLDER = re.compile(r"<(\w+)>")


@dataclass(frozen=True)
class Command:
    """``ansible-playbook <playbook> -i inventories/<environment> <options>``"""

    line: str
    playbook: str
    environment: str
    options: tuple[str, ...]

    @classmethod
    def of(cls, line: str) -> Command:
        program, playbook, flag, inventory, *options = shlex.split(line)
        root, _, environment = inventory.partition("/")
        assert (program, flag, root) == ("ansible-playbook", "-i", "inventories"), line
        return cls(line, playbook, environment, tuple(options))

    @property
    def placeholders(self) -> set[str]:
        return set(_PLACEHOLDER.findall(self.line))

    def filled(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Its options, with what a person puts in the place of ``<...>``."""
        return tuple(_PLACEHOLDER.sub(lambda found: values[found[1]], option) for option in self.options)


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or a higher one."""
    level = heading.partition(" ")[0]
    _, found, rest = (DOCS / page).read_text().partition(f"\n{heading}\n")
    assert found, f"docs/{page} has no {heading}"
    return re.split(rf"\n#{{1,{len(level)}}} ", rest, maxsplit=1)[0]


def commands(page: str, heading: str) -> list[Command]:
    """Those that stand in a block of their own, in their order."""
    return [Command.of(found[1]) for found in map(_BLOCK.fullmatch, section(page, heading).splitlines()) if found]
