"""What the example's inventories say of ML endpoints, by a deploy's own checks. No host is contacted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests import behind_gateway
from tests.commands import ENVIRONMENTS, PASSWORDS, ROOT, Done, checkout, offline
from tests.deep import cases

# Ten ways to be wrong, over prices, caps, pins and flags: where, and what it is instead.
WRONG_ML = {
    "price_per_second": 0,
    "timeout_seconds": 4,
    "version": "latest",
    "model": "",
    "id": "../comic",
    "fallback": "cheap",
}
WRONG_LIMITS = {"money_per_day": 500, "requests_per_day": 0, "over": "mock"}
SAID = (
    "ml.endpoints[0].price_per_second: required, above 0",
    "ml.endpoints[0].timeout_seconds: must be from 5 to 604800",
    "ml.endpoints[0].version: latest does not say what runs",
    "ml.endpoints[0].model: required; what runs there must be known",
    'ml.endpoints[0].id: "../comic" is no id of an endpoint',
    'ml.endpoints[0].fallback: there is no endpoint "cheap"',
    "ml.limits.money_per_day: 500 is more than money_per_month (300)",
    "ml.limits.requests_per_day: 0 lets nothing pass",
    "ml.limits.over: mock is refused in production",
    'stack.ml_endpoints[0]: there is no endpoint "comics" in ml.endpoints; there is comic-panels',
    "flags.loud-captions.defaultVariant:",
    'flags.loud-caption: the application asks for no such flag; did you mean "loud-captions"?',
)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return checkout(tmp_path)


def preflight(root: Path, environment: str, *options: str) -> Done:
    words = ("deploy.yml", "--tags", "preflight", "-i", f"inventories/{environment}", *options)
    return offline("ansible-playbook", *words, passwords=PASSWORDS, cwd=root)


@pytest.mark.parametrize("environment", cases(ENVIRONMENTS, ["production"]))
@pytest.mark.deep
def test_the_example_goes_over_to_the_gateway_without_a_problem(copied: Path, environment: str) -> None:
    behind_gateway.write(copied, environment, ROOT)
    done = preflight(copied, environment)
    assert done.code == 0, done
    assert f"VERDICT done: {environment} " in done.output


def steps_of_docs(environment: str) -> list[tuple[str, ...]]:
    """What docs/ml.md says to run the first time, one after the other."""
    text = (ROOT / "docs" / "ml.md").read_text().partition("### The example behind the gateway")[2]
    blocks = [block.splitlines() for block in re.findall(r"```sh\n(.+?)```", text, re.DOTALL)]
    [told] = [block for block in blocks[:2] if f" -i inventories/{environment}" in block[0]]
    return [tuple(line.replace(f" -i inventories/{environment}", "").split()[1:]) for line in told]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_who_is_asked_for_a_contract_runs_by_then_and_production_asks_before_users_do(copied: Path, environment: str) -> None:
    behind_gateway.write(copied, environment, ROOT)
    stacks = yaml.safe_load((behind_gateway.files(copied, environment) / "stack.yml").read_text())["stacks"]
    steps = behind_gateway.first_time(ROOT, environment)
    deploys = {
        name: min(
            number
            for number, (playbook, *options) in enumerate(steps)
            if playbook == "deploy.yml" and (not options or f"stack_name={name}" in options)
        )
        for name in stacks
    }
    [asks] = [number for number, step in enumerate(steps) if step[0] == "playbooks/ml_contract.yml"]
    told = behind_gateway.ml(ROOT, environment)
    asked = {"gateway", *([str(urlsplit(told["mock_url"]).hostname)] if told.get("mock_url") else [])}
    found = {service: deploys[name] for name, stack in stacks.items() for service in asked & services(name, stack)}
    assert set(found) == asked, "every service that is asked is one of these stacks"
    assert all(number < asks for number in found.values()), found
    if told["tier"] == "production":
        assert asks < deploys["morpheus"]
    assert steps_of_docs(environment) == steps


def services(name: str, stack: Mapping[str, Any]) -> set[str]:
    files = (ROOT / "stacks" / name / file for file in stack["compose_files"])
    # Tags of Compose, such as !reset, say nothing of a name.
    return {service for file in files for service in yaml.load(file.read_text(), Loader=OfCompose)["services"]}


class OfCompose(yaml.SafeLoader):
    """Also reads Compose's own tags."""


OfCompose.add_multi_constructor("!", lambda loader, tag, node: None)


def test_prices_caps_pins_and_flags_that_are_wrong_are_one_message_before_any_connection(copied: Path) -> None:
    told: dict[str, Any] = behind_gateway.ml(copied, "production")
    told["endpoints"][0] |= WRONG_ML
    told["limits"] |= WRONG_LIMITS
    flags = copied / "inventories" / "production" / "flags.json"
    found = json.loads(flags.read_text())
    found["flags"]["loud-captions"]["defaultVariant"] = "loud"
    found["flags"]["loud-caption"] = found["flags"]["page-theme"]
    flags.write_text(json.dumps(found))
    stack = behind_gateway.files(copied, "production") / "stack.yml"
    stack.write_text(stack.read_text().replace("  name: morpheus\n", "  name: morpheus\n  ml_endpoints: [comics]\n"))
    done = preflight(copied, "production", "-e", "stack_release=1.0.0", "-e", json.dumps({"ml": told}))
    assert done.code == 2, done
    assert "UNREACHABLE" not in done.output
    assert "VERDICT refused: production" in done.output
    [message] = [one for one in done.words.split("VERDICT ") if one.startswith("refused")]
    missing = [words for words in SAID if words not in message]
    assert not missing, done.words
    assert "production-runpod-demo-key" not in done.words
