"""What a preview is limited to, whatever an inventory says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import preview, specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.ml import Ml

OPTIONS = specifications.options("ml_gateway")
COSTLY: dict[str, Any] = {
    "tier": "production",
    "key": "canary",
    "endpoints": [{"name": "comic", "id": "abc123", "model": "xl", "version": "1.0", "price_per_second": 1.0, "concurrency": 9}],
    "limits": {"money_per_day": 1000, "money_per_month": 30000, "requests_per_minute": 6000, "over": "refuse"},
}


@pytest.mark.parametrize("tier", ["mock", "staging", "production"])
def test_the_gateway_of_a_preview_has_the_mock_and_small_caps(tier: str) -> None:
    made = Ml({**COSTLY, "tier": tier}, OPTIONS, "preview")
    assert made.problems == []
    told = json.loads(made.env()["ML_GATEWAY_CONFIG"])
    assert told["tier"] == "mock"
    assert [one["provider"] for one in told["endpoints"].values()] == ["mock"]
    assert not any(name.startswith("price") for one in told["endpoints"].values() for name in one)
    assert {name: float(told["limits"][name]) for name in preview.ML_CAPS} == dict(preview.ML_CAPS)
    assert "canary" not in json.dumps(told)


def test_caps_that_are_smaller_stay() -> None:
    given = {**COSTLY, "limits": {**COSTLY["limits"], "requests_per_minute": 5}}
    told = json.loads(Ml(given, OPTIONS, "preview").env()["ML_GATEWAY_CONFIG"])
    assert told["limits"]["requests_per_minute"] == 5


def test_other_environments_have_what_they_say() -> None:
    told = json.loads(Ml({**COSTLY, "tier": "staging"}, OPTIONS, "staging").env()["ML_GATEWAY_CONFIG"])
    assert (told["tier"], told["limits"]["money_per_day"]) == ("staging", "1000")


PATH, MOST = "services.web.deploy", "and a service of a preview has at most"


def limits(**values: Any) -> dict[str, Any]:
    return {"deploy": {"resources": {"limits": {"cpus": "0.5", "memory": "64M", **values}}}}


@pytest.mark.parametrize(
    ("service", "problem"),
    [
        (limits(), ""),
        (limits(cpus="1.00", memory="512M"), ""),
        (
            limits(memory="1G"),
            f"{PATH}.resources.limits.memory: is 1024 MiB, {MOST} 512 MiB",
        ),
        (limits(cpus=2), f"{PATH}.resources.limits.cpus: is 2, {MOST} 1"),
        (limits(cpus=0), f"{PATH}.resources.limits.cpus: is 0, {MOST} 1"),
        (
            {**limits(memory=None)},
            f"{PATH}.resources.limits.memory: is not set, {MOST} 512 MiB",
        ),
        (
            {"deploy": {**limits()["deploy"], "replicas": 3}},
            f"{PATH}.replicas: is 3, {MOST} 2",
        ),
        ({"cpus": 0.5, "mem_limit": "128m"}, ""),
    ],
)
def test_a_service_that_takes_more_than_a_preview_has_is_named(service: dict[str, Any], problem: str) -> None:
    assert preview.problems("preview", {"web": service}) == ([problem] if problem else [])
    assert preview.problems("staging", {"web": service}) == []
