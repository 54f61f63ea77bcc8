"""Compose files are read as Compose reads them: what it accepts is not refused for a wrong reason, and what it refuses is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.check import StackConfig

from tests.unit.compose_program import config

ROOT = Path(__file__).parents[5]
OPTIONS = specifications.options("preflight")
WEB = {"name": "web", "port": 8000, "routes": [{"host": "shop.example"}], "health": {"path": "/health"}}
READS = {
    "another file's service": {
        "compose.yml": "services: {web: {extends: {file: common/base.yml, service: base}, environment: {B: '2'}}}",
        "common/base.yml": """
            services:
              base: {image: "shop/app:1", environment: [A=1, B=1], volumes: ["./conf:/conf:ro"], env_file: [app.env]}
        """,
        "common/conf/a": "",
        "common/app.env": "C=from-file",
    },
    "a service of the same file": {
        "compose.yml": """
            services:
              base: {image: "shop/app:1", command: [serve, one], profiles: [never], environment: {A: "1"}}
              web: {extends: base, command: [other], profiles: !reset []}
        """
    },
    "a service that extends one that extends one": {
        "compose.yml": "services: {web: {extends: {file: a/a.yml, service: a}}}",
        "a/a.yml": "services: {a: {extends: {file: ../b/b.yml, service: b}, labels: {a: x}}}",
        "b/b.yml": "services: {b: {image: 'shop/app:1', volumes: ['./conf:/conf:ro']}}",
        "b/conf/a": "",
    },
    "included files": {
        "compose.yml": "include: [web/web.yml]\nservices: {redis: {image: 'redis:7.2'}}",
        "web/web.yml": "include: [db.yml]\nservices: {web: {image: 'shop/app:1', volumes: ['./conf:/conf:ro']}}",
        "web/db.yml": "services: {db: {image: 'postgres:17', tmpfs: [/var/lib/postgresql/data]}}",
        "web/conf/a": "",
    },
    "an included file with variables of its own": {
        "compose.yml": "include: [{path: web/web.yml, project_directory: ., env_file: web/own.env}]",
        "web/web.yml": "services: {web: {image: 'shop/app:1', environment: {A: '${OWN:-1}'}}}",
        "web/own.env": "OWN=1",
    },
    "nothing but an include": {
        "compose.yml": "include: [{path: [web.yml, web.more.yml]}]",
        "web.yml": "services: {web: {image: 'shop/app:1', environment: {A: '1'}}}",
        "web.more.yml": "services: {web: {environment: {B: '2'}}}",
    },
    "a reset and an override": {
        "compose.yml": """
            services:
              web: {image: "shop/app:1", command: [a, b], environment: {A: "1", B: "2"}, volumes: ["./conf:/conf:ro"]}
              proxy: {image: "traefik:3", ports: ["80:80"]}
        """,
        "conf/a": "",
        "over.yml": """
            services:
              web: {environment: !override {C: "3"}, volumes: !reset []}
              proxy: !reset null
        """,
    },
    "anchors, merge keys and lists beside mappings": {
        "compose.yml": """
            x-app: &app {image: "shop/app:1", environment: &env {A: "1"}, depends_on: [db]}
            services:
              web: {<<: *app, environment: {<<: *env, B: "2"}, entrypoint: [x]}
              db: {image: "postgres:17", tmpfs: [/var/lib/postgresql/data]}
        """,
        "over.yml": "services: {web: {environment: [B=3, C=4], depends_on: {db: {condition: service_healthy}}, entrypoint: [y]}}",
    },
    "numbers with colons, which are none": {
        "compose.yml": """
            services:
              web:
                image: shop/app:1
                environment:
                  A: 2222:22
                  B: 1:30.5
        """
    },
    "one volume over another": {
        "compose.yml": "services: {web: {image: 'shop/app:1', volumes: ['./one:/x:ro', './conf:/y:ro']}}",
        "over.yml": "services: {web: {volumes: [{type: bind, source: ./conf, target: /x, read_only: true}]}}",
        "one/a": "",
        "conf/a": "",
    },
}
COMPARED = ("image", "command", "entrypoint", "environment", "profiles", "labels", "depends_on")


def write(directory: Path, files: Mapping[str, str]) -> list[str]:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return [name for name in ("compose.yml", "over.yml") if name in files]


def checked(directory: Path, files: Mapping[str, str], **stack: Any) -> StackConfig:
    names = write(directory, files)
    shipped = sorted({str(path.parent.relative_to(directory)) for path in directory.rglob("a") if path.is_file()})
    shipped += [name for name in files if name.endswith(".env")]
    raw = {
        "stack_environment": "staging",
        "stack_release": "1.0.0",
        "stack_source": str(directory),
        "stack": {"name": "shop", "compose_files": names, "files": shipped, "services": [WEB], **stack},
    }
    return StackConfig(raw, OPTIONS)


def compared(services: Mapping[str, Any]) -> dict[str, Any]:
    """Of a model what both can say alike."""
    found: dict[str, Any] = {}
    for name, service in services.items():
        own = {key: service[key] for key in COMPARED if service.get(key)}
        environment = own.get("environment")
        if isinstance(environment, list):
            own["environment"] = dict(one.split("=", 1) for one in environment)
        # Compose puts there what env files give, too.
        own["environment"] = {key: value for key, value in (own.get("environment") or {}).items() if value != "from-file"}
        own["depends_on"] = sorted(own.get("depends_on") or [])
        own["volumes"] = sorted(_target(one) for one in service.get("volumes") or [])
        found[name] = own
    return found


def _target(volume: Any) -> str:
    return str(volume["target"]) if isinstance(volume, Mapping) else volume.split(":")[1]


@pytest.mark.parametrize("case", READS)
def test_what_compose_reads_is_read_alike(tmp_path: Path, case: str) -> None:
    found = checked(tmp_path, READS[case])
    assert found.problems == []
    names = [part for name in ("compose.yml", "over.yml") if name in READS[case] for part in ("--file", name)]
    said = config(tmp_path, *names)
    assert said.error == ""
    assert compared(found.model["services"]) == compared(said.model["services"])


def test_what_is_brought_travels_with_the_release(tmp_path: Path) -> None:
    found = checked(tmp_path, READS["included files"])
    assert {"web/web.yml", "web/db.yml"} <= found.files.keys()
    assert found.release_config["brought_files"] == ["web/db.yml", "web/web.yml"]


OTHERS = "/var/lib/morpheus.deploy/stacks/blog/secrets/api.env"
BELOW = "must lie below stack_source, so that the release has it; copy it there"
REFUSED = [
    pytest.param(
        {"compose.yml": "services: {web: {extends: {file: gone.yml, service: base}}}"},
        'compose.yml: services.web.extends: "gone.yml" does not exist below stack_source',
        id="a file that is not there",
    ),
    pytest.param(
        {"compose.yml": "services: {web: {extends: {file: ../base.yml, service: base}}}"},
        'compose.yml: services.web.extends: "../base.yml" must lie below stack_source, so that the release has it; copy it there',
        id="a file outside of the source",
    ),
    pytest.param(
        {"compose.yml": "services: {web: {extends: {service: bsae}}, base: {image: 'a:1'}}"},
        'compose.yml: services.web.extends: compose.yml has no service "bsae"; it has base, web',
        id="a service that is not there",
    ),
    pytest.param(
        {"compose.yml": "services: {web: {extends: api}, api: {extends: web}}"},
        "compose.yml: services.web.extends: forms a cycle (web -> api -> web)",
        id="services that extend each other",
    ),
    pytest.param(
        {"compose.yml": "include: ['https://example.com/x.git']\nservices: {web: {image: 'a:1'}}"},
        'compose.yml: include[0]: "https://example.com/x.git" comes from elsewhere, and hosts read '
        "nothing but the release; copy it "
        "into stack_source",
        id="a file of another place",
    ),
    *[
        pytest.param(
            {"compose.yml": f"include: [{{path: web.yml, env_file: {given}}}]", "web.yml": "services: {web: {image: 'a:1'}}"},
            f'compose.yml: include[0].env_file: "{path}" {why}',
            id=f"variables of an included file from {path}",
        )
        for given, path, why in (
            (OTHERS, OTHERS, BELOW),
            (f"[env/web.env, {OTHERS}]", OTHERS, BELOW),
            ("~/other.env", "~/other.env", BELOW),
            ("../blog/secrets/api.env", "../blog/secrets/api.env", BELOW),
            ("secrets/../../other.env", "secrets/../../other.env", BELOW),
            ("data/link.env", "data/link.env", "does not exist below stack_source"),
        )
    ],
    *[
        pytest.param(
            {
                "compose.yml": f"include: [{{path: web/web.yml, project_directory: '{directory}'}}]",
                "web/web.yml": "services: {web: {image: 'a:1'}}",
            },
            f'compose.yml: include[0].project_directory: "{directory}" does not hold web/web.yml, and hosts would read the '
            'variables in its .env; write ".", or leave it out',
            id=f"an included file in the directory {directory}",
        )
        for directory in ("/root", "../blog", "data")
    ],
    pytest.param(
        {"compose.yml": "include: [web.yml]\nservices: {web: {image: 'a:1'}}", "web.yml": "services: {web: {image: 'b:1'}}"},
        "compose.yml: include[0]: web.yml has services.web, too, and Compose takes no two; rename one, or override it in another "
        "file of stack.compose_files",
        id="an included service that there is already",
    ),
    pytest.param(
        {"compose.yml": "services:\n  web: {image: 'a:1'}\n  Web Shop: {image: 'a:1'}"},
        "compose.yml: services.Web Shop: Compose takes only letters, digits, ., _ and - in the name of a service",
        id="a service whose name has a blank",
    ),
    pytest.param(
        {"compose.yml": "services:\n  1: {image: 'a:1'}"},
        "compose.yml: services.1: the name is a number; quote it",
        id="a service whose name is a number",
    ),
    pytest.param(
        {"compose.yml": "services: {web: {image: 'a:1'}}\nconfigs: {c: {environment: C}}"},
        'configs.c.environment: needs a root that can be written to; write content: "${C}" instead, '
        "which becomes a file on the host",
        id="a config from the environment",
    ),
]


@pytest.mark.parametrize(("files", "said"), REFUSED)
def test_what_hosts_could_not_read_is_refused(tmp_path: Path, files: Mapping[str, str], said: str) -> None:
    assert said in checked(tmp_path, files).problems


@pytest.mark.parametrize("twice", ["image: 'a:1'\n    image: 'b:1'", "<<: {init: true}\n    <<: {tty: true}"])
def test_a_key_that_is_there_twice_is_refused_as_compose_does(tmp_path: Path, twice: str) -> None:
    text = f"services:\n  web:\n    {twice}\n"
    key = twice.partition(":")[0]
    found = checked(tmp_path, {"compose.yml": text}).problems
    assert found[0].startswith(f'compose.yml: is not YAML: the key "{key}" is there twice in')
    assert "line 4" in found[0]
    assert "already defined" in config(tmp_path).error


def test_a_file_of_two_documents_is_refused_with_what_to_do(tmp_path: Path) -> None:
    found = checked(tmp_path, {"compose.yml": "services: {web: {image: 'a:1'}}\n---\nservices: {db: {image: 'b:1'}}"}).problems
    assert found[0] == (
        "compose.yml: holds more than one YAML document; write each into a file of its own, and name all of them in "
        "stack.compose_files"
    )
    assert config(tmp_path).error == ""


def test_a_key_over_one_that_is_merged_is_there_once(tmp_path: Path) -> None:
    text = "x-a: &a {init: true}\nx-b: &b {<<: *a, init: false}\nservices: {web: {<<: [*b, *a], image: 'shop/app:1', init: true}}"
    assert checked(tmp_path, {"compose.yml": text}).problems == []
    assert config(tmp_path).error == ""


OFF = "services: {web: {image: 'a:1', %s}, migrate: {image: 'a:1', profiles: [migrate]}}"
PROFILES = [
    pytest.param(
        OFF % "depends_on: {migrate: {condition: service_completed_successfully}}",
        "services.web.depends_on: web needs migrate, which is behind the profile migrate, so it never "
        "runs; remove migrate there, or "
        "write required: false there, or write profiles: [migrate] under stack",
        id="a dependency behind a profile that is off",
    ),
    pytest.param(
        OFF % "network_mode: 'service:migrate'",
        "services.web.network_mode: web needs migrate, which is behind the profile migrate, so it never "
        "runs; remove migrate there, "
        "or write profiles: [migrate] under stack",
        id="a network behind a profile that is off",
    ),
    pytest.param(
        "services: {web: {image: 'a:1', profiles: [production]}}",
        "services.web.profiles: the service is routed and behind the profile production, so it never runs; write profiles: "
        "[production] under stack, or remove it there",
        id="a routed service behind a profile that is off",
    ),
]


@pytest.mark.parametrize(("text", "said"), PROFILES)
def test_what_needs_a_service_that_is_off_is_refused(tmp_path: Path, text: str, said: str) -> None:
    assert said in checked(tmp_path, {"compose.yml": text}).problems


def test_a_profile_that_is_on_makes_its_services_like_any_other(tmp_path: Path) -> None:
    files = {"compose.yml": "services: {web: {image: 'a:latest', profiles: [production, x]}}"}
    found = checked(tmp_path, files, profiles=["production"])
    assert [one.partition(": ")[2].partition(" ")[0] for one in found.problems] == ["services.web.image:"]
    assert found.release_config["profiles"] == ["production"]


TOOLS = """services:
  web: {image: 'a:1'}
  tests: {build: ., profiles: [dev]}
  adminer: {image: adminer, profiles: [dev]}
  migrate: {build: ., profiles: [migrate]}
"""


def test_an_image_is_asked_for_only_of_what_a_release_starts(tmp_path: Path) -> None:
    assert checked(tmp_path, {"compose.yml": TOOLS}).problems == []
    migrating = checked(tmp_path, {"compose.yml": TOOLS}, migration={"service": "migrate", "engine": "command"})
    said = "services.migrate.image: required; hosts run images that were built and tested before, they build none. Push it"
    assert said in (one.partition(": ")[2].partition(", and")[0] for one in migrating.problems)
    on = checked(tmp_path, {"compose.yml": TOOLS}, profiles=["dev"])
    assert sorted(one.partition(": ")[2].partition(":")[0] for one in on.problems) == [
        "services.adminer.image",
        "services.tests.image",
    ]


def test_a_profile_that_no_service_has_is_refused(tmp_path: Path) -> None:
    found = checked(tmp_path, {"compose.yml": OFF % "tty: true"}, profiles=["prod"])
    assert found.problems == ['stack.profiles[0]: no service of the Compose files has the profile "prod"; they have migrate']


def test_a_dependency_that_may_be_missing_may_be_off(tmp_path: Path) -> None:
    files = {"compose.yml": OFF % "depends_on: {migrate: {condition: service_started, required: false}}"}
    assert checked(tmp_path, files).problems == []


def test_a_config_in_the_file_itself_is_accepted(tmp_path: Path) -> None:
    text = "services: {web: {image: 'a:1', configs: [{source: c, target: /c}]}}\nconfigs: {c: {content: 'server {}'}}"
    assert checked(tmp_path, {"compose.yml": text}).problems == []
