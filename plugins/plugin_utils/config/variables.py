# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of Compose files: what gives each its value, and where a secret one may stand.

Values of secrets are never put in place here: ``${DB_PASSWORD}`` stays as it is written, so that no check has one to repeat.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file as dotenv
from ansible_collections.morpheus.deploy.plugins.module_utils.base import image_name, interpolation
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import known_images

# The env files that hold them: env/variables.env of the release, secrets/variables.env beside it.
GROUP = "variables"
# What the deploy itself says of a run, and what the programs have that it starts.
_RESERVED = (*interpolation.GIVEN, "PATH", "HOME", "PWD")
# By these docker and docker compose take orders. Another one that only begins so is a variable like any other.
OF_COMPOSE = re.compile(
    r"COMPOSE_(?:ANSI|API_VERSION|BAKE|COMPATIBILITY|CONVERT_WINDOWS_PATHS|DISABLE_ENV_FILE|DOCKER_CLI_BUILD|ENV_FILES"
    r"|EXPERIMENTAL\w*|FILE|FORCE_WINDOWS_HOST|HTTP_TIMEOUT|IGNORE_ORPHANS|INTERACTIVE_NO_CLI|MENU|PARALLEL_LIMIT|PATH_SEPARATOR"
    r"|PROFILES|PROGRESS|PROJECT_\w+|REMOVE_ORPHANS|STATUS_STDOUT|TLS_VERSION)\Z"
    r"|DOCKER_(?:API_VERSION|AUTH_CONFIG|BUILDKIT|CERT_PATH|CLI_\w+|CONFIG|CONTENT_TRUST\w*|CONTEXT|CUSTOM_HEADERS|DEFAULT_PLATFORM"
    r"|HIDE_LEGACY_COMMANDS|HOST|TLS|TLS_VERIFY)\Z"
)
# Of a service, what hosts never read.
_UNREAD = ("build", "develop")
_DEPTH = 20
_DIGITS = re.compile(r"\d+")
_TAG_VARIABLE = re.compile(r":[\w.-]*\$\{?(?P<name>[A-Za-z_]\w*)[^/]*\Z")
# Values that Compose makes numbers or truths of once their variables are in place.
_TYPED = frozenset(
    (
        *("replicas", "parallelism", "max_failure_ratio", "max_attempts", "pids", "retries", "disable", "oom_kill_disable"),
        *("oom_score_adj", "pids_limit", "target", "published", "privileged", "read_only", "scale", "stdin_open", "tty"),
        *("soft", "hard", "external", "internal", "attachable", "init", "required", "max_replicas_per_node", "cpu_count"),
    )
)


class Variables:
    """``plain``: stack.variables; ``secret``: stack_secret_variables; ``unread``: names in the .env of the project."""

    def __init__(
        self, given: Mapping[str, str], plain: Mapping[str, Any], secret: Mapping[str, Any], unread: Collection[str] = ()
    ) -> None:
        self.secret = frozenset(map(str, secret))
        self.known = {str(name): str(value) for name, value in plain.items()}
        # An empty one counts as empty; of others nothing is said but that they are given.
        self.known |= {str(name): f"${{{name}}}" if value else "" for name, value in secret.items()}
        self.known |= given
        # Service -> its image, as the last file writes it that has a variable there.
        self.images: dict[str, str] = {}
        self._unread = frozenset(unread)
        self._missing: dict[str, list[str]] = {}
        self._first: dict[str, str] = {}

    def resolved(self, file: str, document: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
        """``document`` with its variables in place. ``problems`` gets what Compose would refuse, and secrets in the open."""
        # What refers to itself is cut off as the reader cuts it off.
        found: dict[str, Any] = self._walk(file, document, (), problems)
        return found

    def missing(self) -> list[str]:
        """A problem for each variable that nobody gives, with the first place where it stands."""
        found = []
        for name, places in self._missing.items():
            more = f" (and in {len(places) - 1} more places)" if len(places) > 1 else ""
            found.append(f"{self._first[name]}{more}; {self._mend(name)}")
        return found

    def release_notes(self, services: Mapping[str, Any], routed: Collection[str], release: str) -> list[str]:
        """What to know of a release that is the tag of no image: another variable is the tag of what users reach, or its tag is
        written out.
        """
        found, fixed = {}, {}
        for name, service in services.items():
            image, text = str((service or {}).get("image") or ""), self.images.get(name, "")
            is_last = bool(text) and interpolation.interpolated(text, self.known).text == image
            if image.endswith(f":{release}") or (is_last and "STACK_RELEASE" in interpolation.names(text)):
                return []
            # Of an image that is named by content, or that its makers publish for everybody, the version is meant as it stands.
            meant = is_last or "@" in image or bool(known_images.needs(image))
            if name in routed and image and not meant and _could_be(release, image):
                fixed[name] = image
            tag = _TAG_VARIABLE.search(text) if is_last and name in routed else None
            # A default that nobody changes is how a file names the version of somebody else's image.
            if tag and (tag["name"] in self.known or "build" in service):
                found[name] = (image, tag["name"])
        return [
            f"services.{name}.image: runs {image} whatever stack_release is ({release}), because its tag is ${{{variable}}}; "
            f'write ${{STACK_RELEASE:?}} in its place, or {variable}: "{{{{ stack_release }}}}" under stack.variables'
            for name, (image, variable) in found.items()
        ] + [
            f"services.{name}.image: runs {image} whatever stack_release is ({release}), because its tag is written out; write "
            "${STACK_RELEASE:?} in its place if a deploy is to change it"
            for name, image in fixed.items()
        ]

    def _mend(self, name: str) -> str:
        if name == "HOME":
            return "write the path itself"
        if is_reserved(name):
            return "write its value itself"
        there = f"{name} is in the .env of stack_source, which no deploy reads: " if name in self._unread else ""
        return (
            f"{there}write {name}: <value> under stack.variables, or, if it is a secret, "
            f'{name}: "{{{{ vault_{name.lower()} }}}}" under stack_secret_variables, or a default, ${{{name}:-}}'
        )

    def _walk(self, file: str, value: Any, path: tuple[str, ...], problems: list[str]) -> Any:
        if len(path) > _DEPTH:
            return None
        if isinstance(value, Mapping):
            return {key: self._walk(file, part, (*path, str(key)), problems) for key, part in value.items()}
        if isinstance(value, list):
            return [self._walk(file, part, (*path, f"[{number}]"), problems) for number, part in enumerate(value)]
        if hasattr(value, "with_value"):
            return value.with_value(self._walk(file, value.value, path, problems))
        return self._text(file, value, path, problems) if isinstance(value, str) and "$" in value else value

    def _text(self, file: str, text: str, path: tuple[str, ...], problems: list[str]) -> Any:
        where = f"{file}: {_shown(path)}"
        if path[0] == "services" and path[2:] == ("image",):
            self.images[path[1]] = text
        found = interpolation.interpolated(text, self.known)
        if found.invalid:
            problems.append(f'{where}: "{found.invalid}" is not a variable; write $$ for a dollar sign')
            return text
        is_read = not (path[:1] == ("services",) and path[2:3] and path[2] in _UNREAD)
        for one in found.missing:
            # What nobody reads may be empty. What is demanded stops Compose wherever it stands.
            if one.words is not None or (is_read and not path[0].startswith("x-")):
                self._note(where, one)
        secret = sorted(found.names & self.secret)
        if secret and is_read and not _may_be_secret(path):
            problems.append(
                f"{where}: ${{{secret[0]}}} is secret, and others on the host can read it there (ps, docker inspect); "
                "give it to the program under environment, or as a file (stack_secret_files)"
            )
        return _typed(found.text) if path[-1] in _TYPED else found.text

    def _note(self, where: str, one: interpolation.Missing) -> None:
        said = f' ("{one.words}")' if one.words else ""
        what = "has no value" if one.name not in self.known else "is empty"
        self._first.setdefault(one.name, f"{where}: {one.text} {what}{said}")
        self._missing.setdefault(one.name, []).append(where)


def _may_be_secret(path: tuple[str, ...]) -> bool:
    """A container's environment; and a template of it at the top, which YAML puts where it is used."""
    return path[0].startswith("x-") or (path[0] == "services" and path[2:3] == ("environment",))


def _typed(text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return value if isinstance(value, int | float) else text


def _shown(path: tuple[str, ...]) -> str:
    return ".".join(path).replace(".[", "[")


def is_reserved(name: str) -> bool:
    """Whether nobody but the deploy may say it."""
    return name in _RESERVED or bool(OF_COMPOSE.match(name))


def problems(plain: Any, secret: Any, env: Mapping[str, Any], secrets: Mapping[str, Any]) -> list[str]:
    """What is wrong with the variables themselves. ``env``, ``secrets``: env files of stack.env and stack_secrets."""
    found = []
    for option, values in (("stack.variables", plain), ("stack_secret_variables", secret)):
        found += [f"{option}.{problem}" for problem in dotenv.problems(values)]
        found += [
            f"{option}.{name}: is set by the deploy itself; choose another name" for name in map(str, values) if is_reserved(name)
        ]
    found += [
        f"stack_secret_variables.{name}: is also in stack.variables; remove one of them" for name in secret if name in plain
    ]
    for option, groups, mine in (("stack.env", env, "stack.variables"), ("stack_secrets", secrets, "stack_secret_variables")):
        if GROUP in groups:
            found.append(f"{option}.{GROUP}: this file is made of {mine}; give it another name, or move its variables there")
    return found


def names_in_env(text: str) -> Iterator[str]:
    """Names that a .env of a project sets."""
    for line in text.splitlines():
        name, equals, _ = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            yield name.strip()


def env_files(service: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """(path, whether it is needed) of each env file that it reads, as they stand below the project."""
    entries = service.get("env_file") or []
    return [
        (str(one.get("path") if isinstance(one, Mapping) else one).removeprefix("./"), _is_needed(one))
        for one in (entries if isinstance(entries, list) else [entries])
        if isinstance(one, str | Mapping)
    ]


def _is_needed(entry: Any) -> bool:
    return not isinstance(entry, Mapping) or entry.get("required") is not False


def _could_be(release: str, image: str) -> bool:
    """Whether an image's tag is of the form of the release, so that this could stand there. Those of others seldom are."""
    parts = image_name.parse(image)
    return not parts.is_versioned or _DIGITS.sub("0", parts.tag) == _DIGITS.sub("0", release)
