# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One typed configuration from what an inventory says, or every problem in it. Runs on the controller and contacts nobody."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file as dotenv
from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import STACKS_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import defaults, file_mounts, placement, refusals, shared
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import jobs as compose_jobs
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import rules as compose_rules
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import variable_secrets as from_variables
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.hardening import Hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.host_paths import Own
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refusals import Project
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import credentials, fingerprints
from ansible_collections.morpheus.deploy.plugins.module_utils.secrets import files as secret_files
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from ansible_collections.morpheus.deploy.plugins.module_utils.words import openly
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import (
    exposed,
    isolation,
    jobs_problems,
    migration,
    pins,
    placed_services,
    pools,
    preview,
    profiles,
    public_check,
    registries,
    released,
    routed_service,
    service_problems,
    variables,
)
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.compose_files import ComposeFiles
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.stack_files import RESERVED, StackFiles
from ansible_collections.morpheus.deploy.plugins.plugin_utils.rotation import plan as rotation

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")
_TAG = re.compile(r"(?!latest\Z)[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
# What is asked of a deploy and is no part of a release.
_NOT_SHIPPED = ("allowed_values", "database", "ml_endpoints", "pools")
# Without them a release is the one that it was before there were any.
_ADDED = ("live_files", "egress", "jobs", "variables", "profiles", "brought_files", "ml_pins")


class StackConfig(StackFiles):
    """``problems`` is empty exactly when ``config`` can be used; ``notes`` are to be known and stop nobody.

    ``files``: path -> base64 of what a release ships; ``live_files``: the same of what changes under it; ``executable``: those of
    both that can be run.
    """

    def __init__(self, raw: Mapping[str, Any], options: Mapping[str, Any], stands_for: Path | None = None) -> None:
        super().__init__(stands_for)
        # The Compose files, merged, with plain variables in place.
        self.model: dict[str, Any] = {"services": {}}
        given = schema.typed({key: raw.get(key) for key in options}, options, "", self.problems)
        # What is of the wrong type is not judged any further, and neither is what depends on it.
        self._shape = list(self.problems)
        self.environment: str = given["stack_environment"] or ""
        self.release: str = given["stack_release"] or ""
        # As with -e stack_release=. What is missing or of another type is a problem already.
        self._release_is_empty = raw.get("stack_release") == ""
        self._secrets: Mapping[str, Any] = given["stack_secrets"] or {}
        self._secret_variables: Mapping[str, Any] = given["stack_secret_variables"] or {}
        self._secret_files: Mapping[str, Any] = given["stack_secret_files"] or {}
        self.supabase: dict[str, Any] = {}
        # service -> the hosts on which alone it runs
        self.placement: dict[str, list[str]] = {}
        # name -> {owner, mode} of each file secret
        self.secret_rights: dict[str, dict[str, Any]] = {}
        self._source = Path(given["stack_source"] or "")
        self.config = self._with_flags(given)
        if not isinstance(raw.get("stack"), Mapping):
            return
        self.problems += [*pins.pin(self.config, raw), *pools.place(self.config)]
        self._check_variables()
        self._secrets_by_name = fingerprints.by_name(self._secrets, raw.get("stack_secret_files") or {})
        # What can be rotated: with what images are pulled with.
        rotated = self._secrets_by_name | credentials.of_registries(raw.get("stack_registries"))
        # With what no container is given.
        self._credentials = rotated | credentials.of_rotations(raw.get("stack_rotation"))
        self._credentials |= credentials.of_notifications(raw.get("notifications"))
        self._credentials |= credentials.of_supabase(raw.get("supabase_project"))
        self.stack = Stack.of(self.config)
        self._check_names(given["preflight_environments"] or [])
        self._check_env_files()
        self._check_secret_files()
        self._registries: list[Mapping[str, Any]] = given["stack_registries"] or []
        if schema.is_well(self._shape, "stack_registries"):
            self.problems += registries.problems(self._registries)
        self.problems += service_problems.problems(self.config["services"], self._shape)
        self.problems += routed_service.user_problems(self.config["services"], self._secrets, self._shape)
        placed = placed_services.Placed(self.config["services"], raw.get("stack_groups") or {})
        self.problems += placed.problems
        self.placement = placed.hosts
        self.problems += service_problems.egress(self.config["egress"] or [])
        if self.config.get("public_check"):
            services = self.config["services"] if schema.is_well(self._shape, "stack.services") else []
            self.problems += public_check.problems(self.config["public_check"], services)
        if schema.is_well(self._shape, "stack_source", "stack.compose_files", "stack.files", "stack.live_files"):
            self._read_files()
            self.supabase = migration.complete(self.config, self.files, self._secrets_by_name, self.problems)
            self._check_compose()
        self._check_exposed(raw)
        self._check_isolation(given, raw)
        self.problems += rotation.config_problems(given["stack_rotation"] or [], rotated)
        self.problems = schema.causes(self._shape, self.problems[len(self._shape) :])

    @property
    def release_config(self) -> dict[str, Any]:
        """What of ``config`` is a part of the release."""
        found = {name: value for name, value in self.config.items() if name not in _NOT_SHIPPED}
        found |= released.shortened(found)
        found["brought_files"] = sorted(self.brought)
        return {name: value for name, value in found.items() if value or name not in _ADDED}

    def _check_exposed(self, raw: Mapping[str, Any]) -> None:
        """What is secret is nowhere but in secrets. ``raw``: beside what is checked, what the vault holds."""
        vault = raw.get("stack_vault_variables") or {}
        # By the name of the vault's variable, where it has one.
        secrets = {path.partition(".")[2]: text for path, text in openly.leaves("vault", vault)}
        known = set(secrets.values())
        secrets |= {name: value for name, value in self._credentials.items() if value not in known}
        seen = exposed.Exposed(secrets, self.config, [self.environment])
        self.problems += seen.problems()
        # Of env files it has been said already.
        self.notes += seen.notes({name: text for name, text in self.files.items() if not name.startswith("env/")})
        self.notes += seen.notes(self.live_files)
        self.notes += [
            f"{name}: looks like a template, but values of a vault never are: it is passed on as it is"
            for name in raw.get("stack_vault_templates") or []
        ]

    def _check_isolation(self, given: Mapping[str, Any], raw: Mapping[str, Any]) -> None:
        key, endpoints = raw.get("stack_fingerprint_key") or "", credentials.of_endpoints(raw.get("ml"))
        self.problems += isolation.database_problems(self.config["database"], self._secrets_by_name)
        self.problems += isolation.value_problems(self.config["allowed_values"] or [], self.config["env"] or {})
        # A key that is no string is a problem already.
        if given["stack_fingerprints"] and isinstance(key, str):
            others, allowed = given["stack_other_fingerprints"], given["stack_shared_secrets"] or []
            wanted = isolation.Comparison(self.environment, given["stack_fingerprints"], key, others, allowed)
            self.problems += isolation.secrets_problems(wanted, self._credentials, endpoints=endpoints)
            self.notes += fingerprints.not_compared(self._credentials)

    def _check_names(self, environments: list[str]) -> None:
        name = self.config["name"]
        if name and not _NAME.match(name):
            self._say(f'stack.name: "{name}" may hold only lower-case letters, digits, - and _')
        is_known = self.environment in environments or not schema.is_well(self._shape, "preflight_environments")
        if self.environment and not is_known:
            self._say(
                f'stack_environment: "{self.environment}" is not one of {", ".join(environments)}; '
                "name it in preflight_environments if it is meant"
            )
        if self.release == "latest":
            self._say("stack_release: latest does not say what runs; give the version, for example 1.2.0")
        elif self._release_is_empty:
            self._say("stack_release: is empty; give the version, for example -e stack_release=1.2.0")
        elif self.release and not _TAG.match(self.release):
            self._say(f'stack_release: "{self.release}" cannot be the tag of an image')
        if self.config["hosts_at_once"] == 0:
            self._say("stack.hosts_at_once: must be 1 or more")
        if self.config["retention"]["releases"] == 0:
            self._say("stack.retention.releases: must be 1 or more; the live release and the one before it always stay")

    def _check_env_files(self) -> None:
        for option, groups in (("stack.env", self.config["env"] or {}), ("stack_secrets", self._secrets)):
            for name, values in groups.items():
                if not isinstance(values, Mapping):
                    self._say(f"{option}.{name}: must be a mapping of variables, not {schema.kind(values)}")
                elif not _NAME.match(str(name)):
                    self._say(f"{option}.{name}: the name becomes a file name: lower-case letters, digits, - and _")
                else:
                    self.problems += [f"{option}.{name}.{problem}" for problem in dotenv.problems(values)]

    def _check_variables(self) -> None:
        plain, secret = self.config["variables"] or {}, self._secret_variables
        self.problems += variables.problems(plain, secret, self.config["env"] or {}, self._secrets)
        if secret:
            self._secrets = {**self._secrets, variables.GROUP: secret}

    def _check_secret_files(self) -> None:
        found = secret_files.problems(self._secret_files)
        self.problems += found
        if not found:
            self.secret_rights = {name: secret_files.rights(given) for name, given in self._secret_files.items()}

    def _check_compose(self) -> None:
        names = [name for name in self.config["compose_files"] or [] if name in self.files]
        texts = {name: base64.b64decode(self.files[name]).decode("utf-8", "replace") for name in names}
        # A release that is refused is a problem of its own and must not make others appear.
        release = self.release if _TAG.match(self.release) else "unknown"
        given = {"STACK_RELEASE": release, "STACK_ENVIRONMENT": self.environment or "unknown"}
        known = variables.Variables(
            {**given, "COMPOSE_PROJECT_NAME": self.config["name"] or ""},
            self.config["variables"] or {},
            self._secret_variables,
            list(variables.names_in_env(self._own_env())),
        )
        files = ComposeFiles(texts, {}, resolve=known.resolved, read=self._bring, profiles=self.config["profiles"] or [])
        self.problems += [*files.problems, *known.missing()]
        self.model = model = files.model()
        services = model["services"]
        self.problems += profiles.problems(self.config["profiles"] or [], files.known_profiles(), services, self.stack.routed)
        if not services:
            return
        self.problems += preview.problems(self.environment, services)
        self._check_names_of_services(services)
        self.notes += [*registries.unused(self._registries, services), *from_variables.notes(model, self.stack.variables)]
        self.notes += known.release_notes(services, self.stack.routed, self.release) if self.release else []
        self.problems += secret_files.reference_problems(model, self._secret_files, self._secrets)
        self.problems += from_variables.problems(model, {*self.stack.variables, *self._secret_variables})
        hardening = Hardening.of(self.stack) or Hardening()
        # As of a release: a name that is refused makes no other problems appear.
        name = self.config["name"] if _NAME.match(self.config["name"] or "") else "unknown"
        project = Project(model, Own.of(f"{STACKS_ROOT}/{name}", self.files))
        self.problems += [*refusals.element_problems(model), *hardening.naming_problems(services)]
        sources = file_mounts.Sources.of(self.stack, self.files, self.live_files)
        self.problems += [*sources.config_problems(model.get("configs")), *sources.volume_problems(model.get("volumes"))]
        routed = self.stack.routed
        healths = {service.get("name"): service.get("health") for service in self.config["services"]}
        ground = compose_data.Ground.of(self.stack, self.files)
        self.problems += compose_data.unknown_names(self.config["shared_volumes"] or [], model, ground)
        named, jobs = self.stack.jobs, compose_jobs.problems(services, self.stack.jobs, routed)
        self.problems += jobs_problems.problems(self.config["jobs"] or {}, services)
        ending = compose_jobs.names(services, named)
        self.problems += jobs_problems.placed(self.config["services"], ending)
        self.notes += defaults.note(services, ending)
        for name, service in services.items():
            starts = profiles.starts(name, service, self.config.get("migration"))
            problems = compose_rules.problems(name, service or {}, routed=name in routed) if starts else []
            problems += compose_rules.watch_problems(name, service or {}, service_problems.failing_seconds(healths.get(name)))
            problems += jobs.get(name, [])
            if isinstance(service, Mapping):
                problems += placement.problems(name, service)
                problems += shared.problems(name, services, routed=name in routed)
                problems += hardening.problems(name, service, project, routed=name in routed)
                self.notes += hardening.notes(name, service)
                problems += self._mount_problems(sources, file_mounts.written(name, service))
                problems += self._data_problems(name, service, ground, routed=name in routed)
            for problem in problems:
                key = ".".join(problem.split(":")[0].split(".")[2:3])
                self._say(f"{files.where(name, key)}: {problem}")
            if isinstance(service, Mapping):
                self._check_env_references(name, service)
        self.problems += pools.problems(self.config, services)
        self.problems += migration.problems(self.config, services, self.files, self._secrets_by_name)

    def _mount_problems(self, sources: file_mounts.Sources, mounts: list[file_mounts.Mount]) -> list[str]:
        found = [problem for mount in mounts for problem in sources.problems(mount)]
        return found + [
            f'services.{mount.service}.volumes: "{mount.text}" is a file of stack_source that nothing ships; '
            f"add {mount.name} to stack.files"
            for mount in mounts
            if mount.name not in sources.shipped and mount.name not in sources.live_files and self._is_own_file(mount.name)
        ]

    def _is_own_file(self, name: str) -> bool:
        return not file_mounts.below(name, RESERVED) and (self._source / name).is_file()

    def _data_problems(self, name: str, service: Mapping[str, Any], ground: compose_data.Ground, *, routed: bool) -> list[str]:
        """Of a service that runs all the time; one behind a profile is replaced by nobody."""
        if service.get("profiles") or not compose_rules.well_formed(service):
            return []
        note = compose_data.note(name, service, ground) if routed or service.get("ports") else ""
        self.notes += [note] if note else []
        return compose_data.problems(name, service, ground)

    def _check_names_of_services(self, services: Mapping[str, Any]) -> None:
        for number, service in enumerate(self.config["services"]):
            if service.get("name") and service["name"] not in services:
                self._say(
                    f'stack.services[{number}].name: the Compose files have no service "{service["name"]}"; '
                    f"they have {', '.join(sorted(map(str, services)))}"
                )

    def _check_env_references(self, name: str, service: Mapping[str, Any]) -> None:
        for path in [path for path, is_needed in variables.env_files(service) if is_needed]:
            directory, _, stem = path.removesuffix(".env").rpartition("/")
            known = {"env": self._env, "secrets": self._secrets}.get(directory)
            option = "stack.env" if directory == "env" else "stack_secrets"
            if known is not None and stem not in known and schema.is_well(self._shape, option):
                self._say(f"{option}.{stem}: required, because services.{name}.env_file reads {path}")

    def _say(self, problem: str) -> None:
        self.problems.append(problem)
