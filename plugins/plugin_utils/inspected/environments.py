# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the environment of services: secrets go out of the Compose file, and env files of a checkout into the inventory.
Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import chain, count
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import interpolation
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import data as compose_data
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import known_images
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import command_lines, dotenv, odd_names, secret_names
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import DEFAULT, Needed, Source, vault
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.tagged import Override, Reset

_GROUP = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")


def bring(
    needed: Needed, services: Mapping[str, Mapping[str, Any]], source: Source, variables: Mapping[str, str], *, named: bool
) -> None:
    """Secrets out of the Compose file and out of env files that only a checkout has. ``variables``: those of Compose, of a file
    that was ``named`` or of the .env.
    """
    names = _vaulted(services)
    # Of env files: several services read one, and it has one value.
    by_name = {vault(key): variables[key] for key in needed.variables if key in variables}
    own = _own_groups(services)
    groups = _groups(services, own, source.env_files)
    for name, service in services.items():
        odd = {key: variables[key] for key in passed_through(service) if key in variables}
        if reads_dotenv(service, source.env_files):
            _dotenv(needed, name, service, is_there=named or ".env" in source.env_files)
            odd = {key: value for key, value in variables.items() if key in odd or key not in pairs_of(service)}
        else:
            odd |= _own_env_files(needed, name, service, source, by_name, groups.get(name, ""), own[name])
        composed = odd_names.bring(needed, groups.get(name) or own[name], odd, by_name)
        _hide(needed, name, service, names, own[name], composed)
        if composed:
            odd_names.say(needed, name, composed)
        _run(needed, name, service, {pairs_of(services[one])[key]: given for (one, key), given in names.items()}, own[name])
    for name, values in needed.secrets.items():
        needed.say(f"stack_secrets.{name}", "given", f"{', '.join(sorted(values))}, from the vault")


def _hide(
    needed: Needed,
    name: str,
    service: Mapping[str, Any],
    names: Mapping[tuple[str, str], str],
    group: str,
    more: dict[str, str],
) -> None:
    """Secrets out of the environment that the Compose file itself gives a service. ``more``: what comes to stand there."""
    pairs = pairs_of(service)
    hidden = {key: names[name, key] for key, value in pairs.items() if is_secret(key, value)}
    if not hidden:
        if more:
            needed.override.setdefault("services", {}).setdefault(name, {})["environment"] = dict(more)
        return
    # As Spring and Elasticsearch call theirs: no env file takes these names, and they may stand where they are.
    composed = {key: odd_names.variable(value) for key, value in hidden.items() if odd_names.is_odd(key)}
    written = {key: f"${{{variable}}}" for key, variable in composed.items()}
    filed = {key: value for key, value in hidden.items() if key not in composed}
    if isinstance(service["environment"], Mapping):
        value: Any = {key: written.get(key, Reset()) for key in hidden} | more
    else:
        passed = passed_through(service)
        kept = {key: None if key in passed else one for key, one in pairs.items() if key not in hidden} | written | more
        value = Override(kept) if kept else Reset()
    gives = "it" if len(hidden) == 1 else "them"
    why = f"{', '.join(hidden)} would lie readable in every release; the vault gives {gives}"
    needed.change(name, "environment", value, why)
    if composed:
        needed.variables.update({variable: hidden[key] for key, variable in composed.items()})
        needed.say("stack_secret_variables", "given", f"{', '.join(composed.values())}, from the vault")
    if filed:
        needed.secrets.setdefault(group, {}).update(filed)
        _read_too(needed.override["services"][name], f"secrets/{group}.env")


def _run(needed: Needed, name: str, service: Mapping[str, Any], by_value: dict[str, str], group: str) -> None:
    """Secrets that stand in what it runs. The vault gives them under names that only a person can write there."""
    own = {value: key for key, value in pairs_of(service).items() if is_secret(key, value)}
    by_key: dict[str, list[command_lines.Written]] = {}
    for one in command_lines.written(service):
        by_key.setdefault(one.key, []).append(one)
        if one.value in own:
            continue
        variable, taken = command_lines.variable_of(name, one), needed.secrets.setdefault(group, {})
        own[one.value] = _unused(variable, "_", taken)
        taken[own[one.value]] = by_value.get(one.value) or vault(own[one.value])
        _read_too(needed.override.setdefault("services", {}).setdefault(name, {}), f"secrets/{group}.env")
    for key, found in by_key.items():
        variables = {one.value: own[one.value] for one in found}
        line = command_lines.instead(service, key, variables)
        line = line or " and ".join(f'"$${one}"' for one in variables.values())
        after = ", ".join(one.name for one in found)
        said = (
            f"a secret is written out ({after}), and everybody on the hosts can read it; the vault "
            f"gives it as {', '.join(variables.values())}, so write {line} instead in the Compose file itself. ps shows it all "
            "the same: where the program reads it from its environment or from a file, let it"
        )
        needed.say(f"services.{name}.{key}", "yours", said)


def _read_too(override: dict[str, Any], file: str) -> None:
    before = override.get("env_file", [])
    if isinstance(before, Override):
        kept = [one for one in before.value if _path(one) != file]
        override["env_file"] = Override([*kept, file])
    else:
        override["env_file"] = Override([file]) if isinstance(before, Reset) else [*before, file]


def reads_dotenv(service: Mapping[str, Any], there: Collection[str] = ()) -> bool:
    """Whether the service reads the team's .env, and no other file of a checkout: it is given all variables of a deploy."""
    return checkout_files(service, there) == [".env"] and not _read_by_image(service)


def checkout_files(service: Mapping[str, Any], there: Collection[str] = ()) -> list[str]:
    """Env files that only a checkout has. ``there``: what lies in it, where a deploy would write its own, too."""
    return [one for one in env_files(service) if one in there or not one.startswith(("env/", "secrets/"))]


def env_files(service: Mapping[str, Any]) -> list[str]:
    return [_path(one) for one in _listed(service.get("env_file"))]


def passed_through(service: Mapping[str, Any]) -> list[str]:
    """Variables that are named without a value, which Compose takes from a shell or from its .env."""
    given = service.get("environment")
    if isinstance(given, Mapping):
        return [str(key) for key, value in given.items() if value is None]
    return [str(one) for one in given if "=" not in str(one)] if isinstance(given, list) else []


def is_secret(key: str, value: str) -> bool:
    given = DEFAULT.fullmatch(value)
    value = given["default"] if given else value
    return bool(value) and not interpolation.names(value) and secret_names.is_secret(key, value)


def pairs_of(service: Mapping[str, Any]) -> dict[str, str]:
    """The variables that the Compose file itself gives a service."""
    given = service.get("environment")
    if isinstance(given, Mapping):
        return {str(key): _text(value) for key, value in given.items()}
    lines = [str(one).partition("=") for one in given] if isinstance(given, list) else []
    return {key: value for key, _, value in lines}


def _vaulted(services: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """(service, variable) -> the vault's variable; services that have one value in common have one of these in common."""
    found: dict[tuple[str, str], str] = {}
    by_value: dict[str, str] = {}
    for name, service in services.items():
        for key, value in pairs_of(service).items():
            if is_secret(key, value):
                given = DEFAULT.fullmatch(value)
                found[name, key] = by_value.setdefault(value, vault(given["name"]) if given else vault(name, key))
    return found


def _own_groups(services: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Service -> the name that variables of its own have in the inventory, which becomes that of a file."""
    found = {name: name for name in services if _GROUP.match(name) and name != "variables"}
    for name in services:
        stem = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_") or "service"
        taken = {*found.values(), "variables"}
        found.setdefault(name, _unused(stem, "-", taken))
    return found


def _unused(name: str, sign: str, taken: Collection[str]) -> str:
    """Or with the first number behind it that makes it so."""
    return next(one for one in chain([name], (f"{name}{sign}{number}" for number in count(2))) if one not in taken)


def _groups(services: Mapping[str, Mapping[str, Any]], own_groups: Mapping[str, str], there: Collection[str]) -> dict[str, str]:
    """Service -> the name that its files of a checkout have in the inventory, where several services read the same ones."""
    readers: dict[tuple[str, ...], list[str]] = {}
    for name, service in services.items():
        own = checkout_files(service, there)
        if own and not reads_dotenv(service, there) and not _read_by_image(service):
            readers.setdefault(tuple(own), []).append(name)
    found: dict[str, str] = {}
    for files, names in readers.items():
        if len(names) > 1:
            taken = {*own_groups.values(), *found.values(), "variables"}
            stems = [_stem(one) for one in files]
            name = next(one for one in [*stems, *(f"{stems[0]}-{number or 'env'}" for number in range(99))] if one not in taken)
            found |= dict.fromkeys(names, name)
    return found


def _stem(path: str) -> str:
    """What is left of a file's name without ".env": production of .env.production."""
    name = re.sub(r"(?:\A|\.)env(?=\.|\Z)", "", PurePosixPath(path).name.lower())
    return re.sub(r"[^a-z0-9_-]+", "-", name).strip("-_") or "shared"


def _dotenv(needed: Needed, name: str, service: Mapping[str, Any], *, is_there: bool) -> None:
    """Of a service that reads the team's .env."""
    files = [one for one in _listed(service.get("env_file")) if _path(one) != ".env"]
    given = {"env/variables.env": needed.stack.get("variables"), "secrets/variables.env": needed.variables}
    if not is_there and ".env" not in _optional(service):
        files += [one for one in _if_there(*given) if one["path"] not in map(_path, files)]
        said = (
            ".env: not there; name the one that docker compose reads with -e env=<path>, or write its variables into "
            "stack.variables and stack_secret_variables"
        )
        needed.say(f"services.{name}.env_file", "yours", said)
    else:
        files += [path for path, values in given.items() if values]
    why = ".env belongs to a checkout; a deploy writes all variables into these files"
    needed.change(name, "env_file", Override(files) if files else Reset(), why)


def _if_there(*paths: str) -> list[dict[str, Any]]:
    """Env files that a person may write, or not."""
    return [{"path": path, "required": False} for path in paths]


def _own_env_files(
    needed: Needed, name: str, service: Mapping[str, Any], source: Source, by_name: dict[str, str], shared: str, own_group: str
) -> dict[str, str]:
    """``shared``, or else ``own_group``: the name of what it reads in the inventory. What no env file takes is handed back."""
    own, group = checkout_files(service, source.env_files), shared or own_group
    if not own:
        return {}
    files = [one for one in _listed(service.get("env_file")) if _path(one) not in own]
    missing = [path for path in own if path not in source.env_files]
    demanded = [path for path in missing if path not in _optional(service)]
    if demanded:
        said = f"{', '.join(demanded)}: not there; write its variables into stack.env.{group} and stack_secrets.{group}"
        needed.say(f"services.{name}.env_file", "yours", said)
    found: dict[str, str] = {}
    for path in own:
        found.update(dotenv.read(source.env_files.get(path, "")))
    # What stands under environment wins over any env file.
    read, own_pairs = _read_by_image(service), {} if shared else pairs_of(service)
    found = {key: value for key, value in found.items() if key not in own_pairs and (not read or key.startswith(read))}
    odd = {key: value for key, value in found.items() if odd_names.is_odd(key) and key not in pairs_of(service)}
    found = odd_names.without(found)
    secret = [key for key, value in found.items() if dotenv.why_secret(key, value)]
    plain = {key: value for key, value in found.items() if key not in secret}
    if plain:
        needed.stack.setdefault("env", {})[group] = plain
    if secret:
        names = {
            key: vault(key) if by_name.setdefault(vault(key), found[key]) == found[key] else vault(group, key) for key in secret
        }
        needed.secrets.setdefault(group, {}).update(names)
        for key, variable in names.items():
            needed.holds(variable, found[key])
    brought = {f"env/{group}.env": plain, f"secrets/{group}.env": secret}
    files += [path for path, values in brought.items() if values]
    if demanded:
        files += _if_there(*(path for path, values in brought.items() if not values))
    belongs, whose = ("belongs", "its") if len(own) == 1 else ("belong", "their")
    why = f"{', '.join(own)} {belongs} to a checkout; {whose} values go into the inventory, and secrets into the vault"
    if read:
        why += f"; others than {', '.join(f'{one}*' if one.endswith('_') else one for one in read)} are not read by the image"
    needed.change(name, "env_file", Override(files) if files else Reset(), why)
    return odd


def _optional(service: Mapping[str, Any]) -> list[str]:
    listed = _listed(service.get("env_file"))
    return [_path(one) for one in listed if isinstance(one, Mapping) and one.get("required") is False]


def _read_by_image(service: Mapping[str, Any]) -> tuple[str, ...]:
    """How variables begin that a known image reads; empty where nobody knows. What else is mounted may read others."""
    image = known_images.needs(str(service.get("image") or ""))
    if not image or not all(f"{one.target}/".startswith(f"{image.data}/") for one in compose_data.mounts(service)):
        return ()
    return tuple(image.variables)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _path(entry: Any) -> str:
    return str(entry.get("path") if isinstance(entry, Mapping) else entry).removeprefix("./")


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
