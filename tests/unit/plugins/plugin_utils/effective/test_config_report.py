from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.drift import Drift
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.entries import Configuration, Entry
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.text import WIDTH, data, lines
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.variables import Vault
from hypothesis import given
from hypothesis import strategies as st

ALL = "inventories/staging/group_vars/all"
ENTRIES = [
    Entry(("stack_environment",), "staging", f"{ALL}/stack.yml:2"),
    Entry(("stack_release",), None, "default"),
    Entry(("stack_secrets", "api", "KEY"), None, f"{ALL}/stack.yml:50", "set in vault.yml"),
    Entry(("stack", "name"), "shop", f"{ALL}/stack.yml:9"),
    Entry(("stack", "drain_seconds"), 30.0, "default"),
    Entry(("stack", "services", "api", "name"), "api", f"{ALL}/stack.yml:12"),
    Entry(("stack", "services", "api", "port"), 8000, f"{ALL}/stack.yml:13"),
    Entry(("edge_trusted_proxies",), ["10.0.0.1"], "-e", scope="app"),
    Entry(("compose", "services", "api", "image"), "shop/api:<release>", "stacks/shop/compose.yml:4"),
    Entry(("compose", "services", "api", "healthcheck", "retries"), 1, "stacks/shop/compose.yml:9"),
]
VAULT = Vault("inventories/staging/group_vars/vault.yml", frozenset({"vault_key"}))


def configuration(entries: Sequence[Entry] = ENTRIES, problems: Sequence[str] = ()) -> Configuration:
    groups = {"app": ["staging-1"], "lb": ["staging-2"]}
    return Configuration("staging", "inventories/staging", VAULT, groups, entries, problems)


def test_a_configuration_is_grouped_and_aligned_and_says_where_each_value_stands() -> None:
    assert lines(data(configuration(), None, "")) == [
        "CONFIGURATION of staging",
        "",
        "inventory  inventories/staging",
        "vault      inventories/staging/group_vars/vault.yml (opened for the names in it)",
        "hosts      app: staging-1; lb: staging-2",
        "",
        "environment",
        "  stack_environment     staging             inventories/staging/group_vars/all/stack.yml:2",
        "  stack_release         not set             default",
        "",
        "stack_secrets",
        "  api.KEY               set in vault.yml    inventories/staging/group_vars/all/stack.yml:50",
        "",
        "stack",
        "  name                  shop                inventories/staging/group_vars/all/stack.yml:9",
        "  drain_seconds         30.0                default",
        "",
        "stack.services.api",
        "  port                  8000                inventories/staging/group_vars/all/stack.yml:13",
        "",
        "roles on app",
        "  edge_trusted_proxies  [10.0.0.1]          -e",
        "",
        "compose.services.api",
        "  image                 shop/api:<release>  stacks/shop/compose.yml:4",
        "",
        "No problem.",
    ]


def test_machines_get_every_leaf_with_its_type() -> None:
    found = data(configuration(), None, "")
    assert found["values"]["stack.drain_seconds"] == {
        "value": 30.0,
        "origin": "default",
        "path": ["stack", "drain_seconds"],
        "scope": "",
    }
    assert found["values"]["stack_secrets.api.KEY"]["secret"] == "set in vault.yml"
    assert "value" not in found["values"]["stack_secrets.api.KEY"]
    assert len(found["values"]) == len(ENTRIES)
    assert found["drift"] is None


def test_problems_come_last_and_are_counted() -> None:
    found = lines(data(configuration(problems=["stack.name: too long"]), None, ""))
    assert found[-4:] == ["PROBLEMS", "  stack.name: too long", "", "1 problem."]


def test_a_vault_that_is_refused_is_not_said_to_lack_a_password() -> None:
    closed = replace(configuration(problems=['stack_vault: "v" has no vault id']), vault=Vault("v"))
    assert "vault      v (not opened)" in lines(data(closed, None, ""))
    assert "vault      v (not opened: no password, or a wrong one)" in lines(data(replace(closed, problems=[]), None, ""))


def drift(**more: Any) -> Drift:
    here, there = Entry(("stack", "drain_seconds"), 30.0, "default"), Entry(("stack", "drain_seconds"), 5.0, "-e")
    return Drift(different=[(here.path, here, there)], secrets="values compared by their fingerprints", **more)


def test_a_comparison_shows_both_sides_and_ends_with_what_is_wrong() -> None:
    found = drift(broken=["stack.name must be the same", "x must differ"], only_here=["compose.services.ml"])
    assert lines(data(configuration(), found, "production")) == [
        "DRIFT between staging and production",
        "",
        "only in staging",
        "  compose.services.ml",
        "",
        "different        staging  production",
        "",
        "stack",
        "  drain_seconds  30.0     5.0",
        "",
        "secrets  values compared by their fingerprints",
        "",
        "BROKEN RULES",
        "  stack.name must be the same",
        "  x must differ",
        "",
        "2 rules broken.",
    ]


def test_environments_without_drift_are_said_to_break_no_rule() -> None:
    assert lines(data(configuration(), Drift(secrets="values not compared"), "production")) == [
        "DRIFT between staging and production",
        "",
        "secrets  values not compared",
        "",
        "No rule is broken.",
    ]


WORDS = st.text("ab ./:-", min_size=1, max_size=90)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4))
def test_long_keys_and_values_stay_within_about_the_width(pairs: list[tuple[str, str]]) -> None:
    entries = [Entry(("stack", key), value, f"{ALL}/stack.yml:100") for key, value in pairs]
    both = Drift(different=[(entry.path, entry, entry) for entry in entries])
    whole = lines(data(configuration(entries), None, ""))
    keys = [f"  {key}" for key, _ in pairs]
    assert [line for line in whole if len(line) > WIDTH + 12 and line not in keys] == []
    compared = lines(data(configuration(entries), both, "production"))
    assert [line for line in compared if len(line) > WIDTH and line not in keys] == []
