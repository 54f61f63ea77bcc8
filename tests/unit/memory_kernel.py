"""A kernel's packet filter that exists only here, for iptables and ip6tables."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

HOOK = "-A PREROUTING -j MORPHEUS-EGRESS"


class Kernel:
    """Its table "raw", of both versions. ``refuses``: the words of a program that cannot."""

    def __init__(self, refuses: str = "") -> None:
        self.tables: dict[str, list[str]] = {"iptables": [], "ip6tables": []}
        self.refuses = refuses
        self.commands: list[str] = []

    def __call__(self, command: Sequence[str], text: str) -> str:
        self.commands.append(" ".join(command))
        if self.refuses:
            raise DeployError(self.refuses)
        program = command[0].removesuffix("-restore")
        table = self.tables[program]
        if command[0].endswith("-restore"):
            assert text.startswith("*raw\n")
            chains = [line.split()[0][1:] for line in text.splitlines() if line.startswith(":")]
            kept = [one for one in table if one.split()[1] not in chains]
            self.tables[program] = kept + [line for line in text.splitlines() if line.startswith("-A ")]
            return ""
        _, _, _, _, what, *words = command
        if what == "-S":
            return "-P PREROUTING ACCEPT\n" + "\n".join(table) + "\n"
        if what == "-I":
            table.insert(0, f"-A {' '.join(words)}")
        else:
            assert what == "-D"
            hooks = [number for number, one in enumerate(table) if one.startswith(f"-A {words[0]} ")]
            del table[hooks[int(words[1]) - 1]]
        return ""

    @property
    def changes(self) -> list[str]:
        return [one for one in self.commands if not one.endswith(" -S")]
