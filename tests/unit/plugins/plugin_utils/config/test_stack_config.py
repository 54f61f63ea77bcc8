from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import fingerprints
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications, stack_files
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.check import StackConfig
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit import characters, flags_file
from tests.unit.effort import examples

ROOT = Path(__file__).parents[5]
OPTIONS = specifications.options("preflight")

COMPOSE = """
services:
  api:
    image: shop/api:${STACK_RELEASE:?}
    env_file: [env/api.env, secrets/api.env]
    environment: {APP_ENVIRONMENT: "${STACK_ENVIRONMENT}"}
    healthcheck: {test: [CMD, "true"], interval: 1s, timeout: 2s, retries: 2}
    restart: unless-stopped
  worker:
    image: shop/api:${STACK_RELEASE}
    restart: unless-stopped
  migrate:
    image: shop/api:$STACK_RELEASE
    profiles: [migrate]
"""
PRODUCTION = """
services:
  api:
    deploy: {replicas: 2, update_config: {monitor: 7s}}
"""
Raw = dict[str, Any]
# A route as it is written, and the options that it does not use.
WRITTEN = {"host": "shop.example", "paths": ["/api"]}
UNUSED = {
    "timeout_seconds": 0,
    "stream": False,
    "max_body": "",
    "strip_prefix": False,
    "redirect": None,
    "hsts": None,
    "allow": [],
    "basic_auth": "",
    "request_headers": {},
    "response_headers": {},
    "sticky": False,
    "compression": False,
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "compose.yml").write_text(COMPOSE)
    (tmp_path / "compose.production.yml").write_text(PRODUCTION)
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "1.sql").write_text("create")
    return tmp_path


def raw(source: Path) -> Raw:
    return {
        "stack_environment": "production",
        "stack_release": "1.2.0",
        "stack_source": str(source),
        "stack_secrets": {"api": {"TOKEN": "canary-t0ken"}},
        "stack": {
            "name": "shop",
            "compose_files": ["compose.yml", "compose.production.yml"],
            "files": ["migrations"],
            "env": {"api": {"LEVEL": "info"}},
            "services": [
                {
                    "name": "api",
                    "port": 8000,
                    "routes": [{"host": "shop.example", "paths": ["/api"]}],
                    "health": {"path": "/health", "version": "version"},
                }
            ],
            "migration": {"service": "migrate"},
            "hardening": {"exempt": {"worker": ["read_only"]}},
            "public_check": {"url": "https://shop.example/api/health", "version": "version"},
        },
    }


def checked(given_raw: Raw) -> StackConfig:
    return StackConfig(given_raw, OPTIONS)


def test_services_without_restart_are_told_once_and_jobs_are_none_of_them(source: Path) -> None:
    (source / "compose.yml").write_text(
        "services:\n"
        "  setup: {image: 'shop/api:${STACK_RELEASE:?}'}\n"
        "  api: {image: 'shop/api:${STACK_RELEASE:?}', depends_on: {setup: {condition: service_completed_successfully}}}\n"
        "  worker: {image: 'shop/api:${STACK_RELEASE:?}'}\n"
        "  migrate: {image: 'shop/api:${STACK_RELEASE:?}', profiles: [migrate]}\n"
    )
    given = raw(source)
    given["stack"]["jobs"] = {"setup": {"hosts": "each"}}
    found = checked(given)
    assert (found.problems, found.release_config["jobs"]) == ([], {"setup": {"hosts": "each"}})
    assert found.notes == [
        "api, worker: have no restart and get restart: unless-stopped, so that they come back after a reboot of the host; "
        'write it, or restart: "no", to say otherwise'
    ]


def test_a_service_on_some_hosts_is_placed_by_the_inventory(source: Path) -> None:
    given = raw(source)
    given["stack"]["services"].append({"name": "worker", "hosts": "gpu"})
    given["stack_groups"] = {"all": ["app-1", "app-2"], "app": ["app-1", "app-2"], "gpu": ["app-2"]}
    found = checked(given)
    assert (found.problems, found.placement) == ([], {"worker": ["app-2"]})
    assert [one.get("hosts") for one in found.release_config["services"]] == [None, "gpu"]


def test_a_routed_service_that_a_deploy_interrupts_is_noted_and_not_refused(source: Path) -> None:
    (source / "compose.production.yml").write_text('services: {api: {volumes: ["./uploads:/srv/uploads", "./migrations:/m"]}}')
    found = checked(raw(source))
    assert (found.problems, found.notes) == (
        [],
        [
            "services.api: a deploy that changes it interrupts it for as long as a new replica takes to start, because its only "
            "replica writes to the directory ./uploads"
        ],
    )


def test_a_service_behind_a_profile_is_replaced_by_nobody(source: Path) -> None:
    (source / "compose.production.yml").write_text(
        'services: {migrate: {volumes: ["db:/data", "/x"], deploy: {update_config: {order: start-first}}}}'
    )
    assert checked(raw(source)).problems == []


def test_a_good_configuration_has_no_problems(source: Path) -> None:
    assert checked(raw(source)).problems == []


def test_two_migrations_with_one_version_are_a_problem_that_names_both(source: Path) -> None:
    """C22."""
    for name in ("20260701000000_a.sql", "20260701000000_b.sql", "20260702000000_c.sql"):
        (source / "migrations" / name).write_text("create")
    given = raw(source)
    given["stack"]["migration"] = {"service": "migrate", "directory": "migrations"}
    assert checked(given).problems == [
        "stack.migration.directory: migrations/20260701000000_a.sql and migrations/20260701000000_b.sql have the same version: a "
        "tool applies one of them and never the other; give each its own"
    ]
    (source / "migrations" / "20260701000000_b.sql").unlink()
    assert checked(given).problems == []


def test_a_service_that_says_nothing_new_is_the_release_that_it_was(source: Path) -> None:
    given = raw(source)
    given["stack"]["services"][0] |= {"deadline_seconds": None, "hosts": "", "protocol": ""}
    given["stack"]["jobs"] = None
    given["stack"]["services"][0]["health"] |= {"host": "", "headers": None, "port": None, "scheme": ""}
    found = checked(given).release_config
    assert "jobs" not in found
    [service] = found["services"]
    assert set(service) == {"name", "port", "routes", "health"}
    assert set(service["health"]) == {
        *("path", "status", "version", "expect", "successes"),
        *("interval_seconds", "timeout_seconds", "deadline_seconds"),
    }


def test_how_a_replica_is_asked_is_part_of_the_release(source: Path) -> None:
    given = raw(source)
    how = {"host": "api.internal:8080", "headers": {"X-Probe": "yes"}, "port": 9000, "scheme": "https"}
    given["stack"]["services"][0]["health"] |= how
    given["stack"]["services"].append({"name": "worker", "deadline_seconds": 600})
    found = checked(given)
    assert found.problems == []
    api, worker = found.release_config["services"]
    assert {name: api["health"][name] for name in how} == how
    assert (worker["deadline_seconds"], worker["port"]) == (600.0, None)


@pytest.mark.parametrize("more", [{}, {"address": "", "headers": {}}, {"address": None, "headers": None}])
def test_a_public_check_that_says_nothing_new_is_the_release_that_it_was(source: Path, more: dict[str, Any]) -> None:
    given = raw(source)
    given["stack"]["public_check"] |= more
    assert checked(given).release_config["public_check"] == {
        "url": "https://shop.example/api/health",
        "version": "version",
        "successes": 3,
        "deadline_seconds": 30.0,
    }


@pytest.mark.parametrize("more", [{}, UNUSED])
def test_a_route_without_options_is_part_of_the_release_as_before_there_were_any(source: Path, more: dict[str, Any]) -> None:
    """With them the id of every release that was deployed would change by an upgrade of this collection alone."""
    given = raw(source)
    given["stack"]["services"][0]["routes"] = [{**WRITTEN, **more}]
    found = checked(given)
    assert set(found.config["services"][0]["routes"][0]) == WRITTEN.keys() | UNUSED.keys()
    assert found.release_config["services"][0]["routes"] == [WRITTEN]


def test_options_of_routes_that_are_used_are_part_of_the_release(source: Path) -> None:
    given = raw(source)
    options = {"timeout_seconds": 300, "strip_prefix": True, "hsts": {"max_age_seconds": 0}}
    given["stack"]["services"][0]["routes"] = [{**WRITTEN, **options}]
    found = checked(given)
    assert found.problems == []
    hsts = {"max_age_seconds": 0, "include_subdomains": False, "preload": False}
    assert found.release_config["services"][0]["routes"] == [{**WRITTEN, **options, "hsts": hsts}]


REDIRECTING = [
    {"host": "shop.example"},
    {"host": "www.shop.example", "redirect": {"host": "shop.example"}},
    {"host": "www.shop.example", "paths": ["/health"]},
    {"host": "*.shop.example", "redirect": {"url": "https://shop.example/"}},
]


@pytest.mark.parametrize(
    ("url", "headers", "number"),
    [
        ("https://www.shop.example/", {}, 1),
        ("http://WWW.shop.example:8080/health.html", {}, 1),
        ("https://old.shop.example?a=b", {}, 3),
        ("https://10.0.0.5/", {"host": "www.shop.example:8443"}, 1),
        ("https://shop.example/", {}, None),
        ("https://www.shop.example/health", {}, None),
        ("https://www.shop.example/", {"Host": "shop.example"}, None),
        ("https://other.example/", {}, None),
    ],
)
def test_a_public_check_that_would_be_redirected_is_refused(
    source: Path, url: str, headers: dict[str, str], number: int | None
) -> None:
    given = raw(source)
    given["stack"]["services"][0]["routes"] = REDIRECTING
    given["stack"]["public_check"] = {"url": url, "headers": headers}
    said = (
        f'stack.public_check.url: "{url}" is one that stack.services[0].routes[{number}] redirects, so the check would never get '
        "a good answer; write an address whose route leads to a service"
    )
    assert checked(given).problems == ([said] if number is not None else [])


HASH = "$6$salt$" + "a" * 86


@pytest.mark.parametrize(("option", "value"), [("allow", ["10.0.0.0/8"]), ("basic_auth", "staff")])
def test_a_public_check_that_would_not_be_let_in_is_refused(source: Path, option: str, value: Any) -> None:
    given = raw(source)
    given["stack_secrets"]["staff"] = {"anna": HASH}
    given["stack"]["services"][0]["routes"] = [
        {"host": "shop.example", option: value},
        {"host": "shop.example", "paths": ["/health"]},
    ]
    given["stack"]["public_check"] = {"url": "https://shop.example/"}
    assert checked(given).problems == [
        f'stack.public_check.url: "https://shop.example/" is one that stack.services[0].routes[0] opens to some by {option}, and '
        "the check comes as anybody; give its path a route without allow and basic_auth"
    ]
    given["stack"]["public_check"] = {"url": "https://shop.example/health"}
    assert checked(given).problems == []


def test_how_the_public_check_asks_is_part_of_the_release(source: Path) -> None:
    given = raw(source)
    how = {"address": "[2001:db8::5]:8080", "headers": {"X-Probe": "yes"}}
    given["stack"]["public_check"] |= how
    found = checked(given)
    assert found.problems == []
    assert {name: found.release_config["public_check"][name] for name in how} == how


def test_a_minimal_configuration_is_enough(source: Path) -> None:
    (source / "compose.yml").write_text("services: {worker: {image: 'shop/worker:${STACK_RELEASE}'}}\n")
    minimal = {
        "stack_environment": "staging",
        "stack_release": "1",
        "stack_source": str(source),
        "stack": {"name": "shop", "compose_files": ["compose.yml"]},
    }
    found = checked(minimal)
    assert found.problems == []
    assert found.config["drain_seconds"] == 30.0
    assert list(found.files) == ["compose.yml"]


def test_the_configuration_is_typed_and_complete(source: Path) -> None:
    found = checked(raw(source))
    assert (found.environment, found.release) == ("production", "1.2.0")
    assert found.config["services"][0] == {
        "name": "api",
        "port": 8000,
        "routes": [WRITTEN | UNUSED],
        "hosts": "",
        "deadline_seconds": None,
        "protocol": "",
        "health": {
            "path": "/health",
            "host": "",
            "headers": {},
            "port": None,
            "scheme": "",
            "status": 200,
            "version": "version",
            "expect": "",
            "successes": 3,
            "interval_seconds": 0.25,
            "timeout_seconds": 2.0,
            "deadline_seconds": 60.0,
        },
    }
    assert found.config["hosts_at_once"] == 1


def test_the_files_of_a_release_are_the_compose_files_what_they_mount_and_plain_env_files(source: Path) -> None:
    files = {name: base64.b64decode(content).decode() for name, content in checked(raw(source)).files.items()}
    assert files == {
        "compose.yml": COMPOSE,
        "compose.production.yml": PRODUCTION,
        "migrations/1.sql": "create",
        "env/api.env": 'LEVEL="info"\n',
    }


def test_what_was_given_is_not_changed(source: Path) -> None:
    given_raw = raw(source)
    before = copy.deepcopy(given_raw)
    checked(given_raw)
    assert given_raw == before


Change = Callable[[Raw, Path], object]


def stack(**changes: Any) -> Change:
    return lambda found, source: found["stack"].update(changes)


def api(**changes: Any) -> Change:
    return lambda found, source: found["stack"]["services"][0].update(changes)


def health(**changes: Any) -> Change:
    return lambda found, source: found["stack"]["services"][0]["health"].update(changes)


def asks_with(headers: Raw) -> Change:
    return stack(public_check={"url": "https://shop.example/", "headers": headers})


def top(**changes: Any) -> Change:
    return lambda found, source: found.update(changes)


def compose(text: str, name: str = "compose.production.yml") -> Change:
    return lambda found, source: (source / name).write_text(text)


def live(name: str) -> Change:
    """A file below stack_source."""

    def change(found: Raw, source: Path) -> None:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("1")

    return change


def flags(found: Raw, known: str | None = None) -> Change:
    """Feature flags of the environment, and what the application asks for."""

    def change(raw: Raw, source: Path) -> None:
        (source.parent / "flags.json").write_text(flags_file.text(found))
        raw["stack_flags"] = {"file": str(source.parent / "flags.json")}
        if known is not None:
            (source / "flags.yml").write_text(known)
            raw["stack_flags"]["known"] = "flags.yml"

    return change


def versions(*edited: str) -> Change:
    return stack(migration={"service": "migrate", "directory": "migrations", "accept_edited": [*edited]})


def both(*changes: Change) -> Change:
    return lambda found, source: [change(found, source) for change in changes]


def files(**given: Any) -> Change:
    return top(stack_secret_files=given)


KEY_OF_VARIABLE = "secrets: {key: {environment: KEY}}\n"
# What to write where a secret is none that a deploy brings.
LINES_OF_KEY = (
    "write secrets: {key: !override {file: ./secrets/key}} in an override, and in the inventory stack_secret_files: "
    '{key: {content: "{{ vault_key }}"}}'
)


def uses(file: str) -> Change:
    return compose(f"services: {{api: {{secrets: [key]}}}}\nsecrets: {{key: {{file: {file}}}}}\n")


def production(api_yaml: str) -> Change:
    return compose(f"services: {{api: {{{api_yaml}}}}}\n")


ENDS = compose("services: {worker: {restart: 'no'}}")
BAD = [
    pytest.param(stack(drain_secs=5), ['stack.drain_secs: unknown key; did you mean "drain_seconds"?'], id="a misspelled option"),
    pytest.param(
        health(pth="/"), ['stack.services[0].health.pth: unknown key; did you mean "path"?'], id="a misspelled option far below"
    ),
    pytest.param(
        stack(drain_seconds="long"), ["stack.drain_seconds: must be a number, 0 or more, not 'long'"], id="a wrong type"
    ),
    pytest.param(stack(x=1), ["stack.x: unknown key; known are "], id="an option that is none"),
    pytest.param(stack(name=None), ["stack.name: required; "], id="a missing option"),
    pytest.param(
        top(stack_release=None),
        [
            "stack_release: required; the release to deploy, as its images are tagged. latest is refused because it "
            "does not say what runs"
        ],
        id="no release",
    ),
    pytest.param(
        top(stack_release=""),
        ["stack_release: is empty; give the version, for example -e stack_release=1.2.0"],
        id="an empty release",
    ),
    pytest.param(
        top(stack_release="latest"),
        ["stack_release: latest does not say what runs; give the version, for example 1.2.0"],
        id="the release latest",
    ),
    pytest.param(
        top(stack_release=1.10), ["stack_release: must be a string, not a number (1.1); quote it"], id="an unquoted release"
    ),
    pytest.param(top(stack_release="a/b"), ['stack_release: "a/b" cannot be the tag of an image'], id="a release that is no tag"),
    pytest.param(
        top(stack_environment="prod"),
        ['stack_environment: "prod" is not one of staging, production; name it in preflight_environments if it is meant'],
        id="an unknown environment",
    ),
    pytest.param(top(stack_environment="qa", preflight_environments=["qa"]), [], id="an environment that was made known"),
    pytest.param(
        top(stack=None),
        ["stack: required; the stack, one Compose project. It holds only what a Compose file cannot say"],
        id="no stack",
    ),
    pytest.param(top(stack=[]), ["stack: must be a mapping, not a list"], id="a stack that is a list"),
    pytest.param(
        stack(name="Shop!"),
        ['stack.name: "Shop!" may hold only lower-case letters, digits, - and _'],
        id="a project's name that is none",
    ),
    pytest.param(stack(hosts_at_once=0), ["stack.hosts_at_once: must be 1 or more"], id="no host at once"),
    pytest.param(
        api(name="api.any"),
        [
            'stack.services[0].name: "api.any" ends with ".any", which the edge adds to names itself; rename the service',
            'stack.services[0].name: the Compose files have no service "api.any"; they have api, migrate, worker',
        ],
        id="a name that the edge makes of another",
    ),
    pytest.param(
        both(api(name="api.any"), compose("services: {api.any: {image: 'shop/api:1'}}")),
        ['stack.services[0].name: "api.any" ends with ".any", which the edge adds to names itself; rename the service'],
        id="a name that the edge uses itself",
    ),
    pytest.param(
        api(port="http"), ["stack.services[0].port: must be a whole number, 0 or more, not 'http'"], id="a port that is a word"
    ),
    pytest.param(api(port=0), ["stack.services[0].port: 0 is not a port"], id="port 0"),
    pytest.param(
        stack(jobs={"setup": None}),
        ['stack.jobs.setup: the Compose files have no service "setup"; they have api, migrate, worker'],
        id="a job of a service that is not there",
    ),
    pytest.param(
        stack(jobs={"migrate": None}),
        ["stack.jobs.migrate: the service is behind a profile, so nothing runs it; remove its profiles"],
        id="a job behind a profile",
    ),
    pytest.param(
        both(stack(jobs={"worker": {"hosts": "all"}}), ENDS),
        ['stack.jobs.worker.hosts: "all" is not one of one, each'],
        id="hosts of a job that are none",
    ),
    pytest.param(
        both(stack(jobs={"worker": {"timeout_seconds": 0}}), ENDS),
        ["stack.jobs.worker.timeout_seconds: must be more than 0"],
        id="a job without time",
    ),
    pytest.param(
        both(stack(jobs={"worker": "each"}), ENDS),
        ["stack.jobs.worker: must be a mapping, not a string"],
        id="a job that is a word",
    ),
    pytest.param(
        both(stack(jobs={"worker": {"host": "each"}}), ENDS),
        ['stack.jobs.worker.host: unknown key; did you mean "hosts"?'],
        id="a misspelled option of a job",
    ),
    pytest.param(
        both(
            stack(jobs={"worker": None}),
            ENDS,
            lambda found, source: found["stack"]["services"].append({"name": "worker", "hosts": "app-1"}),
        ),
        ['stack.services[1].hosts: "worker" is a job; write stack.jobs.worker.hosts: one, or each'],
        id="a job that says twice where it runs",
    ),
    pytest.param(
        api(port=None),
        ["stack.services[0].port: required; the port on which a replica listens inside its container"],
        id="a route without a port",
    ),
    pytest.param(
        api(deadline_seconds=300),
        ["stack.services[0].deadline_seconds: is for services without health; write stack.services[0].health.deadline_seconds"],
        id="two deadlines",
    ),
    pytest.param(
        health(host="https://shop.example"),
        [
            'stack.services[0].health.host: "https://shop.example" is not a host name such as shop.example, with or without a '
            "port",
        ],
        id="a URL as the host of a health check",
    ),
    pytest.param(health(port=0), ["stack.services[0].health.port: 0 is not a port"], id="a health check at port 0"),
    pytest.param(
        health(scheme="tls"),
        [
            'stack.services[0].health.scheme: "tls" is not one of http, https; it is what X-Forwarded-Proto says, and '
            "replicas are asked in plain as the edge asks them"
        ],
        id="a scheme that is none",
    ),
    pytest.param(
        health(headers={"host": "shop.example"}),
        ["stack.services[0].health.headers.host: write stack.services[0].health.host"],
        id="the host of a health check among its headers",
    ),
    pytest.param(
        health(headers={"X-Forwarded-Proto": "https"}),
        ["stack.services[0].health.headers.X-Forwarded-Proto: write stack.services[0].health.scheme"],
        id="the scheme of a health check among its headers",
    ),
    pytest.param(
        health(headers={"Content-Length": "0"}),
        ["stack.services[0].health.headers.Content-Length: belongs to the gate's own request; remove it"],
        id="a header that is the gate's own",
    ),
    pytest.param(
        health(headers={"X Probe": "yes"}),
        ["stack.services[0].health.headers.X Probe: is not a valid name of a header"],
        id="a header's name with a blank",
    ),
    pytest.param(
        health(headers={"X-Probe": "a\nb"}),
        ["stack.services[0].health.headers.X-Probe: must be a string on one line; quote it"],
        id="a header of two lines",
    ),
    pytest.param(
        health(headers={"X-Probe": True}),
        ["stack.services[0].health.headers.X-Probe: must be a string on one line; quote it"],
        id="a header that is no string",
    ),
    pytest.param(api(port=70000), ["stack.services[0].port: 70000 is not a port"], id="a port beyond the last"),
    pytest.param(
        lambda found, source: found["stack"]["services"][0].pop("health"),
        [
            "stack.services[0].health: required, because the service is routed: without it nobody can tell when a "
            "replica may serve"
        ],
        id="a route without health",
    ),
    pytest.param(
        health(version="version ==="),
        ['stack.services[0].health.version: "version ===" is not a JMESPath expression: '],
        id="an expression that is none",
    ),
    pytest.param(
        health(expect="ready ="),
        ['stack.services[0].health.expect: "ready =" is not a JMESPath expression: '],
        id="a condition that is no expression",
    ),
    pytest.param(
        health(path="health"), ['stack.services[0].health.path: "health" must start with "/"'], id="a health path without a slash"
    ),
    pytest.param(health(successes=0), ["stack.services[0].health.successes: must be more than 0"], id="no good answer in a row"),
    pytest.param(
        health(successes=10, interval_seconds=0.6, timeout_seconds=0.1, deadline_seconds=6),
        ["stack.services[0].health.deadline_seconds: 6 s is too short for 10 answers, 0.6 s apart"],
        id="a deadline that nobody can meet",
    ),
    pytest.param(
        api(routes=[{"paths": ["/", "api"]}]),
        ['stack.services[0].routes[0].paths[1]: "api" must start with "/"'],
        id="a route's path without a slash",
    ),
    pytest.param(
        api(routes=[{"host": "shop.example:8443", "paths": []}]),
        [
            'stack.services[0].routes[0].host: "shop.example:8443" has a port, and routes are compared without it; '
            'write host: "shop.example"',
            'stack.services[0].routes[0].paths: is empty, so the route would match nothing; leave it out for all paths, as ["/"]',
        ],
        id="a route's host, and no path",
    ),
    pytest.param(
        api(routes=[{"host": "shop.example", "paths": []}]),
        ['stack.services[0].routes[0].paths: is empty, so the route would match nothing; leave it out for all paths, as ["/"]'],
        id="a route with no paths",
    ),
    pytest.param(
        stack(public_check={"url": "shop.example/health"}),
        ['stack.public_check.url: "shop.example/health" is not an http or https URL'],
        id="a URL without a scheme",
    ),
    pytest.param(
        stack(public_check={"url": "http://[::1/"}),
        ['stack.public_check.url: "http://[::1/" is not an http or https URL'],
        id="a URL that cannot be taken apart",
    ),
    pytest.param(
        stack(public_check={"url": "https://shop.example:70000/"}),
        ['stack.public_check.url: "https://shop.example:70000/" has an invalid port; give a number from 1 to 65535'],
        id="a URL with a port that is none",
    ),
    pytest.param(
        stack(public_check={"url": "https://shop.example/", "address": "https://10.0.0.5"}),
        [
            'stack.public_check.address: "https://10.0.0.5" is not an <address> or <address>:<port>, such as 10.0.0.5:8080 or '
            "[2001:db8::5]:8080"
        ],
        id="an address of the public check that is a URL",
    ),
    pytest.param(
        asks_with({"X Probe": "a"}),
        ['stack.public_check.headers: "X Probe" is not a valid name of a header'],
        id="a header's name that is none",
    ),
    pytest.param(
        asks_with({"X-Number": 1}),
        ["stack.public_check.headers.X-Number: must be a string; quote it"],
        id="a header that is a number",
    ),
    pytest.param(
        asks_with({"X-Lines": "a\r\nHost: b"}),
        ["stack.public_check.headers.X-Lines: must be one line without control characters"],
        id="a header of two lines",
    ),
    pytest.param(
        both(
            api(routes=[{"host": "shop.example"}, {"host": "www.shop.example", "redirect": {"host": "shop.example"}}]),
            stack(public_check={"url": "https://www.shop.example/health"}),
        ),
        [
            'stack.public_check.url: "https://www.shop.example/health" is one that stack.services[0].routes[1] redirects, so the '
            "check would never get a good answer; write an address whose route leads to a service"
        ],
        id="a public check that would be redirected",
    ),
    pytest.param(
        lambda found, source: found["stack"]["services"].append(copy.deepcopy(found["stack"]["services"][0])),
        ['stack.services[1].name: "api" is already used by stack.services[0]'],
        id="a service twice",
    ),
    pytest.param(
        lambda found, source: found["stack"]["services"].append(
            {**copy.deepcopy(found["stack"]["services"][0]), "name": "worker"}
        ),
        ['stack.services[1].routes[0]: "/api" of this host is already taken by stack.services[0].routes[0]'],
        id="a route of two services",
    ),
    pytest.param(
        lambda found, source: found["stack"]["services"].append(
            {
                **copy.deepcopy(found["stack"]["services"][0]),
                "name": "worker",
                "routes": [{"host": "SHOP.example.", "paths": ["/api/"]}],
            }
        ),
        ['stack.services[1].routes[0]: "/api/" of this host is already taken by stack.services[0].routes[0]'],
        id="a route of two services, written in two ways",
    ),
    pytest.param(
        api(name=None),
        ["stack.services[0].name: required; the service's name in the Compose files"],
        id="a service whose name is left empty",
    ),
    pytest.param(
        api(name="ghost"),
        ['stack.services[0].name: the Compose files have no service "ghost"; they have api, migrate, worker'],
        id="a service that Compose does not know",
    ),
    pytest.param(
        stack(migration={"service": "worker"}),
        ['stack.migration.service: "worker" must be behind a profile in the Compose files, or it would run all the time'],
        id="a migration that is not behind a profile",
    ),
    pytest.param(
        stack(migration={"service": "ghost"}),
        ['stack.migration.service: the Compose files have no service "ghost"'],
        id="a migration that Compose does not know",
    ),
    pytest.param(
        stack(migration={"service": "migrate", "directory": "migrations", "accept_edited": ["3"]}),
        [
            'stack.migration.directory: "migrations" holds no <version>_<name> file among stack.files; the version is a number',
            'stack.migration.accept_edited: "3" is not a version in "migrations"; remove it',
        ],
        id="an accepted edit of no migration",
    ),
    pytest.param(
        both(live("migrations/1_b.sql"), live("migrations/1_a.sql"), versions()),
        [
            "stack.migration.directory: migrations/1_a.sql and migrations/1_b.sql have the same version: a tool applies one of "
            "them and never the other; give each its own"
        ],
        id="two migrations with one version",
    ),
    pytest.param(
        versions(),
        ['stack.migration.directory: "migrations" holds no <version>_<name> file among stack.files; the version is a number'],
        id="a directory without migrations",
    ),
    pytest.param(
        both(live("migrations/1_a.sql"), versions("3")),
        ['stack.migration.accept_edited: "3" is not a version in "migrations"; remove it'],
        id="an accepted edit of nothing",
    ),
    pytest.param(
        stack(migration={"service": "migrate", "ledger": "public.versions; drop table x"}),
        ['stack.migration.ledger: "public.versions; drop table x" is not a <schema>.<table> (letters, digits and _)'],
        id="a ledger that is no table",
    ),
    pytest.param(
        stack(env={"api": {"LEVEL": 5}}),
        ["stack.env.api.LEVEL: must be a string, not a number; quote it in the inventory"],
        id="a variable that is a number",
    ),
    pytest.param(
        stack(env={"api": {"A-B": "x"}}),
        ["stack.env.api.A-B: is not a name for an environment variable (letters, digits and _, no digit first)"],
        id="a name that is no variable",
    ),
    pytest.param(
        top(stack_secrets={"api": {"TOKEN": 5}}),
        ["stack_secrets.api.TOKEN: must be a string, not a number; quote it in the inventory"],
        id="a secret that is a number",
    ),
    pytest.param(
        top(stack_secrets={"api": {"KEY": "x" * 140_000}}),
        [
            "stack_secrets.api.KEY: is 140005 bytes long, and no container starts with an environment variable of more than "
            "131072; bring it as a file (stack_secret_files, or stack.files for what is not secret)"
        ],
        id="a value that is too long",
    ),
    pytest.param(
        stack(env={"api": ["x"]}), ["stack.env.api: must be a mapping of variables, not a list"], id="env that is a list"
    ),
    pytest.param(
        stack(env={"api": {}, "../x": {}}),
        ["stack.env.../x: the name becomes a file name: lower-case letters, digits, - and _"],
        id="an env file with a path for a name",
    ),
    pytest.param(
        stack(env={}),
        ["stack.env.api: required, because services.api.env_file reads env/api.env"],
        id="an env file that nobody writes",
    ),
    pytest.param(
        top(stack_secrets={}),
        ["stack_secrets.api: required, because services.api.env_file reads secrets/api.env"],
        id="a secret file that nobody writes",
    ),
    pytest.param(
        production("env_file: other.env"),
        [
            'compose.production.yml: services.api.env_file: "other.env" is not a file of the release; use env/<name>.env (from '
            "stack.env) or secrets/<name>.env (from stack_secrets), or name env_file in stack.hardening.exempt.api"
        ],
        id="an env file of another place",
    ),
    pytest.param(production("env_file: [{path: other.env, required: false}]"), [], id="an env file that may be missing"),
    pytest.param(stack(files=["../etc"]), ['stack.files[0]: "../etc" must lie below stack_source'], id="a path that escapes"),
    pytest.param(
        stack(files=["/etc/passwd"]), ['stack.files[0]: "/etc/passwd" must lie below stack_source'], id="an absolute path"
    ),
    pytest.param(stack(files=["nothing"]), ['stack.files[0]: "SOURCE/nothing" does not exist'], id="a file that is not there"),
    pytest.param(
        both(live("flags/a"), stack(live_files=["flags", "../x", "/x", "."])),
        [
            'stack.live_files[1]: "../x" must be a directory below stack_source',
            'stack.live_files[2]: "/x" must be a directory below stack_source',
            'stack.live_files[3]: "." must be a directory below stack_source',
        ],
        id="live files that are none",
    ),
    pytest.param(
        stack(live_files=["../x"]),
        ['stack.live_files[0]: "../x" must be a directory below stack_source'],
        id="live files elsewhere",
    ),
    pytest.param(
        stack(live_files=["secrets"]),
        ['stack.live_files[0]: "secrets" is written by the deploy itself (from stack.env and the secrets); give it another name'],
        id="live files in the place of the secrets",
    ),
    pytest.param(
        stack(live_files=["compose.yml"]),
        ['stack.live_files[0]: "SOURCE/compose.yml" is a file; name its directory'],
        id="a file for a directory of live files",
    ),
    pytest.param(
        stack(live_files=["nothing"]),
        ['stack.live_files[0]: "SOURCE/nothing" does not exist'],
        id="live files that are not there",
    ),
    pytest.param(
        both(live("migrations/live/a"), stack(live_files=["migrations/live"])),
        [
            'stack.live_files[0]: "migrations/live" overlaps "migrations" of stack.files; a file either changes with the release '
            "or under it"
        ],
        id="live files below shipped ones",
    ),
    pytest.param(
        both(live("flags/deep/a"), stack(files=["migrations", "flags/deep"], live_files=["./flags/"])),
        [
            'stack.live_files[0]: "./flags/" overlaps "flags/deep" of stack.files; a file either changes with the release or '
            "under it"
        ],
        id="live files above shipped ones",
    ),
    pytest.param(
        both(live("flags/deep/a"), stack(live_files=["flags", "flags/deep"])),
        [
            'stack.live_files[1]: "flags/deep" overlaps "flags" of stack.live_files; a file either changes with the release or '
            "under it"
        ],
        id="live files below live ones",
    ),
    pytest.param(
        top(stack_flags={"file": "/nowhere/flags.json"}),
        ['stack_flags.file: "/nowhere/flags.json" does not exist'],
        id="a file of flags that is not there",
    ),
    pytest.param(top(stack_flags={}), ["stack_flags.file: required; "], id="flags without a file"),
    pytest.param(top(stack_flags="flags.json"), ["stack_flags: must be a mapping, not a string"], id="flags as a string"),
    pytest.param(
        top(stack_flags={"file": "/dev/null"}),
        ["stack_flags: null: is no JSON: line 1: Expecting value"],
        id="an empty file of flags",
    ),
    pytest.param(
        both(flags({}, "{}"), lambda found, source: found["stack_flags"].update(known="../flags.yml")),
        ['stack_flags.known: "../flags.yml" must lie below stack_source'],
        id="an application's flags elsewhere",
    ),
    pytest.param(
        flags({"a": flags_file.boolean()}, "a: bool"),
        ['stack_flags.known: flags.yml: a: "bool" is not one of boolean, string, number, object'],
        id="a type that no flag has",
    ),
    pytest.param(
        flags({"a": flags_file.boolean()}, "[a]"),
        ["stack_flags.known: flags.yml must be a mapping of flags to their types, not a list"],
        id="an application's flags as a list",
    ),
    pytest.param(
        flags({}, "{"), ["stack_flags.known: flags.yml is no YAML, line 1"], id="an application's flags that are no YAML"
    ),
    pytest.param(
        flags({"loud-caption": flags_file.boolean()}, "loud-captions: boolean"),
        ['stack_flags: flags.json: flags.loud-caption: the application asks for no such flag; did you mean "loud-captions"?'],
        id="a flag that nobody asks for",
    ),
    pytest.param(
        flags({"page-theme": flags_file.boolean()}, "page-theme: string"),
        ["stack_flags: flags.json: flags.page-theme.variants: are boolean, and the application asks for string"],
        id="a flag of another type",
    ),
    pytest.param(
        flags({"a": flags_file.boolean(targeting={"fractional": [["on", 1.5], ["off", 1]]})}),
        ["stack_flags: flags.json: flags.a.targeting: fractional: the weight 1.5 must be a whole number, 0 or more"],
        id="a share that is none",
    ),
    pytest.param(
        both(flags({}), live("flags/a"), stack(live_files=["flags"])),
        ["stack_flags: services find them in ./flags, where other files of the stack lie; move those"],
        id="flags where other files lie",
    ),
    pytest.param(stack(live_files="flags"), ["stack.live_files: must be a list, not a string"], id="live files as a string"),
    pytest.param(
        production('volumes: ["./migrations:/m:rw"]'),
        [
            'compose.production.yml: services.api.volumes: "./migrations" is mounted writable, but is shipped by stack.files '
            "and never changes; add :ro, or take it out of stack.files so that it becomes the application's data"
        ],
        id="a shipped directory that is written to",
    ),
    pytest.param(
        both(live("data/seed.sql"), stack(files=["data/seed.sql"]), production('volumes: ["./data:/data"]')),
        [
            'compose.production.yml: services.api.volumes: "./data" can be written to, and stack.files ships data/seed.sql in '
            "it, which never changes; add :ro, or mount what is shipped and what is written as two directories"
        ],
        id="a directory of which a part is shipped",
    ),
    pytest.param(
        both(live("nginx.conf"), production('volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro"]')),
        [
            'compose.production.yml: services.api.volumes: "./nginx.conf" is a file of stack_source that nothing ships; add '
            "nginx.conf to stack.files"
        ],
        id="a mounted file that nobody ships",
    ),
    pytest.param(
        both(live("flags/a"), stack(live_files=["flags"]), production('volumes: ["./flags/a:/a"]')),
        [
            'compose.production.yml: services.api.volumes: "./flags/a" is a single file of stack.live_files, and containers '
            "never see one change; mount ./flags"
        ],
        id="a single live file",
    ),
    pytest.param(
        compose("services: {}\nconfigs: {c: {file: ./c.json}}\n"),
        ["configs.c.file: nothing ships ./c.json; add c.json to stack.files"],
        id="a config that nobody ships",
    ),
    pytest.param(
        production('volumes: ["./migrations:/m", "./uploads:/uploads", "./secrets/key:/key:ro"]'),
        [],
        id="shipped files, data and a secret",
    ),
    pytest.param(
        stack(compose_files=["compose.yml", "compose.prod.yml"]),
        ['stack.compose_files[1]: "SOURCE/compose.prod.yml" does not exist'],
        id="a Compose file that is not there",
    ),
    pytest.param(
        compose("- x\n"), ["compose.production.yml: must be a mapping with the key services"], id="a Compose file that is a list"
    ),
    pytest.param(
        production('ports: ["80:80"]'),
        [
            "compose.production.yml: services.api.ports: a routed service is reached through the edge, and a host port, which "
            "two replicas cannot share, makes every deploy of it an interruption; take them out, in an override by services: "
            "{api: {ports: !reset []}}, or name ports in stack.hardening.exempt.api"
        ],
        id="ports on a routed service",
    ),
    pytest.param(
        production("container_name: api, deploy: {replicas: 2}"),
        ["compose.production.yml: services.api.container_name: its replicas live side by side, so none may have a fixed name"],
        id="container_name on a routed service of two replicas",
    ),
    pytest.param(
        production('volumes: ["db-data:/data"], deploy: {update_config: {order: start-first}}'),
        [
            "compose.production.yml: services.api.deploy.update_config.order: start-first runs old and new at once, "
            "and the service writes to the volume db-data; write stop-first, or remove order, or name db-data in "
            "stack.shared_volumes if two may write to it at once"
        ],
        id="start-first with a volume that it writes",
    ),
    pytest.param(
        stack(egress=["metadata", "169.254.169.254"]),
        ['stack.egress[1]: "169.254.169.254" is not one of metadata, metrics, ssh'],
        id="an address where one of three words belongs",
    ),
    pytest.param(
        stack(shared_volumes=["db-data"]),
        ['stack.shared_volumes[0]: the Compose files have no volume "db-data"; they have none'],
        id="a shared volume that does not exist",
    ),
    pytest.param(
        production('volumes: ["/data"]'),
        [
            'compose.production.yml: services.api.volumes: "/data" has no name, so what is written there is lost to the '
            "next replica; "
        ],
        id="a volume without a name",
    ),
    pytest.param(
        production('image: "shop/api:latest"'),
        [
            'compose.production.yml: services.api.image: "shop/api:latest" does not say which version runs; give a tag '
            "other than latest, or a digest"
        ],
        id="an image without a version",
    ),
    pytest.param(
        production("deploy: {update_config: {order: parallel}}"),
        ['compose.production.yml: services.api.deploy.update_config.order: "parallel" is not one of start-first, stop-first'],
        id="an order of another name",
    ),
    pytest.param(production("ports: !reset []"), [], id="a tag of Compose"),
    pytest.param(
        both(
            lambda found, source: (source / "compose.yml").write_text(
                COMPOSE.replace("  worker:", '    ports: ["80:80"]\n  worker:')
            ),
            production("ports: !reset []"),
        ),
        [],
        id="ports that are reset",
    ),
    pytest.param(
        both(
            lambda found, source: (source / "compose.yml").write_text(
                COMPOSE.replace("  worker:", '    ports: ["80:80"]\n  worker:')
            ),
            production("ports: !reset null"),
        ),
        [],
        id="ports that are reset to nothing",
    ),
    pytest.param(production("env_file: !override [env/api.env]"), [], id="a list that is overridden"),
    pytest.param(
        lambda found, source: (source / "compose.yml").write_text(COMPOSE.replace("$STACK_RELEASE\n", "$STACK_RELEASE-slim\n")),
        [],
        id="a variable without braces before a dash",
    ),
    pytest.param(
        both(
            stack(files=["secrets"]),
            lambda found, source: (source / "secrets").mkdir(),
            lambda found, source: (source / "secrets" / "api.env").write_text("x"),
        ),
        ['stack.files[0]: "secrets/api.env" '],
        id="a file in the place of the secrets",
    ),
    pytest.param(
        both(stack(files=["override.json"]), lambda found, source: (source / "override.json").write_text("{}")),
        ['stack.files[0]: "override.json" '],
        id="a file in the place of the override",
    ),
    pytest.param(
        both(files(session={"content": "canary", "owner": 10001, "mode": "0440"}), uses("./secrets/session")),
        [],
        id="a file secret",
    ),
    pytest.param(
        uses("./secrets/session"),
        ["stack_secret_files.session: required, because secrets.key.file reads ./secrets/session"],
        id="a file secret that is not given",
    ),
    pytest.param(uses("secrets/api.env"), [], id="an env file, read whole"),
    pytest.param(
        uses("secrets/web.env"),
        ["stack_secrets.web: required, because secrets.key.file reads secrets/web.env"],
        id="an env file that is not given, read whole",
    ),
    pytest.param(
        uses("./keys/session"),
        [f"secrets.key.file: nothing writes ./keys/session; {LINES_OF_KEY}"],
        id="a file secret elsewhere",
    ),
    pytest.param(
        production("secrets: [kye]"),
        ['services.api.secrets: the Compose files have no secret "kye"; they have none'],
        id="a secret that is not defined",
    ),
    pytest.param(
        compose("services: {api: {secrets: [{source: kye}]}}\nsecrets: {key: {external: true}}\n"),
        [
            f"secrets.key: says neither file nor environment, and hosts have no external secrets; {LINES_OF_KEY}",
            'services.api.secrets: the Compose files have no secret "kye"; they have key',
        ],
        id="a secret without a file, and one that is not defined",
    ),
    pytest.param(
        compose("services: {}\nsecrets: {key: {external: true}}\n"),
        [f"secrets.key: says neither file nor environment, and hosts have no external secrets; {LINES_OF_KEY}"],
        id="a secret without a file",
    ),
    pytest.param(compose("services: {}\nsecrets: {key: {environment: KEY}}\n"), [], id="a secret that no service reads"),
    pytest.param(
        both(compose(f"services: {{api: {{secrets: [key]}}}}\n{KEY_OF_VARIABLE}"), top(stack_secret_variables={"KEY": "canary"})),
        [],
        id="a secret whose value a secret variable gives",
    ),
    pytest.param(
        compose(f"services: {{api: {{secrets: [key]}}}}\n{KEY_OF_VARIABLE}"),
        [
            'secrets.key.environment: KEY has no value; write KEY: "{{ vault_key }}" under stack_secret_variables, or, if it is '
            "not secret, KEY: <value> under stack.variables"
        ],
        id="a secret whose value no variable gives",
    ),
    pytest.param(
        both(
            compose(
                "services: {api: {secrets: [key]}, web: {image: 'shop/web:1', secrets: [{source: key, uid: '7'}]}}\n"
                f"{KEY_OF_VARIABLE}"
            ),
            top(stack_secret_variables={"KEY": "canary"}),
        ),
        [
            "secrets.key: is one file on a host, and services.api and services.web read it with another uid, gid or mode each; "
            "write the same at all of them, or a secret for each"
        ],
        id="a secret of a variable that services read with other rights each",
    ),
    pytest.param(
        both(
            compose(f"services: {{api: {{secrets: [{{source: key, mode: rw}}]}}}}\n{KEY_OF_VARIABLE}"),
            top(stack_secret_variables={"KEY": "canary"}),
        ),
        ["secrets.key: a service reads it with a uid, gid or mode that is no number, such as mode: 0440"],
        id="a secret of a variable with a mode that is none",
    ),
    pytest.param(
        both(
            compose('services: {api: {secrets: [".."]}}\nsecrets: {"..": {environment: KEY}}\n'),
            top(stack_secret_variables={"KEY": "canary"}),
        ),
        ["secrets...: the name becomes a file name: letters, digits, -, _ and ."],
        id="a secret of a variable whose name is no file name",
    ),
    pytest.param(
        files(**{"a/b": {"content": "canary"}}),
        ["stack_secret_files.a/b: the name becomes a file name: letters, digits, -, _ and ."],
        id="a file secret's name",
    ),
    pytest.param(
        files(**{"api.env": {"content": "canary"}}),
        ["stack_secret_files.api.env: names that end with .env are those of stack_secrets; choose another one"],
        id="a file secret in the place of an env file",
    ),
    pytest.param(
        files(session="canary"),
        ["stack_secret_files.session: must be a mapping with content, not a string"],
        id="a file secret without rights and content",
    ),
    pytest.param(
        files(session={"content": "canary", "contents": "canary"}),
        ["stack_secret_files.session.contents: unknown key; known are content, owner, mode"],
        id="a misspelled key of a file secret",
    ),
    pytest.param(
        files(session={}), ["stack_secret_files.session.content: required; the secret itself"], id="a file secret without content"
    ),
    pytest.param(
        files(session={"content": 7}),
        ["stack_secret_files.session.content: must be a string, not a number; quote it in the inventory"],
        id="a file secret that is a number",
    ),
    pytest.param(
        files(session={"content": "canary", "owner": "root"}),
        ["stack_secret_files.session.owner: must be a uid, a whole number, not a string"],
        id="an owner of a file secret by name",
    ),
    pytest.param(
        files(session={"content": "canary", "mode": "0444"}),
        [
            'stack_secret_files.session.mode: must be "0400", "0600", "0440" or "0640", quoted; nobody but owner and group may '
            "read a secret"
        ],
        id="a file secret that everybody may read",
    ),
    pytest.param(
        files(session={"contents": "canary", "owner": "root", "mode": 0o400}),
        [
            "stack_secret_files.session.contents: unknown key; known are content, owner, mode",
            "stack_secret_files.session.content: required; the secret itself",
            "stack_secret_files.session.owner: must be a uid, a whole number, not a string",
            'stack_secret_files.session.mode: must be "0400", "0600", "0440" or "0640", quoted; nobody but owner and group may '
            "read a secret",
        ],
        id="everything about a file secret",
    ),
    pytest.param(
        files(session={"content": 7, "mode": "0444"}),
        [
            "stack_secret_files.session.content: must be a string, not a number; quote it in the inventory",
            'stack_secret_files.session.mode: must be "0400", "0600", "0440" or "0640", quoted; nobody but owner and group may '
            "read a secret",
        ],
        id="a file secret for everybody",
    ),
    pytest.param(
        files(session={"content": "\ud800"}),
        ["stack_secret_files.session.content: holds half of a surrogate pair, which UTF-8 cannot carry"],
        id="a file secret that is no text",
    ),
    pytest.param(
        stack(hardening={"exempt": {"api": ["cap-drop"]}, "privileged": ["agent"]}),
        [
            'stack.hardening.privileged[0]: the Compose files have no service "agent"; they have api, migrate, worker',
            'stack.hardening.exempt.api: "cap-drop" is unknown; known are ',
        ],
        id="two exemptions that mean nothing",
    ),
    pytest.param(
        stack(hardening={"exempt": {"agent": ["read_only"]}}),
        ['stack.hardening.exempt.agent: the Compose files have no service "agent"; they have api, migrate, worker'],
        id="an exemption of no service",
    ),
    pytest.param(
        stack(hardening={"privileged": ["agent"]}),
        ['stack.hardening.privileged[0]: the Compose files have no service "agent"; they have api, migrate, worker'],
        id="root on the host for no service",
    ),
    pytest.param(
        stack(hardening={"default": "off"}),
        ['stack.hardening.default: "off" is not one of give, report'],
        id="hardening that is neither given nor told",
    ),
    pytest.param(
        stack(hardening={"exempt": {"api": ["cap-drop"]}}),
        ['stack.hardening.exempt.api: "cap-drop" is unknown; known are '],
        id="an exemption from nothing",
    ),
    pytest.param(
        compose("services: {}\ninclude: [../blog/compose.yml]\n"),
        [
            'compose.production.yml: include[0]: "../blog/compose.yml" must lie below stack_source, so that the release has it; '
            "copy it there"
        ],
        id="an included file outside of the stack",
    ),
    pytest.param(
        compose("services: {}\nhosts: {}\n"),
        ["hosts: nobody has reviewed yet what this element may do to the host; remove it"],
        id="an element of a newer Compose",
    ),
    pytest.param(
        production("extends: {file: /root/compose.yml, service: db}"),
        [
            'compose.production.yml: services.api.extends: "/root/compose.yml" must lie below stack_source, so that the release '
            "has it; copy it there"
        ],
        id="a service that extends one of another file",
    ),
    pytest.param(
        production("volumes: ['/run/docker.sock:/s']"),
        [
            'compose.production.yml: services.api.volumes: "/run/docker.sock" gives the engine\'s socket, which makes the '
            "service root on the host; remove it, or name api in stack.hardening.docker_socket",
        ],
        id="the engine's socket",
    ),
    pytest.param(
        production("privileged: true, volumes: ['/run/docker.sock:/s']"),
        [
            "compose.production.yml: services.api.privileged: makes the service root on the host; name the capabilities that it "
            "needs in cap_add instead, or name api in stack.hardening.privileged",
            'compose.production.yml: services.api.volumes: "/run/docker.sock" gives the engine\'s socket, which makes the '
            "service root on the host; remove it, or name api in stack.hardening.docker_socket",
        ],
        id="root on the host",
    ),
    pytest.param(
        both(
            production("privileged: true, volumes: ['/run/docker.sock:/s'], read_only: false"),
            stack(hardening={"privileged": ["api"], "docker_socket": ["api"], "exempt": {"api": ["read_only"]}}),
        ),
        [],
        id="root on the host, named",
    ),
    pytest.param(
        both(top(stack_release=1), stack(name="Shop"), api(port="http")),
        [
            "stack_release: must be a string, not a number (1); quote it",
            "stack.services[0].port: must be a whole number, 0 or more, not 'http'",
            'stack.name: "Shop" may hold only lower-case letters, digits, - and _',
        ],
        id="three at once",
    ),
    pytest.param(
        both(health(path="x"), production("container_name: api, image: api, deploy: {replicas: 2}")),
        [
            'stack.services[0].health.path: "x" must start with "/"',
            'compose.production.yml: services.api.image: "api" does not say which version runs; give a tag other than '
            "latest, or a digest",
            "compose.production.yml: services.api.container_name: its replicas live side by side, so none may have a fixed name",
        ],
        id="two places at once",
    ),
]


@pytest.mark.parametrize(("change", "problems"), BAD)
def test_every_problem_is_a_line_that_begins_with_its_path(change: Change, problems: list[str], source: Path) -> None:
    """A line that ends with a space goes on in words that are another library's business, or not settled."""
    given_raw = raw(source)
    change(given_raw, source)
    found = checked(given_raw).problems
    expected = [problem.replace("SOURCE", str(source)) for problem in problems]
    shortened = [one[: len(two)] if two.endswith(" ") else one for one, two in zip(found, expected, strict=False)]
    assert [*shortened, *found[len(expected) :]] == expected
    assert "canary" not in "".join(found)


def test_a_monitor_that_is_shorter_than_what_watches_needs_is_found_across_files(source: Path) -> None:
    (source / "compose.production.yml").write_text(PRODUCTION.replace("7s", "3s"))
    [problem] = checked(raw(source)).problems
    assert problem.startswith(
        "compose.production.yml: services.api.deploy.update_config.monitor: 3 s is shorter than the 6.75 s in which its "
        "health in stack.services can fail"
    )


def test_a_compose_file_that_is_no_yaml_is_said_once_and_where(source: Path) -> None:
    (source / "compose.production.yml").write_text("services: {api: [}\n")
    given_raw = raw(source)
    (source / "compose.yml").write_text(COMPOSE.replace("shop/api:${STACK_RELEASE:?}", "shop/api"))
    found = checked(given_raw).problems
    assert [problem.split(":")[0] for problem in found] == ["compose.production.yml", "compose.yml"]
    assert found[0].startswith("compose.production.yml: is not YAML: ")
    assert "line 1, column 18" in found[0]
    assert "\n" not in found[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "services:\n",
        "services: []\n",
        "services: [api]\n",
        "services: {api: text}\n",
        "services: {api: null}\n",
        "x: !custom {a: 1}\n",
        "services: {api: {env_file: 5, deploy: 5, healthcheck: 5, ports: 5, image: 5, profiles: 5}}\n",
        "services: {api: {volumes: 5, secrets: 5, cap_add: 5, security_opt: {a: 1}, configs: [[1]], devices: 5, image: 'a:1'}}\n",
        "services: {api: {secrets: [[1], {source: [1]}], volumes: [x:/x, [1], 5]}}\nvolumes: {x: {driver_opts: 5}}\n",
        "services: {api: {secrets: [x]}}\nsecrets: [x]\n",
        "services: {api: {secrets: [x]}}\nsecrets: {x: {file: [1]}}\nvolumes: 5\nconfigs: x\n",
        "services: {5: {image: 'a:1'}, api: {image: 'a:1'}}\n",
        "services: {5: {ipc: 'service:x'}, api: x, b: {depends_on: {api: {condition: service_completed_successfully}}}}\n",
        "\0",
        "a: &a [*a]\n",
    ],
    ids=repr,
)
def test_no_compose_file_makes_it_crash(source: Path, text: str) -> None:
    (source / "compose.yml").write_text(text)
    assert isinstance(checked(raw(source)).problems, list)


def test_too_much_data_is_refused(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_files, "MAXIMUM_BYTES", 1_000_000)
    (source / "migrations" / "dump.sql").write_text("x" * 1_000_001)
    assert checked(raw(source)).problems == ["stack.files: more than 1 MB in all; large data belongs into an image"]


CANARY = "canary-hunter2"
scalars = st.sampled_from([CANARY, CANARY + "\0", CANARY.encode(), [CANARY], {"a": CANARY}, None, True])
SECRETS = [
    pytest.param({"api": {"TOKEN": CANARY + "\0"}}, id="NUL"),
    pytest.param({"api": {"BAD-NAME": CANARY}}, id="a bad name"),
    pytest.param({"api": {"TOKEN": [CANARY]}}, id="a list"),
    pytest.param({"api": {"TOKEN": {"nested": CANARY}}}, id="a mapping"),
    pytest.param({"api": CANARY}, id="a string for a mapping of variables"),
    pytest.param({"api": [CANARY]}, id="a list for a mapping of variables"),
    pytest.param(CANARY, id="a string for everything"),
    pytest.param([{"api": CANARY}], id="a list for everything"),
    pytest.param({"Api": {"TOKEN": CANARY}}, id="a bad file name"),
]


@pytest.mark.parametrize("secrets", SECRETS)
def test_no_value_of_a_secret_is_ever_in_a_problem(secrets: Any, source: Path) -> None:
    found = checked({**raw(source), "stack_secrets": secrets})
    assert found.problems
    assert CANARY not in str(found.problems)


@pytest.mark.parametrize(
    "files",
    [CANARY, [CANARY], {"a": CANARY}, {"a": {"content": [CANARY]}}, {"a": {"content": "x", "mode": CANARY, "owner": CANARY}}],
    ids=repr,
)
def test_no_value_of_a_file_secret_is_ever_in_a_problem(files: Any, source: Path) -> None:
    found = checked({**raw(source), "stack_secret_files": files})
    assert found.problems
    assert CANARY not in str(found.problems)


def test_rights_of_file_secrets_are_complete_and_contents_stay_out_of_the_configuration(source: Path) -> None:
    secret_files = {"a": {"content": CANARY}, "b": {"content": CANARY, "owner": 10001, "mode": "0440"}}
    found = checked({**raw(source), "stack_secret_files": secret_files})
    assert found.secret_rights == {"a": {"owner": 0, "mode": "0400"}, "b": {"owner": 10001, "mode": "0440"}}
    assert CANARY not in str([found.config, found.files, found.secret_rights])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    secrets=st.dictionaries(
        st.sampled_from(["api", "web", "Bad Name", 5]), scalars | st.dictionaries(st.sampled_from(["A", "1", "", 7]), scalars)
    )
)
def test_no_kind_of_secrets_can_make_their_values_appear(source: Path, secrets: dict[Any, Any]) -> None:
    found = checked({**raw(source), "stack_secrets": secrets})
    assert "canary" not in str(found.problems)
    assert "canary" not in str(found.config)
    assert "canary" not in str(found.files)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 70_000)
    | st.floats(allow_nan=True)
    | characters.text(max_size=5)
    | st.just("/health"),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(characters.text(max_size=5), children, max_size=3),
    max_leaves=5,
)
PLACES: list[tuple[Any, ...]] = [
    (),
    ("name",),
    ("compose_files",),
    ("files",),
    ("env",),
    ("env", "api"),
    ("drain_seconds",),
    ("services",),
    ("services", 0),
    ("services", 0, "name"),
    ("services", 0, "port"),
    ("services", 0, "routes"),
    ("services", 0, "routes", 0),
    ("services", 0, "health"),
    ("services", 0, "health", "successes"),
    ("services", 0, "health", "version"),
    ("migration",),
    ("migration", "service"),
    ("public_check",),
    ("public_check", "url"),
    ("hardening",),
    ("hardening", "exempt"),
    ("hardening", "exempt", "api"),
    ("hardening", "docker_socket"),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)) or "stack")
@settings(max_examples=examples(3), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=json_values)
def test_whatever_stands_in_the_inventory_there_are_problems_or_a_configuration_and_no_crash(
    source: Path, place: tuple[Any, ...], value: Any
) -> None:
    given_raw = raw(source)
    parent: Any = given_raw
    for key in ("stack", *place)[:-1]:
        parent = parent[key]
    parent[("stack", *place)[-1]] = value
    found = checked(given_raw)
    assert all(isinstance(problem, str) for problem in found.problems)
    if not found.problems:
        assert set(found.config) == set(OPTIONS["stack"]["options"])


def test_the_example_of_this_project_is_good() -> None:
    """The stack that is in the repository, with what its inventories would say."""
    files = ROOT / "stacks" / "morpheus"
    if not files.is_dir():
        pytest.skip("this checkout has no example")
    names = [path.name for path in sorted(files.glob("compose*.yml"))]
    assert "compose.yml" in names


def isolated(source: Path, **more: Any) -> Raw:
    """Production beside staging, with fingerprints of both."""
    key = "one key for all environments"
    for name, token in {"production": "canary-t0ken", "staging": "canary-of-staging"}.items():
        (source / name / "group_vars").mkdir(parents=True, exist_ok=True)
        text = fingerprints.text(fingerprints.make(name, key, {"api.TOKEN": token}, "2026-11-24"))
        (source / name / "fingerprints.json").write_text(text)
    path = str(source / "production" / "fingerprints.json")
    return raw(source) | {"stack_fingerprints": path, "stack_fingerprint_key": key, **more}


def test_secrets_that_are_the_environments_own_are_no_problem(source: Path) -> None:
    assert checked(isolated(source)).problems == []


def test_a_secret_of_another_environment_is_found_among_all_other_problems(source: Path) -> None:
    given = isolated(source, stack_release="latest", stack_secrets={"api": {"TOKEN": "canary-of-staging"}})
    problems = checked(given).problems
    assert any(problem.startswith("stack_release: latest") for problem in problems)
    assert any("api.TOKEN has the same value as api.TOKEN of staging" in problem for problem in problems)
    assert "canary" not in str(problems)


@pytest.mark.parametrize("key", [None, ""])
def test_fingerprints_without_a_key_are_refused_and_not_left_out(source: Path, key: str | None) -> None:
    [problem] = checked(isolated(source, stack_fingerprint_key=key)).problems
    assert problem.startswith("stack_fingerprint_key: required")


def test_a_key_that_is_no_string_is_said_once_and_not_printed(source: Path) -> None:
    assert checked(isolated(source, stack_fingerprint_key=73317731)).problems == [
        "stack_fingerprint_key: must be a string, not a number"
    ]


def test_a_secret_that_is_not_compared_is_a_note(source: Path) -> None:
    given = isolated(source, stack_secrets={"api": {"TOKEN": "canary-t0ken", "PIN": "1234"}})
    assert [note.split(":")[0] for note in checked(given).notes] == ["api.PIN is not compared with other environments"]


def test_database_and_lists_of_values_are_checked_and_no_part_of_a_release(source: Path) -> None:
    given = raw(source)
    given["stack"]["database"] = {"secret": "api.TOKEN"}
    given["stack"]["allowed_values"] = [{"path": "env.api.LEVEL", "values": ["debug"]}]
    found = checked(given)
    assert [problem.split(":")[0] for problem in found.problems] == ["stack.database.secret", "stack.env.api.LEVEL"]
    assert "canary" not in str(found.problems)
    # Without what came later a release has the id that it had before there was any.
    later = {"live_files", "egress", "variables", "profiles", "jobs", "ml_endpoints", "pools"}
    assert set(found.config) - set(found.release_config) == {"database", "allowed_values", *later}


def test_what_can_be_rotated_is_checked_with_all_the_rest(source: Path) -> None:
    given = raw(source)
    given["stack_rotation"] = [{"name": "token", "secrets": ["api.TOKE"], "variable": "v", "provider": "manual", "prob": {}}]
    problems = [problem for problem in StackConfig(given, OPTIONS).problems if problem.startswith("stack_rotation")]
    assert problems == [
        'stack_rotation[0].prob: unknown key; did you mean "probe"?',
        "stack_rotation[0].secrets: unknown: api.TOKE; known: api.TOKEN",
        "stack_rotation[0].probe: required by the provider manual",
    ]


def test_executable_bits_are_read_as_git_has_them(source: Path) -> None:
    for name, mode in {"migrations/run.sh": 0o755, "migrations/group.sh": 0o654, "flags/hook": 0o700}.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text("#!/bin/sh")
        (source / name).chmod(mode)
    given = raw(source)
    given["stack"]["live_files"] = ["flags"]
    found = checked(given)
    assert (found.problems, sorted(found.executable)) == ([], ["flags/hook", "migrations/run.sh"])


def test_live_files_are_no_part_of_a_release_and_their_names_are(source: Path) -> None:
    """The names say where its services mount them, on a rollback too."""
    (source / "flags").mkdir()
    (source / "flags" / "a.json").write_text("{}")
    given = raw(source)
    given["stack"]["live_files"] = ["flags"]
    found = checked(given)
    assert found.problems == []
    assert {name: base64.b64decode(content) for name, content in found.live_files.items()} == {"flags/a.json": b"{}"}
    assert "flags/a.json" not in found.files
    assert found.release_config["live_files"] == ["flags"]


def test_hardening_that_is_only_told_is_noted_and_is_a_release_of_its_own(source: Path) -> None:
    given = raw(source)
    before = checked(given)
    assert before.release_config["hardening"] == {"exempt": {"worker": ["read_only"]}, "docker_socket": [], "privileged": []}
    given["stack"]["hardening"]["default"] = "give"
    assert checked(given).release_config == before.release_config
    given["stack"]["hardening"]["default"] = "report"
    found = checked(given)
    assert found.problems == []
    assert found.release_config["hardening"]["default"] == "report"
    told = [note for note in found.notes if "would be given" in note]
    by_service = {note.partition(":")[0]: note for note in told}
    assert set(by_service) == {"services.api", "services.migrate", "services.worker"}
    # What is exempted would not be given either.
    assert "a read-only root" not in by_service["services.worker"]
    assert told[0].endswith("it is not, because stack.hardening.default is report")


def test_logins_of_registries_are_checked_with_all_the_rest(source: Path) -> None:
    given = raw(source)
    given["stack_registries"] = [{"server": "https://ghcr.io", "username": "deploy", "password": "canary-pull-password"}]
    found = checked(given)
    assert [problem.partition(":")[0] for problem in found.problems] == ["stack_registries[0].server"]
    given["stack_registries"][0]["server"] = "ghcr.io"
    given["stack"]["env"]["api"]["LEVEL"] = "canary-pull-password"
    problems = checked(given).problems
    assert len(problems) == 1
    assert "stack.env.api.LEVEL" in problems[0]
    assert "canary" not in problems[0]
    given["stack"]["env"]["api"]["LEVEL"] = "info"
    found = checked(given)
    assert found.problems == []
    assert [note for note in found.notes if note.startswith("stack_registries")] == [
        'stack_registries[0].server: no image of the Compose files comes from "ghcr.io"; they come from docker.io'
    ]


def test_flags_are_a_live_file_of_the_stack_and_one_past_its_date_is_told(source: Path) -> None:
    found = {"old": flags_file.boolean(metadata={"expires": "2020-01-01"}), "young": flags_file.boolean()}
    given = raw(source)
    flags(found, "{old: boolean, young: boolean}")(given, source)
    production('volumes: ["./flags:/flags:ro"]')(given, source)
    checked = StackConfig(given, OPTIONS)
    assert checked.problems == []
    assert checked.live_files == {"flags/flags.json": base64.b64encode(flags_file.text(found).encode()).decode()}
    assert checked.release_config["live_files"] == ["flags"]
    assert [note for note in checked.notes if "flags" in note] == [
        "stack_flags: flags.json: flags.old: has expired on 2020-01-01; take it out of the application, and of the file"
    ]
