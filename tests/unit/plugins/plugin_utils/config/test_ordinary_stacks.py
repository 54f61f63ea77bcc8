"""What people write needs no exemption: this project's own stacks, those of its tests, and Compose files as they come."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.host_paths import Own
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refusals import Project
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refused_mounts import with_files
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.check import StackConfig
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.compose_files import ComposeFiles

from tests.acceptance.test_mounted_files import SERVICES as MOUNTED
from tests.changes import shop
from tests.changes.kinds import KINDS, Kind
from tests.unit.resolved import resolved, written

ROOT = Path(__file__).parents[5]
ORDINARY = ROOT / "tests" / "unit" / "ordinary.yml"
OPTIONS = specifications.options("preflight")
VARIABLES = {"STACK_RELEASE": "1.2.0", "STACK_ENVIRONMENT": "staging"}
STACK = "/var/lib/morpheus.deploy/stacks/shop"
SHIPPED = ("conf/nginx.conf", "conf/html/index.html", "init/1.sql", "app.env", "env/app.env")


def stacks() -> Iterator[Any]:
    """(files of one project, files that it ships beside them)."""
    yield pytest.param({"ordinary.yml": ORDINARY.read_text()}, SHIPPED, id="as they come")
    for name in ("staging", "production"):
        texts = {file: (ROOT / "stacks" / "morpheus" / file).read_text() for file in ("compose.yml", f"compose.{name}.yml")}
        yield pytest.param(texts, ("migrations/1.sql", "env/api.env"), id=f"morpheus in {name}")
    shipped = ("scripts/check.sh", "notes/one.txt", "same/one.txt", "settings.json")
    yield pytest.param({"compose.yml": MOUNTED}, shipped, id="mounted files")


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_change_of_every_kind_needs_no_exemption(kind: Kind) -> None:
    text = yaml.safe_dump(shop._compose(kind.after))
    _needs_no_exemption({"compose.yml": text}, ("menu/today", *(f"env/{one.name}.env" for one in kind.after)))


@pytest.mark.parametrize(("texts", "shipped"), list(stacks()))
def test_an_ordinary_stack_needs_no_exemption(texts: Mapping[str, str], shipped: tuple[str, ...]) -> None:
    _needs_no_exemption(texts, shipped)


def _needs_no_exemption(texts: Mapping[str, str], shipped: tuple[str, ...]) -> None:
    files = ComposeFiles(texts, VARIABLES)
    assert files.problems == []
    model = files.model()
    own = Own.of(STACK, [*texts, *shipped])
    routed: list[str] = []
    assert hardening.problems(Stack(hardening={}), Project(model, own), routed) == []
    directory = f"{STACK}/project"
    on_host = with_files(resolved("shop", directory, model), written(directory, model), VARIABLES)
    assert hardening.problems(Stack(hardening={}), Project(on_host, own, written=False), routed) == []


def test_the_ordinary_one_is_accepted_whole(tmp_path: Path) -> None:
    """By every rule of the controller, not only by those of hardening."""
    for name in (*SHIPPED, "compose.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "compose.yml").write_text(ORDINARY.read_text())
    raw = {
        "stack_environment": "staging",
        "stack_release": "1.2.0",
        "stack_source": str(tmp_path),
        "stack_secrets": {},
        "stack_secret_files": {"db_password": {"content": "canary"}, "token": {"content": "canary"}},
        "stack": {
            "name": "shop",
            "compose_files": ["compose.yml"],
            "files": ["conf", "init", "app.env"],
            "env": {"app": {"LEVEL": "info"}},
            "services": [],
        },
    }
    found = StackConfig(raw, OPTIONS)
    assert found.problems == []
    assert base64.b64decode(found.files["compose.yml"]).decode() == ORDINARY.read_text()
