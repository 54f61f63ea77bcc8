"""What the action makes of its inputs, before Ansible is started."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.unit.scripts.programs import program

ROOT = Path(__file__).parents[3]
INSTALL = ROOT / ".github" / "actions" / "playbook" / "install"
# Module -> the package that brings it, where that is another one.
WITH_OTHERS = {"yaml": "ansible-core", "jinja2": "ansible-core", "cryptography": "ansible-core", "referencing": "jsonschema"}
# The picture of a run on a terminal, which a job has not.
NOT_IN_A_JOB = {"rich"}
action = program(".github/actions/playbook/run.py")
INPUTS = {"INVENTORY": "staging", "PLAYBOOK": "deploy", "VARIABLES": '{"stack_release": "1.0.0"}', "CHECK": "false"}
SECRETS = {"SSH_KEY": "the key", "SSH_KNOWN_HOSTS": "host ssh-ed25519 AAAA", "VAULT_PASSWORD": "the password"}


def test_inputs_are_read() -> None:
    assert action.checked(INPUTS) == ("staging", "deploy", {"stack_release": "1.0.0"})


@pytest.mark.parametrize("nothing", ['{"rollback_to": ""}', '{"rollback_to": null}', "{}", ""])
def test_what_was_not_said_is_no_variable(nothing: str) -> None:
    assert action.checked(INPUTS | {"VARIABLES": nothing})[2] == {}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"INVENTORY": "../production"}, "inventory: '../production' is no name of small letters, digits, - and _"),
        ({"PLAYBOOK": "-vvvv"}, "playbook: '-vvvv' is no name of small letters, digits, - and _"),
        ({"INVENTORY": ""}, "inventory: '' is no name of small letters, digits, - and _"),
        ({"CHECK": "yes"}, "check: 'yes' is neither true nor false"),
        ({"VARIABLES": "release=1"}, "variables: is no JSON: Expecting value: line 1 column 1 (char 0)"),
        ({"VARIABLES": "[]"}, "variables: is a list where an object is expected"),
        *[
            ({"VARIABLES": text}, "variables: holds a template ({{, {% or {#), which Ansible would execute")
            for text in (
                '{"lease_reason": "{{ 1 }}"}',
                '{"a": [{"b": "{% x %}"}]}',
                '{"{{ a }}": 1}',
                '{"a": "\\u007b\\u007b 1 }}"}',
            )
        ],
    ],
)
def test_inputs_that_would_do_something_else_are_refused(changed: dict[str, str], said: str) -> None:
    with pytest.raises(action.InputError) as error:
        action.checked(INPUTS | changed)
    assert str(error.value) == said


def test_ansible_gets_what_it_needs_and_no_input_more(tmp_path: Path) -> None:
    seen = action.surroundings({"PATH": "/bin", **INPUTS, **SECRETS}, "staging", tmp_path)
    assert seen == {
        "PATH": "/bin",
        "ANSIBLE_PRIVATE_KEY_FILE": str(tmp_path / "key"),
        "ANSIBLE_SSH_EXTRA_ARGS": f"-o UserKnownHostsFile={tmp_path / 'known_hosts'} -o StrictHostKeyChecking=yes",
        "MORPHEUS_VAULT_PASSWORD_STAGING": "the password",
    }
    assert (tmp_path / "key").read_text() == "the key\n"
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_without_secrets_ansible_uses_what_the_machine_has(tmp_path: Path) -> None:
    assert action.surroundings(INPUTS | dict.fromkeys(SECRETS, ""), "staging", tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_summary_cannot_leave_its_fence() -> None:
    text = action.summary("deploy", "staging", {"verdict": "failed"}, "line\n```\n# markup\n", 2)
    assert text.splitlines()[0] == "### deploy of staging: failed"
    assert text.count("\n````\n") == 2


def test_a_summary_has_no_commands_of_the_log() -> None:
    output = "::group::Roll out\n14:02:24 app-1 runs 1.1.0\n::endgroup::\n::error title=x::y\n"
    assert action.summary("deploy", "staging", {"verdict": "deployed"}, output, 0).splitlines() == [
        "### deploy of staging: deployed",
        "",
        "```",
        "14:02:24 app-1 runs 1.1.0",
        "```",
    ]


_IMPORT = re.compile(r"^ *(?:from (\w[\w.]*) import |import (\w[\w., ]*)(?:#.*)?$)", re.MULTILINE)


def imported(path: Path) -> set[str]:
    """Packages of others that a file imports, at its head or later. By its lines: to parse some hundred files takes a second."""
    names = {name.split()[0] for one, several in _IMPORT.findall(path.read_text()) for name in (one or several).split(",")}
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"ansible", "ansible_collections"}


def test_everything_that_the_controller_imports_is_installed_as_it_was_tried() -> None:
    floors = ("plugin_utils", "action", "callback", "filter", "lookup", "inventory", "vars")
    files = [path for floor in floors for path in (ROOT / "plugins" / floor).rglob("*.py")]
    imports = set().union(*map(imported, files))
    needed = {WITH_OTHERS.get(name, name) for name in imports - NOT_IN_A_JOB} - {"ansible-core"}
    # What a health gate's expressions are written in; Ansible's filter json_query needs it too.
    needed.add("jmespath")
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    tried = {one for one in pins if isinstance(one, str) and one.partition("==")[0] in needed}
    assert len(tried) == len(needed)
    gitlab = (ROOT / "docs" / "gitlab-ci.yml").read_text()
    for text in (INSTALL.read_text(), gitlab):
        assert set(re.findall(r"[a-z][a-z-]+==[\d.]+", text.replace("ansible-core==", ""))) == tried
        assert "community.crypto:" in text


@pytest.mark.parametrize("own", [True, False])
def test_a_checkout_of_the_collection_s_own_repository_is_not_replaced_by_itself(own: bool, tmp_path: Path) -> None:
    for name in ("python", "ansible-galaxy"):
        (tmp_path / name).write_text('#!/bin/sh\n[ "$1" != collection ] || printf "%s\\n" "$@"\n')
        (tmp_path / name).chmod(0o755)
    if own:
        (tmp_path / "collections").symlink_to(ROOT / "collections")
    surroundings = {"PATH": f"{tmp_path}:/usr/bin:/bin", "ANSIBLE_CORE": "2.21.5", "GITHUB_ACTION_PATH": str(INSTALL.parent)}
    done = subprocess.run([str(INSTALL)], cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=True)
    words, installed = done.stdout.splitlines()[:3], done.stdout.splitlines()[3:]
    assert words == ["collection", "install", "--force"]
    assert [Path(one).resolve() for one in installed if ":" not in one] == ([] if own else [ROOT])
    assert [one for one in installed if ":" in one] == ["community.crypto:3.5.0"]
