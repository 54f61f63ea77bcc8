"""A first look at Compose files in shapes that many public ones have: nothing that they say is lost without a word, and nothing
is opened that was closed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.check import StackConfig
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import inspection
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.inspection import Inspection
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import OFF
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.tagged import Override, Reset

# Stand for what a team's files hold; they are to be seen nowhere.
CANARY = "canary-5e1f"

ANALYTICS = """
services:
  db:
    image: postgres:16-alpine
    restart: always
    volumes: ["db:/var/lib/postgresql/data"]
    environment: ["POSTGRES_PASSWORD=canary-5e1f"]
  events:
    image: clickhouse/clickhouse-server:24.12-alpine
    restart: always
    volumes: ["events:/var/lib/clickhouse"]
    healthcheck: {test: ["CMD-SHELL", "wget --no-verbose -O - http://127.0.0.1:8123/ping || exit 1"]}
  app:
    image: ghcr.io/acme/analytics:v3.1.0
    restart: always
    environment: ["BASE_URL=${BASE_URL}", HTTP_PORT, TOTP_KEY, DATABASE_URL]
volumes: {db: {}, events: {}}
"""
SOCIAL = """
services:
  db: {image: "postgres:14-alpine", restart: always, volumes: ["./postgres14:/var/lib/postgresql/data"]}
  web:
    image: ghcr.io/acme/social:v4.5.0
    restart: always
    env_file: .env.production
    healthcheck: {test: ["CMD-SHELL", "curl -s --noproxy localhost localhost:3000/health | grep -q 'OK' || exit 1"]}
    ports: ["127.0.0.1:3000:3000"]
    depends_on: [db]
  streaming:
    image: ghcr.io/acme/social-streaming:v4.5.0
    restart: always
    env_file: .env.production
    healthcheck: {test: ["CMD-SHELL", "curl -s localhost:4000/api/v1/streaming/health | grep -q OK"]}
    ports: ["127.0.0.1:4000:4000"]
  jobs: {image: "ghcr.io/acme/social:v4.5.0", restart: always, env_file: .env.production, command: jobs}
"""
FRAMEWORK = """
services:
  django: &django
    build: {context: .}
    image: acme_production_django
    depends_on: [postgres]
    env_file: [./.envs/.production/.django, ./.envs/.production/.postgres]
    expose: ["5000"]
  postgres:
    build: {context: .}
    image: acme_production_postgres
    volumes: ["data:/var/lib/postgresql/data"]
    env_file: [./.envs/.production/.postgres]
  traefik:
    build: {context: .}
    image: acme_production_traefik
    depends_on: [django]
    ports: ["0.0.0.0:80:80", "0.0.0.0:443:443", "0.0.0.0:5555:5555"]
  worker: {<<: *django, image: acme_production_worker, depends_on: [postgres, traefik]}
volumes: {data: {}}
"""
CLOUD = """
services:
  db: {image: "mariadb:11", restart: always, volumes: ["db:/var/lib/mysql:Z"], env_file: [db.env]}
  app: {image: "acme/cloud:30-fpm", restart: always, volumes: ["cloud:/var/www/html:z"], env_file: [db.env], depends_on: [db]}
  web:
    build: ./web
    restart: always
    volumes: ["cloud:/var/www/html:z,ro"]
    environment: ["VIRTUAL_HOST=", "LETSENCRYPT_HOST="]
    depends_on: [app]
  proxy:
    build: ./proxy
    restart: always
    ports: ["80:80", "443:443"]
    volumes: ["certs:/etc/nginx/certs:z,ro", "/var/run/docker.sock:/tmp/docker.sock:z,ro"]
  companion:
    image: nginxproxy/acme-companion
    restart: always
    volumes: ["certs:/etc/nginx/certs:z", "/var/run/docker.sock:/var/run/docker.sock:z,ro"]
volumes: {db: {}, cloud: {}, certs: {}}
"""
LABELLED = """
services:
  proxy: {image: "traefik:v3.3", ports: ["80:80", "8080:8080"], volumes: ["/var/run/docker.sock:/var/run/docker.sock:ro"]}
  api:
    image: acme/api:2.3
    labels:
      traefik.http.routers.api.rule: "Host(`api.example.org`) && PathPrefix(`/v1`)"
      traefik.http.routers.api.middlewares: "strip@docker,auth@docker"
      traefik.http.middlewares.strip.stripprefix.prefixes: "/v1"
      traefik.http.middlewares.auth.basicauth.users: "u:$$apr1$$x$$y"
      traefik.http.services.api.loadbalancer.server.port: 4000
      traefik.http.services.api.loadbalancer.sticky.cookie: "true"
  blog:
    image: acme/blog:1
    expose: ["2368"]
    labels: ["traefik.http.routers.blog.rule=Host(`example.org`) || Host(`www.example.org`)"]
  who: {image: "acme/who:1", labels: ["traefik.http.routers.who.rule=Host(`*.who.example`)"]}
"""
DESIGN = """
services:
  front: {image: "acme/front:${ACME_VERSION:-latest}", restart: always, ports: ["9001:8080"], container_name: acme-front}
  back: {image: "acme/back:${ACME_VERSION:-latest}", restart: always, environment: {PUBLIC: "http://acme-front:8080"}}
  exporter: {image: "acme/exporter:${ACME_VERSION:-latest}", restart: always}
  mail: {image: "somebody/mail:latest", restart: always, expose: ["1025"], ports: ["1080:1080"]}
"""
GIT = """
services:
  server:
    image: docker.acme.example/git:1.24.6
    restart: always
    container_name: git
    environment: ["DB_HOST=db:5432", "DB_PASSWD=canary-5e1f"]
    volumes: ["./git:/data", "/etc/localtime:/etc/localtime:ro"]
    ports: ["3000:3000", "222:22"]
  db:
    image: postgres:14
    restart: always
    environment: ["POSTGRES_USER=git", "POSTGRES_PASSWORD=canary-5e1f"]
    volumes: ["./postgres:/var/lib/postgresql/data"]
"""
SAMPLE = """
services:
  backend: {build: backend, secrets: [db-password], depends_on: {db: {condition: service_healthy}}}
  db:
    image: postgres
    user: postgres
    secrets: [db-password]
    volumes: ["db-data:/var/lib/postgresql/data"]
    environment: ["POSTGRES_PASSWORD_FILE=/run/secrets/db-password"]
  proxy:
    image: nginx:1.29
    ports: ["80:80"]
    volumes: [{type: bind, source: ./nginx.conf, target: /etc/nginx/conf.d/default.conf, read_only: true}]
volumes: {db-data: {}}
secrets: {db-password: {file: db/password.txt}}
"""
AUTOMATION = """
x-shared: &shared
  restart: always
  image: docker.acme.example/acme/flow
  environment: ["DB_PASSWORD=${DB_PASSWORD}"]
services:
  postgres:
    image: postgres:16
    restart: always
    environment: [POSTGRES_USER, POSTGRES_PASSWORD]
    volumes: ["db:/var/lib/postgresql/data"]
  flow: {<<: *shared, ports: ["5678:5678"]}
  flow-worker: {<<: *shared, command: worker}
volumes: {db: {}}
"""
TEMPLATE = """
services:
  backend: {image: "${DOCKER_IMAGE_BACKEND?not set}:${TAG-latest}", restart: always, build: ./backend, ports: ["8000:8000"]}
  front:
    image: "${DOCKER_IMAGE_FRONT?not set}:${TAG-latest}"
    restart: always
    build: ./front
    ports: ["${COMPOSE_PORT_HTTP:-80}:80"]
"""
SHAPES = {
    "analytics": (ANALYTICS, {".env": f"BASE_URL=https://x.example\nHTTP_PORT=80\nTOTP_KEY={CANARY}\n"}),
    "social": (SOCIAL, {".env.production": f"REDIS_HOST=redis\nSECRET_KEY_BASE={CANARY}\nDB_PASS=\n"}),
    "framework": (
        FRAMEWORK,
        {
            ".envs/.production/.django": f"ALLOWED_HOSTS=.x.example\nDJANGO_SECRET_KEY={CANARY}\n",
            ".envs/.production/.postgres": f"POSTGRES_HOST=postgres\nPOSTGRES_PASSWORD={CANARY}2\n",
        },
    ),
    "cloud": (CLOUD, {"db.env": f"MYSQL_PASSWORD={CANARY}\nMYSQL_DATABASE=cloud\n"}),
    "labelled": (LABELLED, {}),
    "design": (DESIGN, {}),
    "git": (GIT, {}),
    "sample": (SAMPLE, {"nginx.conf": "server {}", "db/password.txt": CANARY}),
    "automation": (
        AUTOMATION,
        {".env": f"POSTGRES_USER=flow\nPOSTGRES_PASSWORD={CANARY}\nDB_PASSWORD={CANARY}2\nSPARE=1\n"},
    ),
    "template": (
        TEMPLATE,
        {".env": "DOCKER_IMAGE_BACKEND=backend\nDOCKER_IMAGE_FRONT=front\nCOMPOSE_PORT_HTTP=8080\nDOCKER_HOST=x\n"},
    ),
}


def laid(name: str, directory: Path) -> Path:
    text, files = SHAPES[name]
    for path, content in {"compose.yml": text, **files}.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(content)
    return directory / "compose.yml"


@pytest.fixture
def look(tmp_path: Path) -> Any:
    return lambda name, **options: Inspection(laid(name, tmp_path), "staging", site="shop.example", **options)


def rows(found: Inspection, how: str) -> dict[str, str]:
    return {row.place: row.said for row in found.needed.rows if row.how == how}


def routed(found: Inspection) -> dict[str, tuple[int, list[dict[str, Any]]]]:
    return {one["name"]: (one["port"], one["routes"]) for one in found.needed.stack["services"]}


@pytest.mark.parametrize("name", SHAPES)
def test_whatever_its_shape_nothing_is_lost_without_a_word(look: Any, name: str) -> None:
    found = look(name)
    text, printed = SHAPES[name][0], "\n".join(inspection.said(found))
    services = yaml.safe_load(text)["services"]
    assert found.problems == []
    assert CANARY not in printed
    assert all(f"services.{one}" in printed for one in services)
    assert all(entry for one in found.needed.override.get("services", {}).values() for entry in one.get("tmpfs", ()))
    assert yaml.safe_load(found.inventory).keys() <= {"stack", "stack_secrets", "stack_secret_variables", "stack_secret_files"}
    lines = found.override + found.inventory
    for file, content in SHAPES[name][1].items():
        for line in content.splitlines() if "env" in file else ():
            variable = line.partition("=")[0]
            assert variable in printed if variable in ("SPARE", "DOCKER_HOST", "COMPOSE_PORT_HTTP") else variable in lines, line


def test_a_database_that_speaks_http_is_no_site_and_a_file_without_one_names_who_it_may_be(look: Any) -> None:
    found = look("analytics")
    assert routed(found) == {}
    said = "no service has a port that users reach; look again with -e service= (app) -e port=<where it listens>"
    assert rows(found, "yours")["stack.services"] == said
    assert routed(look("analytics", service="app", port=8000)) == {"app": (8000, [{"host": "shop.example"}])}


@pytest.mark.parametrize(
    ("port", "expected"),
    [("80:${HTTP_PORT}", 80), ("${BIND:-0.0.0.0}:9000:9000", 9000), ("${UNKNOWN}:${OTHER:-3000}", 3000)],
)
def test_a_port_is_read_with_its_variables_and_stays_as_it_is_written(look: Any, port: str, expected: int) -> None:
    path = look("analytics").path
    path.write_text(
        ANALYTICS.replace(
            '    environment: ["BASE_URL',
            f"    ports: ['{port}', '127.0.0.1:${{DEBUG:-9229}}:9229']\n    environment: [\"BASE_URL",
        )
    )
    assert routed(Inspection(path, health="/"))["app"][0] == expected
    kept = Inspection(path, service="events", port=8123, health="/").needed.override["services"]["app"]["ports"]
    assert kept == Override(["127.0.0.1:${DEBUG:-9229}:9229"])


def test_a_variable_that_is_only_named_is_given_where_the_team_gives_it(look: Any) -> None:
    found = look("analytics")
    assert found.needed.stack["variables"] == {"HTTP_PORT": "80", "BASE_URL": "https://x.example"}
    assert found.needed.variables == {"TOTP_KEY": "{{ vault_totp_key }}"}
    said = "nobody gives DATABASE_URL, so containers do not have it; stack.variables would give it"
    assert rows(found, "accepted")["services.app.environment"] == said
    found = look("automation")
    assert found.needed.variables.keys() == {"POSTGRES_PASSWORD", "DB_PASSWORD"}
    assert rows(found, "accepted")[".env"] == "SPARE: no line of the Compose file asks for it, so it was left out"
    # Beside a secret that goes, it stays a name without a value.
    found.path.write_text(GIT.replace('"DB_HOST=db:5432"', "DB_HOST"))
    assert Inspection(found.path).needed.override["services"]["server"]["environment"] == Override({"DB_HOST": None})


def test_ports_of_the_host_itself_are_what_its_proxy_asks(look: Any) -> None:
    found = look("social")
    assert routed(found) == {
        "web": (3000, [{"host": "shop.example"}]),
        "streaming": (4000, [{"host": "streaming.shop.example"}]),
    }
    assert [one["health"]["path"] for one in found.needed.stack["services"]] == ["/health", "/api/v1/streaming/health"]
    assert "the proxy that asks it on this host now" in rows(found, "given")["services.streaming"]


def test_an_env_file_that_several_read_stands_in_the_inventory_once(look: Any) -> None:
    found = look("social")
    assert found.needed.stack["env"] == {"production": {"REDIS_HOST": "redis"}}
    secret = {"SECRET_KEY_BASE": "{{ vault_secret_key_base }}", "DB_PASS": "{{ vault_db_pass }}"}
    assert found.needed.secrets == {"production": secret}
    override = found.needed.override["services"]
    for name in ("web", "streaming", "jobs"):
        assert override[name]["env_file"] == Override(["env/production.env", "secrets/production.env"])


def test_env_files_are_found_whatever_they_are_called_and_one_that_is_not_there_is_named(look: Any) -> None:
    found = look("framework")
    shared = {"ALLOWED_HOSTS": ".x.example", "POSTGRES_HOST": "postgres"}
    assert found.needed.stack["env"] == {"django-env": shared, "postgres": {"POSTGRES_HOST": "postgres"}}
    assert found.needed.secrets["django-env"].keys() == {"DJANGO_SECRET_KEY", "POSTGRES_PASSWORD"}
    (found.path.parent / ".envs" / ".production" / ".postgres").unlink()
    said = rows(Inspection(found.path), "yours")["services.postgres.env_file"]
    assert said.startswith(".envs/.production/.postgres: not there; write its variables into stack.env.postgres")
    text = FRAMEWORK.replace("[./.envs/.production/.postgres]", "[{path: ./.envs/.production/.postgres, required: false}]")
    found.path.write_text(text)
    assert "services.postgres.env_file" not in rows(Inspection(found.path), "yours")


def test_a_proxy_of_the_teams_own_is_known_by_its_name_or_by_what_it_does(look: Any) -> None:
    for name, proxies in {"framework": ["traefik"], "cloud": ["proxy", "companion"]}.items():
        override = look(name).needed.override["services"]
        assert [one for one, said in override.items() if said.get("profiles") == [OFF]] == proxies
    # Nobody waits for what does not run.
    assert look("framework").needed.override["services"]["worker"]["depends_on"] == Override(
        {"postgres": {"condition": "service_started"}}
    )
    assert routed(look("cloud")) == {"web": (80, [{"host": "shop.example"}])}


def test_what_a_proxy_was_told_are_routes_and_what_is_left_over_is_said(look: Any) -> None:
    found = look("labelled")
    assert routed(found) == {
        "api": (4000, [{"host": "api.example.org", "paths": ["/v1"], "strip_prefix": True, "sticky": True}]),
        "blog": (2368, [{"host": "example.org"}, {"host": "www.example.org"}]),
    }
    said = rows(found, "yours")
    assert said["services.api.labels"].startswith("the middleware auth is not carried over: write basic_auth")
    assert said["services.who"] == (
        "a proxy sends it requests, and nothing says to which port; write into stack.services: "
        "{name: who, port: <port>, routes: [{host: '*.who.example'}], health: {path: /}}"
    )


def test_the_release_is_the_tag_of_what_its_makers_make_together_and_of_nothing_else(look: Any) -> None:
    found = look("design")
    images = {name: one.get("image") for name, one in found.needed.override["services"].items()}
    assert images == {
        **{name: f"acme/{name}:${{STACK_RELEASE:?}}" for name in ("front", "back", "exporter")},
        "mail": "somebody/mail:VERSION",
    }


def test_who_asks_by_a_fixed_name_that_goes_is_named(look: Any) -> None:
    assert rows(look("design"), "yours")["services.front.container_name"] == (
        "back may ask it by acme-front, which is gone: let them ask front"
    )
    # A user of a database is no host.
    assert "services.server.container_name" not in rows(look("git"), "yours")


def test_a_port_that_the_edge_does_not_carry_is_named(look: Any) -> None:
    said = rows(look("git"), "changed")["services.server.ports"]
    assert "; port 22 is not routed: only services of the stack reach it from now on. Where it is needed" in said
    assert "write ports: !override ['222:22'] here, and in the inventory hardening: {exempt: {server: [ports]}}" in said
    # As it says.
    found = look("git")
    override = found.override.replace("ports: !reset []", "ports: !override ['222:22']")
    (found.path.parent / found.override_name).write_text(override)
    stack = {**found.needed.stack, "hardening": {"exempt": {"server": ["ports"]}}}
    kept = StackConfig({**found.raw(str(found.path.parent)), "stack": stack}, specifications.options("preflight"))
    assert (kept.problems, kept.model["services"]["server"]["ports"]) == ([], ["222:22"])
    assert any("writes to the directory ./git and has the host port 222" in note for note in kept.notes)


def test_ports_that_are_no_single_one_of_tcp_are_named_as_well(tmp_path: Path) -> None:
    """A tunnel whose pages are routed is of no use without the port of the tunnel itself."""
    ports = ["51821:51821/tcp", "51820:51820/udp", "30000-30010:30000-30010", "443:443/udp", "127.0.0.1:53:53/udp"]
    long = {"target": 3478, "published": 3478, "protocol": "udp"}
    text = yaml.safe_dump({"services": {"vpn": {"image": "a:1", "restart": "always", "ports": [*ports, long]}}})
    (tmp_path / "compose.yml").write_text(text)
    found = Inspection(tmp_path / "compose.yml", health="/")
    assert routed(found)["vpn"][0] == 51821
    said = rows(found, "changed")["services.vpn.ports"]
    assert "; ports 51820/udp, 30000-30010, 53/udp, 3478/udp are not routed: only services of the stack reach them from" in said
    assert "Where they are needed, write ports: !override ['51820:51820/udp', '30000-30010:30000-30010'," in said
    # Of a service that is not routed, a port of the host itself stays.
    (tmp_path / "compose.yml").write_text("services: {dns: {image: 'a:1', ports: ['53:53/udp', '127.0.0.1:54:53/udp']}}")
    kept = Inspection(tmp_path / "compose.yml").needed.override["services"]["dns"]["ports"]
    assert kept == Override(["127.0.0.1:54:53/udp"])


@pytest.mark.parametrize(
    ("image", "ports", "expected"),
    [
        ("confluentinc/cp-zookeeper:7.4", ["2181:2181"], 0),
        ("otel/opentelemetry-collector:0.90", ["4317:4317", "4318:4318"], 4318),
        ("acme/logs:1", ["5044:5044", "24224:24224"], 0),
        ("acme/logs:1", ["8883:8883"], 0),
        ("acme/pooler:1", ["6543:6543"], 0),
    ],
)
def test_what_no_browser_asks_is_no_site(tmp_path: Path, image: str, ports: list[str], expected: int) -> None:
    text = yaml.safe_dump({"services": {"one": {"image": image, "restart": "always", "ports": ports}}})
    (tmp_path / "compose.yml").write_text(text)
    assert [port for port, _ in routed(Inspection(tmp_path / "compose.yml")).values()] == ([expected] if expected else [])


@pytest.mark.parametrize("ports", ['"80:80"', "{80: 80}"])
def test_ports_that_are_no_list_are_no_end_of_a_look(tmp_path: Path, ports: str) -> None:
    (tmp_path / "compose.yml").write_text(f"services: {{web: {{image: 'a:1', ports: {ports}}}}}")
    assert routed(Inspection(tmp_path / "compose.yml", service="web", port=80))["web"][0] == 80


def test_a_secret_of_the_compose_file_becomes_a_file_secret(look: Any) -> None:
    found = look("sample")
    assert found.needed.secret_files == {"db-password": {"content": "{{ vault_db_password }}"}}
    assert found.needed.override["secrets"] == {"db-password": Override({"file": "./secrets/db-password"})}
    assert rows(found, "yours")["stack_secret_files.db-password"] == (
        "with which uid is it read by backend and db? 0, which is root, is assumed (owner)"
    )
    assert found.vault_names == ["vault_db_password"]
    text = SAMPLE.replace("user: postgres", 'user: "70"').replace("build: backend", 'image: "a:1", user: "70:70"')
    for definition in ("file: db/password.txt", "external: true"):
        found.path.write_text(text.replace("file: db/password.txt", definition))
        again = Inspection(found.path, health="/")
        assert again.needed.secret_files["db-password"]["owner"] == 70
        assert "stack_secret_files.db-password" not in rows(again, "yours")
        assert again.problems == []


def test_a_database_of_a_user_of_its_own_is_given_room_to_write_and_no_capabilities(look: Any) -> None:
    database = look("sample").needed.override["services"]["db"]
    assert database["tmpfs"] == ["/tmp", "/var/run/postgresql", "/var/lib/postgresql"]
    assert "cap_add" not in database


def test_a_volume_that_a_newer_database_does_not_use_is_a_persons_matter(look: Any) -> None:
    found = look("sample")
    assert "from version 18 on the data lie in /var/lib/postgresql" in rows(found, "yours")["services.db.volumes"]
    newer = 'db-password", PGDATA=/var/lib/postgresql/data/pgdata]'
    for text in (SAMPLE.replace("image: postgres", "image: postgres:17"), SAMPLE.replace('db-password"]', newer)):
        found.path.write_text(text)
        assert "services.db.volumes" not in rows(Inspection(found.path), "yours")


def test_names_that_only_begin_as_those_of_docker_are_variables_like_others(look: Any) -> None:
    found = look("template")
    assert found.needed.stack["variables"] == {
        "DOCKER_IMAGE_BACKEND": "backend",
        "DOCKER_IMAGE_FRONT": "front",
        "COMPOSE_PORT_HTTP": "8080",
    }
    assert found.problems == []


def test_a_file_that_docker_compose_merges_by_itself_is_named_with_the_command_that_counts_it(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text("services: {web: {image: 'a:1', restart: always}}")
    (tmp_path / "compose.override.yml").write_text("services: {web: {ports: ['80:8000']}}")
    paths = [tmp_path / "compose.yml", tmp_path / "compose.override.yml"]
    alone = Inspection(paths[0], health="/")
    assert rows(alone, "changed")["compose.override.yml"].endswith(f"again with -e compose={paths[0]},{paths[1]}")
    both = Inspection(paths[0], health="/", more=[paths[1]])
    assert both.needed.stack["compose_files"] == ["compose.yml", "compose.override.yml", "compose.deploy.yml"]
    assert routed(both)["web"][0] == 8000
    assert both.problems == []
    assert "compose.override.yml" not in rows(both, "changed")
    (tmp_path / ".env").write_text("COMPOSE_FILE=compose.yml:compose.override.yml\n")
    assert rows(Inspection(paths[0]), "yours")[".env"].endswith(f"again with -e compose={paths[0]},{paths[1]}")
    assert ".env" not in rows(Inspection(paths[0], more=[paths[1]]), "yours")


def test_another_compose_file_lies_where_a_release_ships_it_from(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    for path in (tmp_path / "app" / "compose.yml", tmp_path / "prod.yml"):
        path.write_text("services: {web: {image: 'a:1'}}")
    with pytest.raises(DeployError, match=r"must lie in the directory of .*compose\.yml, or below it"):
        Inspection(tmp_path / "app" / "compose.yml", more=[tmp_path / "prod.yml"])


def test_what_a_file_includes_and_extends_counts(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text("services: {web: {extends: {file: base.yml, service: base}, ports: ['80:8000']}}")
    (tmp_path / "base.yml").write_text("services: {base: {image: 'a:1', restart: always, environment: {A: '${LEVEL}'}}}")
    (tmp_path / "compose.yml").write_text("include: [web.yml]")
    found = Inspection(tmp_path / "compose.yml", health="/")
    assert (routed(found)["web"][0], found.needed.stack["variables"], found.problems) == (8000, {"LEVEL": "change-me"}, [])
    assert found.needed.override["services"]["web"] == {"image": "a:${STACK_RELEASE:?}", "ports": Reset()}
    (tmp_path / "compose.yml").write_text("include: [nowhere.yml]")
    with pytest.raises(DeployError, match=r"nowhere\.yml"):
        Inspection(tmp_path / "compose.yml")


def test_what_no_inventory_may_give_is_written_into_none(tmp_path: Path) -> None:
    text = "services: {web: {image: 'a:1', environment: ['ROOT=${PWD}', 'HERE=${HOME}', COMPOSE_PROFILES]}}"
    (tmp_path / "compose.yml").write_text(text)
    (tmp_path / ".env").write_text("COMPOSE_PROFILES=\n")
    found = Inspection(tmp_path / "compose.yml", service="web", port=80, health="/")
    assert "variables" not in found.needed.stack
    assert found.problems == [
        "compose.yml: services.web.environment[0]: ${PWD} has no value; write its value itself",
        "compose.yml: services.web.environment[1]: ${HOME} has no value; write the path itself",
    ]
    said = "nobody gives COMPOSE_PROFILES, so containers do not have it; write its value itself"
    assert rows(found, "accepted")["services.web.environment"] == said


@pytest.mark.parametrize(("given", "on"), [("shop, gone", ["shop"]), ("*", ["debug", "shop"])])
def test_profiles_that_the_team_has_on_are_on_as_far_as_there_are_any(tmp_path: Path, given: str, on: list[str]) -> None:
    text = """
        services:
          web: {image: "a:1", ports: ["80:8000"], profiles: [shop]}
          debug: {image: "b:1", profiles: [debug]}
    """
    (tmp_path / "compose.yml").write_text(text)
    (tmp_path / ".env").write_text(f"COMPOSE_PROFILES={given}\n")
    found = Inspection(tmp_path / "compose.yml", health="/")
    assert found.problems == []
    assert found.needed.stack["profiles"] == on
    assert routed(found)["web"][0] == 8000
    left = "COMPOSE_PROFILES names gone, which no service has, so it was left out"
    assert rows(found, "accepted").get(".env") == (left if "gone" in given else None)


def test_a_variable_that_a_later_file_takes_away_is_given_all_the_same(tmp_path: Path) -> None:
    """Compose puts variables in place in each file before it merges them."""
    (tmp_path / "compose.yml").write_text("services: {web: {image: 'a:${TAG:?}', ports: ['${PORT}:80']}}")
    (tmp_path / "prod.yml").write_text("services: {web: {image: 'a:1', ports: !override ['80:80'], command: !override ['${X}']}}")
    (tmp_path / "last.yml").write_text("services: {web: {command: !reset []}}")
    (tmp_path / ".env").write_text("TAG=1\nPORT=8080\nX=x\n")
    more = [tmp_path / "prod.yml", tmp_path / "last.yml"]
    found = Inspection(tmp_path / "compose.yml", health="/", more=more)
    assert found.needed.stack["variables"] == {"TAG": "1", "PORT": "8080", "X": "x"}
    assert found.problems == []


def test_what_a_service_is_called_becomes_a_name_that_a_file_may_have(tmp_path: Path) -> None:
    """Laravel Sail calls its service laravel.test."""
    text = f"""
        services:
          laravel.test: {{image: "a:1", env_file: app.env, environment: {{DB_PASSWORD: {CANARY}}}, ports: ["80:80"]}}
          laravel-test: {{build: ., environment: ["API_TOKEN={CANARY}2"]}}
          Worker: {{build: ./worker, environment: ["API_TOKEN={CANARY}2"]}}
    """
    (tmp_path / "compose.yml").write_text(text)
    (tmp_path / "app.env").write_text(f"LEVEL=1\nMAIL_PASSWORD={CANARY}3\n")
    found = Inspection(tmp_path / "compose.yml", health="/")
    assert found.problems == []
    assert found.needed.stack["env"] == {"laravel-test-2": {"LEVEL": "1"}}
    assert {name: {*one} for name, one in found.needed.secrets.items()} == {
        "laravel-test-2": {"DB_PASSWORD", "MAIL_PASSWORD"},
        "laravel-test": {"API_TOKEN"},
        "worker": {"API_TOKEN"},
    }
    override = found.needed.override["services"]
    assert override["laravel.test"]["env_file"] == Override(["env/laravel-test-2.env", "secrets/laravel-test-2.env"])
    assert override["Worker"]["env_file"] == ["secrets/worker.env"]
    # An engine takes no name of an image with capitals.
    assert override["Worker"]["image"].endswith("/worker:${STACK_RELEASE:?}")


@pytest.mark.parametrize(("path", "group", "mend"), [("app.env", "web", "write its"), (".env", "variables", "name the one that")])
def test_what_a_person_writes_for_an_env_file_that_is_not_there_is_read(tmp_path: Path, path: str, group: str, mend: str) -> None:
    (tmp_path / "compose.yml").write_text(f"services: {{web: {{image: 'a:1', env_file: {path}, ports: ['80:80']}}}}")
    found = Inspection(tmp_path / "compose.yml", health="/")
    assert rows(found, "yours")["services.web.env_file"].startswith(f"{path}: not there; {mend}")
    assert found.problems == []
    files = [{"path": f"{directory}/{group}.env", "required": False} for directory in ("env", "secrets")]
    assert found.needed.override["services"]["web"]["env_file"] == Override(files)
    assert yaml.safe_load(found.override.replace("!override", "").replace("!reset", ""))["services"]["web"]["env_file"] == files
    # Where the file may be missing, or another one is named, nothing is asked.
    (tmp_path / "compose.yml").write_text(
        f"services: {{web: {{image: 'a:1', env_file: [{{path: {path}, required: false}}], ports: ['80:80']}}}}"
    )
    assert "services.web.env_file" not in rows(Inspection(tmp_path / "compose.yml", health="/"), "yours")


def test_secrets_and_env_files_of_a_team_that_lie_where_a_deploy_writes_its_own_are_brought(tmp_path: Path) -> None:
    files = {
        "compose.yml": """
            services:
              web:
                image: a:1
                user: "70"
                env_file: [env/web.env, ./env/.common, secrets/prod.env]
                secrets: [db_password, nested, whole]
                ports: ["80:80"]
            secrets:
              db_password: {file: ./secrets/db_password.txt}
              nested: {file: ./secrets/prod/nested.txt}
              whole: {file: ./secrets/whole.env}
        """,
        "env/web.env": "LEVEL=1\n",
        "env/.common": "SHARED=2\n",
        "secrets/prod.env": f"API_TOKEN={CANARY}\n",
        "secrets/db_password.txt": CANARY,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = Inspection(tmp_path / "compose.yml", health="/")
    assert found.problems == []
    assert found.needed.secret_files == {
        "db_password.txt": {"content": "{{ vault_db_password }}", "owner": 70},
        "nested": {"content": "{{ vault_nested }}", "owner": 70},
        "whole": {"content": "{{ vault_whole }}", "owner": 70},
    }
    assert found.needed.override["secrets"].keys() == {"nested", "whole"}
    assert rows(found, "given")["secrets.db_password"] == "the vault gives it, as a file that only its owner may read"
    assert found.needed.stack["env"] == {"web": {"LEVEL": "1", "SHARED": "2"}}
    assert found.needed.secrets == {"web": {"API_TOKEN": "{{ vault_api_token }}"}}
    assert found.needed.override["services"]["web"]["env_file"] == Override(["env/web.env", "secrets/web.env"])
    assert CANARY not in "\n".join(inspection.said(found))


def test_compose_itself_is_asked_as_a_deploy_asks_it_when_nothing_else_is_wrong(tmp_path: Path) -> None:
    """Names that nothing defines are Compose's matter, and a deploy would refuse them."""
    asked: list[tuple[Any, ...]] = []

    def ask(*given: Any) -> list[str]:
        asked.append(given)
        return ["compose.yml, compose.deploy.yml: docker compose refuses what they say together: undefined network gone"]

    web = "{image: 'a:1', restart: always, ports: ['80:80'], networks: [gone], environment: {API_KEY: canary-5e1f}}"
    (tmp_path / "compose.yml").write_text(f"services: {{web: {web}}}")
    found = Inspection(tmp_path / "compose.yml", health="/", ask=ask)
    said = {"compose.yml, compose.deploy.yml": "docker compose refuses what they say together: undefined network gone"}
    assert rows(found, "yours") == said
    stack, release, environment, files, secrets, variables = asked.pop()
    assert stack["compose_files"] == ["compose.yml", "compose.deploy.yml"]
    assert (release, environment, {*files}) == ("1.0.0", "deploy", {"compose.yml", "compose.deploy.yml"})
    assert (secrets["web"].keys(), variables) == ({"API_KEY"}, {})
    (tmp_path / "compose.yml").write_text("services: {web: {image: 'a:1', pre_stop: [{command: x}]}}")
    assert "services.web.pre_stop" in rows(Inspection(tmp_path / "compose.yml", ask=ask), "yours")
    assert asked == []


@pytest.mark.parametrize(
    "given",
    [
        "{spring.datasource.url: 'jdbc:x', spring.datasource.password: canary-5e1f, API_KEY: canary-5e1f2}",
        "['spring.datasource.url=jdbc:x', spring.datasource.password=canary-5e1f, API_KEY=canary-5e1f2]",
    ],
)
def test_a_secret_whose_name_no_env_file_takes_is_a_variable_of_the_compose_file(tmp_path: Path, given: str) -> None:
    text = f"services: {{web: {{image: 'a:1', restart: always, ports: ['80:80'], environment: {given}}}}}"
    (tmp_path / "compose.yml").write_text(text)
    found = Inspection(tmp_path / "compose.yml", health="/")
    assert found.problems == []
    assert found.needed.secrets == {"web": {"API_KEY": "{{ vault_web_api_key }}"}}
    assert found.needed.variables == {"WEB_SPRING_DATASOURCE_PASSWORD": "{{ vault_web_spring_datasource_password }}"}
    assert "spring.datasource.password: ${WEB_SPRING_DATASOURCE_PASSWORD}" in found.override
    assert CANARY not in "\n".join(inspection.said(found))


@pytest.mark.parametrize("condition", ["none", "on-failure"])
def test_what_is_not_started_again_when_it_ends_well_may_be_a_job_however_that_is_said(tmp_path: Path, condition: str) -> None:
    text = f"services: {{seed: {{image: 'a:1', deploy: {{restart_policy: {{condition: {condition}}}}}}}}}"
    (tmp_path / "compose.yml").write_text(text)
    said = rows(Inspection(tmp_path / "compose.yml"), "yours").get("services.seed.restart", "")
    assert said.startswith("nobody waits for its end") == (condition == "none")


def test_a_secret_with_dollar_signs_that_stand_for_themselves_is_one(tmp_path: Path) -> None:
    """As the hash of a password is written."""
    text = "services: {web: {image: 'a:1', environment: {ADMIN_TOKEN: $$argon2id$$v=19$$canary-5e1f, OTHER_TOKEN: 'a${B:-}'}}}"
    (tmp_path / "compose.yml").write_text(text)
    assert Inspection(tmp_path / "compose.yml").needed.secrets == {"web": {"ADMIN_TOKEN": "{{ vault_web_admin_token }}"}}


@pytest.mark.parametrize("source", ["${DATA}/web", "${OTHER:-/srv/shop}/web"])
def test_a_directory_of_the_host_that_a_variable_names_is_exempted_like_any_other(tmp_path: Path, source: str) -> None:
    text = f"services: {{web: {{image: 'a:1', restart: always, ports: ['80:80'], volumes: ['{source}:/data']}}}}"
    (tmp_path / "compose.yml").write_text(text)
    (tmp_path / ".env").write_text("DATA=/srv/shop\n")
    found = Inspection(tmp_path / "compose.yml", health="/")
    assert found.problems == []
    assert found.needed.stack["hardening"] == {"exempt": {"web": ["volumes"]}}
    assert rows(found, "exempted")["services.web.volumes"].startswith('"/srv/shop/web" belongs to the host')


def copied(found: Inspection) -> list[str]:
    """Problems of a deploy whose person has copied all lines and filled in the vault."""
    (found.path.parent / found.override_name).write_text(found.override)
    lines = yaml.safe_load(found.inventory)
    assert lines["stack"] == found.needed.stack
    raw = {**found.raw(str(found.path.parent)), "stack": lines["stack"]}
    return StackConfig(raw, specifications.options("preflight")).problems


@pytest.mark.parametrize("given", ["[LEVEL=1]", "{LEVEL: 1, API_KEY: canary-5e1f7}", "[API_KEY=canary-5e1f7]", "[kept.here=0]"])
@pytest.mark.parametrize("file", [".env", "app.env"])
def test_variables_of_env_files_whose_names_no_env_file_of_a_deploy_takes_stand_in_the_compose_file(
    tmp_path: Path, file: str, given: str
) -> None:
    """As Compose takes them: with dots, dashes, brackets, or a digit before all else."""
    web = f"{{image: 'a:1', restart: always, ports: ['80:80'], env_file: {file}, environment: {given}}}"
    (tmp_path / "compose.yml").write_text(f"services: {{web: {web}}}")
    lines = ("my-key=2$$x", "spring.redis.password=canary-5e1f", "2FA=3", "a[0]=4", "kept.here=5", "PLAIN=6")
    (tmp_path / file).write_text("\n".join(lines))
    for _ in range(2):
        found = Inspection(tmp_path / "compose.yml", health="/")
        assert found.problems == copied(found) == []
    brought = {"my-key": "2$$x", "spring.redis.password": "${SPRING_REDIS_PASSWORD}", "2FA": "3", "a[0]": "4", "kept.here": "5"}
    if "kept" in given:
        del brought["kept.here"]
    environment = found.needed.override["services"]["web"]["environment"]
    assert {key: one for key, one in getattr(environment, "value", environment).items() if key in brought} == brought
    assert found.needed.variables == {"SPRING_REDIS_PASSWORD": "{{ vault_spring_redis_password }}"}
    assert found.needed.values["vault_spring_redis_password"] == CANARY
    assert "PLAIN: '6'" in found.inventory
    assert CANARY not in "\n".join(inspection.said(found))
    assert rows(found, "changed")["services.web.environment"].endswith("from the vault (stack_secret_variables)")
    assert ".env" not in rows(found, "accepted")


def test_names_that_are_one_in_the_vault_have_a_variable_each_where_their_values_differ(tmp_path: Path) -> None:
    text = """
        services:
          web: {image: "a:1", restart: always, env_file: both.env, environment: [my.name]}
          1st: {image: "a:1", restart: always, env_file: both.env}
    """
    (tmp_path / "compose.yml").write_text(text)
    (tmp_path / ".env").write_text("my.name=x\n")
    (tmp_path / "both.env").write_text("db.password=a1\ndb-password=b2\nDB_PASSWORD=c3\nstack.release=sk_live_51Habc\n")
    found = Inspection(tmp_path / "compose.yml")
    assert found.problems == copied(found) == []
    assert found.needed.values == {
        "vault_db_password": "c3",
        "vault_both_db_password": "a1",
        "vault_both_db_password_2": "b2",
        "vault_stack_release": "sk_live_51Habc",
    }
    assert found.needed.variables["APP_STACK_RELEASE"] == "{{ vault_stack_release }}"
    environment = found.needed.override["services"]["web"]["environment"]
    assert (environment["my.name"], environment["db.password"]) == ("x", "${BOTH_DB_PASSWORD}")


@pytest.mark.parametrize(
    ("lines", "wanted", "stand_in"),
    [
        ("ports: ['127.0.0.1:${X}:5432']", "a port, from 1 to 65535 (services.web.ports.0)", "18080"),
        ("ports: ['${X}:9000:80']", "an IP address, such as 127.0.0.1 (services.web.ports.0)", "127.0.0.1"),
        (
            "ports: [{host_ip: 127.0.0.1, published: '${X:?}', target: 5432}]",
            "a port, from 1 to 65535 (services.web.ports.0.pub",
            "18080",
        ),
        ("deploy: {replicas: '${X}'}", "a number (services.web.deploy.replicas)", "1"),
        ("mem_limit: '${X:?}'", "a size, such as 512m (services.web.mem_limit)", "512m"),
        ("mem_limit: '${X}m'", "a size, such as 512m (services.web.mem_limit)", "64"),
        ("healthcheck: {test: x, interval: $X}", "a time, such as 30s (services.web.healthcheck.interval)", "30s"),
        ("read_only: '${X}'", "true or false (services.web.read_only)", "true"),
        ("init: '${X}'", "true or false (services.web.init)", "false"),
        ("depends_on: {db: {condition: $X}}", "one of service_started, service_healthy, service_completed_s", "service_started"),
        ("user: '${X}:0'", "the number of a user or a group (services.web.user)", "1000"),
        ("volumes: ['${X}/web:/data']", "a directory of the hosts, such as /srv/data (services.web.volumes.0)", "/srv/change-me"),
        ("volumes: ['data:${X}']", "a path in the container, such as /data (services.web.volumes.0)", "/change-me"),
    ],
)
def test_a_variable_that_nobody_gives_is_left_to_a_person_in_words_of_what_its_place_takes(
    tmp_path: Path, lines: str, wanted: str, stand_in: str
) -> None:
    """And a look never fails on what stands there until then."""
    seen: list[Any] = []
    text = f"services: {{web: {{image: 'a:1', restart: always, {lines}}}}}\nvolumes: {{data: {{}}}}"
    (tmp_path / "compose.yml").write_text(text)

    def ask(stack: Any, *_: Any) -> list[str]:
        seen.append(stack["variables"])
        return []

    asked = Inspection(tmp_path / "compose.yml", ask=ask)
    assert asked.problems == []
    assert seen == [{"X": stand_in}]
    assert yaml.safe_load(asked.inventory)["stack"]["variables"] == {"X": "change-me"}
    said = rows(asked, "yours")["stack.variables.X"]
    assert said.startswith(f"nobody gives it; write {wanted}")
    assert said.endswith(", in the place of change-me")


@pytest.mark.parametrize(
    ("image", "wanted"),
    [("acme/db:${X}", "the tag of the image"), ("${X}/db:1", "the name of the image, or this part of it")],
)
def test_a_part_of_an_image_that_nobody_gives_is_asked_for_as_that(tmp_path: Path, image: str, wanted: str) -> None:
    (tmp_path / "compose.yml").write_text(f"services: {{db: {{image: '{image}'}}, web: {{image: 'b:1', ports: ['80:80']}}}}")
    found = Inspection(tmp_path / "compose.yml", health="/")
    said = f"nobody gives it; write {wanted} (services.db.image), in the place of change-me"
    assert (found.problems, rows(found, "yours")["stack.variables.X"]) == ([], said)


def test_a_variable_that_nobody_gives_is_a_persons_matter_wherever_it_stands(tmp_path: Path) -> None:
    text = "services: {web: {image: 'a:1', ports: ['${HTTP}:80'], environment: {A: '${TITLE}', B: '${LEVEL}'}, labels: {a: $X}}}"
    (tmp_path / "compose.yml").write_text(text)
    (tmp_path / ".env").write_text("X=1\n")
    found = Inspection(tmp_path / "compose.yml", health="/")
    said = "nobody gives TITLE, LEVEL: write their values in the place of change-me; a secret belongs into stack_secret_variables"
    assert rows(found, "yours")["stack.variables"] == said
    # The port is taken out of a service that is routed, and Compose reads it all the same.
    assert found.needed.stack["variables"] == {"HTTP": "18080", "TITLE": "change-me", "LEVEL": "change-me", "X": "1"}
    assert "X; see that the values" in "".join(row.said for row in found.needed.rows)
    assert any(row.said.startswith("HTTP: asked for only by what these lines take away") for row in found.needed.rows)


def test_what_compose_says_of_a_value_that_is_yet_to_come_is_said_and_is_no_problem_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text("services: {web: {image: 'a:1', cgroup: '${X}'}}")
    found = Inspection(tmp_path / "compose.yml", ask=lambda *_: ["compose.yml: docker compose refuses: change-me is no cgroup"])
    assert found.problems == []
    assert "until the variables that nobody gives are filled in: " in "\n".join(rows(found, "yours").values())


@pytest.mark.parametrize(
    "waits", ["[pg-main, cache]", "{pg-main: {condition: service_started}, cache: {condition: service_started}}"]
)
def test_what_a_program_of_composes_provides_is_left_out_and_a_person_makes_it(tmp_path: Path, waits: str) -> None:
    text = f"""
        services:
          web: {{image: "a:1", restart: always, ports: ["80:80"], depends_on: {waits}}}
          cache: {{image: "redis:7", restart: always}}
          pg-main: {{provider: {{type: aws, options: {{size: "${{SIZE}}"}}}}}}
    """
    (tmp_path / "compose.yml").write_text(text)
    found = Inspection(tmp_path / "compose.yml", health="/")
    assert found.problems == copied(found) == []
    assert rows(found, "yours").keys() == {"services.pg-main"}
    said = rows(found, "yours")["services.pg-main"]
    assert "(provider: aws), which no host runs, so these lines leave it out" in said
    assert "(PG_MAIN_...)" in said
    # Nobody reaches it, whoever says so.
    assert Inspection(tmp_path / "compose.yml", service="pg-main", port=80).needed.stack["services"] == []
    assert "pg-main: !reset []" in found.override
    kept = Override({"cache": {"condition": "service_started"}})
    assert found.needed.override["services"]["web"]["depends_on"] == kept
    assert "hardening" not in found.needed.stack


BUILT = """
services:
  web: &app
    build: &build {context: ., args: {A: "1"}}
    restart: always
    volumes: ["./src:/src"]
    ports: ["80:80"]
  worker.one: {<<: *app, ports: !reset [], command: one}
  worker-two: {<<: *app, ports: !reset [], command: two}
  other: {build: {context: ., target: other}, restart: "no"}
  last: {build: {context: ., target: last}, restart: "no"}
"""


def test_what_holds_for_several_services_is_one_row_that_names_them_and_one_build_is_one_image(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text("x")
    (tmp_path / "compose.yml").write_text(BUILT)
    found = Inspection(tmp_path / "compose.yml", health="/")
    found.needed.stack["jobs"] = {"other": {"hosts": "one"}, "last": {"hosts": "one"}}
    assert copied(found) == []
    images = {name: one["image"].partition("/")[2] for name, one in found.needed.override["services"].items()}
    assert images == {
        **dict.fromkeys(("web", "worker.one", "worker-two"), "web:${STACK_RELEASE:?}"),
        **{name: f"{name}:${{STACK_RELEASE:?}}" for name in ("other", "last")},
    }
    table = [line.split(None, 2) for line in inspection.said(found)]
    all_three = "services.web, services.worker.one, services.worker-two"
    for place, said in {
        "services.*.image": f"{all_three}, services.other, services.last: hosts build nothing; push it",
        "services.*.volumes": f"{all_three}: hosts have no checkout",
        "services.*.restart": "services.other, services.last: nobody waits for its end",
    }.items():
        [[_, _, row]] = [one for one in table if one[1:2] == [place]]
        assert row.startswith(said)
    [row] = [row.said for row in found.needed.rows if row.place == "services.last.restart"]
    assert row.endswith("write stack.jobs: {other: {hosts: one}, last: {hosts: one}}")
    assert inspection.said(found)[-2] == "1 left to you, see above."


def test_a_build_that_has_a_name_elsewhere_in_the_file_has_it_everywhere(tmp_path: Path) -> None:
    text = "services: {work: {build: ., restart: always}, web: {build: ., image: 'acme/web:latest', restart: always}}"
    (tmp_path / "compose.yml").write_text(text)
    images = {name: one["image"] for name, one in Inspection(tmp_path / "compose.yml").needed.override["services"].items()}
    assert images == dict.fromkeys(("work", "web"), "acme/web:${STACK_RELEASE:?}")


def test_where_no_service_comes_into_question_nobody_is_told_to_look_again_with_one(tmp_path: Path) -> None:
    text = """
        services:
          db: {image: "postgres:17", restart: always, volumes: ["db:/var/lib/postgresql/data"]}
          cache: {image: "redis:7", restart: always, ports: ["6379:6379"]}
        volumes: {db: {}}
    """
    (tmp_path / "compose.yml").write_text(text)
    found = Inspection(tmp_path / "compose.yml")
    assert found.problems == copied(found) == []
    assert "stack.services" not in rows(found, "yours")
    assert rows(found, "given")["stack.services"] == (
        "no service is one that users reach, so the edge routes none; if one is, look again with -e service=<its name> "
        "-e port=<where it listens>"
    )
    assert inspection.said(found)[-2] == "With these lines a deploy's checks accept it."


@pytest.mark.parametrize(
    ("lines", "key", "name", "variable", "instead"),
    [
        (
            "command: redis-server --requirepass canary-5e1f --save ''",
            "command",
            "--requirepass",
            "CACHE_REQUIREPASS",
            'command: ["sh", "-c", "exec redis-server --requirepass \\"$$CACHE_REQUIREPASS\\" --save \'\'"]',
        ),
        (
            "command: [run, '--api-key=canary-5e1f', '--title', 'a b']",
            "command",
            "--api-key",
            "CACHE_API_KEY",
            'command: ["sh", "-c", "exec run --api-key=\\"$$CACHE_API_KEY\\" --title \'a b\'"]',
        ),
        (
            "entrypoint: [sh, -c, 'DB_PASSWORD=canary-5e1f run']",
            "entrypoint",
            "DB_PASSWORD",
            "CACHE_DB_PASSWORD",
            '"$$CACHE_DB_PASSWORD"',
        ),
        (
            "command: work redis://:canary-5e1f@cache/0",
            "command",
            "redis://",
            "CACHE_REDIS_PASSWORD",
            'command: ["sh", "-c", "exec work redis://:\\"$$CACHE_REDIS_PASSWORD\\"@cache/0"]',
        ),
        (
            "healthcheck: {test: [CMD, redis-cli, -a, canary-5e1f, ping]}",
            "healthcheck.test",
            "-a",
            "CACHE_PASSWORD",
            'test: ["CMD-SHELL", "redis-cli -a \\"$$CACHE_PASSWORD\\" ping"]',
        ),
        (
            "{environment: {PASSWORD: canary-5e1f}, command: run --password canary-5e1f}",
            "command",
            "--password",
            "PASSWORD",
            'command: ["sh", "-c", "exec run --password \\"$$PASSWORD\\""]',
        ),
    ],
)
def test_a_secret_that_is_written_out_in_what_a_service_runs_is_said_with_how_the_vault_brings_it(
    tmp_path: Path, lines: str, key: str, name: str, variable: str, instead: str
) -> None:
    service = {"image": "a:1", "restart": "always", **yaml.safe_load(lines)}
    (tmp_path / "compose.yml").write_text(yaml.safe_dump({"services": {"cache": service}}))
    found = Inspection(tmp_path / "compose.yml")
    assert found.problems == copied(found) == []
    said = rows(found, "yours")[f"services.cache.{key}"]
    assert said.startswith(
        f"a secret is written out ({name}), and everybody on the hosts can read it; the vault gives it as {variable}"
    )
    assert f"so write {instead} instead" in said
    assert CANARY not in "\n".join(inspection.said(found))
    assert found.needed.secrets["cache"].keys() == {variable}
    # As it says.
    element, _, line = key.partition(".")
    written = yaml.safe_load(instead) if ": " in instead else {"entrypoint": ["sh", "-c", f"DB_PASSWORD={instead} run"]}
    service |= {element: written} if line else written
    (tmp_path / "compose.yml").write_text(yaml.safe_dump({"services": {"cache": service}}))
    again = Inspection(tmp_path / "compose.yml")
    assert again.problems == copied(again) == []
    assert f"services.cache.{key}" not in rows(again, "yours")


@pytest.mark.parametrize(
    "command",
    [
        "serve --tokenizer mistral --max-tokens 4096",
        "serve --password-file /run/secrets/x --secret /run/secrets/y",
        "serve --token $$TOKEN --password ${GIVEN:-} redis://user:${GIVEN:-}@cache",
        "serve --bypass yes --token --verbose --private-key server.pem",
        ["mysqld", "--port=3306", "--skip-password"],
        "mysqld -P 3306",
    ],
)
def test_what_is_no_secret_in_a_command_is_left_alone(tmp_path: Path, command: Any) -> None:
    service = {"image": "a:1", "restart": "always", "command": command}
    (tmp_path / "compose.yml").write_text(yaml.safe_dump({"services": {"web": service}}))
    found = Inspection(tmp_path / "compose.yml")
    assert (found.needed.secrets, "services.web.command" in rows(found, "yours")) == ({}, False)


def test_the_inventory_admits_nothing_that_nobody_has_said(tmp_path: Path) -> None:
    text = """
        services: {web: {image: "a:1", restart: always, cap_add: [$CAP], logging: {driver: $LOGS}, volumes: ["${DATA}:/data"]}}
    """
    (tmp_path / "compose.yml").write_text(text)
    found = Inspection(tmp_path / "compose.yml")
    assert found.problems == []
    assert found.needed.stack["hardening"] == {"exempt": {"web": ["volumes"]}}
    until = "until the variables that nobody gives are filled in: "
    assert {place for place, said in rows(found, "yours").items() if said.startswith(until)} == {
        "services.web.cap_add",
        "services.web.logging",
    }


@pytest.mark.parametrize("wanted", ["abc", "-1", "1.5", "${N}"])
def test_a_number_of_replicas_that_is_none_is_said_and_ends_no_look(tmp_path: Path, wanted: str) -> None:
    (tmp_path / ".env").write_text("N=many\n")
    service = {"image": "a:1", "restart": "always", "deploy": {"replicas": wanted}}
    (tmp_path / "compose.yml").write_text(yaml.safe_dump({"services": {"web": service}}))
    found = Inspection(tmp_path / "compose.yml")
    seen = "many" if wanted == "${N}" else wanted
    said = f'"{seen}" is no number of replicas; write a whole number, 0 or more'
    assert [problem.partition(": services.")[2] for problem in found.problems] == [f"web.deploy.replicas: {said}"]
    assert rows(found, "yours")["services.web.deploy.replicas"] == said


def test_a_routed_service_is_told_how_its_gate_knows_the_release(tmp_path: Path) -> None:
    for ports, known in (["8000:8000"], True), ([], False):
        (tmp_path / "compose.yml").write_text(yaml.safe_dump({"services": {"web": {"image": "a:1", "ports": ports}}}))
        assert ("health.version" in rows(Inspection(tmp_path / "compose.yml"), "given").get("stack.services", "")) == known
