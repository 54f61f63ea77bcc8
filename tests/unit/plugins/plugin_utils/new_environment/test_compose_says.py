"""What is read from a Compose file, and what is left open because the file can be read in two ways."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.compose_says import Said, read

CHECK = {"test": ["CMD", "curl", "-f", "http://localhost:8000/health"]}
DATABASE = {"image": "postgres:17", "healthcheck": {"test": ["CMD-SHELL", "pg_isready -U postgres"]}}


def said(services: dict[str, Any], service: str = "") -> Said:
    return read({"compose.yml": yaml.safe_dump({"services": services}, sort_keys=False)}, "staging", service)


WEB = [
    pytest.param({"expose": [8000], "healthcheck": CHECK}, 8000, "/health", id="all is said"),
    pytest.param({"healthcheck": CHECK}, 8000, "/health", id="by the health check"),
    pytest.param({"ports": ["8080:8000"], "healthcheck": CHECK}, 8000, "/health", id="a published port"),
    pytest.param({"ports": ["127.0.0.1:8080:8000/tcp"]}, 8000, "", id="of an address"),
    pytest.param({"ports": [8000]}, 8000, "", id="a number"),
    pytest.param({"ports": [{"target": 8000, "published": "80"}]}, 8000, "", id="a mapping"),
    pytest.param({"expose": ["8000/tcp"]}, 8000, "", id="with its protocol"),
    pytest.param({"ports": ["53:53/udp"]}, 0, "", id="no port of TCP"),
    pytest.param({"ports": ["8000-8010:8000-8010"]}, 0, "", id="a range"),
    pytest.param({"ports": ["${PORT}:${PORT}"]}, 0, "", id="a variable"),
    pytest.param({"ports": ["1:8000", "2:9000"]}, 0, "", id="two ports"),
    pytest.param({"ports": ["1:8000", "2:9000"], "healthcheck": CHECK}, 8000, "/health", id="two ports, one of which is asked"),
    pytest.param({"ports": ["1:9000"], "healthcheck": CHECK}, 9000, "/health", id="another one is asked"),
    pytest.param({"healthcheck": {"test": "wget -qO- http://127.0.0.1:8000/up || exit 1"}}, 8000, "/up", id="a text"),
    pytest.param({"healthcheck": {"test": "curl http://localhost:8000"}}, 8000, "/", id="no path"),
    pytest.param({"healthcheck": {"test": "curl http://localhost/up && curl http://localhost/in"}}, 0, "", id="two paths"),
    pytest.param({"healthcheck": {"test": "curl https://elsewhere.example/up"}}, 0, "", id="somebody else is asked"),
    pytest.param({"healthcheck": {"test": ["NONE"]}}, 0, "", id="no check"),
    pytest.param(
        {"healthcheck": {"test": ["CMD", "bash", "-c", r"exec 3<>/dev/tcp/127.0.0.1/8000; printf 'GET /in HTTP/1.0\r\n' >&3"]}},
        8000,
        "/in",
        id="by bash",
    ),
]


@pytest.mark.parametrize(("service", "port", "health"), WEB)
def test_port_and_path_of_the_only_service(service: dict[str, Any], port: int, health: str) -> None:
    assert said({"web": {"image": "a:1", **service}}) == Said("", ("web",), "web", port, health)


def test_of_several_services_users_reach_the_only_one_with_a_port_or_a_check() -> None:
    found = said({"web": {"expose": [8000]}, "db": DATABASE, "worker": {}, "migrate": {"expose": [1], "profiles": ["migrate"]}})
    assert found == Said("", ("web", "db", "worker"), "web", 8000, "")


def test_two_that_users_might_reach_are_left_to_a_person() -> None:
    services = {"web": {"expose": [8000]}, "db": {**DATABASE, "ports": ["5432:5432"]}}
    assert said(services) == Said("", ("web", "db"))
    assert said(services, "web") == Said("", ("web", "db"), "web", 8000)


def test_files_are_merged_and_name_the_project() -> None:
    texts = {
        "compose.yml": "name: shop\nservices: {web: {expose: [1]}}",
        "compose.staging.yml": "services: {web: {expose: !override [2]}}",
    }
    assert read(texts, "staging") == Said("shop", ("web",), "web", 2)


@pytest.mark.parametrize("text", ["services: {", "- a list"])
def test_what_is_no_compose_file_is_refused(text: str) -> None:
    with pytest.raises(DeployError, match=r"^compose\.yml: "):
        read({"compose.yml": text}, "staging")


@pytest.mark.parametrize("services", [{}, {"web": None}, {"web": "text"}, {"web": {"ports": "x", "healthcheck": []}}])
def test_what_is_strange_is_left_to_the_preflight(services: dict[str, Any]) -> None:
    assert said(services).port == 0


def test_a_projects_name_is_read_with_its_defaults() -> None:
    assert read({"compose.yml": "name: ${COMPOSE_NAME:-shop}\nservices: {web: {image: 'a:1'}}"}, "staging").project == "shop"
