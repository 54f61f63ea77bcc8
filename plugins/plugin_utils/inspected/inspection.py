# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A first look at a Compose file: what it needs is worked out, and the checks of a deploy say whether that is enough.

No host and no inventory is needed, and nothing is written.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import STACKS_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.hardening import GIVEN_WORDS, Hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.host_paths import Own
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refusals import LISTS, Project
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.check import StackConfig
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.compose_files import ComposeFiles
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import checkout, dotenv, labels, reached, shipped, tags
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import needed as needs
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import Needed, Row
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.tagged import dump

RELEASE = "1.0.0"
# ${NAME} and $NAME without a default; $$ is a dollar.
_VARIABLE = re.compile(r"\$\$|\$\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)(?P<how>:?[?+-])?[^}]*\}|\$(?P<bare>[A-Za-z_][A-Za-z0-9_]*)")
_GIVEN = ("STACK_RELEASE", "STACK_ENVIRONMENT", "COMPOSE_PROJECT_NAME")
# Of a deploy itself, of what it starts, or no name of a variable.
_RESERVED = re.compile(rf"{dotenv.OF_COMPOSE.pattern}|(?:PATH|HOME|PWD)\Z|.*[^A-Za-z0-9_]")
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
    ) -> None:
        """``env``: the env file that Compose reads for its variables, where it is not the .env beside the Compose file."""
        self.path, self.name = path, name
        self._env_name = env or ".env"
        self.variables = dotenv.read(dotenv.text(env) if env else dotenv.beside(path))
        self.override_name = f"{path.stem}.{name}{path.suffix}"
        self.text = _read(path)
        files = ComposeFiles({path.name: self.text}, {"STACK_RELEASE": RELEASE, "STACK_ENVIRONMENT": name})
        if files.problems:
            raise DeployError("\n".join(files.problems))
        model = files.model()
        services = {one: content for one, content in model["services"].items() if isinstance(content, Mapping)}
        if not services:
            raise DeployError(f"{path}: has no services")
        if service and service not in services:
            raise DeployError(f'service: "{service}" is not a service of {path}; it has {", ".join(services)}')
        own_name = self.variables.get("COMPOSE_PROJECT_NAME")
        self.project = _as_project(str(own_name or model.get("name") or path.absolute().parent.name))
        self.services = list(services)
        self.needed = Needed()
        self._work_out(model, services, site, service, port, health)
        self._check(site)

    def _work_out(
        self,
        model: Mapping[str, Any],
        services: Mapping[str, Mapping[str, Any]],
        site: str,
        service: str,
        port: int,
        health: str,
    ) -> None:
        found, source = self.needed, checkout.source(self.path.absolute().parent)
        found.stack |= {"name": self.project, "compose_files": [self.path.name, self.override_name]}
        off = needs.proxies(found, services)
        on = {name: one for name, one in services.items() if name not in off}
        ports = {service: port or reached.ports(on).get(service, 0)} if service else reached.ports(on)
        ports = {name: one for name, one in ports.items() if one and not on.get(name, {}).get("profiles")}
        tags.images(found, on, ports, self.project)
        shipped.mounts(found, on, source)
        if site and (domain := labels.domain(on)):
            self.variables[domain] = site
        needs.entries(found, on, ports, site, health, self.variables)
        needs.networks(found, on, model.get("networks"))
        self._variables(whole=any(needs.reads_dotenv(one) for one in on.values()))
        needs.environment(found, on, source, self.variables)
        needs.known(found, on)
        if not ports:
            found.say("stack.services", "yours", "no service has a port that users reach; name one with -e service= -e port=")
        if not found.override:
            found.stack["compose_files"] = [self.path.name]
        self._exempt(on, set(ports))
        found.say("services", "given", f"all are hardened: {', '.join(GIVEN_WORDS.values())}")

    def _variables(self, *, whole: bool) -> None:
        """What a variable of the Compose file stands for: the team's own env file says it, or a person will.

        ``whole``: services read that file themselves, so all of it counts.
        """
        known, asked = self.variables, _asked(self.text)
        self._of_compose(known)
        asked |= {name: False for name in known if whole and name not in asked and not _RESERVED.match(name)}
        names = [name for name, needed in asked.items() if needed or name in known]
        why = {name: "by its name" if needs.SECRET.search(name) else "" for name in names if name not in known}
        why |= {name: dotenv.why_secret(name, known[name]) for name in names if name in known}
        plain = {name: known.get(name, "change-me") for name in names if not why[name]}
        if plain:
            self.needed.stack["variables"] = plain
            self.needed.say("stack.variables", "given", f"{', '.join(plain)}; see that the values are those of this environment")
        secret = [name for name in names if why[name]]
        if secret:
            self.needed.variables.update({name: needs.vault(name) for name in secret})
            listed = ", ".join(f"{name} ({why[name]})" for name in secret)
            where = f"; the values stand in {self._env_name}" if any(name in known for name in secret) else ""
            self.needed.say("stack_secret_variables", "given", f"{listed}, from the vault{where}")
        unused = [name for name in known if name not in asked and not dotenv.OF_COMPOSE.match(name)]
        if unused:
            said = f"{', '.join(unused)}: no line of the Compose file asks for it, so it was left out"
            self.needed.say(self._env_name, "accepted", said)

    def _of_compose(self, known: Mapping[str, str]) -> None:
        """What is said to Compose itself there."""
        profiles = [one.strip() for one in known.get("COMPOSE_PROFILES", "").split(",") if one.strip()]
        if profiles:
            self.needed.stack["profiles"] = profiles
            self.needed.say("stack.profiles", "given", f"COMPOSE_PROFILES of {self._env_name} says {', '.join(profiles)}")
        if known.get("COMPOSE_FILE"):
            said = f"COMPOSE_FILE of {self._env_name} names other files as well; list all of them in stack.compose_files"
            self.needed.say("stack.compose_files", "yours", said)

    def _exempt(self, services: Mapping[str, Mapping[str, Any]], routed: set[str]) -> None:
        """What services ask of their host, by the rules that judge it, with the word that admits it."""
        texts = {self.path.name: self.text, self.override_name: self.override}
        model = ComposeFiles(texts, {"STACK_RELEASE": RELEASE, "STACK_ENVIRONMENT": self.name}).model()
        project = Project(model, Own.of(f"{STACKS_ROOT}/{self.project}", [*self.needed.stack.get("files", ()), *texts]))
        hardening: dict[str, Any] = {}
        for name in services:
            one = model["services"].get(name)
            asked = Hardening().asked(name, one, project, routed=name in routed) if isinstance(one, Mapping) else ()
            for refusal in asked:
                if refusal.word in LISTS:
                    hardening.setdefault(refusal.word, []).append(name)
                else:
                    hardening.setdefault("exempt", {}).setdefault(name, []).append(refusal.word)
                self.needed.say(f"services.{name}", "exempted", f"{refusal.text}; {refusal.mend}, if you can ({refusal.word})")
        for word in LISTS:
            if word in hardening:
                hardening[word] = list(dict.fromkeys(hardening[word]))
        for name, words in hardening.get("exempt", {}).items():
            hardening["exempt"][name] = list(dict.fromkeys(words))
        if hardening:
            self.needed.stack["hardening"] = hardening

    def _check(self, site: str) -> None:
        """By the checks of a deploy, with all lines in place."""
        with tempfile.TemporaryDirectory(prefix="morpheus-inspect-") as name:
            beside = Path(name)
            for one in self.path.absolute().parent.iterdir():
                if one.name != self.override_name:
                    (beside / one.name).symlink_to(one)
            (beside / self.override_name).write_text(self.override)
            checked = StackConfig(self.raw(str(beside)), specifications.options("preflight"), self.path.absolute().parent)
            self.problems = [problem.replace(str(beside), str(self.path.parent)) for problem in checked.problems]
        for problem in self.problems:
            # The file is one of two, and the lines of the other are known to be good.
            place, _, said = problem.removeprefix(f"{self.path.name}: ").removeprefix(f"{self.override_name}: ").partition(": ")
            self.needed.say(place, "yours", said)
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
            "stack": self.needed.stack,
        }

    @property
    def override(self) -> str:
        """The file beside the Compose file; it says nothing when nothing needs to be said."""
        return "---\n" + dump(self.needed.override or {"services": {}})

    @property
    def inventory(self) -> str:
        """Lines of the inventory."""
        found: dict[str, Any] = {"stack": self.needed.stack}
        found |= {"stack_secrets": self.needed.secrets} if self.needed.secrets else {}
        found |= {"stack_secret_variables": self.needed.variables} if self.needed.variables else {}
        return dump(found)

    @property
    def vault_names(self) -> list[str]:
        """Variables that the vault must have."""
        return sorted(set(re.findall(r"vault_\w+", self.inventory)))


_ORDER = ("yours", "exempted", "changed", "given", "accepted")


def table(rows: Iterable[Row]) -> list[str]:
    """For the screen: what a person must do first."""
    found = sorted(rows, key=lambda row: _ORDER.index(row.how))
    width = max(len(row.place) for row in found)
    return [f"{row.how:<8}  {row.place:<{width}}  {row.said}" for row in found]


def said(one: Inspection) -> list[str]:
    yours = sum(row.how == "yours" for row in one.needed.rows)
    count = f"{len(one.services)} service{'s' if len(one.services) > 1 else ''}"
    lines = [f"{one.path}: {count}. A deploy reads it as follows.", "", *table(one.needed.rows), ""]
    lines += [f"--- {one.override_name}, beside it:", *one.override.splitlines()[1:], ""] if one.needed.override else []
    lines += ["--- group_vars/all/stack.yml of the inventory:", *one.inventory.splitlines(), ""]
    if one.vault_names:
        lines += [f"--- the vault of the inventory holds: {', '.join(one.vault_names)}", ""]
    verdict = f"{yours} left to you, see above." if yours else "With these lines a deploy's checks accept it."
    return [*lines, verdict, "-e write=inventories/<name> writes them, and all that a first environment has."]


def _asked(text: str) -> dict[str, bool]:
    """Name of each variable -> whether some line has no other value for it."""
    asked: dict[str, bool] = {}
    # What a comment says is asked of nobody.
    for line in text.splitlines():
        for found in _VARIABLE.finditer(re.sub(r"(^|\s)#.*", "", line)):
            name = found["braced"] or found["bare"]
            if name and name not in _GIVEN:
                without = "-" not in (found["how"] or "") and "+" not in (found["how"] or "")
                asked[name] = asked.get(name, False) or without
    return asked


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        raise DeployError(f"compose: {path} does not exist; name the Compose file, for example -e compose=compose.yml") from None
    except (OSError, UnicodeDecodeError) as exc:
        raise DeployError(f"compose: {path} cannot be read ({exc})") from None


def _as_project(name: str) -> str:
    """As Compose makes a project's name of a directory's."""
    return re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-") or "app"
