"""Which alerts speak against a deploy, asked of a real Alertmanager."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import readiness

from tests.monitoring import programs
from tests.monitoring.watching import await_
from tests.postgres import free_port


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    url = f"http://127.0.0.1:{free_port()}"
    listens = f"--web.listen-address={url.removeprefix('http://')}"
    options = (f"--config.file={config}", f"--storage.path={tmp_path / 'data'}", listens, "--cluster.listen-address=")
    with programs.running("prometheus-alertmanager", *options, log=tmp_path / "log"):
        await_("Alertmanager", lambda: programs.run("amtool", f"--alertmanager.url={url}", "alert").returncode == 0)
        yield url


def told(url: str, *words: str) -> None:
    done = programs.run("amtool", f"--alertmanager.url={url}", *words)
    assert done.returncode == 0, done.stderr


def test_what_fires_is_told_and_what_is_silenced_or_over_is_not(alertmanager: str) -> None:
    assert readiness.firing(alertmanager) == []
    told(alertmanager, "alert", "add", "Slow", "severity=page", "host=app-2", "--annotation=summary=it is slow")
    told(alertmanager, "alert", "add", "Quiet", "severity=page")
    told(alertmanager, "alert", "add", "Over", "--start=2026-01-01T10:00:00Z", "--end=2026-01-01T11:00:00Z")
    told(alertmanager, "silence", "add", "--author=anna", "--comment=known", "alertname=Quiet")
    await_("the silence", lambda: len(readiness.firing(alertmanager)) == 1)
    [found] = readiness.firing(alertmanager + "/")
    assert {**found, "since": ""} == {"name": "Slow", "severity": "page", "host": "app-2", "since": "", "summary": "it is slow"}


def test_where_nobody_listens_the_address_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(DeployError, match=f"^{url}/api/v2/alerts: "):
        readiness.firing(url)
