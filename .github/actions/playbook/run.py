"""Runs the playbook that the action's inputs name, and says how it ended: exit status, outputs, summary.

Key and password are in files and variables of this process's children only. Whatever the inputs say is checked before anything
is started: none of it may be a path elsewhere, an option or a template, because Ansible executes templates in extra variables.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
# Playbooks that end in a verdict; of the others a file of their own name is left.
_SUMMARY_LINES = 200


class InputError(Exception):
    """What a person is told."""


def checked(environment: Mapping[str, str]) -> tuple[str, str, dict[str, Any]]:
    """Inventory, playbook and extra variables."""
    inventory, playbook = environment["INVENTORY"], environment["PLAYBOOK"]
    for name, value in (("inventory", inventory), ("playbook", playbook)):
        if not _NAME.fullmatch(value):
            raise InputError(f"{name}: {value!r} is no name of small letters, digits, - and _")
    if environment["CHECK"] not in ("true", "false"):
        raise InputError(f"check: {environment['CHECK']!r} is neither true nor false")
    try:
        variables = json.loads(environment["VARIABLES"] or "{}")
    except ValueError as error:
        raise InputError(f"variables: is no JSON: {error}") from None
    if not isinstance(variables, dict):
        raise InputError(f"variables: is a {type(variables).__name__} where an object is expected")
    if re.search(r"\{\{|\{%|\{#", json.dumps(list(texts(variables)))):
        raise InputError("variables: holds a template ({{, {% or {#), which Ansible would execute")
    return inventory, playbook, {name: value for name, value in variables.items() if value not in ("", None)}


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    return [value] if isinstance(value, str) else []


def command(inventory: str, playbook: str, variables: Path, *, check: bool) -> list[str]:
    options = ["--check", "--diff"] if check else []
    return ["ansible-playbook", f"morpheus.deploy.{playbook}", "-i", f"inventories/{inventory}", "-e", f"@{variables}", *options]


def surroundings(environment: Mapping[str, str], inventory: str, directory: Path) -> dict[str, str]:
    """What Ansible gets to see: no input of the action but those that it needs, each under Ansible's own name."""
    inputs = ("INVENTORY", "PLAYBOOK", "VARIABLES", "CHECK", "SSH_KEY", "SSH_KNOWN_HOSTS", "VAULT_PASSWORD")
    own = {name: value for name, value in environment.items() if name not in inputs}
    if environment["SSH_KEY"]:
        own["ANSIBLE_PRIVATE_KEY_FILE"] = str(secret(directory / "key", environment["SSH_KEY"]))
    if environment["SSH_KNOWN_HOSTS"]:
        known = secret(directory / "known_hosts", environment["SSH_KNOWN_HOSTS"])
        own["ANSIBLE_SSH_EXTRA_ARGS"] = f"-o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes"
    if environment["VAULT_PASSWORD"]:
        own[f"MORPHEUS_VAULT_PASSWORD_{inventory.upper().replace('-', '_')}"] = environment["VAULT_PASSWORD"]
    return own


def secret(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text.strip() + "\n")
    return path


def verdict_file(inventory: str, playbook: str, *, check: bool) -> Path:
    """A plan is a verdict of its own."""
    name = "plan.json" if playbook == "plan" else "check.json" if check else "verdict.json"
    return Path(".deploy", inventory, name)


def verdict_of(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def summary(playbook: str, inventory: str, verdict: Mapping[str, Any], output: str, code: int) -> str:
    """For people, in the summary of the job. The text is fenced: what an application printed must not become markup."""
    word = verdict.get("verdict") or ("ended well" if code == 0 else f"exit status {code}")
    # What begins so, as a group does, is meant for the log.
    last = [line for line in output.splitlines() if not line.startswith("::")][-_SUMMARY_LINES:]
    fence = "`" * (max((len(run) for run in re.findall("`+", output)), default=2) + 1)
    return "\n".join(
        [f"### {playbook} of {inventory}: {word}", "", max(fence, "```", key=len), *last, max(fence, "```", key=len), ""]
    )


def append(name: str, text: str) -> None:
    path = os.environ.get(name)
    if path:
        with Path(path).open("a") as file:
            file.write(text)


def run(words: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Exit status, and everything that was printed, which is printed here too, as it comes."""
    lines = []
    with subprocess.Popen(words, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            sys.stdout.write(line)
            sys.stdout.flush()
            lines.append(line)
    return process.returncode, "".join(lines)


def main() -> int:
    try:
        inventory, playbook, variables = checked(os.environ)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    check = os.environ["CHECK"] == "true"
    left = verdict_file(inventory, playbook, check=check)
    # Where Ansible refuses the command before it begins, that of an earlier step would stay.
    left.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=os.environ.get("RUNNER_TEMP")) as temporary:
        directory = Path(temporary)
        said = secret(directory / "variables.json", json.dumps(variables))
        environment = surroundings(os.environ, inventory, directory)
        code, output = run(command(inventory, playbook, said, check=check), environment)
    verdict = verdict_of(left)
    append("GITHUB_OUTPUT", f"verdict={verdict.get('verdict', '')}\nrelease={verdict.get('release', '')}\n")
    append("GITHUB_STEP_SUMMARY", summary(playbook, inventory, verdict, output, code))
    return code


if __name__ == "__main__":
    sys.exit(main())
