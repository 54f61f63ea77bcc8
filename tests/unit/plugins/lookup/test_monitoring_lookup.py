from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.morpheus.deploy.plugins.lookup.monitoring import LookupModule

HOSTS = """---
app:
  hosts:
    app-1: {ansible_host: 10.0.0.1}
    watch-1: {ansible_host: 10.0.0.9}
lb:
  hosts: {lb-1: {ansible_host: 10.0.0.8, edge_https_port: 8443}}
monitoring:
  hosts: {watch-1: }
"""
ALL: dict[str, Any] = {
    "stack_environment": "production",
    "edge_metrics_address": "{{ ansible_host }}:8405",
    "edge_certificate_paths": {"shop.example": "{{ inventory_dir }}/shop.pem"},
    # Beside what is read stands what is secret, or not there where nothing is deployed.
    "ml": {"key": "{{ vault_ml_key }}", "limits": {"money_per_day": "{{ cap }}", "warn_at": 0.8, "over": "refuse"}},
    "cap": 5,
    "monitoring": {
        "thresholds": {"disk_free_percent": "{{ 10 + 5 }}"},
        "database": True,
        "receivers": [{"name": "sink", "kind": "webhook", "url": "http://alerts.example/"}],
    },
    "stacks": {
        "shop": {
            "source": "{{ nobody_knows }}",
            "secrets": {"api": {"KEY": "{{ vault_key }}"}},
            "public_check": {"url": "https://{{ site }}/health"},
        },
        "monitoring": {"variables": "{{ lookup('morpheus.deploy.monitoring').variables }}"},
    },
    "site": "shop.example",
}


def found(directory: Path, changes: dict[str, Any], *, of_others: bool = True, hosts: str = HOSTS) -> dict[str, Any]:
    """``of_others``: whether hostvars are there."""
    (directory / "group_vars" / "all").mkdir(parents=True)
    (directory / "hosts.yml").write_text(hosts)
    (directory / "group_vars" / "all" / "main.yml").write_text(yaml.safe_dump({**ALL, **changes}))
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(directory)])
    manager = VariableManager(loader=loader, inventory=inventory)
    if of_others:
        HostVars(inventory=inventory, variable_manager=manager, loader=loader)
    variables = manager.get_vars(host=inventory.get_host("watch-1"))
    templar = Templar(loader=loader, variables=variables)
    [result] = LookupModule(loader=loader, templar=templar).run([], variables)
    return dict(result)


def test_the_inventory_is_read_as_far_as_the_monitoring_needs_it(tmp_path: Path) -> None:
    result = found(tmp_path, {})
    assert result["problems"] == []
    prometheus = yaml.safe_load(result["variables"]["PROMETHEUS_YML"])
    jobs = {job["job_name"]: job for job in prometheus["scrape_configs"]}
    targets = {one["labels"]["host"]: one["targets"] for one in jobs["edge"]["static_configs"]}
    assert targets == {"app-1": ["10.0.0.1:8405"], "watch-1": ["10.0.0.9:8405"], "lb-1": ["10.0.0.8:8405"]}
    assert [one["targets"] for one in jobs["node-1"]["static_configs"]] == [["10.0.0.1:443"]]
    assert jobs["probe"]["static_configs"] == [{"targets": ["https://shop.example/health"]}]
    assert prometheus["global"]["external_labels"] == {"environment": "production"}
    assert "< 15" in result["variables"]["RULES_YML"]
    assert 'ml_gateway_spent_money{period="day"} / 5 * 100' in result["variables"]["RULES_YML"]


def test_a_run_for_a_stack_of_some_hosts_knows_the_others_all_the_same(tmp_path: Path) -> None:
    """Of the group app it has its own hosts alone."""
    whole = found(tmp_path / "whole", {})
    part = {"name": "monitoring", "hosts": ["watch-1"], "of_environment": ["app-1", "watch-1"]}
    narrowed = HOSTS.replace("    app-1: {ansible_host: 10.0.0.1}\n", "")
    others = "others:\n  hosts:\n    app-1: {ansible_host: 10.0.0.1}\n"
    assert found(tmp_path / "part", {"stacks_part": part}, hosts=narrowed + others) == whole


AGES = ("BackupOld", "BucketBackupOld", "StagingDataOld")


@pytest.mark.parametrize(
    ("changes", "watched"),
    [
        ({}, []),
        ({"backup": {"buckets": []}}, [("BackupOld", "> 26 ")]),
        (
            {"backup": {"max_age_hours": "{{ 10 + 2 }}", "buckets": "{{ ['pictures'] }}"}},
            [("BackupOld", "> 12 "), ("BucketBackupOld", "> 12 ")],
        ),
        ({"staging_data": {"does": "exports"}}, []),
        ({"staging_data": {"does": "imports", "max_age_days": 7}}, [("StagingDataOld", "> 7 ")]),
    ],
    ids=["neither", "a backup", "of buckets", "exports", "imports"],
)
def test_ages_are_watched_where_backups_are_made_and_data_are_brought(
    tmp_path: Path, changes: dict[str, Any], watched: list[tuple[str, str]]
) -> None:
    result = found(tmp_path, changes)
    assert result["problems"] == []
    rules = [rule for group in yaml.safe_load(result["variables"]["RULES_YML"])["groups"] for rule in group["rules"]]
    ages = [rule for rule in rules if rule.get("alert") in AGES]
    assert [rule["alert"] for rule in ages] == [name for name, _ in watched]
    assert [limit for rule, (_, limit) in zip(ages, watched, strict=True) if limit not in rule["expr"]] == []


def test_an_inventory_without_monitoring_has_neither_problems_nor_files(tmp_path: Path) -> None:
    assert found(tmp_path, {"monitoring": None}) == {"problems": [], "variables": {}}


def test_a_single_stack_is_watched_too(tmp_path: Path) -> None:
    stack = {
        "public_check": {"url": "https://mall.example/"},
        "variables": "{{ lookup('morpheus.deploy.monitoring').variables }}",
    }
    result = found(tmp_path, {"stacks": None, "stack": stack})
    assert "https://mall.example/" in result["variables"]["PROMETHEUS_YML"]


def test_what_is_wrong_with_hosts_is_told_by_their_names(tmp_path: Path) -> None:
    result = found(tmp_path, {"edge_metrics_address": None})
    assert set(result["variables"].values()) == {"# monitoring has problems"}
    assert [problem.split('"')[2].split()[1] for problem in result["problems"]] == ["app-1", "watch-1", "lb-1"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, 'monitoring.ca_path: "{}" cannot be read on this machine'),
        ("-----BEGIN PRIVATE KEY-----", 'monitoring.ca_path: "{}" holds no certificate (PEM)'),
    ],
)
def test_an_authority_that_is_none_is_refused(tmp_path: Path, content: str | None, problem: str) -> None:
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    result = found(tmp_path / "inventory", {"monitoring": {**ALL["monitoring"], "ca_path": str(path)}})
    assert result["problems"] == [problem.format(path)]
    assert set(result["variables"].values()) == {"# monitoring has problems"}


def test_where_other_hosts_are_kept_away_one_stands_for_all(tmp_path: Path) -> None:
    """As in playbooks/config.yml."""
    result = found(tmp_path, {"edge_metrics_address": "10.0.0.1:8405"}, of_others=False)
    assert result["problems"] == []
    assert "app-1:443" in result["variables"]["PROMETHEUS_YML"]
