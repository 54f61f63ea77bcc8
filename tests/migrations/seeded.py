"""A project with seeds in Supabase's layout, seeded by the module; the CLI's own run of it is in test_seeds.py."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.modules import supabase_seeds
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase import seeds

from tests.migrations.postgres import Database
from tests.migrations.project import Run

LEDGER = "select path, hash from supabase_migrations.seed_files order by path"


@dataclass(frozen=True)
class Seeded:
    root: Path
    database: Database

    def write(self, sources: Mapping[str, str], patterns: Sequence[str] = ("./seed.sql",)) -> None:
        """Path below supabase/ -> SQL."""
        for name, sql in sources.items():
            path = self.root / "supabase" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(sql)
        config = f'project_id = "shop"\n[db.seed]\nsql_paths = {json.dumps(list(patterns))}\n'
        (self.root / "supabase" / "config.toml").write_text(config)

    def parsed(self) -> list[dict[str, Any]]:
        found = seeds.read(self.root, "staging", ["staging"])
        assert found.problems == []
        return found.files

    def start(self, **options: Any) -> Run:
        given = {"url": self.database.url, "environment": "staging", "files": self.parsed(), "without_lease": True, **options}
        return Run.of(given, supabase_seeds)

    def seed(self, **options: Any) -> dict[str, Any]:
        return self.start(**options).answer()

    def rows(self) -> list[tuple[str, str]]:
        there = self.database.value("select to_regclass('supabase_migrations.seed_files') is not null")
        return self.database.rows(LEDGER) if there else []
