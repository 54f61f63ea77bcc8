"""What the gateway is told, and the deploy has checked: endpoints, prices and limits. ML_GATEWAY_CONFIG is JSON, or its file."""

import json
import os
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

CAPS = ("requests_per_month", "money_per_month", "requests_per_day", "money_per_day")
# RunPod takes no executionTimeout below this.
SHORTEST_SECONDS = 5


@dataclass(frozen=True)
class Endpoint:
    name: str
    provider: str
    # As its provider knows it.
    id: str
    model: str
    timeout_seconds: int
    concurrency: int
    price_per_second: Decimal
    price_per_request: Decimal
    fallback: str | None
    # Of the provider's id, the model and its version. A release may ask for it, as <name>@<pin>.
    pin: str

    @property
    def most(self) -> Decimal:
        """What one call can cost: the provider is told to stop it when its time is over."""
        return self.price_per_request + self.price_per_second * self.timeout_seconds


@dataclass(frozen=True)
class Config:
    environment: str
    tier: str
    # The address of each provider.
    urls: dict[str, str]
    endpoints: dict[str, Endpoint]
    # By the names that they have in the file. What is not there is not limited.
    limits: dict[str, Decimal]
    warn_at: Decimal
    over: str
    # What is remembered of each endpoint, so that releases which are pinned to it find it when another one has taken its name.
    # Its fallback is remembered as it is pinned, too.
    kept: dict[str, dict[str, Any]]

    @property
    def has_mock(self) -> bool:
        return self.tier != "production" and "mock" in self.urls

    @property
    def costs_money(self) -> bool:
        return any(endpoint.most for endpoint in self.endpoints.values())


def read() -> Config:
    given = os.environ.get("ML_GATEWAY_CONFIG", "")
    try:
        text = given if given.lstrip().startswith("{") else Path(given).read_text()
        config = _config(json.loads(text, parse_float=Decimal))
    except (OSError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise SystemExit(f"ML_GATEWAY_CONFIG: {type(error).__name__}: {error}") from None
    if problem := _problem(config):
        raise SystemExit(f"ML_GATEWAY_CONFIG: {problem}")
    return config


def key() -> str:
    """The provider's key. In a file it does not stand in `docker inspect`, and it leaves the gateway to the provider only."""
    path = Path(os.environ.get("ML_PROVIDER_KEY_FILE", "/run/secrets/ml_provider_key"))
    return path.read_text().strip() if path.exists() else ""


def remembered(config: Config, name: str, told: dict[str, Any]) -> Endpoint | None:
    """An endpoint of an earlier configuration, if this one would let it pass."""
    endpoint = _endpoint(name, told)
    alone = replace(config, endpoints={name: replace(endpoint, fallback=None)})
    return None if _problem(alone) else endpoint


def _config(raw: dict[str, Any]) -> Config:
    limits, given = {"warn_at": "0.8", "over": "refuse", **raw["limits"]}, raw["endpoints"]
    over, numbers = limits.pop("over"), {name: Decimal(str(value)) for name, value in limits.items()}
    warn_at = numbers.pop("warn_at")
    urls = {provider: url.rstrip("/") for provider, url in raw["urls"].items()}
    endpoints = {name: _endpoint(name, each) for name, each in given.items()}
    pinned = {name: f"{name}@{endpoint.pin}" if endpoint.pin else name for name, endpoint in endpoints.items()}
    kept = {name: {**each, "fallback": pinned.get(each.get("fallback"))} for name, each in given.items()}
    return Config(raw["environment"], raw["tier"], urls, endpoints, numbers, warn_at, over, kept)


def _endpoint(name: str, given: dict[str, Any]) -> Endpoint:
    return Endpoint(
        name=name,
        provider=given["provider"],
        # A mock is told the name.
        id=name if given["provider"] == "mock" else given["id"],
        model="@".join(given[key] for key in ("model", "version") if given.get(key)),
        timeout_seconds=max(SHORTEST_SECONDS, int(given["timeout_seconds"])),
        concurrency=given["concurrency"],
        price_per_second=Decimal(str(given.get("price_per_second") or 0)),
        price_per_request=Decimal(str(given.get("price_per_request") or 0)),
        fallback=given.get("fallback"),
        pin=given.get("pin", ""),
    )


def _problem(config: Config) -> str:
    """The deploy says it better, and more of it. This keeps a file that was edited by hand from costing money."""
    for endpoint in config.endpoints.values():
        if endpoint.provider not in config.urls or endpoint.fallback not in (None, *config.endpoints):
            return f"endpoint {endpoint.name}: its provider or its fallback is unknown"
        if endpoint.provider == "mock" and config.tier == "production":
            return f"endpoint {endpoint.name}: production uses no mock"
        if (endpoint.provider == "mock") == bool(endpoint.most) or min(endpoint.price_per_second, endpoint.price_per_request) < 0:
            return f"endpoint {endpoint.name}: a mock has no price, and every other endpoint has one above zero"
    if config.costs_money and not {"money_per_day", "money_per_month"} & set(config.limits):
        return "endpoints cost money, and no limit of money per day or month is set"
    if config.over not in ("refuse", "mock") or (config.over == "mock" and not config.has_mock):
        return "limits.over is refuse, or mock where there is a mock; in production there never is one"
    return ""
