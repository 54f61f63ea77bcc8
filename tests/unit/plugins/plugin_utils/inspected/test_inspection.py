"""A first look at Compose files in the shapes of public applications: its lines are copied, and checked as a deploy does."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import known_images, specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.check import StackConfig
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import inspection, written
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.inspection import Inspection
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import OFF
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.tagged import Reset
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment import next_steps
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.asked import Asked
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.project import NewEnvironment

from tests.strangers import FILES, copied

ROOT = Path(__file__).parents[5]
OPTIONS = specifications.options("preflight")


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return copied(str(request.param), tmp_path)


def of(name: str, **options: Any) -> Inspection:
    return Inspection(FILES[name], **options)


def rows(found: Inspection, how: str) -> dict[str, str]:
    return {row.place: row.said for row in found.needed.rows if row.how == how}


def filled(lines: dict[str, Any]) -> dict[str, Any]:
    """With something in the place of what the vault holds."""
    return {
        name: {
            key: dict.fromkeys(one, "a-value-of-the-vault") if isinstance(one, dict) else "a-value" for key, one in part.items()
        }
        for name, part in lines.items()
        if name.startswith("stack_secret")
    }


@pytest.mark.parametrize("project", FILES, indirect=True)
def test_the_lines_are_accepted_as_they_are_copied(project: Path) -> None:
    found = Inspection(project, "staging", site="shop.example")
    assert found.problems == []
    if found.needed.override:
        (project.parent / found.override_name).write_text(found.override)
    lines = yaml.safe_load(found.inventory)
    given = {"stack_environment": "staging", "stack_release": "1.0.0", "stack_source": str(project.parent)}
    checked = StackConfig({**given, "preflight_environments": ["staging"], "stack": lines["stack"], **filled(lines)}, OPTIONS)
    assert checked.problems == []
    assert checked.config["services"]


@pytest.mark.parametrize("project", ["ballots", "shop-api", "letters"], indirect=True)
def test_without_the_lines_a_deploy_refuses_it(project: Path) -> None:
    """Or a look would be of no use."""
    found = Inspection(project)
    stack = {**found.needed.stack, "compose_files": [project.name], "hardening": {}}
    raw = {**found.raw(str(project.parent)), "stack": stack}
    assert StackConfig(raw, OPTIONS).problems != []


def test_services_that_publish_a_port_are_routed_and_databases_are_not() -> None:
    services = {one["name"]: one for one in of("ballots", site="vote.example").needed.stack["services"]}
    assert {name: (one["port"], one["routes"]) for name, one in services.items()} == {
        "ballot": (80, [{"host": "vote.example"}]),
        "tally": (80, [{"host": "tally.vote.example"}]),
    }
    assert rows(of("ballots"), "yours") == {
        "services.tally": "which path answers 200 when it is well? / is assumed (health.path in stack.services)"
    }


PROXIED = """
services:
  web:
    image: shop/web:1.0
    restart: always
    labels: ["traefik.http.services.web.loadbalancer.server.port=8080"]
  proxy:
    image: traefik:3.6
    ports: ["80:80", "443:443"]
    volumes: ["/var/run/docker.sock:/var/run/docker.sock:ro", "certificates:/certificates"]
volumes:
  certificates:
"""


def test_the_proxy_that_is_replaced_does_not_run_and_a_label_for_it_says_the_port(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(PROXIED)
    found = Inspection(tmp_path / "compose.yml", site="shop.example", health="/")
    assert [(one["name"], one["port"]) for one in found.needed.stack["services"]] == [("web", 8080)]
    assert found.needed.override["services"]["proxy"]["profiles"] == [OFF]
    assert "the edge routes requests" in rows(found, "changed")["services.proxy.profiles"]
    assert found.problems == []


@pytest.mark.parametrize(("site", "domain"), [("shop.example", "shop.example"), ("", "localhost")])
def test_labels_for_a_proxy_say_whose_requests_come_and_which_network_is_its_own(site: str, domain: str) -> None:
    found = of("shop-api", site=site)
    assert {one["name"]: (one["port"], one["routes"]) for one in found.needed.stack["services"]} == {
        "adminer": (8080, [{"host": f"adminer.{domain}"}]),
        "api": (8000, [{"host": f"api.{domain}"}]),
        "front": (80, [{"host": f"dashboard.{domain}"}]),
    }
    assert found.needed.stack["variables"]["DOMAIN"] == domain
    assert found.needed.override["networks"] == {"proxied": {"external": False}}
    assert "hardening" not in found.needed.stack


@pytest.mark.parametrize(
    "rule", ["Host(`a.example`) && Method(`GET`)", "!Host(`a.example`)", "HostRegexp(`.+`)", "Host(`$${X}`)", "Host(`a.example`"]
)
def test_a_rule_that_says_more_than_hosts_and_paths_is_no_route(tmp_path: Path, rule: str) -> None:
    text = PROXIED.replace("labels: [", f'labels: ["traefik.http.routers.web.rule={rule}", ')
    (tmp_path / "compose.yml").write_text(text)
    [one] = Inspection(tmp_path / "compose.yml", site="shop.example").needed.stack["services"]
    assert one["routes"] == [{"host": "shop.example"}]


def test_the_network_of_a_proxy_is_not_the_stacks_by_its_name_either(tmp_path: Path) -> None:
    text = PROXIED.replace("labels: [", 'networks: [web]\n    labels: ["traefik.docker.network=shared", ')
    (tmp_path / "compose.yml").write_text(text + "networks: {web: {external: true, name: shared}}\n")
    found = Inspection(tmp_path / "compose.yml", health="/")
    assert found.needed.override["networks"] == {"web": {"external": False, "name": Reset()}}
    assert (found.problems, "hardening" in found.needed.stack) == ([], False)


def test_an_external_network_that_is_not_the_proxys_is_exempted_and_stays(tmp_path: Path) -> None:
    text = PROXIED.replace("    labels", "    networks: [others]\n    labels") + "networks: {others: {external: true}}\n"
    (tmp_path / "compose.yml").write_text(text)
    found = Inspection(tmp_path / "compose.yml")
    assert found.needed.stack["hardening"] == {"exempt": {"web": ["networks"]}}
    assert "networks" not in found.needed.override


def test_an_image_that_is_built_has_the_release_as_its_tag_and_that_of_somebody_else_is_a_persons() -> None:
    found = of("shop-api")
    override = found.needed.override["services"]
    assert override["api"]["image"] == "${API_IMAGE?not given}:${STACK_RELEASE:?}"
    assert override["adminer"]["image"] == "adminer:VERSION"
    assert (
        rows(found, "yours")["services.adminer.image"]
        == '"adminer" does not say which version runs; write it in the place of VERSION'
    )


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("tag", ["${FEED_VERSION:-1.0.0}", "${FEED_VERSION}", "$FEED_VERSION"])
def test_a_variable_that_is_the_tag_of_ones_own_image_gives_way_to_the_release(tmp_path: Path, tag: str, built: bool) -> None:
    image = {"image": f"feed/app:{tag}", "restart": "always"}
    web = {**image, "ports": ["3000:3000"], **({"build": "."} if built else {})}
    database = {"image": "postgres:${PG_VERSION:-17}", "restart": "always", "volumes": ["data:/var/lib/postgresql/data"]}
    services = {"web": web, "worker": image, "db": database}
    (tmp_path / ".env").write_text("FEED_VERSION=1.0.0\n")
    (tmp_path / "compose.yml").write_text(yaml.safe_dump({"services": services, "volumes": {"data": {}}}))
    found = Inspection(tmp_path / "compose.yml", health="/")
    override = found.needed.override["services"]
    assert {name: override[name].get("image") for name in services if name in override} == {
        "web": "feed/app:${STACK_RELEASE:?}",
        "worker": "feed/app:${STACK_RELEASE:?}",
        "db": None,
    }
    assert "in the place of" in rows(found, "changed")["services.worker.image"]
    assert found.problems == []


def tags_of(tmp_path: Path, reached: Sequence[str] = ("web",), **images: str) -> tuple[dict[str, str | None], str]:
    """Service -> its image in the override, and the release of the first deploy; ``reached``: by users."""
    services: dict[str, Any] = {name: {"image": image, "restart": "always"} for name, image in images.items()}
    for name in reached:
        services[name]["ports"] = ["8080:8080"]
    (tmp_path / "compose.yml").write_text(yaml.safe_dump({"services": services}))
    found = Inspection(tmp_path / "compose.yml", health="/")
    override = found.needed.override["services"]
    return {name: override.get(name, {}).get("image") for name in services}, found.needed.release


def test_a_version_that_is_written_out_of_ones_own_image_gives_way_to_the_release(tmp_path: Path) -> None:
    images = {"web": "shop/web:2.3.1", "worker": "shop/web:2.3.1", "cache": "valkey:8.1", "mail": "axllent/mailpit:v1.27"}
    own = "shop/web:${STACK_RELEASE:?}"
    assert tags_of(tmp_path, **images) == ({"web": own, "worker": own, "cache": None, "mail": None}, "2.3.1")


def test_beside_a_release_an_image_that_is_named_by_content_stays_as_it_is(tmp_path: Path) -> None:
    images = {"web": "shop/web:2.3.1", "admin": f"shop/admin:2.3.1@sha256:{'0' * 64}"}
    assert tags_of(tmp_path, ("web", "admin"), **images) == ({"web": "shop/web:${STACK_RELEASE:?}", "admin": None}, "2.3.1")


@pytest.mark.parametrize("web", ["nginx:1.27", f"shop/web:1.0.0@sha256:{'0' * 64}"])
def test_a_version_that_is_written_out_stays_where_it_is_no_release(tmp_path: Path, web: str) -> None:
    assert tags_of(tmp_path, web=web) == ({"web": None}, "")


def test_versions_that_differ_are_no_release_and_stay(tmp_path: Path) -> None:
    assert tags_of(tmp_path, ["web", "api"], web="shop/web:2.0", api="shop/api:3.0") == ({"web": None, "api": None}, "")


def test_a_service_that_has_a_port_of_the_host_is_said_to_be_interrupted(tmp_path: Path) -> None:
    front = {"image": "x:1", "restart": "always", "ports": ["127.0.0.1:4000:80"]}
    (tmp_path / "compose.yml").write_text(yaml.safe_dump({"services": {"front": front, "web": {**front, "ports": ["80:80"]}}}))
    found = Inspection(tmp_path / "compose.yml", service="web", port=80, health="/")
    assert rows(found, "given")["services.front"].endswith("because its only replica has the host port 4000")


def test_a_volume_below_the_one_that_an_image_declares_leaves_nothing_to_be_lost() -> None:
    database = of("shop-api").needed.override["services"]["db"]
    assert database["tmpfs"] == ["/tmp", "/var/run/postgresql", "/var/lib/postgresql/data"]
    assert "volumes" not in database


def test_variables_that_nobody_gives_are_named(tmp_path: Path) -> None:
    path = copied("shop-api", tmp_path)
    (path.parent / ".env").unlink()
    found = Inspection(path)
    assert found.needed.stack["variables"]["POSTGRES_DB"] == "change-me"
    assert found.needed.variables.keys() >= {"SECRET_KEY", "POSTGRES_PASSWORD"}
    # One with a default is fine.
    assert "SENTRY_DSN" not in found.inventory


def test_services_that_read_the_teams_env_file_whole_are_given_all_variables_of_a_deploy() -> None:
    found = of("shop-api")
    override = found.needed.override["services"]
    for name in ("api", "prestart"):
        assert override[name]["env_file"].value == ["env/variables.env", "secrets/variables.env"]
    # Asked for by no line of the Compose file, but by whoever reads all.
    assert found.needed.stack["variables"]["SMTP_PORT"] == "587"
    # Its image reads nothing of that file which does not stand under environment.
    assert override["db"]["env_file"] == Reset()
    assert (found.needed.secrets, found.needed.stack.get("env")) == ({}, None)
    # Who gives it a value later must not write it where everybody reads.
    assert "SMTP_PASSWORD" not in found.needed.stack["variables"]
    names = ["SECRET_KEY", "FIRST_USER_PASSWORD", "POSTGRES_PASSWORD", "SENTRY_DSN", "SMTP_PASSWORD"]
    assert sorted(found.needed.variables) == sorted(names)
    assert any("SMTP_PASSWORD (by its name; empty now)" in row.said for row in found.needed.rows)


def test_secrets_go_into_the_vault_and_one_value_under_one_name() -> None:
    found = of("letters")
    assert found.needed.secrets == {
        "app": {"LETTERS_db__password": "{{ vault_app_letters_db_password }}"},
        "db": {"POSTGRES_PASSWORD": "{{ vault_app_letters_db_password }}"},
    }
    assert found.vault_names == ["vault_app_letters_db_password"]
    assert "secrets/db.env" in found.override
    whole = "\n".join(inspection.said(of("ballots"))) + "\n".join(inspection.said(of("shop-api")))
    assert "ballots-password" not in whole
    assert "changethis" not in whole


def test_services_that_read_one_env_file_have_its_secrets_under_one_name(tmp_path: Path) -> None:
    for name, text in {"both.env": "API_KEY=abc\nDB_PASSWORD=one-1", "other.env": "DB_PASSWORD=two-2\nSMTP_PASSWORD="}.items():
        (tmp_path / name).write_text(text)
    files = {"a": ["both.env"], "b": ["both.env"], "c": ["./other.env"]}
    services = {name: {"image": "x:1", "restart": "always", "env_file": listed} for name, listed in files.items()}
    (tmp_path / "compose.yml").write_text(yaml.safe_dump({"services": services}))
    shared = {"API_KEY": "{{ vault_api_key }}", "DB_PASSWORD": "{{ vault_db_password }}"}
    found = Inspection(tmp_path / "compose.yml")
    own = {"DB_PASSWORD": "{{ vault_c_db_password }}", "SMTP_PASSWORD": "{{ vault_smtp_password }}"}
    assert found.needed.secrets == {"both": shared, "c": own}
    assert "env" not in found.needed.stack, "what is empty is filled in where it stands"
    assert found.problems == []


@pytest.mark.parametrize("mount", ["./certs:/certs:ro", "./certs/site.pem:/site.pem"])
def test_a_private_key_is_shipped_by_no_release(tmp_path: Path, mount: str) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "site.pem").write_text("-----BEGIN EC PRIVATE KEY-----\nMHc=\n")
    (tmp_path / "proxy.conf").write_text("listen 80")
    web = {"image": "x:1", "restart": "always", "volumes": [mount, "./proxy.conf:/proxy.conf:ro"], "ports": ["80:80"]}
    (tmp_path / "compose.yml").write_text(yaml.safe_dump({"services": {"web": web}}))
    found = Inspection(tmp_path / "compose.yml", health="/")
    assert found.needed.stack["files"] == ["proxy.conf"]
    assert "volumes: !override ['./proxy.conf:/proxy.conf:ro']" in found.override
    assert rows(found, "yours") == {
        "services.web.volumes": f"{mount.partition(':')[0]} holds a private key, which no release ships; mount it as a file "
        "secret (stack_secret_files, docs/security.md)"
    }
    assert found.problems == []


def test_data_that_only_the_service_may_read_are_no_matter_of_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / ".env").write_text("A=1")
    database = {"image": "x:1", "restart": "always", "volumes": ["./data:/var/lib/x"], "env_file": ".env"}
    (tmp_path / "compose.yml").write_text(yaml.safe_dump({"services": {"db": database}}))
    inside, read = Path.iterdir, Path.read_bytes

    def refused(path: Path) -> Iterator[Path]:
        if path == tmp_path / "data":
            raise PermissionError(13, "Permission denied", str(path))
        return inside(path)

    def unreadable(path: Path) -> bytes:
        if path == tmp_path / ".env":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "iterdir", refused)
    monkeypatch.setattr(Path, "read_bytes", unreadable)
    found = Inspection(tmp_path / "compose.yml")
    assert found.needed.stack.get("files") is None
    assert found.services == ["db"]


def test_what_a_service_keeps_is_said() -> None:
    assert "interrupts it" in "".join(row.said for row in of("letters").needed.rows)
    assert of("ballots").needed.stack["files"] == ["healthchecks"]
    # Sources that a build has put into the image are mounted on no host.
    assert "services.ballot.volumes" in rows(of("ballots"), "changed")


ASKS = """
services:
  agent:
    image: shop/agent:1.0
    restart: always
    privileged: true
    pid: host
    volumes: ["/var/run/docker.sock:/var/run/docker.sock", "/srv/x:/x"]
  web:
    image: shop/web:1.0
    restart: always
    ports: ["80:8000"]
"""


def test_what_a_service_asks_of_its_host_is_exempted_in_the_words_of_the_checks(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(ASKS)
    found = Inspection(tmp_path / "compose.yml")
    assert found.problems == []
    assert found.needed.stack["hardening"] == {
        "privileged": ["agent"],
        "exempt": {"agent": ["pid", "volumes"]},
        "docker_socket": ["agent"],
    }
    assert rows(found, "exempted").keys() == {f"services.agent.{key}" for key in ("privileged", "pid", "volumes")}


def test_what_is_exempted_is_said_to_be_admitted_by_the_lines_with_what_to_write_to_be_without(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(ASKS)
    found = Inspection(tmp_path / "compose.yml", health="/")
    said = rows(found, "exempted")
    assert said["services.agent.pid"] == (
        "host shares the host's processes with the service; stack.hardening below admits it (pid). To be without it: "
        "write pid: !reset null for the service in compose.deploy.yml, and take pid out of there"
    )
    assert said["services.agent.privileged"].endswith(
        "below admits it (privileged). To be without it: name the capabilities that it needs in cap_add instead, and take the "
        "service out of hardening.privileged"
    )
    assert not any("if you can" in one for one in said.values())
    # As it says.
    agent = "services:\n  agent:\n    pid: !reset null\n"
    (tmp_path / found.override_name).write_text(found.override.replace("services:\n", agent, 1))
    hardening = {**found.needed.stack["hardening"], "exempt": {"agent": ["volumes"]}}
    raw = {**found.raw(str(tmp_path)), "stack": {**found.needed.stack, "hardening": hardening}}
    assert StackConfig(raw, OPTIONS).problems == []


def test_a_file_that_needs_nothing_says_so() -> None:
    found = of("plain")
    assert (found.needed.override, rows(found, "yours")) == ({}, {})
    assert inspection.said(found)[-2] == "With these lines a deploy's checks accept it."


def test_what_the_checks_still_refuse_is_left_to_a_person(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(
        "services: {web: {image: 'a:1', restart: always, pre_stop: [{command: x}], ports: ['80:80']}}"
    )
    found = Inspection(tmp_path / "compose.yml")
    assert len(found.problems) == 1
    assert "replicas are drained" in rows(found, "yours")["services.web.pre_stop"]
    assert inspection.said(found)[-2] == "2 left to you, see above."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services: {a: {image: x:1}}", 'service: "b" is not a service of {}; it has a'),
        ("a: {}", "{}: has no services"),
        ("web: {image: 'a:1'}", "{}: has no services; they stand below the key services"),
        ("services: {web: 'a:1'}", "{}: services.web: must be a mapping"),
        ("[", "compose.yml: is not YAML"),
    ],
)
def test_what_is_no_compose_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "compose.yml"
    path.write_text(text)
    with pytest.raises(DeployError) as caught:
        Inspection(path, service="b" if "image" in text else "")
    assert str(caught.value).startswith(said.format(path))


def test_a_file_that_is_no_text_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "compose.yml"
    path.write_bytes("services: {}".encode("utf-16"))
    with pytest.raises(DeployError, match=r"compose\.yml cannot be read \(it is no UTF-8; save it as that\)\Z"):
        Inspection(path)
    with pytest.raises(DeployError, match=r"cannot be read \(Is a directory\)\Z"):
        Inspection(tmp_path)


@pytest.mark.parametrize(("name", "project"), [("${NAME:-shop}", "shop"), ("${COMPOSE_NAME}-x", "mine-x")])
def test_a_projects_name_is_read_with_its_variables(tmp_path: Path, name: str, project: str) -> None:
    path = tmp_path / "compose.yml"
    path.write_text(f"name: {name}\nservices: {{web: {{image: 'a:1'}}}}")
    (tmp_path / ".env").write_text("COMPOSE_NAME=mine\n")
    assert Inspection(path).needed.stack["name"] == project


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="does not exist; name the Compose file, for example -e compose="):
        Inspection(tmp_path / "compose.yml")


def made(root: Path, project: Path, *, name: str = "staging") -> NewEnvironment:
    asked = Asked(name=name, hosts=["10.0.0.1"], site="shop.example", compose=str(project))
    found = Inspection(project, name, site="shop.example")
    return written.environment(root, asked, found, lambda path: None, lambda text, *unused: f"$ANSIBLE_VAULT\n{text}", {})


@pytest.mark.parametrize("project", FILES, indirect=True)
def test_an_environment_is_written_whose_checks_accept_it(tmp_path: Path, project: Path) -> None:
    root = tmp_path / "deploy"
    root.mkdir()
    environment = made(root, project)
    environment.write()
    text = (root / "inventories/staging/group_vars/all/stack.yml").read_text()
    assert text.count("\nstack:\n") == 1
    assert environment.open_ends() == []
    lines = yaml.safe_load(text)
    source = lines["stack_source"].replace("{{ inventory_dir }}", str(root / "inventories/staging"))
    given = {"stack_environment": lines["stack_environment"], "stack_release": "1.0.0", "stack_source": source}
    options = {**given, "preflight_environments": lines["preflight_environments"], "stack": lines["stack"]}
    assert StackConfig({**options, **filled(lines)}, OPTIONS).problems == []
    assert lines["stack_fingerprints"]
    assert "10.0.0.1" in (root / "inventories/staging/hosts.yml").read_text()


class Tagged(str):
    """As Ansible hands a text on: it knows where it comes from."""


def test_what_ansible_hands_on_is_written_as_text(tmp_path: Path) -> None:
    found = of("plain", site=Tagged("shop.example"), health=Tagged("/well"))
    assert yaml.safe_load(found.inventory)["stack"]["services"][0]["routes"] == [{"host": "shop.example"}]


def test_what_comes_next_names_the_release_and_what_the_vault_must_hold(tmp_path: Path) -> None:
    web = {"image": "shop/web:2.3.1", "ports": ["8080:8080"], "environment": {"KEY": "${API_KEY:?}"}}
    (tmp_path / "compose.yml").write_text(yaml.safe_dump({"services": {"web": web}}))
    said = "\n".join(next_steps.said(made(tmp_path, tmp_path / "compose.yml")))
    assert "-e stack_release=2.3.1" in said
    assert "# a line each: vault_api_key: <value>\n" in said


def test_a_look_after_an_environment_was_written_without_one_says_how_its_lines_come_in(tmp_path: Path) -> None:
    project = copied("ballots", tmp_path)
    asked = Asked(name="staging", compose=str(project))
    NewEnvironment(tmp_path, asked, lambda path: None, lambda text, *unused: f"$ANSIBLE_VAULT\n{text}", {}).write()
    there = "inventories/staging/group_vars/all/stack.yml"
    (tmp_path / "inventories/staging/hosts.yml").unlink()
    with pytest.raises(DeployError, match=rf"which it shows without -e write, or, .* remove it \(rm {there}\)"):
        made(tmp_path, project)
    (tmp_path / there).unlink()
    made(tmp_path, project).write()
    assert "compose.staging.yml" in (tmp_path / there).read_text()


def test_a_second_look_writes_nothing_over_what_is_there(tmp_path: Path) -> None:
    project, root = copied("ballots", tmp_path), tmp_path
    made(root, project).write()
    override = tmp_path / "ballots" / "compose.staging.yml"
    override.write_text("services: {}\n")
    again = made(root, project)
    assert again.files == []
    assert os.path.relpath(override, root) in again.left
    assert override.read_text() == "services: {}\n"
    stack = root / "inventories/staging/group_vars/all/stack.yml"
    stack.write_text(stack.read_text().replace("stack:\n", "stack:\n  drain_seconds: 5\n", 1))
    with pytest.raises(DeployError, match="is there already and stays as it is"):
        made(root, project)


@pytest.mark.parametrize("write", ["/etc/x", "elsewhere/staging", "inventories/", "../inventories/x"])
def test_an_environment_is_written_below_inventories_only(write: str) -> None:
    with pytest.raises(DeployError, match=r"must be inventories/<name> in the current directory"):
        written.name_of(write)
    assert written.name_of("inventories/staging/") == "staging"


def test_the_documentation_has_the_table_of_images() -> None:
    assert "\n".join(known_images.table()) in (ROOT / "docs" / "hardening.md").read_text()


@pytest.mark.parametrize("image", ["postgres:17", "docker.io/library/postgres:9.6-alpine", "ghcr.io/x/postgres:1@sha256:1"])
def test_an_image_is_known_by_the_last_part_of_its_name(image: str) -> None:
    assert known_images.needs(image) is known_images.IMAGES["postgres"]
    assert known_images.needs("shop/postgres-backup:1") is None


@pytest.mark.parametrize(
    ("image", "data"),
    [
        ("postgres:17.5-alpine", "/var/lib/postgresql/data"),
        ("postgis/postgis:17-3.5", "/var/lib/postgresql/data"),
        ("pgvector/pgvector:0.8.0-pg17", "/var/lib/postgresql/data"),
        ("postgres:18", "/var/lib/postgresql"),
        ("postgres", "/var/lib/postgresql"),
        ("postgres:alpine", "/var/lib/postgresql"),
        ("postgis/postgis:18-3.6", "/var/lib/postgresql"),
        ("pgvector/pgvector:pg18", "/var/lib/postgresql"),
        ("redis:8", "/data"),
    ],
)
def test_where_postgres_keeps_its_data_depends_on_its_version(image: str, data: str) -> None:
    found = known_images.needs(image)
    assert found
    assert found.data == data


@pytest.mark.parametrize("image", ["postgres:17", "postgres:18"])
def test_a_database_without_a_volume_is_given_one_where_it_writes(tmp_path: Path, image: str) -> None:
    (tmp_path / "compose.yml").write_text(f"services: {{db: {{image: '{image}', restart: always}}}}")
    found = Inspection(tmp_path / "compose.yml", health="/")
    asked = known_images.needs(image)
    assert asked
    assert f":{asked.data}'" in f"{found.needed.override['services']['db']}"


def test_a_secret_that_has_its_value_from_a_variable_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DB=canary-1\n")
    web = {"image": "x:1", "restart": "always", "ports": ["80:80"], "secrets": ["db", "token"]}
    declared = {"db": {"environment": "DB"}, "token": {"environment": "TOKEN"}, "unread": {"environment": "OTHER"}}
    (tmp_path / "compose.yml").write_text(yaml.safe_dump({"services": {"web": web}, "secrets": declared}))
    found = Inspection(tmp_path / "compose.yml", "staging", site="shop.example")
    assert found.problems == []
    assert found.needed.variables == {"DB": "{{ vault_db }}", "TOKEN": "{{ vault_token }}"}
    assert (found.needed.secret_files, found.needed.stack.get("variables")) == ({}, None)
    assert "secrets" not in found.needed.override
    said = rows(found, "accepted")
    assert said["secrets.db"] == "$DB gives it, as a file that web reads"
    assert "DB (as secrets.db), TOKEN (by its name)" in rows(found, "given")["stack_secret_variables"]
    assert "canary-1" not in "\n".join([*inspection.said(found), found.inventory, found.override])
