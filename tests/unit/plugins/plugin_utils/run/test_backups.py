# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The age of backups in the status."""

from __future__ import annotations

from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import backups

NOW = 1_790_000_000.0
AT = "2026-09-21T14:13:20Z"
HOSTS: dict[str, dict[str, Any]] = {
    "app-1": {
        "backups": {"backup": {"at": "2026-09-20T14:13:20Z", "name": "old"}, "drill": {"at": AT, "name": "young", "seconds": 93}}
    },
    "app-2": {
        "backups": {"backup": {"at": AT, "name": "young", "seconds": 61.5}, "restore": {"at": AT, "name": "x", "seconds": 150}}
    },
    "app-3": {"unreachable": True},
}


def test_the_youngest_of_all_hosts_is_told_and_what_is_too_old_with_its_command() -> None:
    found = backups.told(HOSTS, {"backup": 26, "staging_data": 30})
    assert backups.lines(found, "production", NOW + 7200) == [
        "BACKUP  2.0 h old (young), took 1.0 min",
        "RESTORE DRILL  0.1 d old (young), took 1.6 min",
        "RESTORE  0.1 d old (x), took 2.5 min",
        "STAGING DATA  none is known, at most 30 d are allowed",
        "  Mend it with: ansible-playbook playbooks/import_data.yml -i inventories/production",
    ]
    assert backups.lines(found, "production", NOW + 27 * 3600)[:2] == [
        "BACKUP  27.0 h old (young), took 1.0 min, at most 26 h are allowed",
        "  Mend it with: ansible-playbook playbooks/backup.yml -i inventories/production",
    ]


def test_what_buckets_took_stands_beside_what_the_database_took() -> None:
    kinds = {"backup": 61.5, "buckets": 30, "drill": 93, "buckets_drill": 24, "restore": 150, "buckets_restore": 45}
    known = {kind: {"at": AT, "name": kind, "seconds": seconds} for kind, seconds in kinds.items()}
    assert backups.lines(backups.told({"app-1": {"backups": known}}, {}), "production", NOW + 7200) == [
        "BACKUP  2.0 h old (backup), took 1.0 min",
        "BUCKETS  2.0 h old (buckets), took 0.5 min",
        "RESTORE DRILL  0.1 d old (drill), took 1.6 min",
        "BUCKETS DRILL  0.1 d old (buckets_drill), took 0.4 min",
        "RESTORE  0.1 d old (restore), took 2.5 min",
        "BUCKETS RESTORE  0.1 d old (buckets_restore), took 0.8 min",
    ]


def test_nothing_is_told_where_nobody_asks() -> None:
    assert backups.told({"app-1": {"live": "1.0.0"}}, {"backup": 0, "staging_data": 0}) == []
    assert backups.told({}, {}) == []
