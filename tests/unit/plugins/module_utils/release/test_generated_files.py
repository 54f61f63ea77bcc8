"""What lies beside a release's files: a config in a Compose file becomes one, and docker compose typed there needs no options."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.compose.contents import ContentStore
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.file_mounts import Sources
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.project_mounts import ProjectMounts
from ansible_collections.morpheus.deploy.plugins.module_utils.release import project_files
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import place_files
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

from tests.unit.compose_program import config

COMPOSE = """
services:
  web:
    image: "a:${TAG}"
    profiles: [production]
    environment: {URL: "postgres://app:${DB_PASSWORD}@db/app"}
    configs: [{source: nginx, target: /etc/nginx/a.conf}]
configs:
  nginx: {content: "server $$host"}
"""
FILES = {"compose.yml": COMPOSE.encode(), "env/variables.env": b'TAG="7"\n'}


def test_people_and_rollouts_read_the_same_project_and_a_config_is_a_file(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "variables.env").write_text('DB_PASSWORD="it is $$5 \\"quoted\\""\n')
    workspace = place_files(tmp_path / "release", "1.0", "staging", FILES, secrets)
    project = workspace.files
    store = ContentStore(tmp_path / "content")
    mounts = ProjectMounts(Sources([], []), project, tmp_path / "live", store)
    model = {"configs": {"nginx": {"name": "shop_nginx", "content": "server $$host"}}}
    placed = mounts.overrides(model, {})
    assert placed.inline == {"nginx"}
    file = Path(placed.configs["nginx"]["file"])
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("server $host", 0o644)
    (project / "override.json").write_text(json.dumps({"configs": dict(placed.configs)}))
    project_files.write_inline(project, placed.inline)
    stack = Stack.of({"compose_files": ["compose.yml"], "profiles": ["production"]})
    generated = project_files.by_hand(project, stack, workspace, workspace.interpolation.read_text(), "shop")
    assert set(generated) == {".env", "by-hand.json"}
    assert not any("$5" in text for text in generated.values())
    for name, text in generated.items():
        (project / name).write_text(text)
    variables = [part for path in workspace.variables for part in ("--env-file", str(path))]
    files = [part for name in project_files.composed(project, stack.compose_files) for part in ("--file", name)]
    for options in ([], [*variables, *files, "--project-name", "shop"]):
        said = config(project, *options)
        assert said.error == ""
        assert said.model["services"]["web"]["image"] == "a:7"
        assert said.model["services"]["web"]["environment"]["URL"] == 'postgres://app:it is $$5 "quoted"@db/app'
        assert {key: said.model["configs"]["nginx"].get(key) for key in ("file", "content")} == {
            "file": str(file),
            "content": None,
        }


def test_without_configs_and_secrets_nothing_more_is_there(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    workspace = place_files(tmp_path / "release", "1.0", "staging", {"compose.yml": b""}, tmp_path / "secrets")
    project_files.write_inline(tmp_path, ["x"])
    project_files.write_inline(tmp_path, [])
    stack = Stack.of({"compose_files": ["compose.yml"]})
    assert project_files.by_hand(tmp_path, stack, workspace, "A=1\n", "shop") == {
        ".env": "A=1\nCOMPOSE_PROJECT_NAME=shop\nCOMPOSE_FILE=compose.yml:override.json\n"
    }
