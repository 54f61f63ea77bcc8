"""A new environment in a directory: what is written, what stays, and what is refused before anything is written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import fingerprints
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment import project as new_environment
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.asked import Asked, problems
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.next_steps import said
from ansible_collections.morpheus.deploy.plugins.plugin_utils.new_environment.project import NewEnvironment

ROOT = Path(__file__).parents[5]
COMPOSE = "services: {web: {expose: [8000], healthcheck: {test: 'curl http://localhost/health'}}}\n"
STAGING = Asked("staging", ["10.0.0.1"], site="shop.example")
WRITTEN = [
    ".gitignore",
    ".vault/staging",
    "inventories/staging/group_vars/vault.yml",
    "inventories/staging/fingerprints.json",
    "inventories/staging/hosts.yml",
    "inventories/staging/group_vars/all/stack.yml",
    "inventories/vault-client.py",
    "ansible.cfg",
]


def encrypted(text: str, vault_id: str, password: str) -> str:
    return f"$ANSIBLE_VAULT;{vault_id};{password}\n{text}"


def opened(path: Path) -> Mapping[str, Any] | None:
    return yaml.safe_load(path.read_text().partition("\n")[2]) if path.exists() else None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / "Shop"
    found.mkdir(mode=0o755)
    (found / "compose.yml").write_text(COMPOSE)
    return found


def new(root: Path, asked: Asked = STAGING, opens: new_environment.Opens = opened, **variables: str) -> NewEnvironment:
    return NewEnvironment(root, asked, opens, encrypted, {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", **variables})


def written(root: Path, asked: Asked = STAGING, **variables: str) -> NewEnvironment:
    found = new(root, asked, opened, **variables)
    found.write()
    return found


def everything(root: Path) -> dict[str, tuple[str, int]]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): (path.read_text(), path.stat().st_mode & 0o777) for path in files}


def stack(root: Path, name: str = "staging") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((root / "inventories" / name / "group_vars" / "all" / "stack.yml").read_text())
    return found


def vault(root: Path, name: str = "staging") -> tuple[str, Mapping[str, Any]]:
    """Its header and its variables."""
    path = root / "inventories" / name / "group_vars" / "vault.yml"
    return path.read_text().splitlines()[0], opened(path) or {}


def refused(root: Path, asked: Asked = STAGING, opens: new_environment.Opens = opened, **variables: str) -> str:
    """Why; and nothing has changed."""
    before = everything(root)
    with pytest.raises(DeployError) as caught:
        new(root, asked, opens, **variables)
    assert everything(root) == before
    return str(caught.value)


def test_a_first_environment_has_all_that_it_needs(root: Path) -> None:
    found = written(root)
    assert [file.path for file in found.files] == WRITTEN
    assert (found.left, found.notes, found.open_ends()) == ([], [], [])
    modes = {path: mode for path, (_, mode) in everything(root).items()}
    assert (modes[".vault/staging"], modes["inventories/vault-client.py"], modes["ansible.cfg"]) == (0o600, 0o755, 0o644)
    assert (root / ".vault").stat().st_mode & 0o777 == 0o700
    password = (root / ".vault" / "staging").read_text().strip()
    header, variables = vault(root)
    assert header == f"$ANSIBLE_VAULT;staging;{password}"
    assert re.fullmatch("[0-9a-f]{64}", variables["vault_fingerprint_key"])
    prints = fingerprints.read(root / "inventories" / "staging" / "fingerprints.json")
    assert (prints["environment"], prints["secrets"]) == ("staging", {})
    assert prints["key"] == fingerprints.key_fingerprint(variables["vault_fingerprint_key"])
    assert stack(root)["stack"]["name"] == "shop"
    assert stack(root)["preflight_environments"] == ["staging"]


def test_nothing_secret_is_in_a_file_that_others_may_read_or_on_the_screen(root: Path) -> None:
    found = written(root)
    password, key = (root / ".vault" / "staging").read_text().strip(), vault(root)[1]["vault_fingerprint_key"]
    shown = "\n".join(said(found))
    open_files = "".join(text for text, mode in everything(root).values() if mode & 0o077)
    assert not [one for one in (password, key) if one in shown or one in open_files]
    assert "/.vault/" in (root / ".gitignore").read_text().splitlines()


def test_a_second_run_writes_nothing(root: Path) -> None:
    written(root)
    before = everything(root)
    for asked in (STAGING, Asked("staging")):
        again = written(root, asked)
        assert (again.files, everything(root)) == ([], before)
    assert said(again)[0] == "staging has everything already."


@pytest.mark.parametrize("kept", range(len(WRITTEN)))
def test_a_run_that_was_killed_is_finished_by_the_next_one(root: Path, kept: int) -> None:
    found = new(root)
    found.files[:] = found.files[:kept]
    found.write()
    before = everything(root)
    again = written(root)
    after = everything(root)
    assert before.items() <= after.items()
    # Nobody knows what a vault holds but whoever opens it, so its fingerprints are left to the playbook that does.
    lacks = {"inventories/staging/fingerprints.json"} if kept == 3 else set()
    assert set(WRITTEN) - set(after) == lacks
    mend = "ansible-playbook morpheus.deploy.fingerprint -i inventories/staging"
    assert again.notes == ([f"inventories/staging/fingerprints.json is missing: {mend}"] if lacks else [])
    assert vault(root)[0] == f"$ANSIBLE_VAULT;staging;{(root / '.vault' / 'staging').read_text().strip()}"


def test_the_second_environment_is_known_to_the_first_and_compares_with_it(root: Path) -> None:
    written(root)
    before = everything(root)
    found = written(root, Asked("production", ["10.1.0.1"]))
    after = everything(root)
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {"ansible.cfg", "inventories/staging/group_vars/all/stack.yml"}
    assert [file.path for file in found.files if file.before is not None] == sorted(changed, reverse=True)
    assert "staging@inventories/vault-client.py, production@inventories/vault-client.py" in after["ansible.cfg"][0]
    assert (
        stack(root)["preflight_environments"] == stack(root, "production")["preflight_environments"] == ["staging", "production"]
    )
    assert vault(root)[1]["vault_fingerprint_key"] == vault(root, "production")[1]["vault_fingerprint_key"]
    assert vault(root)[0].split(";")[2] != vault(root, "production")[0].split(";")[2]
    written(root, Asked("qa"))
    assert stack(root)["preflight_environments"] == stack(root, "qa")["preflight_environments"] == ["staging", "production", "qa"]
    # In whatever order they come again.
    assert [new(root, Asked(name)).files for name in ("staging", "production", "qa")] == [[], [], []]


def test_the_compose_files_of_the_environment_are_found_and_named_as_they_lie(root: Path) -> None:
    (root / "deploy").mkdir()
    (root / "deploy" / "app.yaml").write_text("name: other\nservices: {web: {expose: [1]}, db: {}}\n")
    (root / "deploy" / "app.staging.yaml").write_text("services: {web: {expose: !override [2]}}\n")
    written(root, replace(STAGING, compose="deploy/app.yaml", health="/up"))
    found = stack(root)
    assert found["stack_source"] == "{{ inventory_dir }}/../../deploy"
    assert (found["stack"]["name"], found["stack"]["compose_files"]) == ("other", ["app.yaml", "app.staging.yaml"])
    assert found["stack"]["services"] == [
        {"name": "web", "port": 2, "routes": [{"host": "shop.example"}], "health": {"path": "/up"}}
    ]


@pytest.mark.parametrize("name", ["compose.yaml", "docker-compose.yml", "docker-compose.yaml"])
def test_the_other_names_of_a_compose_file_are_known_too(root: Path, name: str) -> None:
    (root / "compose.yml").rename(root / name)
    written(root)
    assert stack(root)["stack"]["compose_files"] == [name]


def test_where_nothing_can_be_known_it_is_left_empty_and_named(root: Path) -> None:
    (root / "compose.yml").unlink()
    lines = said(written(root, Asked("staging")))
    begin = lines.index("Yours to fill in, before a deploy:")
    assert lines[begin + 1 : lines.index("Next:")] == [
        "  inventories/staging/hosts.yml: app.hosts",
        "  inventories/staging/group_vars/all/stack.yml: stack.services[0].name",
        "  inventories/staging/group_vars/all/stack.yml: stack.services[0].port",
        "  inventories/staging/group_vars/all/stack.yml: stack.services[0].health.path",
        "No Compose file lies here: a deploy reads compose.yml. Copy yours to it, or name it in stack.compose_files of "
        "inventories/staging/group_vars/all/stack.yml",
    ]


def test_a_password_that_is_given_otherwise_is_taken_and_not_written(root: Path) -> None:
    written(root, MORPHEUS_VAULT_PASSWORD_STAGING="of the team")
    assert vault(root)[0] == "$ANSIBLE_VAULT;staging;of the team"
    assert not (root / ".vault").exists()


def test_what_is_next_is_said_in_commands(root: Path) -> None:
    lines = said(written(root, replace(STAGING, user="deploy")))
    commands = [line.partition("  # ")[0].strip() for line in lines[lines.index("Next:") + 1 :]]
    assert commands == [
        "ssh deploy@10.0.0.1 sudo true",
        "ansible-vault edit inventories/staging/group_vars/vault.yml",
        "ansible-playbook morpheus.deploy.fingerprint -i inventories/staging",
        "ansible-playbook morpheus.deploy.config -i inventories/staging",
        "ansible-playbook morpheus.deploy.provision -i inventories/staging",
        "ansible-playbook morpheus.deploy.claim -i inventories/staging",
        "ansible-playbook morpheus.deploy.deploy -i inventories/staging -e stack_release=1.0.0",
    ]


WRONG = {
    "name: required; what the environment is called, for example -e name=staging": Asked(""),
    'name: "Prod" must be lower-case letters, digits and -, a letter first, 32 at most, because directories and variables are '
    "called by it; for example -e name=staging": Asked("Prod"),
    'hosts[1]: "10.0.0.256" is neither an address nor the name of a host; users are named by -e user=, ports in your SSH '
    "configuration, and hosts are parted by commas, for example -e hosts=10.0.0.1,10.0.0.2": Asked("a", ["::1", "10.0.0.256"]),
    'hosts[1]: "web-1" is listed twice': Asked("a", ["web-1", "web-1"]),
    'user: "a b" is not a valid name of a user of Linux, for example -e user=deploy': Asked("a", user="a b"),
    'site: "https://a.b/c" is more than a host; write host: "a.b" and paths: ["/c"]': Asked("a", site="https://a.b/c"),
    'port: "65536" is not a port; the one inside the container, for example -e port=8080': Asked("a", port="65536"),
    'port: "http" is not a port; the one inside the container, for example -e port=8080': Asked("a", port="http"),
    'health: "up" must start with "/", for example -e health=/health': Asked("a", health="up"),
}


@pytest.mark.parametrize(("problem", "asked"), WRONG.items())
def test_what_was_typed_wrongly_is_refused_with_what_to_type(root: Path, problem: str, asked: Asked) -> None:
    assert problems(asked) == [problem]
    assert refused(root, asked) == problem


@pytest.mark.parametrize("name", ["-a", "a-", "a_b", "../a", "a/b", "1a", "ä", "a" * 33, "a\n"])
def test_no_other_name_is_one(name: str) -> None:
    [problem] = problems(Asked(name))
    assert problem.startswith(f'name: "{name}" must be ')


def test_all_that_is_wrong_is_said_at_once(root: Path) -> None:
    assert refused(root, Asked("", ["x:22"], port="0")).count("\n") == 2


def test_what_is_there_is_never_overwritten(root: Path) -> None:
    written(root)
    assert refused(root, replace(STAGING, hosts=["10.0.0.9", "10.0.0.8"])) == (
        "inventories/staging/hosts.yml: is there already and stays as it is, so -e hosts=10.0.0.9,10.0.0.8 would be lost. Write "
        "it there, or run this without it"
    )
    assert refused(root, replace(STAGING, site="other.example", port="1")) == (
        "inventories/staging/group_vars/all/stack.yml: is there already and stays as it is, so -e site=other.example -e port=1 "
        "would be lost. Write it there, or run this without it"
    )


def test_files_of_a_persons_own_stay_as_they_are(root: Path) -> None:
    own = {".gitignore": "*.pyc\n", "ansible.cfg": "[defaults]\nforks = 5\n", "inventories/vault-client.py": "mine\n"}
    (root / "inventories").mkdir()
    for path, text in own.items():
        (root / path).write_text(text)
    (root / "ansible.cfg").chmod(0o600)
    found = written(root)
    assert found.left == ["inventories/vault-client.py"]
    after = everything(root)
    assert after["inventories/vault-client.py"] == ("mine\n", 0o644)
    assert after[".gitignore"][0] == "*.pyc\n/.vault/\n/.deploy/\n"
    assert after["ansible.cfg"][1] == 0o600
    assert "forks = 5" in after["ansible.cfg"][0]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            replace(STAGING, compose="no.yml"),
            "compose: {root}/no.yml does not exist; name the Compose file, for example -e compose=",
        ),
        (replace(STAGING, service="api"), 'service: "api" is not a service that runs by {root}/compose.yml; it has web'),
    ],
)
def test_what_the_compose_file_does_not_have_is_refused(root: Path, asked: Asked, words: str) -> None:
    assert refused(root, asked).startswith(words.format(root=root))


def test_a_compose_file_that_is_none_is_refused(root: Path) -> None:
    (root / "compose.yml").write_text("services: {\n")
    assert refused(root).startswith(f"compose: {root}/compose.yml: is not YAML: ")


def test_a_directory_whose_configuration_ansible_would_ignore_is_refused(root: Path) -> None:
    root.chmod(0o777)
    assert refused(root) == (
        f"{root}: everybody may write here, so Ansible would ignore an ansible.cfg; chmod o-w {root}, or run this in a directory "
        "of your own"
    )


def test_without_the_password_of_the_first_there_is_no_second_environment(root: Path) -> None:
    written(root)
    assert refused(root, Asked("production"), lambda path: None) == (
        "inventories/staging/group_vars/vault.yml: does not open, and the vault_fingerprint_key in it is needed, because all "
        "environments have the same. Give its password once: export MORPHEUS_VAULT_PASSWORD_STAGING=..."
    )


def test_fingerprints_of_another_key_are_refused(root: Path) -> None:
    written(root)
    assert refused(root, Asked("production"), lambda path: {"vault_fingerprint_key": "another one"}) == (
        "inventories/staging/fingerprints.json: was made with another key than the vault_fingerprint_key of its vault, which all "
        "environments have in common: ansible-playbook morpheus.deploy.fingerprint -i inventories/staging"
    )


def test_an_environment_that_others_made_is_told_what_it_lacks(root: Path) -> None:
    variables = root / "inventories" / "old" / "group_vars" / "all.yml"
    variables.parent.mkdir(parents=True)
    variables.write_text("preflight_environments:\n  - old\n")
    found = written(root, Asked("qa"))
    assert found.notes == [
        "inventories/old/fingerprints.json is missing, and every deploy compares with it: ansible-playbook "
        "morpheus.deploy.fingerprint -i inventories/old",
        "inventories/old does not say preflight_environments in one line: add qa to it",
    ]
    assert variables.read_text() == "preflight_environments:\n  - old\n"
    assert stack(root, "qa")["preflight_environments"] == ["old", "qa"]


def test_fingerprints_without_their_vault_are_not_written_over(root: Path) -> None:
    written(root)
    (root / "inventories" / "staging" / "group_vars" / "vault.yml").unlink()
    assert refused(root) == (
        "inventories/staging/fingerprints.json: is of a vault that is gone. Bring inventories/staging/group_vars/vault.yml back, "
        "or remove inventories/staging/fingerprints.json, and run this again"
    )


@pytest.mark.parametrize("path", ["ansible.cfg", "inventories/staging/hosts.yml"])
def test_what_is_no_file_is_named(root: Path, path: str) -> None:
    (root / path).mkdir(parents=True)
    assert refused(root) == (
        f"{path}: cannot be read (Is a directory); nothing is written over it. Move it away, and run this again"
    )


def test_the_fingerprints_are_those_that_the_playbook_would_write(root: Path) -> None:
    written(root)
    text = (root / "inventories" / "staging" / "fingerprints.json").read_text()
    assert text == fingerprints.text(json.loads(text))


def test_the_example_says_what_a_new_environment_says(root: Path) -> None:
    (root / "compose.yml").write_text((ROOT / "stacks" / "example" / "compose.yml").read_text())
    written(root)
    example = yaml.safe_load((ROOT / "inventories" / "example" / "hosts.yml").read_text())["app"]
    assert list(example["hosts"]) == ["10.0.0.1"]
    new_ones = stack(root)
    assert example["vars"].pop("stack_source") == "{{ inventory_dir }}/../../stacks/example"
    assert example["vars"] == {name: new_ones[name] for name in example["vars"]}


def test_the_example_has_ten_lines_that_matter() -> None:
    text = (ROOT / "inventories" / "example" / "hosts.yml").read_text()
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#") and line != "---"]
    assert len(lines) == 10
    # Each option that is commented is one, and is YAML when it is not.
    wanted = re.sub(r"^( *)# (?=[a-z_]+: [\[{\"a-z0-9]|lb:|  hosts:)", r"\1", text, flags=re.MULTILINE)
    assert {"migration", "public_check", "env", "files"} <= set(yaml.safe_load(wanted)["app"]["vars"]["stack"])
