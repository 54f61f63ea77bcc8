from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultEditor, VaultLib, VaultSecret
from ansible.template import Templar
from ansible.utils.vars import load_extra_vars
from ansible_collections.morpheus.deploy.plugins.lookup.environment_config import LookupModule, shown_path
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import fingerprints
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective import text as config_report

PASSWORD = VaultSecret(b"a password")
STACK = """---
stack_environment: {name}
stack_release: "1.0"
stack_source: "{{{{ inventory_dir }}}}/../stack"
stack_vault: "{{{{ inventory_dir }}}}/group_vars/vault.yml"
stack:
  name: shop
  compose_files: [compose.yml]
  env: {{api: "{{{{ api_settings }}}}"}}
  services:
    - name: api
      port: 8000
      routes: [{{host: {name}.example.com}}]
      health: {{path: /health}}
api_settings:
  LEVEL: info
  WHERE: "in {{{{ stack_environment }}}}"
stack_secrets:
  api:
    KEY: "{{{{ vault_key }}}}"
"""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def encrypt(path: Path, vault_id: str) -> None:
    VaultEditor(VaultLib([(vault_id, PASSWORD)])).encrypt_file(str(path), PASSWORD, vault_id=vault_id)


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two environments that are alike, but for what must differ."""
    for name in ("staging", "production"):
        write(
            tmp_path / name / "hosts.yml", f"---\napp:\n  hosts:\n    {name}-1:\n    {name}-2:\nlb:\n  hosts:\n    {name}-lb:\n"
        )
        write(tmp_path / name / "group_vars/all/stack.yml", STACK.format(name=name))
        write(tmp_path / name / "group_vars/vault.yml", "vault_key: canary\n")
        encrypt(tmp_path / name / "group_vars/vault.yml", name)
    write(
        tmp_path / "stack/compose.yml",
        "services:\n  api:\n    image: shop/api:${STACK_RELEASE:?}\n    env_file: secrets/api.env\n",
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load_extra_vars, "extra_vars", {}, raising=False)
    return tmp_path


def report(name: str = "staging", *, password: bool = True, diff: str = "") -> dict[str, Any]:
    loader = DataLoader()
    loader.set_basedir(str(Path.cwd() / "playbooks"))
    if password:
        loader.set_vault_secrets([("staging", PASSWORD)])
    [found] = LookupModule(loader=loader, templar=Templar(loader=loader)).run([str(Path.cwd() / name)], {}, diff=diff)
    assert "canary" not in json.dumps(found) + "\n".join(config_report.lines(found))
    return dict(found)


def cell(found: dict[str, Any], key: str) -> tuple[Any, str]:
    value = found["values"][key]
    return value.get("secret", value.get("value")), value["origin"]


def test_every_leaf_is_typed_and_has_its_origin() -> None:
    found = report()
    assert found["problems"] == []
    stack = "staging/group_vars/all/stack.yml"
    assert {key: cell(found, key) for key in ("stack_source", "stack.drain_seconds", "stack.services.api.port")} == {
        "stack_source": ("stack", f"{stack}:4"),
        "stack.drain_seconds": (30.0, "default"),
        "stack.services.api.port": (8000, f"{stack}:12"),
    }
    assert cell(found, "stack.env.api.WHERE") == ("in staging", f"{stack}:17")
    assert cell(found, "stack_secrets.api.KEY") == ("set in vault.yml", f"{stack}:20")
    assert cell(found, "compose.services.api.image") == ("shop/api:<release>", "stack/compose.yml:3")


def test_without_the_vaults_password_only_the_state_of_secrets_is_another() -> None:
    found, opened = report(password=False), report()
    assert found["vault"] == {"path": "staging/group_vars/vault.yml", "opened": False}
    assert cell(found, "stack_secrets.api.KEY")[0] == "set in vault.yml (vault not opened)"
    assert [key for key in opened["values"] if found["values"][key] != opened["values"][key]] == ["stack_secrets.api.KEY"]
    assert found["problems"] == []


# file -> content, in the order of what wins
PRECEDENCE = {
    "staging/hosts.yml": "---\nall:\n  vars: {edge_http_port: 1}\napp:\n  hosts:\n    staging-1:\n",
    "staging/group_vars/all/edge.yml": "edge_http_port: 2\n",
    "playbooks/group_vars/all.yml": "edge_http_port: 3\n",
    "staging/group_vars/app.yml": "edge_http_port: 4\n",
    "staging/host_vars/staging-1/edge.yml": "edge_http_port: 5\n",
    "playbooks/host_vars/staging-1.yml": "edge_http_port: 6\n",
}


@pytest.mark.parametrize("count", range(1, len(PRECEDENCE) + 1))
def test_the_file_that_wins_is_the_one_that_is_named(count: int, world: Path) -> None:
    for name, text in list(PRECEDENCE.items())[:count]:
        write(world / name, text)
    line = 3 if count == 1 else 1
    assert cell(report(), "edge_http_port") == (count, f"{list(PRECEDENCE)[count - 1]}:{line}")


@pytest.mark.parametrize("count", range(2, len(PRECEDENCE) + 1))
def test_of_files_with_the_same_value_the_one_that_wins_is_named(count: int, world: Path) -> None:
    for name, text in list(PRECEDENCE.items())[:count]:
        write(world / name, "".join("7" if letter.isdigit() and "port" in text else letter for letter in text))
    write(world / "staging/hosts.yml", PRECEDENCE["staging/hosts.yml"].replace(" 1}", " 7}"))
    assert cell(report(), "edge_http_port") == (7, f"{list(PRECEDENCE)[count - 1]}:1")


def test_what_e_gives_is_said_of_this_environment_and_not_of_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_extra_vars, "extra_vars", {"edge_http_port": 81, "stack_release": "2.0"}, raising=False)
    found = report(diff="production")
    assert cell(found, "edge_http_port") == (81, "-e")
    assert cell(found, "stack_release") == ("2.0", "-e")
    assert found["drift"]["only_here"] == ["edge_http_port"]


def test_variables_of_roles_are_told_once_or_for_each_group_or_host(world: Path) -> None:
    write(world / "staging/group_vars/all/edge.yml", "edge_https_port: 443\nedge_http_port: 80\n")
    write(world / "staging/group_vars/lb.yml", "edge_upstreams: [{name: one, address: 10.0.0.1}]\nedge_http_port: 81\n")
    write(world / "staging/host_vars/staging-2.yml", "docker_engine_dns: [10.0.0.53]\n")
    found = report()
    shown = {key: cell(found, key)[0] for key in found["values"] if key.startswith(("edge", "docker"))}
    assert shown == {
        "docker_engine_dns@staging-2": ["10.0.0.53"],
        "edge_https_port": 443,
        "edge_http_port@app": 80,
        "edge_http_port@lb": 81,
        "edge_upstreams.one.name@lb": "one",
        "edge_upstreams.one.address@lb": "10.0.0.1",
        "edge_upstreams.one.port@lb": None,
    }


def test_the_release_need_not_be_set_and_other_problems_are_told(world: Path) -> None:
    path = world / "staging/group_vars/all/stack.yml"
    path.write_text(path.read_text().replace('stack_release: "1.0"\n', "").replace("port: 8000", "prt: 8000"))
    found = report()
    assert cell(found, "stack_release") == (None, "default")
    assert found["problems"] == [
        'stack.services[0].prt: unknown key; did you mean "port"?',
        "stack.services[0].port: required; the port on which a replica listens inside its container",
    ]


def test_a_secret_that_the_vault_does_not_have_is_a_problem_when_the_vault_is_open(world: Path) -> None:
    path = world / "staging/group_vars/all/stack.yml"
    path.write_text(path.read_text().replace("vault_key", "vault_kee"))
    assert report()["problems"] == ["stack_secrets.api.KEY: no vault_kee in vault.yml"]
    assert report(password=False)["problems"] == []


PRINTS = """stack_fingerprints: "{{ inventory_dir }}/fingerprints.json"
stack_fingerprint_key: "{{ vault_print_key }}"
"""
PRINT_KEY = "the key of all fingerprints"
AFTERWARDS = ", as far as it shows without the values of secrets, which a deploy checks."


def fingerprinted(world: Path, name: str, value: str, known: str) -> None:
    """``value``: of the environment's secret; ``known``: the one that its file of fingerprints was made of."""
    write(world / name / "group_vars/all/prints.yml", PRINTS)
    vault = world / name / "group_vars/vault.yml"
    vault.write_text(f"vault_key: '{value}'\nvault_print_key: {PRINT_KEY}\n")
    encrypt(vault, name)
    made = fingerprints.make(name, PRINT_KEY, {"api.KEY": known}, "2026-01-01")
    write(world / name / "fingerprints.json", fingerprints.text(made))


STALE = (
    "stack_fingerprints: api.KEY is not the value recorded in staging/fingerprints.json; if it is meant, run "
    "playbooks/fingerprint.yml"
)
SHARED = "stack_fingerprints: api.KEY has the same value as api.KEY of production; give each environment its own"


@pytest.mark.parametrize(
    ("known", "there", "said"),
    [
        pytest.param("a canary {{ here }}", "a canary there", [], id="fresh"),
        pytest.param("a canary of before", "a canary there", [STALE], id="stale"),
        pytest.param("a canary {{ here }}", "a canary {{ here }}", [SHARED], id="another environment's, too"),
        pytest.param("a canary of before", "a canary {{ here }}", [STALE, SHARED], id="both"),
    ],
)
def test_what_a_deploy_would_say_of_the_values_of_secrets_is_said(known: str, there: str, said: list[str], world: Path) -> None:
    fingerprinted(world, "staging", "a canary {{ here }}", known)
    fingerprinted(world, "production", there, there)
    found = report()
    assert (found["problems"], found["with_values"]) == (said, True)
    assert config_report.lines(found)[-1] == ("No problem." if not said else f"{len(said)} problem{'s' * (len(said) > 1)}.")
    # Without the password it says that it has not looked, and no more.
    found = report(password=False)
    assert (found["problems"], found["with_values"]) == ([], False)
    assert config_report.lines(found)[-1] == f"No problem{AFTERWARDS}"


def test_a_secret_that_e_gives_is_the_one_that_is_compared(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprinted(world, "staging", "a canary here", "a canary here")
    fingerprinted(world, "production", "a canary there", "a canary there")
    monkeypatch.setattr(load_extra_vars, "extra_vars", {"vault_key": "another canary"}, raising=False)
    assert report()["problems"] == [STALE]


def test_without_a_vault_secrets_are_judged_as_they_stand(world: Path) -> None:
    fingerprinted(world, "production", "a canary there", "a canary there")
    path = world / "staging/group_vars/all/stack.yml"
    text = path.read_text().replace("stack_vault:", "unused:").replace('"{{ vault_key }}"', "a canary in plain text")
    path.write_text(text)
    write(world / "staging/group_vars/all/prints.yml", PRINTS.replace('"{{ vault_print_key }}"', f'"{PRINT_KEY}"'))
    found = report(password=False)
    assert found["with_values"]
    assert found["problems"] == [
        "stack_fingerprints: staging/fingerprints.json: cannot be read (No such file or directory); make it with "
        "playbooks/fingerprint.yml of its environment"
    ]


def test_a_service_on_a_host_that_is_none_is_told(world: Path) -> None:
    path = world / "staging/group_vars/all/stack.yml"
    path.write_text(path.read_text().replace("      port: 8000", "      port: 8000\n      hosts: gpu"))
    for password in (True, False):
        assert report(password=password)["problems"] == [
            'stack.services[0].hosts: "gpu" is neither a host of the group app nor a group that has one; the group app has '
            "staging-1, staging-2"
        ]


def test_the_vault_of_another_environment_is_not_opened(world: Path) -> None:
    path = world / "staging/group_vars/vault.yml"
    path.write_text("vault_key: canary\n")
    encrypt(path, "production")
    found = report()
    assert found["vault"]["opened"] is False
    assert found["problems"][0].startswith('stack_vault: "staging/group_vars/vault.yml" has the vault id "production"')


def test_environments_that_differ_as_they_should_break_no_rule() -> None:
    found = report(diff="production")["drift"]
    assert (found["broken"], found["only_here"], found["only_there"]) == ([], [], [])
    assert sorted(found["different"]) == [
        "stack.env.api.WHERE",
        "stack.services.api.routes.0.host",
        "stack_environment",
        "stack_vault",
    ]
    assert found["secrets"] == "values not compared: no fingerprints in staging/fingerprints.json"


def test_the_rules_of_both_inventories_count(world: Path) -> None:
    write(world / "staging/group_vars/all/drift.yml", "config_must_differ: [stack.env.api.LEVEL]\n")
    write(world / "production/group_vars/all/drift.yml", "config_must_match: [stack.env.api.WHERE]\n")
    broken = report(diff="production")["drift"]["broken"]
    assert [line.split(" must")[0] for line in broken] == ["stack.env.api.LEVEL", "stack.env.api.WHERE"]


def test_the_other_environments_vault_may_be_closed_or_missing(world: Path) -> None:
    (world / "production/group_vars/vault.yml").unlink()
    assert report(diff="production")["drift"]["broken"] == []


def test_secrets_are_compared_by_the_fingerprints_of_both(world: Path) -> None:
    for name in ("staging", "production"):
        secrets = {
            "api.KEY": {"fingerprint": "f" * 32, "since": "2026-01-01"},
            "api.PIN": {"fingerprint": "", "since": "2026-01-01"},
        }
        write(world / name / "fingerprints.json", json.dumps({"environment": name, "key": "k" * 32, "secrets": secrets}))
    found = report(diff="production")["drift"]
    assert found["broken"] == [
        "stack_secrets.api.KEY of staging and stack_secrets.api.KEY of production must differ, and are the same"
    ]
    assert found["secrets"] == "values compared by their fingerprints"


REFUSED = [
    pytest.param({}, "nowhere", 'diff: there is no inventory "nowhere" to compare with', id="no such environment"),
    pytest.param(
        {"production/fingerprints.json": "{"},
        "production",
        "production/fingerprints.json is not a file of fingerprints; make it again with playbooks/fingerprint.yml",
        id="a broken file of fingerprints",
    ),
    pytest.param(
        {"staging/group_vars/all/drift.yml": "config_exempt: stack\n"},
        "",
        "{}/staging: config_exempt must be a list of patterns",
        id="rules that are none",
    ),
    pytest.param(
        {"staging/hosts.yml": "all:\n"}, "", "{}/staging has no hosts, so there is no configuration to show", id="no host"
    ),
]


@pytest.mark.parametrize(("files", "diff", "message"), REFUSED)
def test_what_cannot_be_read_is_said(files: dict[str, str], diff: str, message: str, world: Path) -> None:
    for name, text in files.items():
        write(world / name, text)
    with pytest.raises(AnsibleLookupError) as caught:
        report(diff=diff)
    assert str(caught.value) == message.format(world)


PATHS = [("/nowhere/a/../b", "/nowhere/a/../b"), ("/api", "/api"), ("a/../b", "a/../b"), ("/", "/"), ("text", "text")]


@pytest.mark.parametrize(("path", "shown"), PATHS)
def test_a_path_is_shown_as_people_type_it(path: str, shown: str, world: Path) -> None:
    assert shown_path(path) == shown
    assert shown_path(f"{world}/x/../y.yml:3") == "y.yml:3"
