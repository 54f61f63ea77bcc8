from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.filter.ml_gateway_env import ml_gateway_env
from ansible_collections.morpheus.deploy.plugins.filter.ml_problems import ml_problems
from ansible_collections.morpheus.deploy.plugins.filter.stack_config import stack_config
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.pins import digest

KEY = "rpa_0123456789"
GOOD: dict[str, Any] = {
    "tier": "staging",
    "key": KEY,
    "mock_url": "http://ml:9000/v2",
    "endpoints": [
        {
            "name": "comic",
            "id": "abc123",
            "model": "comic-xl",
            "version": "1.4.0",
            "price_per_second": 0.00044,
            "timeout_seconds": 120,
            "concurrency": 4,
            "fallback": "sketch",
        },
        {"name": "sketch", "provider": "mock"},
    ],
    "limits": {"requests_per_minute": 60, "requests_per_day": 500, "money_per_day": 5, "money_per_month": 50.0},
}


def changed(**values: Any) -> dict[str, Any]:
    """``comic__price_per_second=0`` changes an endpoint, ``limits__over="mock"`` the limits; None takes a value out."""
    found = copy.deepcopy(GOOD)
    for path, value in values.items():
        place, _, name = path.rpartition("__")
        endpoints = {endpoint["name"]: endpoint for endpoint in found["endpoints"]}
        target = endpoints.get(place) or (found[place] if place else found)
        target[name] = value
    return found


def test_an_environment_without_ml_has_no_problem() -> None:
    assert ml_problems(None) == []


def test_what_is_well_becomes_the_gateways_configuration() -> None:
    assert ml_problems(GOOD) == []
    told = json.loads(ml_gateway_env(GOOD, "staging")["ML_GATEWAY_CONFIG"])
    assert told == {
        "environment": "staging",
        "tier": "staging",
        "urls": {"runpod": "https://api.runpod.ai/v2", "mock": "http://ml:9000/v2"},
        "endpoints": {
            "comic": {
                "provider": "runpod",
                "id": "abc123",
                "model": "comic-xl",
                "version": "1.4.0",
                "price_per_second": "0.00044",
                "timeout_seconds": 120,
                "concurrency": 4,
                "fallback": "sketch",
                "pin": digest(GOOD["endpoints"][0]),
            },
            "sketch": {"provider": "mock", "timeout_seconds": 60, "concurrency": 10, "pin": digest({"provider": "mock"})},
        },
        "limits": {
            "requests_per_minute": 60,
            "requests_per_day": 500,
            "money_per_day": "5",
            "money_per_month": "50",
            "warn_at": "0.8",
            "over": "refuse",
        },
    }


def test_the_key_is_in_neither_configuration_nor_problems() -> None:
    assert KEY not in json.dumps(ml_gateway_env(GOOD, "staging"))
    for key in (f"{KEY} ", {"vault": KEY}, [KEY]):
        problems = ml_problems(changed(key=key))
        assert problems
        assert KEY not in str(problems)


def test_a_small_price_stays_exact() -> None:
    told = json.loads(ml_gateway_env(changed(comic__price_per_second=0.0000125), "staging")["ML_GATEWAY_CONFIG"])
    assert told["endpoints"]["comic"]["price_per_second"] == "0.0000125"


def test_a_gateway_in_production_is_told_of_no_mock() -> None:
    given = changed(tier="production", comic__fallback=None)
    del given["endpoints"][1]
    assert ml_problems(given) == []
    assert json.loads(ml_gateway_env(given, "production")["ML_GATEWAY_CONFIG"])["urls"] == {"runpod": "https://api.runpod.ai/v2"}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"tier": "prod"}, 'ml.tier: "prod" is not one of mock, staging, production'),
        (
            {"tier": "mock"},
            "ml.endpoints[0].provider: runpod costs money, and the tier is mock; say ml.tier: staging, or provider: mock",
        ),
        ({"key": ""}, "ml.key: required, because endpoints of runpod are called; take it from the vault"),
        ({"key": "a b"}, "ml.key: holds a blank or a control character, and no key of the provider does"),
        ({"endpoints": []}, "ml.endpoints: required; name at least one, or leave ml out"),
        ({"provider_url": "api.runpod.ai"}, 'ml.provider_url: "api.runpod.ai" is not an http or https URL'),
        ({"mock_url": ""}, "ml.mock_url: required, because an endpoint is a mock"),
        ({"comic__id": ""}, "ml.endpoints[0].id: required; the provider's id of the endpoint"),
        ({"comic__id": "../x"}, 'ml.endpoints[0].id: "../x" is no id of an endpoint; it stands in the URL behind /v2/'),
        ({"comic__version": ""}, "ml.endpoints[0].version: required; what runs there must be known"),
        (
            {"comic__version": "latest"},
            "ml.endpoints[0].version: latest does not say what runs; give the one that the endpoint is pinned to",
        ),
        ({"comic__version": 1.4}, "ml.endpoints[0].version: must be a string, not a number (1.4); quote it"),
        (
            {"comic__price_per_second": 0},
            "ml.endpoints[0].price_per_second: required, above 0, or price_per_request: without a price no cap holds",
        ),
        ({"comic__price_per_second": -1}, "ml.endpoints[0].price_per_second: must be a number, 0 or more, not -1"),
        ({"sketch__price_per_request": 0.1}, "ml.endpoints[1].price_per_request: a mock costs nothing; take it out"),
        (
            {"comic__timeout_seconds": 4},
            "ml.endpoints[0].timeout_seconds: must be from 5 to 604800, which are the provider's own bounds",
        ),
        (
            {"comic__timeout_seconds": 20_000},
            "ml.endpoints[0].timeout_seconds: one call may cost 8.8, more than limits.money_per_day (5), "
            "so none would ever go out",
        ),
        ({"comic__concurrency": 0}, "ml.endpoints[0].concurrency: must be 1 or more"),
        ({"comic__fallback": "cheap"}, 'ml.endpoints[0].fallback: there is no endpoint "cheap"; there is comic, sketch'),
        ({"comic__fallback": "comic"}, 'ml.endpoints[0].fallback: "comic" is the endpoint itself'),
        ({"comic__provider": "replicate"}, 'ml.endpoints[0].provider: "replicate" is not one of runpod, mock'),
        ({"sketch__name": "comic"}, 'ml.endpoints[1].name: "comic" is already used by ml.endpoints[0]'),
        (
            {"comic__name": "Comic XL"},
            'ml.endpoints[0].name: "Comic XL" becomes part of a path: lower-case letters, digits, - and _',
        ),
        (
            {"limits": {}},
            "ml.limits.money_per_day: required, or money_per_month: endpoints cost money, and nothing would stop them",
        ),
        ({"limits__requests_per_day": 0}, "ml.limits.requests_per_day: 0 lets nothing pass; switch the mode off instead"),
        (
            {"limits__money_per_day": 80},
            "ml.limits.money_per_day: 80 is more than money_per_month (50), so it never applies",
        ),
        ({"limits__warn_at": 80}, "ml.limits.warn_at: 80 is no share of a cap; give a number above 0 and at most 1"),
        ({"limits__over": "queue"}, 'ml.limits.over: "queue" is not one of refuse, mock'),
        ({"comic__price_per_secnd": 1}, 'ml.endpoints[0].price_per_secnd: unknown key; did you mean "price_per_second"?'),
    ],
)
def test_what_is_wrong_is_said_with_its_path(values: dict[str, Any], problem: str) -> None:
    assert problem in ml_problems(changed(**values))
    assert ml_gateway_env(changed(**values), "staging") == {}


def test_production_has_no_mock_anywhere() -> None:
    assert ml_problems(changed(tier="production", limits__over="mock")) == [
        'ml.endpoints[0].fallback: "sketch" is a mock, and production never falls back to one',
        "ml.endpoints[1].provider: production uses no mock",
        "ml.limits.over: mock is refused in production, where users would take its answers for real ones",
    ]


def test_ten_mistakes_are_told_in_one_message_with_those_of_everything_else() -> None:
    wrong = changed(
        tier="prod",
        key="",
        provider_url="ftp://api.runpod.ai",
        comic__id="",
        comic__version="latest",
        comic__price_per_second=None,
        comic__concurrency=0,
        comic__fallback="cheap",
        sketch__price_per_second=1.0,
        limits__warn_at=80.0,
        limits__money_per_day=None,
        limits__money_per_month=None,
    )
    problems = stack_config({"stack": None, "ml": wrong, "stack_environment": "staging"})["problems"]
    assert [problem.partition(": ")[0] for problem in problems if problem.startswith("ml.")] == [
        "ml.tier",
        "ml.provider_url",
        "ml.key",
        "ml.endpoints[0].id",
        "ml.endpoints[0].version",
        "ml.endpoints[0].price_per_second",
        "ml.endpoints[0].concurrency",
        "ml.endpoints[0].fallback",
        "ml.endpoints[1].price_per_second",
        "ml.limits.money_per_day",
        "ml.limits.warn_at",
    ]
    assert any(problem.startswith("stack: required") for problem in problems)


def test_the_stack_of_the_gateway_is_one_that_a_deploy_accepts() -> None:
    checked = stack_config(
        {
            "preflight_environments": ["staging", "production"],
            "stack_environment": "staging",
            "stack_release": "1.0.0",
            "stack_source": str(Path(__file__).parents[5] / "stacks" / "ml-gateway"),
            "stack_secrets": {"gateway": {"DATABASE_URL": "postgresql://gateway:0123456789@db.example.com/app"}},
            "stack_secret_files": {"ml_provider_key": {"content": KEY, "owner": 10001}},
            "ml": GOOD,
            "stack": {
                "name": "ml-gateway",
                "compose_files": ["compose.yml"],
                "env": {"gateway": ml_gateway_env(GOOD, "staging")},
                "services": [{"name": "gateway", "port": 9100, "health": {"path": "/health", "version": "version"}}],
            },
        }
    )
    assert (checked["problems"], checked["notes"]) == ([], [])
