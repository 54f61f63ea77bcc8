# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of a rotation: reads and rewrites the vault, makes the new value, and calls the provider's programs."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import credentials, fingerprints
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import isolation, specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.encrypted import text as variables_text
from ansible_collections.morpheus.deploy.plugins.plugin_utils.encrypted.file import EncryptedFile
from ansible_collections.morpheus.deploy.plugins.plugin_utils.rotation import plan as rotation
from ansible_collections.morpheus.deploy.plugins.plugin_utils.rotation.outside import prompt, run_program
from ansible_collections.morpheus.deploy.plugins.plugin_utils.rotation.plan import Entry, Phase, State


@cache
def _specification() -> dict[str, Any]:
    return {"stack_rotation": specifications.options("preflight")["stack_rotation"]}


class Rotation:
    """One rotation, as the vault and ``stack_rotation`` describe it now.

    ``ask``: prompts a person for a value, unseen. ``run``: a program's output, given its arguments, input and time.
    """

    def __init__(
        self,
        arguments: Mapping[str, Any],
        vault: EncryptedFile,
        ask: Callable[[str], str],
        run: Callable[[list[str], str, float], str],
        *,
        described_only: bool = False,
    ) -> None:
        """``described_only``: what the vault says of the rotation's state may be another run's work, and is not looked at."""
        self._arguments = arguments
        self._vault = vault
        self._ask = ask
        self._run = run
        self._environment = str(arguments.get("environment") or "")
        self._secrets = fingerprints.by_name(arguments.get("secrets") or {}, arguments.get("secret_files") or {})
        self._secrets |= credentials.of_registries(arguments.get("registries"))
        self.entry = self._entry()
        self._text = vault.read()
        self.state = None if described_only else self._state()

    def _entry(self) -> Entry:
        name = self._arguments.get("name")
        problems: list[str] = []
        given = schema.typed({"stack_rotation": self._arguments.get("rotations")}, _specification(), "", problems)[
            "stack_rotation"
        ]
        problems = problems or rotation.config_problems(given, self._secrets)
        known = [str(one.get("name")) for one in given]
        if name not in known:
            listed = ", ".join(known) or "nothing"
            problems.append(f'secret: "{name or ""}" is not in stack_rotation, which has {listed}; give -e secret=<name>')
        if not self._arguments.get("vault"):
            problems.append("stack_vault: required; the new value is written there")
        if problems:
            raise DeployError("\n  - ".join(["Nothing was contacted or changed. Problems of the rotation:", *problems]))
        return rotation.entries(given)[known.index(str(name))]

    def _state(self) -> State | None:
        variable = self.entry.variable
        try:
            state = State.read(variables_text.read_mapping(self._text, rotation.STATE_VARIABLE))
            current = variables_text.read(self._text, variable)
        except DeployError as exc:
            raise DeployError(f"{self._vault.path}: {exc}") from None
        if current is None:
            raise DeployError(f"{self._vault.path}: has no {variable}, from which stack_rotation takes {self.entry.name}")
        if state and state.name != self.entry.name:
            raise DeployError(
                f"the rotation of {state.name}, begun {state.since}, is not finished. Finish it first: "
                f"ansible-playbook playbooks/rotate_secrets.yml -i inventories/{self._environment} -e secret={state.name}"
            )
        self.current = current
        return state

    @property
    def old(self) -> str:
        return self.state.old if self.state else self.current

    def plan(self) -> dict[str, Any]:
        """What is left to do, for the playbook and for people; no value in it."""
        self._require_sources()
        keeps = self.entry.is_foreign(self.old)
        steps = rotation.remaining(self.entry.provider, self.state, keeps_old=keeps, on_hosts=bool(self.entry.on_hosts))
        sentences = rotation.describe(self.entry, self.state, self.old)
        waits = self.entry.postgres or self.entry.probe
        return {
            "name": self.entry.name,
            "provider": self.entry.provider,
            "phase": self.state.phase.value if self.state else "",
            "since": self.state.since if self.state else "",
            "steps": [step.value for step in steps],
            "plan": [sentences[step.value] for step in steps],
            "secrets": list(self.entry.secrets),
            "on_hosts": self.entry.on_hosts,
            # What a person has to commit afterwards.
            "written": [str(path) for path in (self._vault.path, self._arguments.get("fingerprints")) if path],
            "old": self.entry.label(self.old, "old"),
            "keeps_old": keeps,
            "wait_seconds": waits.get("wait_seconds", 0.0),
            # A login that is not of the pair is tried and not changed.
            "owner": "" if self.state and self.entry.is_foreign(self.state.new) else self.entry.postgres.get("owner", ""),
            **{key: self.entry.probe.get(key, "") for key in ("url", "header", "value", "username")},
        }

    def _require_sources(self) -> None:
        """The secrets must come from the variable that is going to be rewritten."""
        wrong = [name for name in self.entry.secrets if self._secrets[name] != self.current]
        if wrong:
            raise DeployError(
                f"{', '.join(wrong)} is not what {self.entry.variable} of {self._vault.path} holds, and that is rewritten"
            )
        if self._arguments.get("fingerprints"):
            problem = isolation.key_problem(self._arguments.get("fingerprint_key") or "")
            if problem:
                raise DeployError(problem)
            fingerprints.read(self._arguments["fingerprints"])
            problems = isolation.secrets_problems(self._comparison(), self._administers_with(), some=True)
            if problems:
                raise DeployError("; ".join([*problems, "nothing was made, added or revoked"]))

    def _administers_with(self) -> dict[str, str]:
        """It is not asked whose the provider is that this opens, so it must be known to be this environment's."""
        found = credentials.of_rotations(self._arguments.get("rotations"))
        return {name: value for name, value in found.items() if name.rpartition(".")[0] == f"rotation.{self.entry.name}"}

    def begin(self) -> bool:
        """Make the new value and keep it, before anybody is told of it."""
        if self.state is None:
            new = self._made()
            today = date.today().isoformat()
            self._write(State(self.entry.name, secrets.token_hex(8), Phase.ADDING, today, self.current, new))
        elif self.state.new:
            return False
        if self.entry.provider == rotation.COMMAND and self.state and not self.state.new:
            made = self._call("create", current=self.old).removesuffix("\n").removesuffix("\r")
            self._write(replace(self.state, new=self._accepted(made, "what command.create printed")))
        return True

    def switch(self) -> bool:
        """The vault gives the new value to everybody from now on, and the fingerprints say so."""
        state = self._begun()
        if not state.new:
            raise DeployError("there is no new value yet")
        phase = Phase.ROLLING if state.phase is Phase.ADDING else state.phase
        changed = self.current != state.new or phase is not state.phase
        if changed:
            self._write(replace(state, phase=phase), value=state.new)
        return self._write_fingerprints(state.new) or changed

    def wait(self) -> bool:
        state = self._begun()
        if state.phase is Phase.WAITING:
            return False
        self._write(replace(state, phase=Phase.WAITING))
        return True

    def revoke(self) -> bool:
        self._call("revoke", value=self._begun().old, current=self.current)
        return True

    def cancel(self) -> bool:
        state = self._begun()
        if state.new:
            self._write(state.cancelled())
        else:
            self._write(None)
        return True

    def end(self) -> bool:
        if self.state is None:
            return False
        self._write(None)
        return True

    def _made(self) -> str:
        """The new value, unless a command is going to make it."""
        provider = self.entry.provider
        if provider == rotation.ROLE_PAIR:
            return self.entry.new_login(self.current)
        if provider == rotation.GENERATED:
            return secrets.token_hex(32)
        return self._given() if provider == rotation.MANUAL else ""

    def _begun(self) -> State:
        if self.state is None:
            raise DeployError(f"no rotation of {self.entry.name} is under way")
        return self.state

    def _given(self) -> str:
        value = os.environ.get(rotation.NEW_VALUE_VARIABLE) or self._ask(f"New value of {self.entry.name} (not shown): ")
        return self._accepted(value, "the new value")

    def _accepted(self, value: str, what: str) -> str:
        problem = rotation.value_problem(value, self.old)
        if problem:
            raise DeployError(f"{what} {problem}; the vault was left as it is")
        if self._arguments.get("fingerprints"):
            problems = isolation.shared_problems(self._comparison(), dict.fromkeys(self.entry.secrets, value))
            if problems:
                raise DeployError("; ".join(problems) + "; the vault was left as it is")
        return value

    def _comparison(self) -> isolation.Comparison:
        arguments = self._arguments
        return isolation.Comparison(
            self._environment,
            str(arguments["fingerprints"]),
            str(arguments["fingerprint_key"]),
            arguments.get("other_fingerprints"),
            arguments.get("shared_secrets") or [],
        )

    def _call(self, program: str, **more: str) -> str:
        command = self.entry.command
        line = {"environment": self._environment, "name": self.entry.name, "id": self._begun().id}
        line |= {"admin_key": command["admin_key"], **more}
        return self._run(list(command[program]), json.dumps(line) + "\n", command["timeout_seconds"])

    def _write(self, state: State | None, value: str | None = None) -> None:
        text = self._text if value is None else variables_text.with_value(self._text, self.entry.variable, value)
        text = variables_text.with_mapping(
            text, rotation.STATE_VARIABLE, state.as_dict() if state else {}, rotation.STATE_COMMENT
        )
        self._vault.write(text)
        self._text, self.state = text, state
        self.current = self.current if value is None else value

    def _write_fingerprints(self, value: str) -> bool:
        path = self._arguments.get("fingerprints")
        if not path:
            return False
        before = fingerprints.read(path)
        own = dict.fromkeys(self.entry.secrets, value)
        made = fingerprints.make(before["environment"], self._arguments["fingerprint_key"], own, date.today().isoformat(), before)
        now = fingerprints.Fingerprints(**{**before, "secrets": dict(sorted({**before["secrets"], **made["secrets"]}.items()))})
        if now == before:
            return False
        write_atomically(Path(path), fingerprints.text(now), mode=0o644)
        return True


DESCRIBED, PLANNED = LOOKING = ("described", "planned")
STATES: Mapping[str, Callable[[Rotation], bool]] = {
    DESCRIBED: lambda one: False,
    PLANNED: lambda one: False,
    "begun": Rotation.begin,
    "switched": Rotation.switch,
    "waiting": Rotation.wait,
    "revoked": Rotation.revoke,
    "cancelled": Rotation.cancel,
    "ended": Rotation.end,
}


class ActionModule(ActionBase):  # type: ignore[misc] # ansible-core has no types
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = self._task.args
        state = arguments.get("state", PLANNED)
        if state not in STATES:
            raise AnsibleActionFail(f"state: {state} is not one of {', '.join(STATES)}")
        unleased = leased.problem(arguments, check_mode=self._task.check_mode or state in LOOKING)
        if unleased:
            raise AnsibleActionFail(unleased)
        try:
            vault = EncryptedFile(str(arguments.get("vault")), self._loader._vault)
            one = Rotation(arguments, vault, prompt, run_program, described_only=state == DESCRIBED)
            # In check mode nothing is written, made or revoked, and the plan is the same.
            changed = state not in LOOKING if self._task.check_mode else STATES[state](one)
            plan = one.plan() if state == PLANNED else {"name": one.entry.name}
        except DeployError as exc:
            raise AnsibleActionFail(str(exc)) from None
        return {"changed": changed, "state": state, "rotation": plan}
