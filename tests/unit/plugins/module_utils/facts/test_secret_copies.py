"""Copies of secrets are found however they are written, and nothing is passed over without a word."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file as dotenv
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import secret_copies, walk

TOKEN = 'sk-"canary"\\$1 5%\nline two'
URL = "postgresql://morpheus:hunter2-canary@db.example.com:5432/postgres"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIEcanary\n-----END PRIVATE KEY-----\n"
SECRETS = {"api.TOKEN": TOKEN, "api.DATABASE_URL": URL, "files.key": KEY}


def put(root: Path, name: str, content: str | bytes, mode: int = 0o644) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)


def searched(root: Path, **more: Any) -> secret_copies.Searched:
    return secret_copies.search(walk.walk(root).files, SECRETS, root, **more)


def found(root: Path) -> dict[str, list[str]]:
    return {one["path"]: one["secrets"] for one in searched(root).copies}


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (f"TOKEN={TOKEN}", ["api.TOKEN"]),
        (dotenv.render({"TOKEN": TOKEN}), ["api.TOKEN"]),
        (json.dumps({"token": TOKEN}), ["api.TOKEN"]),
        (f"https://x/?token={quote(TOKEN, safe='')}", ["api.TOKEN"]),
        (base64.b64encode(b"user:" + TOKEN.encode() + b"\n"), ["api.TOKEN"]),
        (base64.b64encode(b"user1:" + TOKEN.encode()), ["api.TOKEN"]),
        (f"url: {URL}", ["api.DATABASE_URL"]),
        # The password alone opens the database as well.
        ("db.example.com:5432:postgres:morpheus:hunter2-canary", ["api.DATABASE_URL"]),
        (KEY.rstrip("\n"), ["files.key"]),
        (b"\x00\xff" + TOKEN.encode() + URL.encode(), ["api.DATABASE_URL", "api.TOKEN"]),
        ("nothing of the kind", None),
        (TOKEN[:-1], None),
    ],
)
def test_a_copy_is_found_in_whatever_words(tmp_path: Path, content: str | bytes, names: list[str] | None) -> None:
    put(tmp_path, "home/deploy/notes", content)
    assert found(tmp_path).get("/home/deploy/notes") == names


def test_secrets_are_read_from_every_stack_and_half_written_ones_and_short_ones_are_not(tmp_path: Path) -> None:
    put(tmp_path, "shop/secrets/api.env", dotenv.render({"TOKEN": TOKEN, "PIN": "1234567"}))
    put(tmp_path, "shop/secrets/.api.env.x7", dotenv.render({"OLD": "a value of before"}))
    put(tmp_path, "blog/secrets/key", KEY)
    assert secret_copies.values(tmp_path) == ({"api.TOKEN": TOKEN, "files.key": KEY}, ["api.PIN"])
    assert secret_copies.values(tmp_path / "nowhere") == ({}, [])


def test_what_lies_in_the_place_of_a_secret_of_a_variable_and_no_variable_gives_is_looked_for_too(tmp_path: Path) -> None:
    put(tmp_path, "shop/secrets/variables.env", dotenv.render({"TOKEN": TOKEN}))
    put(tmp_path, "shop/secrets/values/token", TOKEN)
    put(tmp_path, "shop/secrets/values/.token.x7", "a value of before")
    put(tmp_path, "shop/secrets/values/key", KEY)
    assert secret_copies.values(tmp_path) == ({"variables.TOKEN": TOKEN, "values.key": KEY}, [])


def test_without_secrets_no_file_is_read(tmp_path: Path) -> None:
    put(tmp_path, "a", "x")
    assert secret_copies.search(walk.walk(tmp_path).files, {}, tmp_path) == secret_copies.Searched()


def test_a_file_that_is_too_large_is_named_as_not_read(tmp_path: Path) -> None:
    put(tmp_path, "var/log/big", b"x" * ((1 << 20) + 1))
    put(tmp_path, "var/log/small", TOKEN)
    result = searched(tmp_path, largest=1 << 20)
    assert result.unread == ["1 files of more than 1 MiB: /var/log/big"]
    assert [one["path"] for one in result.copies] == ["/var/log/small"]


def test_a_search_that_runs_out_of_time_says_what_it_has_not_read(tmp_path: Path) -> None:
    for number in range(5):
        put(tmp_path, f"srv/{number}", "x" * (number + 1))
    result = searched(tmp_path, seconds=-1)
    assert (result.files, result.copies) == (0, [])
    assert result.unread == ["5 files, because -1 s were over: /srv/4, /srv/3, /srv/2 and 2 more"]


def test_what_others_can_read_and_where_people_put_copies_is_read_first(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for name, mode in (("var/lib/x/closed", 0o600), ("var/lib/x/open", 0o644), ("home/x", 0o644), ("tmp/closed", 0o600)):
        put(tmp_path, name, "x", mode)
    order = [file.path for file in sorted(walk.walk(tmp_path).files, key=secret_copies._order)]
    assert order == ["/home/x", "/var/lib/x/open", "/tmp/closed", "/var/lib/x/closed"]


def test_a_file_that_goes_while_it_is_searched_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "a", TOKEN)
    put(tmp_path, "b", TOKEN)
    files = walk.walk(tmp_path).files
    (tmp_path / "a").unlink()
    assert [one["path"] for one in secret_copies.search(files, SECRETS, tmp_path).copies] == ["/b"]


def test_more_copies_than_anybody_reads_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_copies, "LISTED", 2)
    for number in range(5):
        put(tmp_path, f"a{number}", TOKEN)
    result = searched(tmp_path)
    assert (len(result.copies), result.more) == (2, 3)


@pytest.mark.parametrize(
    ("path", "in_place"),
    [
        ("/s/shop/secrets/api.env", True),
        ("/s/shop/project/env/api.env", False),
        ("/s/shop/releases/1/files/secrets", False),
        ("/s2/shop/secrets/api.env", False),
        ("/run/morpheus.deploy.held-1/secrets/api.env", True),
        ("/edge/candidate.held-1/x.pem", True),
        ("/run/other/api.env", False),
        ("/var/lib/morpheus.deploy/edge/conf/stacks/shop.users.cfg", True),
        ("/var/lib/morpheus.deploy/edge/conf/stacks/shop.cfg", False),
        ("/tmp/shop.users.cfg", False),
    ],
)
def test_secrets_have_one_place(path: str, in_place: bool) -> None:
    assert secret_copies.is_in_place(path, "/s", ("/edge/candidate.held-1/",)) is in_place
