# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host remembers of backups, drills, restores and staging's data, for the status and for Prometheus."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.backup import record
from ansible_collections.morpheus.deploy.plugins.module_utils.base import metrics, places
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import private, write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import NEWS
from ansible_collections.morpheus.deploy.plugins.module_utils.base.metrics import Sample
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import spoken

BACKUP, DRILL, RESTORE, STAGING_DATA = "backup", "drill", "restore", "staging_data"
# Of what buckets hold, beside the database's.
BUCKETS, BUCKETS_DRILL, BUCKETS_RESTORE = "buckets", "buckets_drill", "buckets_restore"
_METRICS = {
    BACKUP: ("backup_last_success_timestamp_seconds", "Of when the last backup is that was restored and found to be whole."),
    BUCKETS: ("backup_buckets_timestamp_seconds", "Of when the last backup of buckets is that was found to be whole."),
    DRILL: ("backup_drill_timestamp_seconds", "When a backup was last taken from its store, decrypted, restored and compared."),
    STAGING_DATA: ("staging_data_timestamp_seconds", "Of when the data are that staging has from production."),
}
# What is so although it could not be noted.
_DONE = {
    BACKUP: "the backup {} was made and verified",
    BUCKETS: "the backup {} was made and verified",
    DRILL: "the backup {} came back as it was",
    BUCKETS_DRILL: "the backup {} came back as it was",
    RESTORE: "the database holds the backup {}",
    BUCKETS_RESTORE: "the buckets hold the backup {}",
    STAGING_DATA: "the database holds the export {}",
}


class News:
    """In ``root``, the directory of everything of ours; left out, that of this host."""

    def __init__(self, root: Path | None = None) -> None:
        root = root or places.ROOT
        self.directory = root / "backup"
        self._metrics = root / places.METRICS

    def read(self) -> dict[str, Any]:
        """Kind -> what was last told of it."""
        try:
            return {**NEWS.load(self.directory / "news.json")}
        except FileNotFoundError:
            return {}

    def tell(self, kind: str, about: Mapping[str, Any]) -> None:
        """``about``: at least ``at`` and ``name``; ``seconds``: how long it took. A host that cannot be told of in a graph has
        its backup all the same.
        """
        try:
            with spoken():
                known = {**self.read(), kind: dict(about)}
                write_atomically(self.directory / "news.json", json.dumps(NEWS.numbered(known)) + "\n", mode=0o600)
        except DeployError as exc:
            done = _DONE[kind].format(about["name"])
            raise DeployError(f"{done}, and the host cannot note it, so its status will not say so: {exc}") from None
        if kind not in _METRICS:
            return
        name, what = _METRICS[kind]
        with suppress(OSError):
            sample = Sample(name, {}, record.seconds(str(about["at"])))
            metrics.keep(metrics.file(self._metrics, kind), metrics.text({name: what}, [sample]))

    def drilled(self, about: Mapping[str, Any], kind: str = DRILL) -> None:
        """Beside the last drill of its kind all of them are kept, one a line."""
        self.tell(kind, about)
        path = self.directory / "drills.jsonl"
        with spoken(), open(path, "ab+", opener=private) as stream:
            # One that a crash has torn gets an end, so that this drill has a line of its own.
            if stream.tell():
                stream.seek(-1, os.SEEK_END)
            begin = "" if stream.read(1) in (b"", b"\n") else "\n"
            stream.write(f"{begin}{json.dumps(dict(about))}\n".encode())
