from __future__ import annotations

import json
import stat
import threading
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.journal import KEEP_BYTES, Journal


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_event_is_one_line_with_the_time_and_the_context(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.jsonl"
    journal = Journal(path, run="r1")
    journal.write("begin", release="1.0", steps=3)
    journal.write("intent", step="api: gate 1 candidate\nwith a line break")
    first, second = lines(path)
    assert (first["event"], first["run"], first["release"], first["steps"]) == ("begin", "r1", "1.0", 3)
    assert second["step"] == "api: gate 1 candidate\nwith a line break"
    assert 0 <= second["at"] - first["at"] < 60


def test_a_journal_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path).write("one")
    Journal(path).write("two")
    assert [line["event"] for line in lines(path)] == ["one", "two"]


def test_a_journal_is_private(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path).write("one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_large_journal_begins_anew_and_one_older_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for text in ("first", "second"):
        path.write_text(f'{{"event": "{text}"}}' + "\n" * KEEP_BYTES)
        Journal(path).write("fresh")
        assert [line["event"] for line in lines(path)] == ["fresh"]
    assert sorted(found.name for found in tmp_path.iterdir()) == ["journal.1.jsonl", "journal.jsonl"]
    assert (tmp_path / "journal.1.jsonl").read_text().startswith('{"event": "second"}')


def test_threads_do_not_write_into_each_others_lines(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")

    def write_ten(name: str) -> None:
        for _ in range(10):
            journal.write(name, text=name * 2000)

    threads = [threading.Thread(target=write_ten, args=[name]) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = lines(tmp_path / "journal.jsonl")
    assert len(found) == 40
    assert all(line["text"] == line["event"] * 2000 for line in found)
