# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of a new environment's files, and the few lines that are added to files that are there already. Pure.

Only what cannot be known is left empty: a deploy refuses it, with its path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

CALLBACK = "morpheus.deploy.verdict"
CLIENT = "inventories/vault-client.py"
# Below [defaults]: lists to which something may be added, and what is only written where nothing stands.
IGNORED = r"^(fingerprints|baselines|flags)\.json$"
_SECTION = re.compile(r"^\[defaults\][ \t]*$", re.MULTILINE)
_ENVIRONMENTS = re.compile(r"^(?P<head>preflight_environments:[ \t]*\[)(?P<names>[^\]\n]*)(?P<tail>\].*)$", re.MULTILINE)

_HOSTS = """---
# The machines of {name}: an address, or a name that SSH knows. Each needs SSH and a user with sudo.
app:
  hosts:
{hosts}
# A machine that balances the others, see the role edge:
# lb:
#   hosts:
#     10.0.0.9:
"""
_NO_USER = "# Who logs in. Left out, your SSH configuration says it.\n# ansible_user: deploy\n"
_ANY_HOST = "        # Of any host name. Of one: - host: www.example.com\n        - paths: [/]"
_NO_HOSTS = "    # Required: one a line, with a colon at its end, such as 10.0.0.1:\n"

_STACK = """---
# The environment. Every option: ansible-doc -t role morpheus.deploy.preflight, and docs/configuration.md of the collection.
stack_environment: {name}
preflight_environments: [{names}]

{user}
# Where the Compose files lie, on this machine.
stack_source: "{source}"

# What a Compose file cannot say. How services run and are updated stands in the Compose files.
stack:
  name: {stack}
  compose_files: [{compose}]
  # More files that services mount; they change with the release.
  # files: [nginx.conf]
  services:
    # What users reach. A service that is not listed runs, too, without a way in.
    - name:{service}
      # Inside the container.
      port:{port}
      routes:
{route}
      # A new replica gets its first request when this path has answered 200 three times in a row.
      health:
        path:{health}
        # The field of the answer's JSON that must name the release: then no wrong image ever serves.
        # version: version

  # Plain settings. A service reads them by env_file: env/web.env
  # env:
  #   web:
  #     LOG_LEVEL: info

  # Runs once per deploy, before any traffic; a service behind a profile.
  # migration: {{service: migrate}}

  # Asked through the edge after each host, as a user asks.
  # public_check: {{url: "https://{example}/"}}

# The release is the tag of the images: ${{STACK_RELEASE}} in the Compose files. Named with each deploy, or here.
# stack_release: "1.0.0"

# Secrets. A service reads these by env_file: secrets/web.env; the values stand in the vault.
# stack_secrets:
#   web:
#     DATABASE_URL: "{{{{ vault_database_url }}}}"

# HTTPS: certificate, chain and key in one file on this machine. Without it the site is served by plain HTTP.
# edge_certificate_paths:
#   {example}: "{{{{ inventory_dir }}}}/../../certificates/{example}.pem"

# Read by runs that need secrets; a rollback needs no password.
stack_vault: "{{{{ inventory_dir }}}}/group_vars/vault.yml"

# By these a deploy sees that no other environment has one of this one's secrets. Every inventory beside this one is compared;
# stack_other_fingerprints names other files.
stack_fingerprints: "{{{{ inventory_dir }}}}/fingerprints.json"
stack_fingerprint_key: "{{{{ vault_fingerprint_key }}}}"
"""

_VAULT = """---
# The secrets of {name}, by the names that group_vars/all/stack.yml uses. After each change:
# ansible-playbook morpheus.deploy.fingerprint -i inventories/{name}
# vault_database_url: "postgresql://..."

# Of fingerprints.json, the same in every environment. No container gets it.
vault_fingerprint_key: {key}
"""

_CONFIG = """[defaults]
# Says in one word how each run ended; without it no playbook of morpheus.deploy runs.
callbacks_enabled = {callback}
# Who gives the password of each environment's vault. One password opens one vault.
vault_identity_list = {name}@{client}
vault_id_match = true
# Stand beside hosts.yml and are no inventory.
inventory_ignore_patterns = {ignored}
# Shows a deploy while it happens; Ansible's own output: ANSIBLE_STDOUT_CALLBACK=default
stdout_callback = morpheus.deploy.live
callback_result_format = yaml
display_skipped_hosts = false
forks = 25
# Seconds between two looks whether a host has answered. By default Ansible looks a thousand times a second, as long as it waits.
internal_poll_interval = 0.005
gathering = explicit
# Whatever a host answers, it is no variable. Without this no playbook of morpheus.deploy runs.
inject_facts_as_vars = false
interpreter_python = auto_silent
retry_files_enabled = false

[ssh_connection]
pipelining = true
ssh_args = -o ControlMaster=auto -o ControlPersist=300s -o ServerAliveInterval=15 -o ServerAliveCountMax=4
"""


@dataclass(frozen=True)
class Answers:
    """What is known of an environment. ``names``: all that there are; ``source``: the directory of the Compose files."""

    name: str
    names: Sequence[str]
    stack: str
    source: str
    compose: Sequence[str]
    hosts: Sequence[str] = field(default_factory=tuple)
    user: str = ""
    site: str = ""
    service: str = ""
    port: int = 0
    health: str = ""

    def open_ends(self) -> list[str]:
        """Paths of what a person must write, below the inventory's directory."""
        found = [] if self.hosts else ["hosts.yml: app.hosts"]
        empty = {"name": self.service, "port": self.port, "health.path": self.health}
        return found + [f"group_vars/all/stack.yml: stack.services[0].{key}" for key, value in empty.items() if not value]


def hosts(answers: Answers) -> str:
    lines = "".join(f"    {_quoted(host)}:\n" for host in answers.hosts)
    return _HOSTS.format(name=answers.name, hosts=lines or _NO_HOSTS)


def stack(answers: Answers) -> str:
    return _STACK.format(
        name=_quoted(answers.name),
        names=", ".join(map(_quoted, answers.names)),
        user=f"ansible_user: {_quoted(answers.user)}\n" if answers.user else _NO_USER,
        source=answers.source,
        stack=_quoted(answers.stack),
        compose=", ".join(map(_quoted, answers.compose)),
        service=_after(_quoted(answers.service)),
        port=_after(answers.port),
        route=f"        - host: {_quoted(answers.site)}" if answers.site else _ANY_HOST,
        health=_after(_quoted(answers.health)),
        example=answers.site or "www.example.com",
    )


def vault(name: str, key: str, imported: Mapping[str, str]) -> str:
    """``imported``: variables that it has from the start."""
    more = "\n" + yaml.safe_dump(dict(imported), allow_unicode=True, width=1000) if imported else ""
    return _VAULT.format(name=name, key=key) + more


def config(name: str) -> str:
    return _CONFIG.format(name=name, callback=CALLBACK, client=CLIENT, ignored=IGNORED)


def config_with(text: str, name: str, path: str) -> str:
    """``text`` of an ansible.cfg that is there, with what the environment needs of it. Raises DeployError where a person must."""
    wanted = {"callbacks_enabled": CALLBACK, "vault_identity_list": f"{name}@{CLIENT}", "inventory_ignore_patterns": IGNORED}
    if not _SECTION.search(text):
        text = f"[defaults]\n\n{text}" if text.strip() else "[defaults]\n"
    for option, value in wanted.items():
        text = _listed(text, option, value, path)
    for line in ("vault_id_match = true", "inject_facts_as_vars = false"):
        text = text if _line(text, line.partition(" ")[0]) else _put(text, line)
    return text


def _line(text: str, option: str) -> re.Match[str] | None:
    """Of the section [defaults]."""
    begin = _SECTION.search(text)
    start = begin.end() if begin else 0
    end = re.compile(r"^\[", re.MULTILINE).search(text, start)
    pattern = re.compile(rf"^{option}[ \t]*[=:][ \t]*(?P<value>[^\n]*?)[ \t]*$(?P<more>\n[ \t]+\S)?", re.MULTILINE)
    return pattern.search(text, start, end.start() if end else len(text))


def _listed(text: str, option: str, value: str, path: str) -> str:
    found = _line(text, option)
    if not found:
        return _put(text, f"{option} = {value}")
    there = [one.strip() for one in found["value"].split(",")]
    if value in there:
        return text
    if found["more"] or " ;" in found["value"]:
        raise DeployError(f"{path}: {option} is written in a way that is not changed here; add {value} to it, and run this again")
    new = ", ".join([one for one in there if one] + [value])
    return f"{text[: found.start('value')]}{new}{text[found.end('value') :]}"


def _put(text: str, line: str) -> str:
    return _SECTION.sub(lambda begin: f"{begin[0]}\n{line}", text, count=1)


def environments(text: str) -> list[str] | None:
    """What a file of an inventory says of preflight_environments; None when it says nothing, or not in one line."""
    found = _ENVIRONMENTS.search(text)
    return [name.strip().strip("\"'") for name in found["names"].split(",") if name.strip()] if found else None


def environments_with(text: str, name: str) -> str:
    """The same text with one more name in that line."""
    return _ENVIRONMENTS.sub(lambda found: f"{found['head']}{', '.join([*_names(found), name])}{found['tail']}", text, count=1)


def _names(found: re.Match[str]) -> list[str]:
    return [found["names"].strip()] if found["names"].strip() else []


def ignore_with(text: str, lines: Collection[str]) -> str:
    """Of a .gitignore: what is missing, below what is there."""
    missing = [line for line in lines if line not in text.splitlines()]
    if not missing:
        return text
    return f"{text.rstrip(chr(10))}\n{chr(10).join(missing)}\n".lstrip("\n")


def _after(value: str | int) -> str:
    """What follows the colon."""
    return f" {value}" if value else ""


def _quoted(text: str) -> str:
    """As YAML takes it for a string: 10.0 is a number, and an IPv6 address has colons."""
    return text if not text or (_PLAIN.fullmatch(text) and text.lower() not in _WORDS) else json.dumps(text)


_PLAIN = re.compile(r"/?[A-Za-z][A-Za-z0-9_./-]*|/|\d+(\.\d+){3}")
# What YAML 1.1 takes for something else.
_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
