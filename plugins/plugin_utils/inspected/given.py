# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of a Compose file: what asks for each, and what gives it on hosts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import interpolation
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import variable_secrets
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.variables import OF_COMPOSE, is_reserved
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected import dotenv, placeholders, secret_names
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.environments import passed_through
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import Needed, strings, vault
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.odd_names import is_odd

_GIVEN = (*interpolation.GIVEN, "COMPOSE_PROJECT_NAME")
_ASKED_ELSEWHERE = ("COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "COMPOSE_FILE")
# Of a service, what hosts never read; of the file, what is used by what stands elsewhere.
_UNREAD = ("build", "develop")


def variables(
    needed: Needed,
    model: Mapping[str, Any],
    services: Mapping[str, Mapping[str, Any]],
    known: Mapping[str, str],
    file: str,
    *,
    whole: bool,
    written: Iterable[Mapping[str, Any]] = (),
    profiles: Collection[str] = (),
) -> None:
    """What a variable of the Compose file stands for: the team's own env file says it, or a person will.

    ``known``: what ``file`` says; ``whole``: services read that file themselves, so all of it counts; ``written``: each Compose
    file by itself, because Compose puts variables in place before it merges; ``profiles``: those that are on.
    """
    asked = _asked([model, *written])
    passed = {name: passed_through(one) for name, one in services.items()}
    asked = {name: False for names in passed.values() for name in names if name in known and not is_odd(name)} | asked
    held = {variable: name for name, variable in variable_secrets.named({**model, "services": services}).items()}
    asked |= dict.fromkeys(held, True)
    _of_compose(needed, known, file, profiles)
    asked |= {name: False for name in known if whole and name not in asked and not is_odd(name) and not is_reserved(name)}
    # Of what nobody but the deploy may say, the checks say what to write instead.
    names = [name for name, demanded in asked.items() if (demanded or name in known) and not is_reserved(name)]
    why = {name: "by its name" if secret_names.is_secret(name, "") else "" for name in names if name not in known}
    why |= {name: dotenv.why_secret(name, known[name]) for name in names if name in known}
    why |= {name: why.get(name) or f"as secrets.{secret}" for name, secret in held.items()}
    unknown = placeholders.fill(needed, [model, *written], [name for name in names if not why[name] and name not in known])
    plain = {name: known.get(name, unknown.get(name, "")) for name in names if not why[name]}
    if plain:
        needed.stack["variables"] = plain
    if given := [name for name in plain if name in known]:
        needed.say("stack.variables", "given", f"{', '.join(given)}; see that the values are those of this environment")
    secret = [name for name in names if why[name]]
    if secret:
        needed.variables.update({name: vault(name) for name in secret})
        for name in secret:
            needed.holds(vault(name), known.get(name, ""))
        listed = ", ".join(f"{name} ({why[name]})" for name in secret)
        where = f"; the values stand in {file}" if any(name in known for name in secret) else ""
        needed.say("stack_secret_variables", "given", f"{listed}, from the vault{where}")
    # They come under environment.
    odd = {name for name in known if is_odd(name) and (whole or any(name in names for names in passed.values()))}
    unused = [name for name in known if name not in (*asked, *odd) and not OF_COMPOSE.match(name)]
    if unused:
        said = f"{', '.join(unused)}: no line of the Compose file asks for it, so it was left out"
        needed.say(file, "accepted", said)
    orders = [name for name in known if OF_COMPOSE.match(name) and name not in _ASKED_ELSEWHERE]
    if orders:
        needed.say(file, "accepted", f"{', '.join(orders)}: said to docker compose itself, which a deploy does in its own way")
    for service, listed_names in passed.items():
        nowhere = [name for name in listed_names if name not in known and not is_reserved(name)]
        nobody = [name for name in listed_names if is_reserved(name) and name not in _GIVEN]
        for found, mend in ((nowhere, "stack.variables would give {}"), (nobody, "write its value itself")):
            if found:
                it = "it" if len(found) == 1 else "them"
                said = f"nobody gives {', '.join(found)}, so containers do not have {it}; {mend.format(it)}"
                needed.say(f"services.{service}.environment", "accepted", said)


def profiles_on(known: Mapping[str, str], there: Collection[str]) -> list[str]:
    """Of the profiles that services have, those that the team has on."""
    asked = _profiles(known)
    return sorted(there) if "*" in asked else [one for one in asked if one in there]


def _profiles(known: Mapping[str, str]) -> list[str]:
    return [one.strip() for one in known.get("COMPOSE_PROFILES", "").split(",") if one.strip()]


def _asked(models: Iterable[Mapping[str, Any]]) -> dict[str, bool]:
    """Name of each variable -> whether some line has no other value for it."""
    asked: dict[str, bool] = {}
    for read, text in [one for model in models for one in _texts(model)]:
        found = interpolation.interpolated(text, {})
        demanded = {one.name for one in found.missing if read or one.words is not None}
        for name in sorted(found.names, key=text.index):
            if name not in _GIVEN:
                asked[name] = asked.get(name, False) or name in demanded
    return asked


def _texts(model: Mapping[str, Any]) -> list[tuple[bool, str]]:
    """Each text of the file, and whether hosts read it."""
    found = []
    for element, content in model.items():
        if element != "services":
            found += [(not element.startswith("x-"), text) for text in strings(content)]
            continue
        for service in content.values() if isinstance(content, Mapping) else ():
            for key, part in service.items() if isinstance(service, Mapping) else ():
                found += [(key not in _UNREAD, text) for text in strings(part)]
    return found


def _of_compose(needed: Needed, known: Mapping[str, str], file: str, profiles: Collection[str]) -> None:
    """What is said to Compose itself there."""
    if profiles:
        needed.stack["profiles"] = list(profiles)
        needed.say("stack.profiles", "given", f"COMPOSE_PROFILES of {file} says {', '.join(profiles)}")
    gone = [one for one in _profiles(known) if one not in (*profiles, "*")]
    if gone:
        needed.say(file, "accepted", f"COMPOSE_PROFILES names {', '.join(gone)}, which no service has, so it was left out")
