from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import history


def filled(path: Path, count: int) -> None:
    path.write_text("".join(f'{{"token": {number}}}\n' for number in range(count)))


def tokens(path: Path, count: int = 10_000) -> list[int]:
    return [record["token"] for record in history.tail(path, count)]


def test_a_record_is_one_line_in_a_private_file_whatever_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "new" / "production.jsonl"
    record = history.line(at="now", verdict="broken", environment="production", token=7, why='line\nbreak, "quotes", Käse')
    history.append(path, record)
    history.append(path, {"verdict": "deployed"})
    first, second = path.read_text().splitlines()
    assert (json.loads(first), json.loads(second)) == ({"format": 1, **record}, {"format": 1, "verdict": "deployed"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_end_of_a_history_is_the_newest_records_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    filled(path, 5)
    assert (tokens(path, 2), tokens(path, 9), tokens(path, 0)) == ([3, 4], [0, 1, 2, 3, 4], [])
    assert history.tail(tmp_path / "none.jsonl", 5) == []


@pytest.mark.parametrize("broken", [b'{"token": 3', b"\xff\xfe", b"[1]", b"null", b"", b"\0\0\0"], ids=repr)
def test_lines_that_cannot_be_read_are_left_out(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(b'{"token": 1}\n' + broken + b'\n{"token": 2}\n')
    assert tokens(path, 2) == [1, 2]


def test_a_long_history_keeps_its_newest_lines(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    filled(path, 1003)
    history.trim(path)
    assert (len(tokens(path)), tokens(path)[0], tokens(path)[-1]) == (1000, 3, 1002)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_history_that_is_short_enough_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    filled(path, 1000)
    before = path.stat().st_ino
    history.trim(path)
    history.trim(tmp_path / "none.jsonl")
    assert path.stat().st_ino == before


def test_a_line_that_was_torn_by_a_crash_takes_no_other_with_it(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text('{"token": 1}\n{"tok')
    history.trim(path)
    history.append(path, {"token": 2})
    assert tokens(path) == [1, 2]


def test_several_hosts_remember_a_run_once() -> None:
    one: list[dict[str, object]] = [
        {"run": "a", "verdict": "deployed", "at": "1"},
        {"run": "b", "verdict": "refused", "at": "4", "token": 7},
    ]
    two: list[dict[str, object]] = [
        {"run": "b", "verdict": "refused", "at": "3", "token": 8},
        {"run": "b", "verdict": "broken", "at": "5"},
    ]
    old: dict[str, object] = {"verdict": "deployed", "at": "2"}
    found = history.merged([one, [], [old], two, [old]])
    assert [(line.get("run"), line["verdict"], line["at"]) for line in found] == [
        ("a", "deployed", "1"),
        (None, "deployed", "2"),
        ("b", "refused", "3"),
        ("b", "broken", "5"),
    ]


def test_a_history_that_was_lost_is_said_until_the_next_run_begins_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    assert history.lost(path, known=False) == ""
    assert f"{path} is missing, although runs have ended here" in history.lost(path, known=True)
    path.touch()
    assert f"{path} is empty" in history.lost(path, known=True)
    history.append(path, {"token": 1})
    assert history.lost(path, known=True) == ""


def test_lines_that_cannot_be_read_are_said_and_the_next_run_moves_them_aside(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    history.append(path, {"token": 1})
    path.write_bytes(path.read_bytes() + b"{}\n\xff\xfe\n")
    history.append(path, {"token": 2})
    assert history.lost(path, known=True).startswith(f"2 of the lines of {path} cannot be read")
    history.trim(path)
    assert (history.lost(path, known=True), tokens(path, 5)) == ("", [1, 2])
    assert (tmp_path / "h.jsonl.unreadable").read_bytes() == b"{}\n\xff\xfe\n"
