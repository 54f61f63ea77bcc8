"""A project with Supabase's directory, applied by the module or by Supabase's own CLI."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.testing import patch_module_args
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import marker
from ansible_collections.morpheus.deploy.plugins.modules import supabase_migrations
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase import files

from tests.migrations.postgres import Database

ROOT = Path(__file__).parents[2]
DIRECTORY = "supabase/migrations"
# Names of three files, in the order in which they are applied.
A, B, C = (f"2026010{number}000000_{name}" for number, name in ((1, "a"), (2, "b"), (3, "c")))
LEDGER = "select version, name, statements from supabase_migrations.schema_migrations order by version"


def path(name: str) -> str:
    return f"{DIRECTORY}/{name}.sql"


class Answer(dict[str, Any]):
    """What a test asks for in vain is told with all that there is, so with the message of what failed."""

    def __missing__(self, key: str) -> Any:
        raise AssertionError(f"no {key!r} in {dict(self)}")


@dataclass
class Run:
    """The module in a process of its own, as on a host; forked, because to import all of it takes longer than to run it."""

    pid: int
    output: Path
    ended: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any], module: Any = supabase_migrations) -> Run:
        output = Path(tempfile.mkstemp()[1])
        pid = os.fork()
        if not pid:
            try:
                with output.open("w") as stream:
                    os.dup2(stream.fileno(), 1)
                    sys.stdout = stream
                    with patch_module_args(dict(options)):
                        module.main()
            except SystemExit:
                pass
            finally:
                os._exit(0)
        return cls(pid, output)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> None:
        if not self.ended:
            os.waitpid(self.pid, 0)
            self.ended = True

    def has_ended(self) -> bool:
        self.ended = self.ended or os.waitpid(self.pid, os.WNOHANG) != (0, 0)
        return self.ended

    def answer(self) -> Answer:
        """What the module printed, no secret among it."""
        self.wait()
        output = self.output.read_text()
        self.output.unlink()
        assert "canary" not in output
        return Answer(json.loads(output))


@dataclass(frozen=True)
class Project:
    root: Path
    database: Database

    def write(self, sources: Mapping[str, str]) -> None:
        """Version and name -> SQL; all that there is."""
        (self.root / DIRECTORY).mkdir(parents=True, exist_ok=True)
        for path in (self.root / DIRECTORY).iterdir():
            path.unlink()
        for name, sql in sources.items():
            (self.root / DIRECTORY / f"{name}.sql").write_text(sql)

    def parsed(self) -> list[dict[str, Any]]:
        contents = {f"{DIRECTORY}/{path.name}": path.read_bytes() for path in (self.root / DIRECTORY).iterdir()}
        found = files.read(contents, DIRECTORY)
        assert found.problems == []
        return found.as_list()

    def start(self, **options: Any) -> Run:
        given = {"url": self.database.url, "environment": "staging", "files": self.parsed(), "without_lease": True, **options}
        return Run.of(given)

    def apply(self, **options: Any) -> Answer:
        return self.start(**options).answer()

    def rows(self) -> list[tuple[str, str, list[str]]]:
        there = self.database.value("select to_regclass('supabase_migrations.schema_migrations') is not null")
        return self.database.rows(LEDGER) if there else []

    def versions(self) -> list[str]:
        return [version for version, _, _ in self.rows()]


def claim(database: Database) -> None:
    with database.session() as session:
        marker.mark(session.connection, "staging")
