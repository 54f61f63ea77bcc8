"""The README is short and true: its inventory is accepted, its playbooks are there, and its picture is one in two colours."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from ansible_collections.morpheus.deploy.plugins.filter.stack_config import stack_config

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 130


def test_the_inventory_has_ten_lines_and_is_all_that_a_deploy_asks_for(tmp_path: Path) -> None:
    [text] = re.findall(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert len(text.splitlines()) <= 10
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "compose.yml").write_text("services: {web: {image: 'shop/web:${STACK_RELEASE}'}}\n")
    variables = yaml.safe_load(text.replace("{{ inventory_dir }}/../..", str(tmp_path)))["app"]["vars"]
    checked = stack_config({**variables, "stack_release": "1.1.0"})
    assert checked["problems"] == []
    assert [service["name"] for service in checked["stack"]["services"]] == ["web"]


def test_its_playbooks_are_there() -> None:
    named = set(re.findall(r"\b(?:playbooks/)?\w+\.yml\b", README)) - {"hosts.yml", "compose.yml"}
    called = {f"playbooks/{name}.yml" for name in re.findall(r"\bmorpheus\.deploy\.(\w+)", README)}
    assert {
        "playbooks/status.yml",
        *(f"playbooks/{name}.yml" for name in ("claim", "deploy", "provision", "rollback")),
    } <= named | called
    assert [name for name in sorted(named | called) if not (ROOT / name).is_file()] == []


def test_the_picture_in_the_dark_differs_in_colours_only() -> None:
    light, dark = ((ROOT / "docs" / f"rollout-{name}.svg").read_text() for name in ("light", "dark"))
    colour = re.compile(r"#[0-9a-f]{6}\b")
    assert colour.sub("", light) == colour.sub("", dark)
    assert not set(colour.findall(light)) & set(colour.findall(dark))
