"""A marked secret that an application, a driver or an exception prints: at -vvvv neither screen, log nor verdict shows it.

Ansible, the callback and what a module says its words with are the real ones.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file as dotenv

from tests.plays.test_never_templated import OPEN, Place
from tests.unit.plugins.module_utils.words.test_said import ENCODINGS, MARK, VALUE, is_shown

# Ends in the way that it is told, with all that it was given in what it says.
LEAKS = """#!/usr/bin/python
import os, pathlib, sys, threading

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import registries
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words

said.STACKS_ROOT = pathlib.Path(os.environ["STAGE"]) / "stacks"


@in_words
def main():
    hidden = {"no_log": True}
    module = AnsibleModule(
        {"way": {"type": "str"}, "key": {"type": "str", **hidden}, "registries": {"type": "dict", "default": {}, **hidden}}
    )
    said.know_options(module)
    said.know(registries.secrets(registries.unpacked(module.params["registries"])))
    text = (pathlib.Path(os.environ["STAGE"]) / "printed").read_text()
    way = module.params["way"]
    if way == "a mistake":
        {}[text]
    if way == "an error":
        raise DeployError(text)
    if way == "a driver":
        raise OSError(111, text)
    if way == "no JSON":
        print(text)
        sys.exit(0)
    if way == "a thread":
        thread = threading.Thread(target=lambda: {}[text])
        thread.start()
        thread.join()
        sys.exit(1)
    if way == "a log":
        module.fail_json(msg="The last log lines of shop-api-1:\\n" + said.excerpt(text.encode()), left="as_before")
    module.warn(text)
    module.exit_json(changed=True, diff={"before": text, "after": text}, gates=[{"last": text}], key=module.params["key"])


if __name__ == "__main__":
    main()
"""
# All of them with all that is known stand in test_said; through Ansible each costs a process.
EACH_TIME = ("host",)
WAYS = {
    "host": ("a mistake", "no JSON", "a thread", "a result"),
    "variables": ("a mistake", "a driver"),
    "option": ("an error", "a driver"),
    "registry": ("an error", "a result"),
}
ESCAPES = "\x1b[31mred\x1b[0m \x1b]0;title\x07 over\rwritten \x00 \u202eback"


@pytest.mark.parametrize("known_by", [pytest.param(way, marks=[] if way in EACH_TIME else [pytest.mark.deep]) for way in WAYS])
def test_a_marked_secret_is_neither_on_the_screen_nor_in_a_log_nor_in_the_verdict(tmp_path: Path, known_by: str) -> None:
    place = Place(tmp_path)
    place.vault(vault_key=VALUE)
    text = " ".join([*(encode(VALUE) for encode in ENCODINGS.values()), ESCAPES])
    (tmp_path / "printed").write_text(text)
    assert is_shown(text)
    secrets = tmp_path / "stacks" / "shop" / "secrets"
    secrets.mkdir(parents=True)
    if known_by == "host":
        (secrets / "key").write_text(VALUE)
    if known_by == "variables":
        (secrets / "variables.env").write_text(dotenv.render({"DB_PASSWORD": VALUE}))
    modules = tmp_path / "collections" / "ansible_collections" / "morpheus" / "deploy" / "plugins" / "modules"
    (modules / "stack_rollout.py").write_text(LEAKS)
    key = "{{ stack_secrets.web.KEY }}" if known_by == "option" else "of no importance"
    logins = "{{ stack_registries | morpheus.deploy.registry_logins }}" if known_by == "registry" else {}
    given = {"key": key, "registries": logins}
    ending = {"way": "{{ way }}", **given}
    tasks: list[Mapping[str, Any]] = [
        OPEN,
        {
            "name": "End in every way",
            "morpheus.deploy.stack_rollout": ending,
            "loop": list(WAYS[known_by]),
            "loop_control": {"loop_var": "way"},
            "ignore_errors": True,
        },
        {"name": "Show a log", "morpheus.deploy.stack_rollout": {"way": "a log", **given}},
    ]
    # What was played before is no part of what is looked at.
    registries = [{"server": "registry.example.com", "username": "us", "password": "{{ vault_key }}"}]
    done = place.play(*tasks, **({"stack_registries": registries} if known_by == "registry" else {}))
    (tmp_path / "printed").unlink()
    assert done.code == 2
    message = json.loads(done.verdict)["messages"][0]
    assert message.startswith(("the rollout of app-1 ended", "The last log lines of shop-api-1:\n*** "))
    assert "over\nwritten \\x00 \\u202eback" in message
    seen = done.output.count("***")
    assert seen > len(WAYS[known_by])
    shown = [line[:80] for line in done.output.splitlines() if is_shown(line)]
    assert shown == []
    assert not is_shown(done.verdict)
    files = list((tmp_path / ".deploy").rglob("*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in files if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / ".deploy", *files] if path.is_dir()} == {0o700}
    assert MARK not in "".join(path.read_text() for path in files if path.is_file())
    # Escape sequences are Ansible's to print raw nowhere, too.
    assert "\x1b" not in done.output
    assert "\u202e" not in done.output
