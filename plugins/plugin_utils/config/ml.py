# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiers, endpoints, prices and limits of an inventory's ``ml``: every problem in it, and what the gateway is told. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import pins, preview, serverless

TIERS = ("mock", "staging", "production")
PROVIDERS = ("runpod", "mock")
# Of RunPod's executionTimeout, in seconds.
SHORTEST, LONGEST = 5, 604_800
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")
_MONEY = ("money_per_day", "money_per_month")
_CAPS = ("requests_per_minute", "requests_per_day", "requests_per_month", *_MONEY)
_PRICES = ("price_per_second", "price_per_request")
# What the gateway has no use for, or knows by another way.
_NOT_TOLD = ("name", "serverless", "hourly_bound")


class Ml:
    """``problems`` is empty exactly when ``told`` can be used. No value of the key is in either.

    ``is_made``: that endpoints have the id which they get when they are made.
    """

    def __init__(self, raw: Any, options: Mapping[str, Any], environment: str = "", *, is_made: bool = True) -> None:
        shape: list[str] = []
        self._is_made = is_made
        self._given = schema.typed({"ml": raw}, {"ml": options["ml"]}, "", shape)["ml"] or {}
        self._environment = environment
        if environment == preview.ENVIRONMENT and self._given:
            self._given = preview.ml(self._given)
        self._endpoints: Sequence[Mapping[str, Any]] = self._given.get("endpoints") or []
        found = list(self._meaning()) if isinstance(raw, Mapping) else []
        self.problems = schema.causes(shape, [f"ml.{problem}" for problem in found]) if raw is not None else []

    def told(self) -> dict[str, Any]:
        """The gateway's configuration file."""
        endpoints = {
            endpoint["name"]: {
                **{name: _plain(value) for name, value in endpoint.items() if name not in _NOT_TOLD and value not in (None, "")},
                "pin": pins.digest(endpoint),
            }
            for endpoint in self._endpoints
        }
        urls = {"runpod": self._given["provider_url"], "mock": self._given["mock_url"]}
        return {
            "environment": self._environment,
            "tier": self._given["tier"],
            "urls": {name: url for name, url in urls.items() if url and not (name == "mock" and self._is_production)},
            "endpoints": endpoints,
            "limits": {
                name: _plain(value) for name, value in self._limits.items() if name not in _NOT_TOLD and value is not None
            },
        }

    def env(self) -> dict[str, str]:
        """As an env file of the gateway's stack. Empty where there are problems, which are told by the check."""
        return {} if self.problems or not self._given else {"ML_GATEWAY_CONFIG": json.dumps(self.told(), sort_keys=True)}

    @property
    def serverless(self) -> list[Mapping[str, Any]]:
        """Endpoints that are kept at the provider, each with all that the inventory says of it."""
        return [endpoint for endpoint in self._endpoints if endpoint["serverless"]]

    @property
    def management_url(self) -> str:
        return str(self._given["management_url"])

    @property
    def management_key(self) -> str:
        return str(self._given["management_key"] or self._given["key"])

    @property
    def hourly_bound(self) -> float:
        return float(self._limits["hourly_bound"] or 0.0)

    @property
    def _limits(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._given.get("limits") or {}
        return found

    @property
    def _is_production(self) -> bool:
        return bool(self._given.get("tier") == "production")

    @property
    def _costs_money(self) -> bool:
        return any(endpoint["provider"] != "mock" for endpoint in self._endpoints)

    def _meaning(self) -> Iterator[str]:
        if self._given["tier"] not in TIERS:
            yield f'tier: "{self._given["tier"]}" is not one of {", ".join(TIERS)}'
        if not self._endpoints:
            yield "endpoints: required; name at least one, or leave ml out"
        yield from self._of_way()
        if any(endpoint["provider"] == "mock" for endpoint in self._endpoints) and not self._given["mock_url"]:
            yield "mock_url: required, because an endpoint is a mock"
        for number, endpoint in enumerate(self._endpoints):
            for problem in self._of_endpoint(number, endpoint):
                yield f"endpoints[{number}].{problem}"
        yield from self._of_limits()

    def _of_way(self) -> Iterator[str]:
        """Addresses and keys."""
        for name in ("provider_url", "mock_url", "management_url"):
            if self._given[name] and not _is_url(self._given[name]):
                yield f'{name}: "{self._given[name]}" is not an http or https URL'
        if self._costs_money and not self._given["key"].strip():
            yield "key: required, because endpoints of runpod are called; take it from the vault"
        for name in ("key", "management_key"):
            if self._given[name].strip() and any(char.isspace() or not char.isprintable() for char in self._given[name]):
                yield f"{name}: holds a blank or a control character, and no key of the provider does"

    def _of_endpoint(self, number: int, endpoint: Mapping[str, Any]) -> Iterator[str]:
        name, provider = endpoint["name"] or "", endpoint["provider"]
        if name and not _NAME.match(name):
            yield f'name: "{name}" becomes part of a path: lower-case letters, digits, - and _'
        for key in ("name", "id"):
            earlier = [
                before for before, other in enumerate(self._endpoints[:number]) if endpoint[key] and other[key] == endpoint[key]
            ]
            if earlier:
                yield f'{key}: "{endpoint[key]}" is already used by ml.endpoints[{earlier[0]}]'
        if provider not in PROVIDERS:
            yield f'provider: "{provider}" is not one of {", ".join(PROVIDERS)}'
        elif provider == "mock":
            yield from self._of_mock(endpoint)
        else:
            yield from self._of_paid(endpoint)
        if endpoint["timeout_seconds"] is not None and not SHORTEST <= endpoint["timeout_seconds"] <= LONGEST:
            yield f"timeout_seconds: must be from {SHORTEST} to {LONGEST}, which are the provider's own bounds"
        if endpoint["concurrency"] == 0:
            yield "concurrency: must be 1 or more"
        yield from self._of_fallback(endpoint)
        if endpoint["serverless"]:
            yield from serverless.problems(endpoint)

    def _of_mock(self, endpoint: Mapping[str, Any]) -> Iterator[str]:
        if self._is_production:
            yield "provider: production uses no mock"
        for price in _PRICES:
            if endpoint[price]:
                yield f"{price}: a mock costs nothing; take it out"

    def _of_paid(self, endpoint: Mapping[str, Any]) -> Iterator[str]:
        if self._given["tier"] == "mock":
            yield f"provider: {endpoint['provider']} costs money, and the tier is mock; say ml.tier: staging, or provider: mock"
        if not endpoint["id"]:
            if self._is_made or not endpoint["serverless"]:
                more = "; playbooks/ml_endpoints.yml makes the endpoint and says it" if endpoint["serverless"] else ""
                yield f"id: required; the provider's id of the endpoint{more}"
        elif not _ID.match(endpoint["id"]):
            yield f'id: "{endpoint["id"]}" is no id of an endpoint; it stands in the URL behind /v2/'
        for pin in ("model", "version"):
            if not endpoint[pin]:
                yield f"{pin}: required; what runs there must be known"
            elif endpoint[pin] == "latest":
                yield f"{pin}: latest does not say what runs; give the one that the endpoint is pinned to"
        if not any(endpoint[price] for price in _PRICES):
            yield "price_per_second: required, above 0, or price_per_request: without a price no cap holds"

    def _of_fallback(self, endpoint: Mapping[str, Any]) -> Iterator[str]:
        wanted = endpoint["fallback"]
        if not wanted:
            return
        others = {other["name"]: other["provider"] for other in self._endpoints}
        if wanted == endpoint["name"]:
            yield f'fallback: "{wanted}" is the endpoint itself'
        elif wanted not in others:
            yield f'fallback: there is no endpoint "{wanted}"; there is {", ".join(map(str, others))}'
        elif others[wanted] == "mock" and self._is_production:
            yield f'fallback: "{wanted}" is a mock, and production never falls back to one'

    def _of_limits(self) -> Iterator[str]:
        limits = self._limits
        if self._costs_money and all(limits[name] is None for name in _MONEY):
            yield "limits.money_per_day: required, or money_per_month: endpoints cost money, and nothing would stop them"
        yield from (f"limits.{name}: 0 lets nothing pass; switch the mode off instead" for name in _CAPS if limits[name] == 0)
        for kind in ("requests", "money"):
            day, month = limits[f"{kind}_per_day"], limits[f"{kind}_per_month"]
            if day and month and day > month:
                yield f"limits.{kind}_per_day: {day:g} is more than {kind}_per_month ({month:g}), so it never applies"
        if self.serverless and not limits["hourly_bound"]:
            yield "limits.hourly_bound: required, above 0; endpoints are kept at RunPod, and nothing would bound what they cost"
        if limits["warn_at"] is not None and not 0 < limits["warn_at"] <= 1:
            yield f"limits.warn_at: {limits['warn_at']:g} is no share of a cap; give a number above 0 and at most 1"
        yield from self._of_over(limits["over"])
        for number, endpoint in enumerate(self._endpoints):
            yield from self._of_one_call(number, endpoint)

    def _of_over(self, over: str) -> Iterator[str]:
        if over not in ("refuse", "mock"):
            yield f'limits.over: "{over}" is not one of refuse, mock'
        elif over == "mock" and self._is_production:
            yield "limits.over: mock is refused in production, where users would take its answers for real ones"
        elif over == "mock" and not self._given["mock_url"]:
            yield "limits.over: mock needs ml.mock_url"

    def _of_one_call(self, number: int, endpoint: Mapping[str, Any]) -> Iterator[str]:
        """A call is reserved at what it can cost, so one that does not fit under a cap never goes out."""
        most = (endpoint["price_per_request"] or 0) + (endpoint["price_per_second"] or 0) * (endpoint["timeout_seconds"] or 0)
        for name in _MONEY:
            cap = self._limits[name]
            if cap and most > cap:
                yield (
                    f"endpoints[{number}].timeout_seconds: one call may cost {most:g}, more than limits.{name} ({cap:g}), "
                    "so none would ever go out"
                )


def _plain(value: Any) -> Any:
    """Money as a text: a price of 0.00001 is 1e-05 as a number, and no sum of such numbers is exact."""
    return f"{value:.12f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query
