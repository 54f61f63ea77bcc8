# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module says, without secrets and without what acts on a terminal, before it leaves the host.

The values are those that this host has been given (``secrets/`` of its stacks), and the module's options that have ``no_log``.
Text that is about to be shortened is masked first: a part of a value is not known any more. All the rest is masked where the
module ends (``in_words``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file as dotenv
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import STACKS_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.words import openly
from ansible_collections.morpheus.deploy.plugins.module_utils.words.masking import Masker
from ansible_collections.morpheus.deploy.plugins.module_utils.words.plain_text import plain

# Of a log; lines that are longer are cut, too.
LOG_BYTES = 65_536
LINE_CHARACTERS = 2_000

# Of a text that is shown in part, so many characters are masked for each that is shown.
_ROOM = 20

# (Name of the variable or file, value).
Secret = tuple[str, str]


class Knowledge:
    """The secrets that a module, or a run, knows of."""

    def __init__(self) -> None:
        self._secrets: set[Secret] = set()
        self._open: set[str] = set()
        # Directories with secrets; read when they are needed, for most modules have nothing to say that could hold one.
        self._waiting: list[Path] = []
        self._masker: Masker | None = None

    def know(self, secrets: Iterable[Secret]) -> None:
        self._secrets |= set(secrets)
        self._masker = None

    def know_open(self, words: Iterable[str]) -> None:
        """Names that everybody may see, however secret something else is that is called so."""
        self._open |= {word.lower() for word in words if word}
        self._masker = None

    def know_directory(self, path: Path) -> None:
        """``path``: one with secrets, as a stack has it."""
        self._waiting.append(path)

    def know_variables(self, lines: Iterable[str]) -> None:
        """``lines``: <NAME>=<value> of a container. What is called like a secret is one, though it may be of yesterday."""
        self._read()
        names = {name for name, _ in self._secrets}
        found = [line.partition("=") for line in lines]
        self.know((name, value) for name, _, value in found if name in names)

    def masked(self, text: str) -> str:
        masker = self._read()
        # Once more, because a sequence in the middle of a value has hidden it.
        return masker.mask(plain(masker.mask(text)))

    def beginning(self, text: str, characters: int) -> str:
        """The first ``characters`` of ``text`` on one line: masked before it is cut, for a part of a secret is not known.

        What is too long is not masked whole, and nothing near its edge is left.
        """
        found = self.masked(text[: _ROOM * characters])
        near = found if len(text) <= _ROOM * characters else found[: len(found) // 2]
        return " ".join(near.split())[:characters]

    def ending(self, text: str, characters: int) -> str:
        """The last of it, in the same way."""
        return " ".join(self.near_ending(text, characters).split())[-characters:]

    def near_ending(self, text: str, characters: int) -> str:
        """At least so many characters of its end, in its lines."""
        found = self.masked(text[-_ROOM * characters :])
        return found if len(text) <= _ROOM * characters else found[len(found) // 2 :]

    def masked_lines(self, lines: Sequence[str]) -> list[str]:
        return [self.masked(line) for line in self._read().mask_lines(lines)]

    def result(self, found: Any) -> Any:
        """``found`` with every text in it masked."""
        if isinstance(found, str):
            return self.masked(found)
        if isinstance(found, Mapping):
            return {key: self.result(one) for key, one in found.items()}
        return [self.result(one) for one in found] if isinstance(found, list) else found

    def _read(self) -> Masker:
        waiting, self._waiting = self._waiting, []
        for path in waiting:
            self.know(_of_directory(path))
            self.know_open(_open_of(path.parent))
        self._masker = self._masker or Masker(self._secrets, self._open | {name.lower() for name, _ in self._secrets})
        return self._masker


_knowledge: Knowledge | None = None


@contextmanager
def knowing() -> Iterator[Knowledge]:
    """While a module runs it knows the secrets of this host, and what else it is told by ``know``."""
    global _knowledge
    before, _knowledge = _knowledge, Knowledge()
    for path in _stacks():
        _knowledge.know_directory(path / "secrets")
    try:
        yield _knowledge
    finally:
        _knowledge = before


def know(secrets: Iterable[Secret]) -> None:
    if _knowledge:
        _knowledge.know(secrets)


def know_open(words: Iterable[str]) -> None:
    if _knowledge:
        _knowledge.know_open(words)


def know_directory(path: Path) -> None:
    if _knowledge:
        _knowledge.know_directory(path)


def know_variables(lines: Iterable[str]) -> None:
    if _knowledge:
        _knowledge.know_variables(lines)


def know_options(module: Any) -> None:
    """What the options of an AnsibleModule hold that have ``no_log``."""
    know(secrets_of(module.argument_spec, module.params))


def secrets_of(specification: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[Secret]:
    for name, option in specification.items():
        value = given.get(name)
        if option.get("no_log"):
            yield from texts(name, value)
        elif option.get("options"):
            for one in value if isinstance(value, list) else [value]:
                yield from secrets_of(option["options"], one) if isinstance(one, Mapping) else ()


def masked(text: str) -> str:
    """``text`` as it may leave this host. Outside of a module nothing is known but what any URL tells."""
    return (_knowledge or _NOTHING).masked(text)


def beginning(text: str, characters: int) -> str:
    """The first of ``text`` as it may leave this host, on one line."""
    return (_knowledge or _NOTHING).beginning(text, characters)


def ending(text: str, characters: int) -> str:
    """The last of it, in the same way."""
    return (_knowledge or _NOTHING).ending(text, characters)


def masked_lines(lines: Sequence[str]) -> list[str]:
    """Lines that follow each other, as they may leave this host: a value may be broken over several."""
    return (_knowledge or _NOTHING).masked_lines(lines)


def excerpt(log: bytes) -> str:
    """The end of a log as it may leave this host."""
    text = log[-LOG_BYTES:].decode("utf-8", "replace")
    if len(log) > LOG_BYTES:
        # It begins in the middle of a line, and perhaps of a value.
        text = text.partition("\n")[2]
    lines = masked(text.strip()).splitlines()
    return "\n".join(_cut(line) for line in lines)


def output(text: str, knowledge: Knowledge) -> str:
    """What a module has printed: a line of JSON, or, when it is something else, whatever it is."""
    try:
        found = json.loads(text)
    except ValueError:
        return knowledge.masked(text)
    return f"\n{json.dumps(knowledge.result(found))}\n"


def _cut(line: str) -> str:
    more = len(line) - LINE_CHARACTERS
    return f"{line[:LINE_CHARACTERS]}… ({more} more characters)" if more > 0 else line


def texts(name: str, value: Any) -> Iterator[Secret]:
    """Every text in ``value``, by the name under which it stands there."""
    if isinstance(value, str):
        yield name, value
        yield from dotenv.values(value).items()
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from texts(str(key), one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(name, one)


def _stacks() -> list[Path]:
    with suppress(OSError):
        return sorted(STACKS_ROOT.iterdir())
    return []


def _open_of(stack: Path) -> Iterator[str]:
    """What the releases of a stack say for everybody to read."""
    yield stack.name
    for path in stack.glob("releases/*/manifest.json"):
        with suppress(OSError, ValueError, AttributeError):
            yield from openly.of_manifest(json.loads(path.read_bytes()))


def _of_directory(path: Path) -> Iterator[Secret]:
    # One that may not be read, as without root, cannot be said either.
    with suppress(OSError):
        # Below values/ may lie what no variable gives any more and a replica still reads.
        for file in sorted([*path.iterdir(), *path.glob("values/*")]):
            with suppress(OSError):
                content = file.read_text(errors="replace")
                yield from dotenv.values(content).items() if file.suffix == ".env" else [(file.name, content)]


_NOTHING = Knowledge()
