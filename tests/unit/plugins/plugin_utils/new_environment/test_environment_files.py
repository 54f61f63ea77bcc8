"""The texts of a new environment, and what is added to files that are there."""

from __future__ import annotations

import configparser

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment import files
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.files import Answers

NOBODY = Answers("staging", ["staging"], "shop", "{{ inventory_dir }}/../..", ["compose.yml"])
# Words that YAML would take for something else.
STRANGE = Answers(
    "no", ["yes", "no"], "123", "{{ inventory_dir }}/..", ["1.yml"], ["10", "fe80::1"], "on", "1.2.3.4", "off", 80, "/a: b#c"
)


def test_every_answer_arrives_as_it_was_given() -> None:
    found = yaml.safe_load(files.stack(STRANGE))
    hosts = yaml.safe_load(files.hosts(STRANGE))
    assert hosts == {"app": {"hosts": {"10": None, "fe80::1": None}}}
    assert (found["stack_environment"], found["preflight_environments"], found["ansible_user"]) == ("no", ["yes", "no"], "on")
    assert found["stack"] == {
        "name": "123",
        "compose_files": ["1.yml"],
        "services": [{"name": "off", "port": 80, "routes": [{"host": "1.2.3.4"}], "health": {"path": "/a: b#c"}}],
    }


def test_what_is_not_known_is_empty_and_named() -> None:
    [service] = yaml.safe_load(files.stack(NOBODY))["stack"]["services"]
    assert service == {"name": None, "port": None, "routes": [{"paths": ["/"]}], "health": {"path": None}}
    assert yaml.safe_load(files.hosts(NOBODY)) == {"app": {"hosts": None}}
    assert NOBODY.open_ends() == [
        "hosts.yml: app.hosts",
        "group_vars/all/stack.yml: stack.services[0].name",
        "group_vars/all/stack.yml: stack.services[0].port",
        "group_vars/all/stack.yml: stack.services[0].health.path",
    ]
    assert STRANGE.open_ends() == []


def read(text: str) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return dict(parser["defaults"])


NEEDED = {
    "callbacks_enabled": "morpheus.deploy.verdict",
    "vault_identity_list": "staging@inventories/vault-client.py",
    "vault_id_match": "true",
    "inject_facts_as_vars": "false",
    "inventory_ignore_patterns": r"^(fingerprints|baselines|flags)\.json$",
}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", NEEDED),
        ("# mine\n", NEEDED),
        ("[ssh_connection]\npipelining = true\n", NEEDED),
        ("[defaults]\nforks = 5\n\n[other]\nvault_id_match = no\n", NEEDED | {"forks": "5"}),
        ("[defaults]\ncallbacks_enabled=timer\n", NEEDED | {"callbacks_enabled": "timer, morpheus.deploy.verdict"}),
        (
            "[defaults]\nvault_identity_list: production@a, \nvault_id_match = false\n",
            NEEDED | {"vault_identity_list": "production@a, staging@inventories/vault-client.py", "vault_id_match": "false"},
        ),
        (files.config("staging"), read(files.config("staging"))),
    ],
)
def test_a_configuration_gets_what_it_lacks_and_keeps_the_rest(before: str, after: dict[str, str]) -> None:
    found = files.config_with(before, "staging", "ansible.cfg")
    assert read(found) == after
    assert files.config_with(found, "staging", "ansible.cfg") == found
    # Every line that was there stands there still, if longer.
    assert all(any(line.rstrip(", ") in other for other in found.splitlines()) for line in before.splitlines())


@pytest.mark.parametrize("written", ["callbacks_enabled = a,\n  b\n", "callbacks_enabled = a ; why\n"])
def test_a_list_that_is_written_otherwise_is_left_to_a_person(written: str) -> None:
    with pytest.raises(DeployError) as caught:
        files.config_with(f"[defaults]\n{written}", "staging", "/shop/ansible.cfg")
    assert str(caught.value) == (
        "/shop/ansible.cfg: callbacks_enabled is written in a way that is not changed here; add morpheus.deploy.verdict to it, "
        "and run this again"
    )


@pytest.mark.parametrize(
    ("before", "names", "after"),
    [
        ("preflight_environments: [staging]\n", ["staging"], "preflight_environments: [staging, production]\n"),
        ("a: 1\npreflight_environments: []  # all\n", [], "a: 1\npreflight_environments: [production]  # all\n"),
        ("preflight_environments: ['a', \"b\"]", ["a", "b"], "preflight_environments: ['a', \"b\", production]"),
        ("preflight_environments:\n  - staging\n", None, "preflight_environments:\n  - staging\n"),
        ("# preflight_environments: [a]\n", None, "# preflight_environments: [a]\n"),
    ],
)
def test_a_name_is_added_to_the_line_that_has_them(before: str, names: list[str] | None, after: str) -> None:
    assert files.environments(before) == names
    assert files.environments_with(before, "production") == after


@pytest.mark.parametrize(
    ("before", "after"), [("", "/a\n/b\n"), ("*.pyc", "*.pyc\n/a\n/b\n"), ("/b\nx\n", "/b\nx\n/a\n"), ("/a\n/b", "/a\n/b")]
)
def test_lines_that_are_missing_are_added_to_what_is_ignored(before: str, after: str) -> None:
    assert files.ignore_with(before, ["/a", "/b"]) == after
