"""Variables of Compose files: what nobody gives is refused before any connection, and a secret one stays out of sight."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.check import StackConfig

ROOT = Path(__file__).parents[5]
OPTIONS = specifications.options("preflight")
SECRET = "canary-p4ssw0rd"
GIVE = (
    'write {0}: <value> under stack.variables, or, if it is a secret, {0}: "{{{{ vault_{1} }}}}" '
    "under stack_secret_variables, or a "
    "default, ${{{0}:-}}"
)


def give(name: str) -> str:
    return GIVE.format(name, name.lower())


def checked(
    directory: Path,
    services: Mapping[str, Any],
    variables: Mapping[str, Any] | None = None,
    secret: Mapping[str, Any] | None = None,
    top: Mapping[str, Any] | None = None,
    reached: Collection[str] = (),
    **stack: Any,
) -> StackConfig:
    whole = {name: {"image": "shop/app:${STACK_RELEASE}", **service} for name, service in services.items()}
    (directory / "compose.yml").write_text(yaml.safe_dump({"services": whole, **(top or {})}))
    routed = [{"name": name, "port": 80, "routes": [{"paths": ["/"]}], "health": {"path": "/"}} for name in reached]
    raw = {
        "stack_environment": "staging",
        "stack_release": "1.0.0",
        "stack_source": str(directory),
        "stack_secret_variables": secret or {},
        "stack": {"name": "shop", "compose_files": ["compose.yml"], "services": routed, "variables": variables or {}, **stack},
    }
    return StackConfig(raw, OPTIONS)


def problem(where: str, text: str, name: str) -> str:
    return f"compose.yml: {where}: {text} has no value; {give(name)}"


REFUSED = [
    pytest.param(
        {"environment": {"DATABASE_URL": "postgres://app:${DB_PASSWORD}@db/app", "SENTRY": "${SENTRY_DSN:-}"}},
        problem("services.web.environment.DATABASE_URL", "${DB_PASSWORD}", "DB_PASSWORD"),
        id="a variable that nobody gives",
    ),
    pytest.param(
        {"environment": ["A=$WHO"]}, problem("services.web.environment[0]", "$WHO", "WHO"), id="a variable without braces"
    ),
    pytest.param(
        {"environment": {"A": "${KEY:?set the key}"}},
        f'compose.yml: services.web.environment.A: ${{KEY:?set the key}} has no value ("set the key"); {give("KEY")}',
        id="a variable that the file demands",
    ),
    pytest.param(
        {"environment": {"A": "${EMPTY:?}"}},
        f"compose.yml: services.web.environment.A: ${{EMPTY:?}} is empty; {give('EMPTY')}",
        id="a variable that must not be empty",
    ),
    pytest.param(
        {"environment": {"A": "${X.y}"}},
        'compose.yml: services.web.environment.A: "${X.y}" is not a variable; write $$ for a dollar sign',
        id="a brace that is no variable",
    ),
    pytest.param(
        {"environment": {"A": "${HOME}/x"}},
        "compose.yml: services.web.environment.A: ${HOME} has no value; write the path itself",
        id="the home of whoever runs Compose",
    ),
    pytest.param(
        {"environment": {"A": "${NEW}", "B": "${NEW}"}, "command": ["${NEW}"]},
        f"compose.yml: services.web.command[0]: ${{NEW}} has no value (and in 2 more places); {give('NEW')}",
        id="one variable in three places",
    ),
    pytest.param(
        {"command": ["serve", "--password=${DB_PASSWORD_OF_VAULT}"]},
        "compose.yml: services.web.command[1]: ${DB_PASSWORD_OF_VAULT} is secret, and others on the "
        "host can read it there "
        "(ps, docker inspect); give it to the program under environment, or as a file (stack_secret_files)",
        id="a secret variable in a command line",
    ),
    pytest.param(
        {"labels": {"token": "x${DB_PASSWORD_OF_VAULT}"}},
        "compose.yml: services.web.labels.token: ${DB_PASSWORD_OF_VAULT} is secret, and others on the "
        "host can read it there "
        "(ps, docker inspect); give it to the program under environment, or as a file (stack_secret_files)",
        id="a secret variable in a label",
    ),
    pytest.param(
        {"env_file": ".env"},
        'compose.yml: services.web.env_file: ".env" is not a file of the release; the .env of a project '
        "reaches no container: put its "
        "variables into stack.variables and stack_secret_variables, and write env_file: "
        "[env/variables.env, secrets/variables.env] "
        "for a service that reads them all",
        id="the project's .env as env file",
    ),
    pytest.param(
        {"env_file": [{"path": "./.env", "required": False}]},
        'compose.yml: services.web.env_file: "./.env" is not a file of the release; the .env of a project '
        "reaches no container: put its "
        "variables into stack.variables and stack_secret_variables, and write env_file: "
        "[env/variables.env, secrets/variables.env] "
        "for a service that reads them all",
        id="the project's .env as optional env file",
    ),
]


@pytest.mark.parametrize(("service", "said"), REFUSED)
def test_it_is_refused(tmp_path: Path, service: Mapping[str, Any], said: str) -> None:
    found = checked(tmp_path, {"web": service}, {"EMPTY": ""}, {"DB_PASSWORD_OF_VAULT": SECRET})
    refused = [one.partition(" (or ")[0].partition("; or exempt")[0] for one in found.problems]
    assert len(refused) == 1
    assert refused[0].startswith(said)
    assert SECRET not in repr([found.problems, found.notes, found.release_config, found.files])


VARIABLES = [
    pytest.param(
        {"STACK_RELEASE": "2"},
        {},
        "stack.variables.STACK_RELEASE: is set by the deploy itself; choose another name",
        id="a release of one's own",
    ),
    pytest.param(
        {},
        {"COMPOSE_FILE": "x"},
        "stack_secret_variables.COMPOSE_FILE: is set by the deploy itself; choose another name",
        id="what Compose itself reads",
    ),
    pytest.param(
        {"A": "1"},
        {"A": "2"},
        "stack_secret_variables.A: is also in stack.variables; remove one of them",
        id="a variable that is plain and secret",
    ),
    pytest.param({"A": 1}, {}, "stack.variables.A: must be a string, not a number; quote it in the inventory", id="a number"),
]


@pytest.mark.parametrize(("plain", "secret", "said"), VARIABLES)
def test_variables_are_checked_themselves(tmp_path: Path, plain: Mapping[str, Any], secret: Mapping[str, Any], said: str) -> None:
    assert said in checked(tmp_path, {"web": {}}, plain, secret).problems


@pytest.mark.parametrize(("option", "mine"), [("env", "stack.variables"), ("secrets", "stack_secret_variables")])
def test_the_env_file_of_the_variables_has_no_other_name(tmp_path: Path, option: str, mine: str) -> None:
    (tmp_path / "compose.yml").write_text("services: {web: {image: 'a:1'}}")
    raw: dict[str, Any] = {
        "stack_environment": "staging",
        "stack_release": "1.0.0",
        "stack_source": str(tmp_path),
        "stack": {"name": "shop", "compose_files": ["compose.yml"], "services": []},
    }
    (raw["stack"] if option == "env" else raw)["env" if option == "env" else "stack_secrets"] = {"variables": {"A": "12345678x"}}
    path = "stack.env" if option == "env" else "stack_secrets"
    assert StackConfig(raw, OPTIONS).problems == [
        f"{path}.variables: this file is made of {mine}; give it another name, or move its variables there"
    ]


PLACES: list[tuple[tuple[str, ...], Any]] = [
    (("services", "web", "image"), "shop/app:{}"),
    (("services", "web", "environment"), {"A": "x{}-y"}),
    (("services", "web", "environment"), ["A={}"]),
    (("services", "web", "command"), "run {}"),
    (("services", "web", "command"), ["run", "{}"]),
    (("services", "web", "entrypoint"), ["{}"]),
    (("services", "web", "hostname"), "h-{}"),
    (("services", "web", "user"), "{}"),
    (("services", "web", "labels"), {"x": "{}"}),
    (("services", "web", "healthcheck"), {"test": ["CMD", "{}"]}),
    (("services", "web", "stop_grace_period"), "{}"),
    (("services", "web", "deploy"), {"resources": {"limits": {"memory": "{}"}}}),
    (("services", "web", "logging"), {"driver": "json-file", "options": {"tag": "{}"}}),
    (("services", "web", "extra_hosts"), ["a:{}"]),
    (("networks",), {"back": {"name": "{}"}}),
    (("volumes",), {"data": {"name": "{}"}}),
    (("configs",), {"c": {"content": "a {} b"}}),
]
OPERATORS = {
    "$X": True,
    "${X}": True,
    "${X?}": True,
    "${X:?}": True,
    "${X:?say}": True,
    "${X-${X}}": True,
    "$$X": False,
    "$${X}": False,
    "${X-}": False,
    "${X:-}": False,
    "${X-d}": False,
    "${X:-d}": False,
    "${X+y}": False,
    "${X:+y}": False,
    "${X-${Y-d}}": False,
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_counts_wherever_it_stands(tmp_path: Path, operator: str) -> None:
    """In each place stands a variable of its own."""
    services: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {}
    places = {}
    for number, (path, template) in enumerate(PLACES):
        value = yaml.safe_load(yaml.safe_dump(template).replace("{}", operator.replace("X", f"X{number}")))
        if path[0] == "services":
            services[f"web{number}"] = {path[2]: value}
        else:
            top[path[0]] = value
        places[f"X{number}"] = f"services.web{number}.{path[2]}" if path[0] == "services" else path[0]
    found = [one for one in checked(tmp_path, services, top=top).problems if "has no value" in one]
    told = {place for place in places.values() for one in found if one.startswith(f"compose.yml: {place}")}
    assert told == (set(places.values()) if OPERATORS[operator] else set())
    given = checked(tmp_path, services, dict.fromkeys(places, "1s"), top=top).problems
    assert not [one for one in given if "has no value" in one]


@pytest.mark.parametrize(("path", "template"), PLACES, ids=[f"{'.'.join(path)} {template}" for path, template in PLACES])
@pytest.mark.parametrize("written", ["$S", "${S}", "${S:-x}", "${S:?}", "${S:+x}", "${X:-${S}}"])
def test_a_secret_variable_may_stand_in_an_environment_and_nowhere_else(
    tmp_path: Path, path: tuple[str, ...], template: Any, written: str
) -> None:
    value = yaml.safe_load(yaml.safe_dump(template).replace("{}", written))
    service, top = ({path[2]: value}, {}) if path[0] == "services" else ({}, {path[0]: value})
    found = checked(tmp_path, {"web": service}, {}, {"S": SECRET}, top=top)
    told = [one for one in found.problems if "${S} is secret, and others on the host can read it there" in one]
    assert [one.startswith(f"compose.yml: {'.'.join(path)}") for one in told] == ([] if path[2:] == ("environment",) else [True])
    assert SECRET not in repr([found.problems, found.notes, found.release_config, found.files])


def test_what_hosts_never_read_may_be_empty_but_not_demanded(tmp_path: Path) -> None:
    build = {"build": {"context": ".", "args": {"A": "${NPM_TOKEN}"}}}
    assert checked(tmp_path, {"web": build}, top={"x-a": "${UNUSED}"}).problems == []
    demanded = checked(tmp_path, {"web": {"build": {"context": ".", "args": {"A": "${NPM_TOKEN:?}"}}}}).problems
    assert demanded == [problem("services.web.build.args.A", "${NPM_TOKEN:?}", "NPM_TOKEN")]


def test_a_composed_url_takes_a_secret_variable_and_shows_it_nowhere(tmp_path: Path) -> None:
    url = {"DATABASE_URL": "postgres://app:${DB_PASSWORD}@db/${DB_NAME}"}
    found = checked(tmp_path, {"web": {"environment": url}}, {"DB_NAME": "shop"}, {"DB_PASSWORD": SECRET})
    assert found.problems == []
    assert base64.b64decode(found.files["env/variables.env"]) == b'DB_NAME="shop"\n'
    assert found.release_config["variables"] == {"DB_NAME": "shop"}
    assert SECRET not in repr([found.notes, found.release_config, found.files])


def test_a_template_of_an_environment_may_hold_a_secret_variable(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text("")
    found = checked(tmp_path, {"web": {"environment": {"A": "${S}"}}}, {}, {"S": SECRET}, top={"x-env": {"A": "${S}"}})
    assert found.problems == []


def test_a_secret_among_the_plain_variables_is_refused(tmp_path: Path) -> None:
    found = checked(tmp_path, {"web": {"environment": {"A": "${S}"}}}, {"PLAIN": SECRET}, {"S": SECRET})
    assert found.problems == [
        "stack.variables.PLAIN: holds the value of variables.S, and goes into files that everybody on "
        "the hosts can read; move PLAIN "
        "to stack_secret_variables, or, if it is not a secret, take variables.S out of the vault"
    ]


def test_plain_variables_are_in_place_for_every_other_check(tmp_path: Path) -> None:
    services = {"web": {"image": "shop/app:${TAG}", "deploy": {"replicas": "${N:-2}"}, "container_name": "web"}}
    (problem_of_tag, *others) = checked(tmp_path, services, {"TAG": "latest"}).problems
    assert problem_of_tag.startswith('compose.yml: services.web.image: "shop/app:latest" does not say which version runs')
    assert any("services.web.container_name" in one for one in others)


@pytest.mark.parametrize(
    ("image", "variables", "routed", "is_told"),
    [
        pytest.param("shop/app:${TAG}", {"TAG": "0.9.0"}, True, True, id="another variable"),
        pytest.param("shop/app:${TAG:-0.8.0}", {"TAG": "0.9.0"}, True, True, id="another variable with a default"),
        pytest.param("shop/app:${TAG:-0.9.0}", {}, True, False, id="a default of somebody else's image"),
        pytest.param("registry.example:5000/shop/app:v$TAG", {"TAG": "0.9.0"}, True, True, id="a part of the tag, and a port"),
        pytest.param("shop/app:${TAG}", {"TAG": "1.0.0"}, True, False, id="a variable that says the release"),
        pytest.param("shop/app:${STACK_RELEASE:?}", {}, True, False, id="the release"),
        pytest.param("${APP:-shop/app:0.9.0}", {}, True, False, id="a variable that is the whole name"),
        pytest.param("shop/app:${TAG}", {"TAG": "0.9.0"}, False, False, id="of a service that users do not reach"),
    ],
)
def test_a_release_that_changes_no_image_is_told_where_a_variable_is_the_tag(
    tmp_path: Path, image: str, variables: dict[str, str], routed: bool, is_told: bool
) -> None:
    found = checked(tmp_path, {"web": {"image": image}}, variables, reached=["web"] if routed else [])
    assert [note for note in found.notes if "stack_release" in note] == (
        [
            f"services.web.image: runs {image.partition('$')[0]}0.9.0 whatever stack_release is (1.0.0), because its tag is "
            '${TAG}; write ${STACK_RELEASE:?} in its place, or TAG: "{{ stack_release }}" under stack.variables'
        ]
        if is_told
        else []
    )


@pytest.mark.parametrize(
    ("image", "routed", "is_told"),
    [
        pytest.param("shop/app:0.9.0", True, True, id="written out"),
        pytest.param("shop/app:1.0.0", True, False, id="the release itself, written out"),
        pytest.param(f"shop/app:0.9.0@sha256:{'0' * 64}", True, False, id="named by content"),
        pytest.param("shop/app:0.10.12", True, True, id="written out, with longer numbers"),
        pytest.param("shop/app:latest", True, True, id="whatever is the latest"),
        pytest.param("shop/app", True, True, id="no tag"),
        pytest.param("shop.example:5000/app", True, True, id="no tag, and the port of a registry"),
        pytest.param("prom/node-exporter:v1.9.0", True, False, id="of another form, as others have it"),
        pytest.param("nginx:1.27", True, False, id="made for everybody"),
        pytest.param("shop/app:0.9.0", False, False, id="of a service that users do not reach"),
    ],
)
def test_a_release_that_changes_no_image_is_told_where_the_tag_is_written_out(
    tmp_path: Path, image: str, routed: bool, is_told: bool
) -> None:
    found = checked(tmp_path, {"web": {"image": image}}, reached=["web"] if routed else [])
    assert [note for note in found.notes if "stack_release" in note] == (
        [
            f"services.web.image: runs {image} whatever stack_release is (1.0.0), because its tag is written out; write "
            "${STACK_RELEASE:?} in its place if a deploy is to change it"
        ]
        if is_told
        else []
    )


def test_a_default_that_is_the_tag_of_an_image_of_ones_own_is_told(tmp_path: Path) -> None:
    found = checked(tmp_path, {"web": {"image": "shop/app:${TAG:-0.9.0}", "build": "."}}, reached=["web"])
    assert any(note.startswith("services.web.image: runs shop/app:0.9.0 whatever stack_release is") for note in found.notes)


def test_a_release_that_is_the_tag_of_another_image_is_not_told(tmp_path: Path) -> None:
    found = checked(tmp_path, {"web": {"image": "shop/web:${TAG}"}, "api": {}}, {"TAG": "0.9.0"}, reached=["web"])
    assert [note for note in found.notes if "stack_release" in note] == []


def test_an_image_whose_name_nobody_gives_is_refused_for_that_alone(tmp_path: Path) -> None:
    [found] = checked(tmp_path, {"web": {"image": "${APP_IMAGE}:${TAG-latest}"}}).problems
    assert found == problem("services.web.image", "${APP_IMAGE}", "APP_IMAGE")


def test_a_variable_that_stands_in_the_projects_env_file_is_said_to_stand_there(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# ours\nexport DB_PASSWORD=abc\n")
    found = checked(tmp_path, {"web": {"environment": {"A": "${DB_PASSWORD}"}}})
    assert found.problems == [
        "compose.yml: services.web.environment.A: ${DB_PASSWORD} has no value; DB_PASSWORD is in the "
        f".env of stack_source, which no deploy reads: {give('DB_PASSWORD')}"
    ]


def test_what_is_not_used_leaves_a_release_as_it_was(tmp_path: Path) -> None:
    assert not {"variables", "profiles", "brought_files"} & checked(tmp_path, {"web": {}}).release_config.keys()
