"""What the gateway is told, and the deploy has checked: endpoints, prices and limits. ML_GATEWAY_CONFIG is JSON, or its file."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

CAPS = ("requests_per_month", "money_per_month", "requests_per_day", "money_per_day")
# RunPod takes no executionTimeout below this.
SHORTEST_SECONDS = 5
# None is no price.
Price = Annotated[Decimal, BeforeValidator(lambda price: price or 0), Field(ge=0)]
Url = Annotated[str, AfterValidator(lambda url: url.rstrip("/"))]


class Endpoint(BaseModel):
    name: str
    provider: str
    # As its provider knows it. A mock is told the name.
    id: str = ""
    model: str = ""
    version: str = ""
    timeout_seconds: Annotated[int, Field(ge=SHORTEST_SECONDS)]
    concurrency: int
    price_per_second: Price = Decimal(0)
    price_per_request: Price = Decimal(0)
    fallback: str | None = None
    # Of the provider's id, the model and its version. A release may ask for it, as <name>@<pin>.
    pin: str = ""

    @property
    def runs(self) -> str:
        return "@".join(filter(None, (self.model, self.version)))

    @property
    def most(self) -> Decimal:
        """What one call can cost: the provider is told to stop it when its time is over."""
        return self.price_per_request + self.price_per_second * self.timeout_seconds

    def mock(self) -> "Endpoint":
        """What stands in for it."""
        return self.model_copy(update={"provider": "mock", "model": "mock", "version": "", "pin": ""})


class Config(BaseModel):
    environment: str
    tier: str
    # The address of each provider.
    urls: dict[str, Url]
    endpoints: dict[str, Endpoint]
    # By the names that they have in the file. What is not there is not limited.
    limits: dict[str, Decimal]
    warn_at: Decimal
    over: str

    @property
    def has_mock(self) -> bool:
        return self.tier != "production" and "mock" in self.urls

    @property
    def costs_money(self) -> bool:
        return any(endpoint.most for endpoint in self.endpoints.values())

    def lets_pass(self, endpoint: Endpoint) -> bool:
        """An endpoint of an earlier configuration."""
        alone = endpoint.model_copy(update={"fallback": None})
        return not problem(self.model_copy(update={"endpoints": {endpoint.name: alone}}))


def read() -> Config:
    given = os.environ.get("ML_GATEWAY_CONFIG", "")
    try:
        raw = json.loads(given if given.lstrip().startswith("{") else Path(given).read_text())
        for name, endpoint in raw["endpoints"].items():
            endpoint["name"] = name
        raw = {"warn_at": raw["limits"].pop("warn_at", "0.8"), "over": raw["limits"].pop("over", "refuse"), **raw}
        config = Config.model_validate(raw)
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise SystemExit(f"ML_GATEWAY_CONFIG: {type(error).__name__}: {error}") from None
    if found := problem(config):
        raise SystemExit(f"ML_GATEWAY_CONFIG: {found}")
    for endpoint in config.endpoints.values():
        # By its pin, since a release that is pinned to the endpoint calls it when another one has taken the fallback's name, too.
        if endpoint.fallback:
            endpoint.fallback += f"@{config.endpoints[endpoint.fallback].pin}"
    return config


def key() -> str:
    """The provider's key. In a file it does not stand in `docker inspect`, and it leaves the gateway to the provider only."""
    path = Path(os.environ.get("ML_PROVIDER_KEY_FILE", "/run/secrets/ml_provider_key"))
    return path.read_text().strip() if path.exists() else ""


def problem(config: Config) -> str:
    """The deploy says it better, and more of it. This keeps a file that was edited by hand from costing money."""
    for endpoint in config.endpoints.values():
        if endpoint.provider not in config.urls or endpoint.fallback not in (None, *config.endpoints):
            return f"endpoint {endpoint.name}: its provider or its fallback is unknown"
        if endpoint.provider == "mock" and config.tier == "production":
            return f"endpoint {endpoint.name}: production uses no mock"
        if (endpoint.provider == "mock") == bool(endpoint.most):
            return f"endpoint {endpoint.name}: a mock has no price, and every other endpoint has one above zero"
    if config.costs_money and not {"money_per_day", "money_per_month"} & set(config.limits):
        return "endpoints cost money, and no limit of money per day or month is set"
    if config.over not in ("refuse", "mock") or (config.over == "mock" and not config.has_mock):
        return "limits.over is refuse, or mock where there is a mock; in production there never is one"
    return ""
