# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a project that an inventory may declare: where each is read and written, and how they differ. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

AUTH, POOLER, NETWORK = "config/auth", "config/database/pooler", "network-restrictions"
TLS, DATA_API, STORAGE = "ssl-enforcement", "postgrest", "config/storage"
Section = str
Said = Mapping[Section, Mapping[str, Any]]


def _same(value: Any) -> Any:
    return value


def _opposite(value: Any) -> Any:
    return None if value is None else not value


def _comma(values: Any) -> str:
    return ",".join(values)


def _split(text: Any) -> list[str]:
    return sorted({part.strip() for part in str(text or "").split(",") if part.strip()})


@dataclass(frozen=True)
class Setting:
    """``seen`` reads the API's value as an inventory would say it, ``sent`` the other way."""

    name: str
    section: Section
    field: str
    seen: Callable[[Any], Any] = _same
    sent: Callable[[Any], Any] = _same
    is_list: bool = False


SETTINGS = (
    Setting("auth.site_url", AUTH, "site_url"),
    Setting("auth.redirect_urls", AUTH, "uri_allow_list", _split, _comma, is_list=True),
    Setting("auth.allow_signup", AUTH, "disable_signup", _opposite, _opposite),
    Setting("auth.allow_anonymous", AUTH, "external_anonymous_users_enabled"),
    Setting("auth.confirm_email", AUTH, "mailer_autoconfirm", _opposite, _opposite),
    Setting("auth.password_min_length", AUTH, "password_min_length"),
    Setting("auth.token_seconds", AUTH, "jwt_exp"),
    Setting("auth.rotate_refresh_tokens", AUTH, "refresh_token_rotation_enabled"),
    Setting("network.allowed_addresses", NETWORK, "addresses", is_list=True),
    Setting("network.require_tls", TLS, "database"),
    Setting("pooler.mode", POOLER, "pool_mode"),
    Setting("pooler.size", POOLER, "default_pool_size"),
    Setting("data_api.schemas", DATA_API, "db_schema", _split, _comma, is_list=True),
    Setting("data_api.max_rows", DATA_API, "max_rows"),
    Setting("storage.max_file_bytes", STORAGE, "fileSizeLimit"),
)
GROUPS = tuple(dict.fromkeys(setting.name.partition(".")[0] for setting in SETTINGS))
# As a project has them that nobody has restricted.
EVERYWHERE = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True)
class Difference:
    name: str
    seen: Any
    wanted: Any

    @property
    def sentence(self) -> str:
        return f"{self.name} is {said(self.seen)}, expected {said(self.wanted)}"


def said(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def wanted(options: Mapping[str, Any]) -> dict[Setting, Any]:
    """What is declared, by setting; what is left out is nobody's business. ``options``: group -> name -> value."""
    found = {}
    for setting in SETTINGS:
        group, _, name = setting.name.partition(".")
        value = (options.get(group) or {}).get(name)
        if value is not None:
            found[setting] = sorted(set(value)) if setting.is_list else value
    addresses = next((setting for setting in found if setting.section == NETWORK), None)
    if addresses:
        found[addresses] = networks(found[addresses])
    return found


def networks(texts: Iterable[str]) -> list[str]:
    """As the API writes them: an address is a network of one."""
    found = {ipaddress.ip_network(text.strip(), strict=False) for text in texts}
    return [str(one) for one in sorted(found, key=lambda one: (one.version, one.network_address.packed, one.prefixlen))]


def network_problems(texts: Sequence[Any]) -> list[str]:
    """Each begins with the place in the list."""
    found = []
    for number, text in enumerate(texts):
        try:
            network = ipaddress.ip_network(str(text).strip(), strict=False)
        except ValueError:
            found.append(f'[{number}]: "{text}" is not an address or a network, such as 192.0.2.10 or 2001:db8::/64')
            continue
        if network.prefixlen == 0:
            found.append(f"[{number}]: {text} lets everybody in; name the addresses by which the environment's hosts go out")
    return found


def differences(declared: Mapping[Setting, Any], seen: Said) -> list[Difference]:
    found = []
    for setting, value in declared.items():
        here = setting.seen(seen[setting.section].get(setting.field))
        if here != value:
            found.append(Difference(setting.name, here, value))
    return found


def changes(declared: Mapping[Setting, Any], different: Iterable[Difference]) -> dict[Section, dict[str, Any]]:
    """What is to be sent, by section."""
    names = {one.name for one in different}
    found: dict[Section, dict[str, Any]] = {}
    for setting, value in declared.items():
        if setting.name in names:
            found.setdefault(setting.section, {})[setting.field] = setting.sent(value)
    return found
