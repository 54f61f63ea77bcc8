"""The tables of docs/refusals.md, from the tests that assert the messages. Regenerate: python -m tests.unit.refusals"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
sys.path[:0] = [one for one in (str(ROOT / "collections"), str(ROOT)) if one not in sys.path]

from tests.unit.attacks import ATTACKS
from tests.unit.plugins.module_utils.compose import (
    test_compose_data,
    test_compose_rules,
    test_file_mounts,
    test_hardening,
    test_jobs,
    test_placement,
    test_precautions,
    test_shared,
)
from tests.unit.plugins.module_utils.edge import test_edge, test_route_options, test_route_rules, test_routes
from tests.unit.plugins.module_utils.engine import test_pull
from tests.unit.plugins.module_utils.ledger import test_read
from tests.unit.plugins.module_utils.operations import test_prepare
from tests.unit.plugins.module_utils.ownership import test_database_identity, test_identity
from tests.unit.plugins.module_utils.postgres import test_connection_url
from tests.unit.plugins.modules import test_identity_modules
from tests.unit.plugins.plugin_utils.acme import test_acme_options
from tests.unit.plugins.plugin_utils.config import (
    test_compose_reading,
    test_exposed,
    test_isolation,
    test_placed_services,
    test_registry_options,
    test_stack_config,
    test_variables,
)
from tests.unit.plugins.plugin_utils.encrypted import test_encrypted_header
from tests.unit.plugins.plugin_utils.notify import test_channels
from tests.unit.plugins.plugin_utils.rotation import test_rotation
from tests.unit.reference import written

PAGE = ROOT / "docs" / "refusals.md"
SECRET = "stack.database.secret: api.DATABASE_URL"
DATABASE = "api.DATABASE_URL leads to a database that"
PROJECT = "/var/lib/morpheus.deploy/stacks/shop/project"
_FILE = re.compile(r"^[\w.]+\.yml: (?=services\.)")
# What two messages may differ in that say the same: names, numbers, paths and lists.
_NAMES = re.compile(
    r"\"[^\"]*\"|(?<=\s)'[^']*'|(?<!\w)-?\d[\d.:/]*|\./[^\s;,]+|\([^()]*\)"
    r"|(?<=the network )\w+|(?<=: )[\w/., :]+(?= is more than)"
)
# Where what is refused stands, by the path with which its message begins. The first that matches counts.
PLACES = {
    "release": r"stack_(release|environment|vault)\b",
    "services": r"stack\.services\b",
    "public_check": r"stack\.public_check\b",
    "migration": r"stack\.migration\b",
    "variables": r"stack\.(env|variables|allowed_values)\b|stack_secret_variables|services\.\w+\.(env_file|label_file)\b"
    r"|services\.\w+\.\S+: \"?\$",
    "secrets": r"stack_secret|secrets\.|services\.\w+\.secrets: the Compose files",
    "registries": r"stack_registries\b",
    "notifications": r"(notifications|hooks)\b",
    "database": r"stack\.database\b",
    "fingerprints": r"stack_fingerprint",
    "rotation": r"stack_rotation\b",
    "certificates": r"edge_acme\b|edge_certificate_paths\b|certificates_account_key\b",
    "exemptions": r"stack\.(hardening|egress)\b",
    "files": r"stack_flags\b|stack\.(compose_files|files|live_files|shared_volumes)\b|configs\.|(volumes|include|hosts)\b"
    r"|compose(\.\w+)?\.yml: include|stack\.profiles|compose\.\w+\.yml: must|services\.\w+\.(extends|profiles|\w+: \w+ needs )"
    r"|services\.\w+\.volumes: .*stack\.(live_)?files",
    "stack": r"stack\b",
    "replicas": r"services\.\w+(: \w+ waits for its end|\.(restart|deploy\.(replicas|mode|placement|restart_policy)"
    r"|(ipc|pid|network_mode): \"service:))"
    r"|services\.\w+\.(image|container_name|pre_stop|deploy\.(update|rollback)_config|ports: (a routed|\d+ replicas)"
    r"|network_mode: old|volumes: .* has no name)",
    "mounts": r"services\.\w+\.(volumes|volumes_from|configs|secrets|use_api_socket)\b",
    "networks": r"services\.\w+\.(networks|network_mode|ports|external_links)\b",
    "rights": r"services\.",
}


class Refusal(NamedTuple):
    """What somebody wrote, and what the run says of it. More than one message: a combination of cases."""

    what: str
    messages: Sequence[str]


def cases(params: Iterable[Any], message: str = "{}") -> Iterator[Refusal]:
    """Of parameters of a test whose last text or list is what is said; ``message`` is what the test puts around it."""
    for param in params:
        said = next(value for value in reversed(param.values) if isinstance(value, (str, list)))
        yield Refusal(str(param.id), [message.replace("{}", one) for one in ([said] if isinstance(said, str) else said) if one])


def texts(found: Mapping[str, str], key: str, message: str) -> Iterator[Refusal]:
    """Of a table of what stands at a key and what is said of it."""
    for text, said in found.items():
        yield Refusal(f"{key}: {json.dumps(text, ensure_ascii=False)}", [message.replace("{}", said)])


def before_any_host() -> list[Refusal]:
    """What the controller refuses."""
    return [
        *cases(test_stack_config.BAD),
        *cases(test_variables.REFUSED),
        *cases(test_variables.VARIABLES),
        *cases(test_compose_reading.REFUSED),
        *cases(test_compose_reading.PROFILES),
        *cases(test_encrypted_header.REFUSED, 'stack_vault: "v/vault.yml" {}'),
        Refusal("a vault without its password", [test_encrypted_header.NO_PASSWORD]),
        Refusal("a vault that is not there", [test_encrypted_header.NOT_THERE]),
        *texts(test_routes.HOSTS, "host", "stack.services[0].routes[0].host: {}"),
        *texts(test_routes.PATHS, "path", "stack.services[0].routes[0].paths[0]: {}"),
        *cases(test_route_options.PROBLEMS, "stack.services[0].routes[0].{}"),
        *cases(test_route_options.LOOPS),
        *cases(test_route_rules.PROBLEMS, "stack.services[0].routes[0].{}"),
        *cases(test_route_rules.SERVICES),
        *cases(test_route_rules.USERS),
        *cases(test_registry_options.PROBLEMS, "stack_registries{}"),
        *cases(test_channels.CHANNELS, "notifications.channels{}"),
        *cases(test_channels.HOOKS, "hooks.{}"),
        *cases(test_exposed.EXPOSED),
        *cases(test_isolation.KEYS),
        *cases(test_isolation.FINGERPRINTS),
        *cases(test_isolation.DATABASES),
        *cases(test_isolation.VALUES),
        *cases(test_connection_url.REFUSED, f"{SECRET} {{}}"),
        *cases(test_rotation.PROBLEMS, "stack_rotation[0].{}"),
        *cases(test_acme_options.REFUSED),
        *cases(test_compose_rules.FINDINGS),
        *cases(test_compose_rules.WATCHES, "services.api.deploy.update_config.monitor: {}"),
        *cases(test_compose_data.REFUSED),
        *cases(test_jobs.REFUSED),
        Refusal("routes of a job", [test_jobs.ROUTED]),
        *cases(test_shared.REFUSED),
        Refusal("routes of a service in the network of another", [test_shared.ROUTED]),
        *cases(test_placement.REFUSED),
        *cases(test_placed_services.REFUSED),
        *cases(test_file_mounts.PROBLEMS),
        *cases(test_file_mounts.CONFIGS),
        Refusal("a named volume over shipped files", [test_file_mounts.DEVICE.format("./conf")]),
        *cases(test_hardening.REFUSED),
        *(Refusal(attack.name, attack.problems) for attack in ATTACKS),
    ]


def before_any_write() -> list[Refusal]:
    """What a host refuses that was only looked at."""
    return [
        *cases(test_identity.HOSTS, "app-1: {}"),
        *cases(test_database_identity.DATABASES, f"app-1: {DATABASE} {{}}"),
        Refusal("a database that does not answer", [f"app-1: {test_identity_modules.NO_ANSWER}"]),
        Refusal("a ledger of another tool", [f"{DATABASE} {test_read.LEDGER.format('public.alembic_version')}"]),
        *cases(one for one in test_identity_modules.LEDGERS if one.id == "a ledger that is locked"),
        Refusal("a route of another stack", [test_edge.ANOTHERS_ROUTE]),
        Refusal("options of routes at an edge of an older version", [test_route_options.OLDER_EDGE]),
        Refusal("another protocol of a service that runs", [test_route_rules.ANOTHER_PROTOCOL]),
        Refusal("shipped files that would hide data", [test_prepare.HIDDEN.format(PROJECT)]),
    ]


def before_any_change() -> list[Refusal]:
    """What a host refuses that has the images."""
    networks = next(cases(test_precautions.CHANGED, test_precautions.NETWORK))
    volumes = next(cases(test_precautions.VOLUMES, test_precautions.VOLUME))
    return [
        Refusal("an image for another processor", [test_prepare.FOREIGN]),
        *cases(test_pull.REFUSED),
        Refusal("an image's volume that is not mounted", [test_compose_data.NOT_MOUNTED]),
        Refusal("data that change hands", [test_precautions.TWO_WRITERS]),
        Refusal("a changed network", networks.messages),
        Refusal("a changed volume", volumes.messages),
        *cases(test_precautions.OTHERS),
        Refusal("an external network that is missing", [test_precautions.NO_NETWORK]),
        Refusal("an external volume that is missing", [test_precautions.NO_VOLUME]),
    ]


def kind(message: str) -> str:
    """What two messages have in common that say the same of two places. Of a service, the mend is part of neither."""
    same = _NAMES.sub("~", _FILE.sub("", message)).replace("rollback_config", "update_config")
    return (
        re.sub(r"^services\.\w+", "services.~", same).partition("; ")[0] if same.startswith(("services.", "configs.")) else same
    )


def alone(found: Iterable[Refusal]) -> list[tuple[str, str]]:
    """Cases of one message, the first of each kind that is asserted whole."""
    single = [(what, messages[0]) for what, messages in found if len(messages) == 1]
    first: dict[str, tuple[str, str]] = {}
    for row in sorted(single, key=lambda row: row[1].endswith(" ")):
        first.setdefault(kind(row[1]), row)
    return list(first.values())


def lost(found: Sequence[Refusal]) -> set[str]:
    """Messages that are asserted among others only, so that no row has them."""
    shown = {kind(message) for _, message in alone(found)}
    return {message for _, messages in found for message in messages if kind(message) not in shown}


def place(message: str) -> str:
    """In which table of the page a message of the controller stands."""
    for name, pattern in PLACES.items():
        if re.match(pattern, _FILE.sub("", message)):
            return name
    raise LookupError(f"no place in the inventory is known for: {message}")


def _code(text: str) -> str:
    """As it stands in a table."""
    shown = text.replace("SOURCE/", "<stack_source>/")
    shown = re.sub(r"(\w)\1{29,}", r"\1\1\1...", shown).replace("|", "\\|").replace("\n", "\\n")
    shown = f"{shown}..." if shown.endswith(" ") else shown
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`"


def _what(text: str) -> str:
    return _code(text) if re.match(r"(host|path): ", text) else text.replace("|", "\\|")


def _path(row: tuple[str, str]) -> str:
    return re.sub(r"\[\d+\]", "", _FILE.sub("", row[1]).partition(": ")[0])


def table(rows: Iterable[tuple[str, str]]) -> str:
    lines = ["| what you wrote | what the run says |", "|---|---|"]
    lines += [f"| {_what(what)} | {_code(_FILE.sub('', message))} |" for what, message in rows]
    return "\n".join(lines) + "\n"


def tables() -> dict[str, str]:
    """What stands between the markers of the page, by the markers' name."""
    rows = sorted(alone(before_any_host()), key=_path)
    found = {name: table(row for row in rows if place(row[1]) == name) for name in PLACES}
    return found | {"unwritten": table(alone(before_any_write())), "unchanged": table(alone(before_any_change()))}


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(), tables()))
