# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in a bucket: the controller asks it, and a host is given URLs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3  # type: ignore[import-not-found,import-untyped,unused-ignore]
import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import flow, record
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.make import Making, Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.place import Urls
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.restore import Restoring
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.backup import s3
from moto.server import ThreadedMotoServer  # type: ignore[import-not-found,import-untyped,unused-ignore]

from tests.backup.world import NOW, World
from tests.hangs import HANGS_AFTER_SECONDS
from tests.unit.clock import Clock

KEYS = {"access_key": "canary-access", "secret_key": "canary-secret"}


@pytest.fixture
def bucket() -> Iterator[dict[str, Any]]:
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    # All stores of a process share what they hold.
    with urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST"), timeout=HANGS_AFTER_SECONDS):
        pass
    given = {"bucket": "backups", "prefix": "production", "endpoint": f"http://{host}:{port}", **KEYS}
    client = boto3.client(
        "s3", endpoint_url=given["endpoint"], region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_bucket(Bucket="backups")
    try:
        yield given
    finally:
        server.stop()


def signed(bucket: dict[str, Any], name: str) -> Urls:
    urls = s3.act({"s3": bucket, "state": "signed", "name": name}, NOW, check_mode=False)["urls"]
    assert "canary-secret" not in json.dumps(urls)
    return Urls(urls)


def test_a_backup_goes_to_a_bucket_and_comes_back_from_it(world: World, bucket: dict[str, Any], tmp_path: Path) -> None:
    world.fill()
    wanted = Wanted("first", "a test", [world.key.recipient])
    made = Making(world.declared, world.tools, signed(bucket, "first"), tmp_path, lambda: NOW).make(wanted)
    assert list(tmp_path.glob(".partial-*")) == []
    [listed] = s3.act({"s3": bucket}, NOW, check_mode=False)["records"]
    assert record.of(listed, "first") == made
    place = signed(bucket, "first")
    assert Restoring(world.tools, place, tmp_path, world.key.identity).drill(made) > 100
    # Check mode says what would go; the one and only stays.
    old = {"s3": bucket, "state": "pruned", "keep_days": 1, "keep_at_least": 1}
    assert s3.act(old, NOW + 90 * 86400, check_mode=False)["removed"] == []
    place.note(replace(made, name="first", at=record.said(NOW - 86400 * 9)))
    urls = signed(bucket, "second")
    urls.note(replace(made, name="second"))
    assert s3.act(old, NOW, check_mode=True)["removed"] == ["first"]
    assert len(s3.act({"s3": bucket}, NOW, check_mode=False)["records"]) == 2
    found = s3.act(old, NOW, check_mode=False)
    assert (found["removed"], [one["name"] for one in found["records"]]) == (["first"], ["second"])


def test_what_goes_to_a_store_and_comes_from_it_keeps_one_pace(bucket: dict[str, Any], tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(bytes(1 << 20))
    found = record.Record("first", "backup", "production", record.said(NOW), "x", "17", flow.sha256(archive), 1 << 20)
    pace = flow.Pace(1 << 18, Clock())
    store = Urls(signed(bucket, "first").urls, pace)
    store.put(archive, found)
    sent = pace.clock.now()
    with store.archive(found, tmp_path) as path:
        both = pace.clock.now()
        assert flow.sha256(path) == found.sha256
    # At a quarter of it a second; the last part of each waits for nobody.
    assert sent == pytest.approx(4.0, abs=0.1)
    assert both == pytest.approx(7.0, abs=0.1)


def test_a_store_that_is_not_there_is_told_without_what_opens_it(bucket: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DeployError) as refused:
        s3.act({"s3": {**bucket, "bucket": "nowhere"}}, NOW, check_mode=False)
    assert "backup.s3: the bucket nowhere could not be used: " in str(refused.value)
    place = signed({**bucket, "bucket": "nowhere"}, "first")
    with pytest.raises(DeployError) as refused:
        place.note(record.Record("first", "backup", "production", record.said(NOW), "x", "17", "0", 1))
    assert str(refused.value).endswith("was answered with 404 NOT FOUND; see backup.s3 and its keys")
    assert "Signature" not in str(refused.value)
    assert "canary" not in str(refused.value)


def test_what_no_backup_has_written_into_the_bucket_is_refused_and_another_prefix_is_not_read(bucket: dict[str, Any]) -> None:
    client = boto3.client(
        "s3", endpoint_url=bucket["endpoint"], region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )

    def put(key: str, text: str) -> None:
        client.put_object(Bucket="backups", Key=key, Body=text.encode())

    one = record.Record("one", "backup", "production", record.said(NOW), "x", "17", "0", 1)
    put("mixed/one.json", one.text())
    put("mixed/other/two.json", replace(one, name="two").text())
    listed = {"s3": {**bucket, "prefix": "mixed"}}
    assert [found["name"] for found in s3.act(listed, NOW, check_mode=False)["records"]] == ["one"]
    put("mixed/long.json", " " * (33 << 20))
    with pytest.raises(DeployError, match=r"^mixed/long\.json is longer than 32 MiB, as no record is"):
        s3.act(listed, NOW, check_mode=False)
    put("mixed/long.json", one.text())
    with pytest.raises(DeployError, match=r"^mixed/long\.json is the record of one, and would stand for it"):
        s3.act({**listed, "state": "pruned"}, NOW, check_mode=False)


@pytest.fixture
def hostile() -> Iterator[tuple[str, list[str]]]:
    """Address of a store that leads elsewhere (/away) or sends without end (/more); what it was asked for."""
    asked: list[str] = []

    class Store(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            away = self.path == "/away"
            self.send_response(302 if away else 200)
            self.send_header("Location" if away else "X-Way", "/metadata")
            self.end_headers()
            # Whoever reads on ends by himself, and the test with him.
            with suppress(OSError):
                self.wfile.write(b"x" * (0 if away else 1 << 24))

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_store_makes_a_host_neither_ask_elsewhere_nor_fill_its_disk(hostile: tuple[str, list[str]], tmp_path: Path) -> None:
    where, asked = hostile
    found = record.Record("first", "backup", "production", record.said(NOW), "x", "17", "0", 100_000)
    for path, why in (("/away", "was answered with 302 "), ("/more", "is longer than the 100000 bytes of its record")):
        with pytest.raises(DeployError) as refused, Urls({"get_archive": f"{where}{path}"}).archive(found, tmp_path):
            pytest.fail("it was taken")
        assert why in str(refused.value)
    assert asked == ["/away", "/more"]
    assert list(tmp_path.iterdir()) == []
