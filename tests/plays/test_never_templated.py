"""Secrets that look like templates, through Ansible itself: they arrive as they stand, nothing of them is executed or printed.

Roles, plugins and vault are the real ones; the modules keep what they are given.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file as dotenv

from tests.hangs import HANGS_AFTER_SECONDS
from tests.plays import staged
from tests.plays.played import LOCAL
from tests.plays.staged import BIN

MARK = "s3ntinel"
TOUCHED = "executed"
NASTY = {
    "OPENED": f"{MARK}-a{{{{ b",
    "UNKNOWN": f"{MARK}-{{{{ nobody_knows_me }}}}-x",
    "KNOWN": f"{MARK}-{{{{ stack_environment }}}}-x",
    "LOOKUP": f"{MARK}-{{{{ lookup('ansible.builtin.pipe', 'touch {TOUCHED}; echo {MARK}') }}}}",
    "STATEMENT": f"{MARK}-{{% for x in y %}}",
    "COMMENT": f"{MARK}-{{# gone #}}-x",
    "FAILING": f"{MARK}-{{{{ 1 / 0 }}}}",
    "RAW": f"{{% raw %}}{MARK}{{% endraw %}}",
    "PLAIN": f"{MARK}-as ever",
}
KEEPS = """#!/usr/bin/python
import json, os, pathlib, sys
from ansible.module_utils import basic

given = basic._load_params()
with open(pathlib.Path(os.environ["STAGE"]) / {name!r}, "a") as stream:
    stream.write(json.dumps(given) + "\\n")
print(json.dumps(dict(changed=True, id="1.1.0-bb", images=dict(), was_live=False)))
sys.exit(0)
"""
OPEN = {"name": "Open", "ansible.builtin.import_role": {"name": "morpheus.deploy.preflight", "tasks_from": "open"}}
CHECK = {"name": "Check", "ansible.builtin.import_role": {"name": "morpheus.deploy.preflight", "tasks_from": "check"}}
PREPARE = {
    "name": "Prepare",
    "ansible.builtin.import_role": {"name": "morpheus.deploy.stack"},
    "vars": {"stack_config": "{{ preflight_config }}", "stack_without_lease": True},
}


@dataclass(frozen=True)
class Ended:
    code: int
    output: str
    # Module -> what it was given, each time.
    given: Mapping[str, Sequence[Mapping[str, Any]]]
    verdict: str


class Place:
    """An inventory of one host, which is this machine."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        collections = staged.collection(directory)
        self._modules = collections / "ansible_collections" / "morpheus" / "deploy" / "plugins" / "modules"
        for name in ("stack_release", "stack_secret"):
            (self._modules / f"{name}.py").write_text(KEEPS.format(name=name))
        (directory / "source").mkdir()
        (directory / "source" / "compose.yml").write_text(staged.COMPOSE)
        (directory / "password").write_text("open")
        (directory / "ansible.cfg").write_text(
            f"[defaults]\ncollections_path = {collections}\ncallbacks_enabled = morpheus.deploy.verdict\n"
            "inject_facts_as_vars = false\ninternal_poll_interval = 0.005\n"
            f"vault_identity_list = staging@{directory}/password\n"
        )

    def vault(self, name: str = "vault.yml", text: str = "", **variables: Any) -> None:
        secret = VaultSecret(b"open")
        plain = text or yaml.safe_dump({**staged.VAULT, **variables})
        encrypted: bytes = VaultLib([("staging", secret)]).encrypt(plain, secret, "staging")
        (self.directory / name).write_bytes(encrypted)

    def play(self, *tasks: Mapping[str, Any], **variables: Any) -> Ended:
        given = {**staged.VARIABLES, **LOCAL, **variables}
        (self.directory / "hosts.yml").write_text(yaml.safe_dump({"app": {"hosts": {"app-1": {}}, "vars": given}}))
        play = {"hosts": "app", "gather_facts": False, "tasks": list(tasks)}
        (self.directory / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        done = subprocess.run(
            [str(BIN / "ansible-playbook"), "play.yml", "-i", "hosts.yml", "-vvvv", "--diff"],
            cwd=self.directory,
            env={**os.environ, "STAGE": str(self.directory), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOG_PATH": "log"},
            capture_output=True,
            text=True,
            timeout=HANGS_AFTER_SECONDS,
            check=False,
        )
        names = [path.stem for path in self._modules.glob("*.py") if (self.directory / path.stem).exists()]
        found = {name: [json.loads(line) for line in (self.directory / name).read_text().splitlines()] for name in names}
        verdict = self.directory / ".deploy" / "staging" / "verdict.json"
        output = done.stdout + done.stderr + (self.directory / "log").read_text()
        return Ended(done.returncode, output, found, verdict.read_text() if verdict.exists() else "")

    @property
    def executed(self) -> bool:
        return any(self.directory.rglob(TOUCHED))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_secret_that_looks_like_a_template_arrives_as_it_stands(place: Place) -> None:
    place.vault(**{f"vault_{name.lower()}": value for name, value in NASTY.items()})
    secrets = {name: f"{{{{ vault_{name.lower()} }}}}" for name in NASTY}
    files = {name.lower(): {"content": value} for name, value in secrets.items()}
    # In the middle of other text, too.
    secrets["PART"] = "https://u:{{ vault_opened }}@host/{{ vault_lookup }}"
    done = place.play(
        *(CHECK, PREPARE),
        stack_secrets={"web": secrets},
        stack_secret_variables=secrets,
        stack_secret_files=files,
        stack_rotation=[],
    )
    assert done.code == 0, done.verdict
    (given,) = done.given["stack_release"]
    whole = f"https://u:{NASTY['OPENED']}@host/{NASTY['LOOKUP']}"
    for name in ("web", "variables"):
        assert dotenv.values(given["secrets"][f"{name}.env"]) == {**NASTY, "PART": whole}
    found = {name: base64.b64decode(content).decode() for name, content in given["secret_files"].items()}
    assert found == {name.lower(): value for name, value in NASTY.items()}
    for name in NASTY:
        # The variable alone is named.
        words = f"vault_{name.lower()}: looks like a template, but values of a vault never are: it is passed on as it is"
        assert (words in done.output) == (name != "PLAIN")
    assert MARK not in done.output
    assert not place.executed


@pytest.mark.deep
def test_what_a_rotation_has_written_arrives_as_it_stands_and_gives_way_to_what_it_writes_next(place: Place) -> None:
    first, second, third = NASTY["LOOKUP"], NASTY["OPENED"], NASTY["PLAIN"]
    place.vault("first.yml", vault_key=first, vault_rotation={"old": first, "new": second})
    place.vault("second.yml", vault_key=second, vault_rotation={"old": first, "new": third})
    place.vault("third.yml", vault_key=third)
    tasks: list[Mapping[str, Any]] = []
    for name in ("first.yml", "second.yml", "third.yml"):
        value = "{{ [stack_secrets.web.KEY, vault_rotation.new] | to_json }}"
        tasks += [
            {**OPEN, "vars": {"stack_vault": f"{{{{ inventory_dir }}}}/{name}"}},
            {"name": "Write", "morpheus.deploy.stack_secret": {"value": value}},
        ]
    done = place.play(*tasks)
    assert done.code == 0, done.verdict
    given = [json.loads(one["value"]) for one in done.given["stack_secret"]]
    # The last vault has no rotation: what was read before stays, and nobody asks for it.
    assert given == [[first, second], [second, third], [third, third]]
    assert not place.executed


@pytest.mark.parametrize("problem", [pytest.param("password", marks=pytest.mark.deep), "content"])
def test_a_vault_that_does_not_open_is_refused_without_a_word_of_it(place: Place, problem: str) -> None:
    place.vault(vault_key=NASTY["LOOKUP"])
    if problem == "password":
        (place.directory / "password").write_text("another one")
    else:
        place.vault(text=f"- {MARK}\n- {{{{ {MARK}\n")
    done = place.play(CHECK)
    assert done.code == 2
    words = {"password": "could not be opened: the password of vault id", "content": "holds no YAML mapping of variables"}
    assert words[problem] in " ".join(done.output.split())
    assert MARK not in done.output


def test_a_value_of_the_vault_in_the_plain_configuration_is_refused(place: Place) -> None:
    place.vault(vault_dsn=f"{MARK}-of-the-dsn", vault_level="info")
    (place.directory / "source" / "compose.yml").write_text(f"# {MARK}-of-the-dsn\n{staged.COMPOSE}")
    env = {"DSN": "https://u:{{ vault_dsn }}@host/1", "LEVEL": "{{ vault_level }}", "SHOP": "{{ stack_environment }}"}
    check = {"url": "https://shop.example/health", "headers": {"X-Key": "{{ vault_dsn | b64encode }}"}}
    done = place.play(CHECK, stack={**staged.VARIABLES["stack"], "env": {"web": env}, "public_check": check})
    assert done.code == 2
    assert json.loads(done.verdict)["messages"] == [
        "Nothing was contacted or changed. Problems in the configuration:\n"
        "  - stack.env.web.DSN: holds the value of vault_dsn, and goes into files that everybody on the hosts can read; move DSN "
        "to stack_secrets.web, or, if it is not a secret, take vault_dsn out of the vault\n"
        "  - stack.public_check.headers.X-Key: holds the value of vault_dsn, and goes into files that everybody on the hosts can "
        "read; nothing there may be secret, or, if it is not a secret, take vault_dsn out of the vault"
    ]
