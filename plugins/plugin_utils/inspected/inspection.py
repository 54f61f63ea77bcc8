# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A first look at a Compose file: what it needs is worked out, and the checks of a deploy say whether that is enough.

No host and no inventory is needed, and nothing is written.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.interpolation import interpolated
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import STACKS_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.hardening import GIVEN_WORDS
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.host_paths import Own
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refusals import Project
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications, variables
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.check import StackConfig
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.compose_files import ComposeFiles
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import (
    checkout,
    dotenv,
    ending,
    environments,
    exempted,
    file_secrets,
    given,
    labels,
    left_out,
    placeholders,
    reached,
    rows,
    shipped,
    tags,
)
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import needed as needs
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import Needed
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.tagged import dump

RELEASE = "1.0.0"
# Stands for a value of the vault while the rest is checked.
_STAND_IN = "of-the-vault-0123456789"


class Inspection:
    """``needed.rows``: what is to be known; ``override`` and ``inventory``: lines to copy; ``problems``: still refused."""

    def __init__(
        self,
        path: Path,
        name: str = "deploy",
        *,
        site: str = "",
        service: str = "",
        port: int = 0,
        health: str = "",
        env: str = "",
        more: Sequence[Path] = (),
        ask: Callable[..., list[str]] = lambda *unused: [],
    ) -> None:
        """``env``: the env file that Compose reads for its variables, where it is not the .env beside the Compose file.
        ``more``: Compose files that are merged over the first one, in its directory or below. ``ask``: Compose itself.
        """
        self.path, self.name, self._ask = path, name, ask
        self._env_name = env or ".env"
        self.variables = dotenv.read(dotenv.text(env) if env else dotenv.beside(path))
        self.override_name = f"{path.stem}.{name}{path.suffix}"
        self.texts = {path.name: _read(path)}
        for one in more:
            self.texts[_below(path, one)] = _read(one)
        self._profiles: list[str] = []
        files = self._files(self.texts)
        if files.problems:
            raise DeployError("\n".join(files.problems))
        self._profiles = given.profiles_on(self.variables, files.known_profiles())
        model, self._written = self._files(self.texts).model(), files.written()
        services = {one: content for one, content in model["services"].items() if isinstance(content, Mapping)}
        if not services:
            words = [f"services.{one}: must be a mapping" for one in model["services"]]
            raise DeployError(f"{path}: {words[0] if words else 'has no services; they stand below the key services'}")
        if service and service not in services:
            raise DeployError(f'service: "{service}" is not a service of {path}; it has {", ".join(services)}')
        self._of_project(model)
        self.services = list(services)
        self._work_out(model, services, site, service, port, health)
        self._check(site)

    def _of_project(self, model: Mapping[str, Any]) -> None:
        own_name = self.variables.get("COMPOSE_PROJECT_NAME")
        named = interpolated(str(own_name or model.get("name") or ""), self.variables).text
        self.project = _as_project(named or self.path.absolute().parent.name)
        self.needed = Needed()
        beside = self.path.with_name(f"{self.path.stem}.override{self.path.suffix}")
        if self.path.stem in ("compose", "docker-compose") and beside.is_file() and beside.name not in self.texts:
            said = "docker compose up reads it, too, and a deploy only what stack.compose_files lists; where hosts need it, look"
            self.needed.say(beside.name, "changed", f"{said} again with -e compose={self.path},{beside}")
        asked = [one for one in re.split(r"[:,;]", self.variables.get("COMPOSE_FILE", "")) if one]
        if asked and not {*map(_plain_path, asked)} <= {*self.texts}:
            files = ",".join(str(self.path.with_name(one)) for one in asked)
            self.needed.say(self._env_name, "yours", f"COMPOSE_FILE names other files; look again with -e compose={files}")

    def _files(self, texts: Mapping[str, str]) -> ComposeFiles:
        """With what they include and extend."""
        given = {"STACK_RELEASE": RELEASE, "STACK_ENVIRONMENT": self.name}
        return ComposeFiles(texts, given, read=self._brought, profiles=self._profiles)

    def _brought(self, name: str) -> tuple[str | None, str]:
        path = self.path.absolute().parent / name
        return (_read(path), "") if path.is_file() else (None, "does not exist below the directory of the Compose file")

    def _work_out(
        self,
        model: Mapping[str, Any],
        services: Mapping[str, Mapping[str, Any]],
        site: str,
        service: str,
        port: int,
        health: str,
    ) -> None:
        env_files = [path for one in services.values() for path in environments.env_files(one)]
        found, source = self.needed, checkout.source(self.path.absolute().parent, env_files)
        found.stack |= {"name": self.project, "compose_files": [*self.texts, self.override_name]}
        seen = reached.resolved(services, self.variables)
        off = left_out.off(found, seen)
        on = {name: one for name, one in services.items() if name not in off}
        seen = {name: seen[name] for name in on}
        ports = {service: port or reached.ports(seen).get(service, 0)} if service else reached.ports(seen)
        ports = {name: one for name, one in ports.items() if one and name in on and not on[name].get("profiles")}
        released = any("STACK_RELEASE" in text for text in self.texts.values())
        tags.images(found, on, ports, self.project, released=released)
        shipped.mounts(found, on, source, model.get("configs"))
        if site and (domain := labels.domain(on)):
            self.variables[domain] = site
        needs.entries(found, on, seen, ports, site, health, self.variables)
        needs.networks(found, on, model.get("networks"))
        whole = any(environments.reads_dotenv(one, source.env_files) for one in on.values())
        more: dict[str, Any] = {"whole": whole, "written": self._written, "profiles": self._profiles}
        given.variables(found, model, on, self.variables, self._env_name, **more)
        environments.bring(found, on, source, self.variables, named=self._env_name != ".env")
        file_secrets.bring(found, on, model.get("secrets"))
        needs.known(found, on)
        ending.say(found, on)
        if not found.stack["services"]:
            told = any("stack.services" in row.said for row in found.rows if row.how == "yours")
            names, how, again = " or ".join(reached.candidates(on)), "yours", "look again with -e service="
            if names:
                said = f"no service has a port that users reach; {again} ({names}) -e port=<where it listens>"
            else:
                how, said = "given", f"no service is one that users reach, so the edge routes none; if one is, {again}<its name> "
                said += "-e port=<where it listens>"
            found.say("stack.services", "yours" if told else how, "see above" if told else said)
        if not found.override:
            found.stack["compose_files"] = [*self.texts]
        self._exempt(on, set(ports))
        found.say("services", "given", f"all are hardened: {', '.join(GIVEN_WORDS.values())}")

    def _exempt(self, services: Mapping[str, Mapping[str, Any]], routed: set[str]) -> None:
        """What services ask of their host, by the rules that judge it, with the word that admits it."""
        texts = {**self.texts, self.override_name: self.override}
        names = {"STACK_RELEASE": RELEASE, "STACK_ENVIRONMENT": self.name, "COMPOSE_PROJECT_NAME": self.project}
        known = variables.Variables(names, self.needed.filled_in.get("variables", {}), self.needed.variables)
        model = ComposeFiles(texts, {}, resolve=known.resolved, read=self._brought, profiles=self._profiles).model()
        project = Project(model, Own.of(f"{STACKS_ROOT}/{self.project}", [*self.needed.stack.get("files", ()), *texts]))
        exempted.say(self.needed, {name: model["services"].get(name) for name in services}, project, routed, self.override_name)

    def _check(self, site: str) -> None:
        """By the checks of a deploy, with all lines in place."""
        with tempfile.TemporaryDirectory(prefix="morpheus-inspect-") as name:
            beside = Path(name)
            for one in self.path.absolute().parent.iterdir():
                if one.name != self.override_name:
                    (beside / one.name).symlink_to(one)
            (beside / self.override_name).write_text(self.override)
            raw = self.raw(str(beside))
            checked = StackConfig(raw, specifications.options("preflight"), self.path.absolute().parent)
            given = (checked.files, raw["stack_secrets"], raw["stack_secret_variables"])
            problems = checked.problems or self._ask(checked.config, checked.release, checked.environment, *given)
            refused = [problem.replace(str(beside), str(self.path.parent)) for problem in problems]
        self.problems = [problem for problem in refused if not placeholders.is_in(self.needed, problem)]
        for problem in refused:
            until = "" if problem in self.problems else "until the variables that nobody gives are filled in: "
            # The file is one of two, and the lines of the other are known to be good.
            for file in (*self.texts, self.override_name):
                problem = problem.removeprefix(f"{file}: ")
            place, _, said = problem.partition(": ")
            self.needed.say(place, "yours", until + said)
        for note in checked.notes:
            place, _, said = note.partition(": ")
            is_place = place.startswith(("services.", "stack."))
            self.needed.say(place if is_place else "services", "given", said if is_place else note)
        told = {row.place for row in self.needed.rows}
        for one in self.services:
            if not any(place == f"services.{one}" or place.startswith(f"services.{one}.") for place in told):
                self.needed.say(f"services.{one}", "accepted", "as it is")

    def raw(self, source: str) -> dict[str, Any]:
        """As an inventory with the lines gives it to a deploy; something stands for what only the vault knows."""
        filled = {name: dict.fromkeys(values, _STAND_IN) for name, values in self.needed.secrets.items()}
        return {
            "preflight_environments": [self.name],
            "stack_environment": self.name,
            "stack_release": RELEASE,
            "stack_source": source,
            "stack_secrets": filled,
            "stack_secret_variables": dict.fromkeys(self.needed.variables, _STAND_IN),
            "stack_secret_files": {name: {**one, "content": _STAND_IN} for name, one in self.needed.secret_files.items()},
            "stack": self.needed.filled_in,
        }

    @property
    def override(self) -> str:
        """The file beside the Compose file; it says nothing when nothing needs to be said."""
        return "---\n" + dump(self.needed.override or {"services": {}})

    @property
    def inventory(self) -> str:
        """Lines of the inventory."""
        return dump({"stack": self.needed.stack, **self.secrets})

    @property
    def secrets(self) -> dict[str, Any]:
        """Option -> what of it is to be written; nothing for what is not needed."""
        found = {
            "stack_secrets": self.needed.secrets,
            "stack_secret_variables": self.needed.variables,
            "stack_secret_files": self.needed.secret_files,
        }
        return {name: values for name, values in found.items() if values}

    @property
    def vault_names(self) -> list[str]:
        """Variables that the vault must have."""
        return sorted(set(re.findall(r"vault_\w+", self.inventory)))


def said(one: Inspection, *, writes: bool = False) -> list[str]:
    """``writes``: the lines are about to be written, so nobody is told how."""
    yours = sum(row.how == "yours" for row in rows.together(one.needed.rows, one.services))
    count = f"{len(one.services)} service{'s' if len(one.services) > 1 else ''}"
    lines = [f"{one.path}: {count}. A deploy reads it as follows.", "", *rows.table(one.needed.rows, one.services), ""]
    lines += [f"--- {one.override_name}, beside it:", *one.override.splitlines()[1:], ""] if one.needed.override else []
    lines += ["--- group_vars/all/stack.yml of the inventory:", *one.inventory.splitlines(), ""]
    if one.vault_names:
        lines += [f"--- the vault of the inventory holds: {', '.join(one.vault_names)}", ""]
    verdict = f"{yours} left to you, see above." if yours else "With these lines a deploy's checks accept it."
    how = "-e write=inventories/<name> writes them, and all that a first environment has."
    return [*lines, verdict] if writes else [*lines, verdict, how]


def _below(first: Path, path: Path) -> str:
    """A Compose file as stack.compose_files names it."""
    directory = first.absolute().parent
    if not path.absolute().is_relative_to(directory):
        raise DeployError(f"compose: {path} must lie in the directory of {first}, or below it; stack_source is that directory")
    return str(path.absolute().relative_to(directory))


def _plain_path(path: str) -> str:
    return path.strip().removeprefix("./")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        raise DeployError(f"compose: {path} does not exist; name the Compose file, for example -e compose=compose.yml") from None
    except UnicodeDecodeError:
        raise DeployError(f"compose: {path} cannot be read (it is no UTF-8; save it as that)") from None
    except OSError as exc:
        raise DeployError(f"compose: {path} cannot be read ({exc.strerror})") from None


def _as_project(name: str) -> str:
    """As Compose makes a project's name of a directory's."""
    return re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-") or "app"
