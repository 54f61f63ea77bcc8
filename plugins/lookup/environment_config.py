# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: environment_config
short_description: The effective configuration of an environment, and how it differs from another one's
version_added: 0.1.0
description:
  - Reads an inventory as Ansible reads it, on the controller, and gives back every leaf of the configuration, typed and with
    defaults, with the file and line where it stands.
  - No value of a secret is in it. When the vault's password is there, it is opened for the names of its variables, and for what
    a deploy would say of the values, such as fingerprints that are stale.
  - With O(diff) a second inventory is read and compared. Its vault is never opened.
options:
  _terms:
    description: Directory or file of the inventory.
    type: list
    elements: str
    required: true
  diff:
    description: Another environment's name, for an inventory beside this one, or the directory of its inventory.
    type: str
    default: ""
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Put the configuration together
  ansible.builtin.set_fact:
    config_report: "{{ lookup('morpheus.deploy.environment_config', inventory_dir, diff='production') }}"
"""

RETURN = r"""
_raw:
  description: The report, one for each inventory.
  type: list
  elements: dict
  sample:
    - environment: staging
      values:
        stack.name: {value: morpheus, origin: "inventories/staging/group_vars/all/stack.yml:15"}
        stack_secrets.api.DATABASE_URL: {secret: set in vault.yml, origin: "inventories/staging/group_vars/all/stack.yml:52"}
      problems: []
      with_values: true
      drift: null
"""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.lookup import LookupBase
from ansible.template import Templar
from ansible.vars.manager import VariableManager
from ansible_collections.morpheus.deploy.plugins.filter.encrypted_file_problem import encrypted_file_problem
from ansible_collections.morpheus.deploy.plugins.module_utils.health import gate
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective import drift
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective import text as config_report
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.entries import (
    Configuration,
    configuration,
    is_secret_path,
    judged,
    with_values,
)
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.origins import Source, of_inventory, source
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.rules import Rules
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.variables import Effective, Vault
from ansible_collections.morpheus.deploy.plugins.plugin_utils.stacks import part

RULES = ("config_must_differ", "config_must_match", "config_must_exist", "config_exempt")


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, *, diff: str = "") -> list[dict[str, Any]]:
        if gate.import_error:
            raise AnsibleLookupError("environment_config needs jmespath on the controller: pip install jmespath")
        return [self._report(str(term), str(diff)) for term in terms]

    def _report(self, inventory: str, other: str) -> dict[str, Any]:
        mine = _Environment(inventory, self._loader, own=True)
        if not other:
            return config_report.data(mine.configuration, None, "")
        theirs = _Environment(_beside(inventory, other), _plain_loader(self._loader), own=False)
        rules = Rules().extended(mine.rules, theirs.rules)
        found = drift.compare(mine.side, theirs.side, rules)
        return config_report.data(mine.configuration, found, theirs.configuration.environment)


class _Environment:
    """An inventory as Ansible reads it. ``own``: that of the run, whose -e and vault count."""

    def __init__(self, inventory: str, loader: Any, *, own: bool) -> None:
        directory = Path(inventory) if Path(inventory).is_dir() else Path(inventory).parent
        try:
            found = InventoryManager(loader=loader, sources=[inventory])
            manager = VariableManager(loader=loader, inventory=found)
            part_of = str((manager.extra_vars.get(part.PART) or {}).get("name") or "")
            if not own:
                # What -e gives is said of this run's environment, and there is no public way to read variables without it.
                manager._extra_vars = {}
            # Not by a pattern: by its configuration Ansible may make an error of one that matches nothing.
            app = found.groups["app"].get_hosts() if "app" in found.groups else []
            hosts = [*app, *(host for host in found.get_hosts() if host not in app)]
            raw = {host.name: _of_stack(manager.get_vars(host=host), part_of) for host in hosts}
        except AnsibleError as exc:
            raise AnsibleLookupError(f"{inventory} cannot be read: {exc}") from exc
        if not raw:
            raise AnsibleLookupError(f"{inventory} has no hosts, so there is no configuration to show")
        first = raw[hosts[0].name]
        self.rules = {name: _patterns(f"{inventory}: {name}", first.get(name)) for name in RULES}
        vault, opened, refusal = _vault(first, loader, may_open=own)
        files = _Files(loader, Path(inventory), directory)
        effective = {
            host.name: Effective(
                raw[host.name], files.of(host), frozenset(manager.extra_vars), vault, partial(_templar, loader), is_secret_path
            )
            for host in hosts
        }
        groups = {name: [host.name for host in group.get_hosts()] for name, group in found.groups.items()}
        roles = specifications.of_all_roles()
        self.configuration: Configuration = configuration(str(directory), groups, effective, vault, roles, shown_path)
        if refusal:
            self.configuration = replace(self.configuration, problems=[refusal, *self.configuration.problems])
        elif own and opened is not None:
            extra = {name: first[name] for name in manager.extra_vars if name in first}
            given = _given({**first, **opened, **extra}, opened, roles["preflight"], loader)
            if given:
                given["stack_groups"] = groups
                self.configuration = with_values(self.configuration, given, roles["preflight"], shown_path)
        self._fingerprints = _fingerprints(directory / "fingerprints.json")

    @property
    def side(self) -> drift.Side:
        return drift.Side(self.configuration, self._fingerprints)


def _of_stack(variables: dict[str, Any], name: str) -> dict[str, Any]:
    """With those of one of several stacks, which another environment of a comparison has as well."""
    stacks = variables.get("stacks")
    stack = stacks.get(name) if name and isinstance(stacks, Mapping) and "stack" not in variables else None
    return {**variables, **part.variables(name, stack, {})} if isinstance(stack, Mapping) else variables


class _Files:
    """The YAML files from which a host's variables come, the strongest last."""

    def __init__(self, loader: Any, inventory: Path, directory: Path) -> None:
        self._loader = loader
        # Ansible reads variables beside the playbook, too, and these win.
        self._places = [directory.resolve(), Path(loader.get_basedir()).resolve()]
        inventories = sorted(path for path in directory.iterdir() if path.is_file()) if inventory.is_dir() else [inventory]
        self._inventories = [self._read(path) for path in inventories if path.suffix in ("", ".yml", ".yaml")]
        self._known: dict[str, Source] = {}

    def of(self, host: Any) -> list[Source]:
        groups = [group.name for group in sorted(host.get_groups(), key=lambda group: (group.depth, group.priority, group.name))]
        found = [self._part(one, group, "vars") for group in groups for one in self._inventories]
        found += self._variables("group_vars", "all")
        found += [one for group in groups if group != "all" for one in self._variables("group_vars", group)]
        found += [self._part(one, host.name, "hosts") for one in self._inventories]
        return found + self._variables("host_vars", host.name)

    @staticmethod
    def _part(one: Source, name: str, kind: str) -> Source:
        return Source(one.file, of_inventory(one.variables, name, kind))

    def _variables(self, kind: str, name: str) -> list[Source]:
        places = [place / kind for place in self._places if (place / kind).is_dir()]
        paths = [os.fsdecode(path) for place in places for path in self._loader.find_vars_files(str(place), name)]
        for path in paths:
            if path not in self._known:
                self._known[path] = self._read(Path(path))
        return [self._known[path] for path in paths]

    @staticmethod
    def _read(path: Path) -> Source:
        try:
            return source(str(path), path.read_text())
        except (OSError, UnicodeDecodeError):
            return source(str(path), "")


def _plain_loader(like: Any) -> Any:
    """One without any vault password."""
    loader = DataLoader()
    loader.set_basedir(like.get_basedir())
    return loader


def _templar(loader: Any, variables: Mapping[str, Any]) -> Any:
    return Templar(loader=loader, variables=variables)


def _beside(inventory: str, other: str) -> str:
    """The inventory of another environment: a directory, or the name of one beside this one."""
    directory = Path(inventory) if Path(inventory).is_dir() else Path(inventory).parent
    found = Path(other) if os.sep in other else directory.resolve().parent / other
    if not found.is_dir():
        raise AnsibleLookupError(f'diff: there is no inventory "{shown_path(str(found))}" to compare with')
    return str(found)


def _vault(variables: Mapping[str, Any], loader: Any, *, may_open: bool) -> tuple[Vault, Mapping[str, Any] | None, str]:
    """The environment's vault, what it holds, where it is opened, and why it must not be."""
    try:
        path, environment = (
            str(_templar(loader, variables).template(variables.get(name) or "")) for name in ("stack_vault", "stack_environment")
        )
    except AnsibleError:
        # The configuration names it as a problem.
        return Vault(), None, ""
    if not may_open or not path:
        # Without a vault all there is to know is known.
        return Vault(path), {} if may_open else None, ""
    refusal = encrypted_file_problem(shown_path(path), environment)
    if refusal:
        return Vault(path), None, refusal
    try:
        # Nothing of a vault is a template.
        found = loader.load_from_file(path, cache="none", unsafe=True)
    except AnsibleError:
        return Vault(path), None, ""
    opened = found if isinstance(found, Mapping) else {}
    return Vault(path, frozenset(map(str, opened))), opened, ""


def _given(variables: Mapping[str, Any], vault: Mapping[str, Any], options: Mapping[str, Any], loader: Any) -> dict[str, Any]:
    """What a deploy would check, secrets in place; empty where that cannot be resolved here."""
    templar = _templar(loader, variables)
    try:
        found = {name: templar.template(variables[name]) for name in judged(options) if name in variables}
    # Ansible's own errors and every plugin's. They may quote a value; what is wrong a configuration without values names.
    except Exception:
        return {}
    return {**found, "stack_vault_variables": vault}


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return None


def _fingerprints(path: Path) -> drift.Fingerprints:
    shown = shown_path(str(path))
    text = _text(path)
    try:
        found = json.loads(text) if text else {}
        # Values that are too short to be compared have an empty one.
        secrets = {str(name): str(one["fingerprint"]) for name, one in (found.get("secrets") or {}).items() if one["fingerprint"]}
        return drift.Fingerprints(shown, str(found.get("key") or ""), secrets)
    except (ValueError, AttributeError, TypeError, KeyError):
        raise AnsibleLookupError(f"{shown} is not a file of fingerprints; make it again with playbooks/fingerprint.yml") from None


def _patterns(name: str, given: Any) -> list[str]:
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise AnsibleLookupError(f"{name} must be a list of patterns")
    return [str(one) for one in given]


def shown_path(text: str) -> str:
    """A path below the current directory as people type it; anything else as it is."""
    here = str(Path.cwd()) + os.sep
    if not text.startswith(os.sep):
        return text
    path = os.path.normpath(text)
    return path.removeprefix(here) if path.startswith(here) else text
