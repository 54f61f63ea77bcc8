"""Every alert fires for what it is there for, and for nothing that only looks like it: by Prometheus' own promtool."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring import rules
from ansible_collections.morpheus.deploy.plugins.plugin_utils.monitoring.watched import Watched

from tests.monitoring import conditions, programs
from tests.monitoring.cases import CASES, FREE, HOUR, SIZE, Case, Series, steady
from tests.monitoring.environments import production, staging

ENVIRONMENTS = {"production": production, "staging": staging}


def alerts(watched: Watched) -> dict[str, Mapping[str, Any]]:
    return {rule["alert"]: rule for group in rules.rules(watched)["groups"] for rule in group["rules"] if "alert" in rule}


ALERTS = alerts(production())


def told(text: str, case: Case) -> str:
    """A template as Prometheus fills it in."""
    labels = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: case.labels.get(found[1], ""), text)
    return re.sub(r"\{\{[^}]*\}\}", case.value, labels)


def asked(name: str, series: Series, at: int, alert: str, expected: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "alert_rule_test": [{"eval_time": f"{at}m", "alertname": alert, "exp_alerts": expected}],
    }


def of_case(case: Case, rule: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    annotations = {name: told(text, case) for name, text in rule["annotations"].items()}
    labels = {"severity": rule["labels"]["severity"], **case.labels}
    firing = [{"exp_labels": labels, "exp_annotations": annotations}]
    yield asked(f"{case.alert} fires", case.fires, case.at, case.alert, firing)
    for name, series in case.silent.items():
        yield asked(f"{case.alert}: {name}", series, case.at, case.alert, [])


def step(until: int) -> int:
    """Minutes. One by one they take promtool 10 ms each; what is asked after hours looks back for as long."""
    return next((step for step, least in ((15, 8 * HOUR), (5, HOUR)) if until >= least and until % step == 0), 1)


def promtool(directory: Path, watched: Watched, wanted: list[dict[str, Any]]) -> str:
    """What it has to complain of."""
    written = rules.rules(watched)
    (directory / "rules.yml").write_text(yaml.safe_dump(written, sort_keys=False))
    until = max(int(one["alert_rule_test"][0]["eval_time"].rstrip("m")) for one in wanted)
    document = {
        "rule_files": ["rules.yml"],
        # In no order otherwise: an alert that is asked before what it looks at is recorded sees what is a step old, or nothing.
        "group_eval_order": [group["name"] for group in written["groups"]],
        "evaluation_interval": f"{step(until)}m",
        "tests": wanted,
    }
    (directory / "tests.yml").write_text(yaml.safe_dump(document, sort_keys=False))
    found = programs.run("promtool", "test", "rules", directory / "tests.yml")
    return "" if found.returncode == 0 else found.stdout + found.stderr


@pytest.mark.parametrize("case", CASES, ids=[case.alert for case in CASES])
def test_an_alert_fires_for_its_cause_and_for_nothing_that_looks_like_it(case: Case, tmp_path: Path) -> None:
    assert promtool(tmp_path, production(), list(of_case(case, ALERTS[case.alert]))) == ""


def test_every_alert_has_a_case_and_every_case_says_what_is_none() -> None:
    assert {case.alert for case in CASES} == set(ALERTS)
    assert [case.alert for case in CASES if not case.silent] == []


def test_every_alert_is_made_to_fire_by_what_really_happens_and_the_docs_say_by_what() -> None:
    assert {condition.alert for condition in conditions.CONDITIONS} == set(ALERTS)
    text = conditions.DOCUMENT.read_text()
    assert text == conditions.documented(text), "write the table anew: python -m tests.monitoring.conditions"


def test_staging_has_thresholds_of_its_own(tmp_path: Path) -> None:
    case = Case("DiskFull", 10, {FREE: steady(8), SIZE: steady(100)}, {})
    assert promtool(tmp_path, staging(), [asked("8 % are enough", case.fires, 10, case.alert, [])]) == ""
    assert "alertname: DiskFull" in promtool(tmp_path, production(), [asked("8 % are few", case.fires, 10, case.alert, [])])


def test_what_is_not_watched_has_no_rule() -> None:
    assert {
        "BackupOld",
        "BucketBackupOld",
        "StagingDataOld",
        "DatabaseAway",
        "DatabaseNearLimit",
        "MlSpendHigh",
        "MlProviderFails",
    } == {*(set(ALERTS) - set(alerts(staging())))}


def test_every_alert_has_a_row_in_the_runbook_with_its_command() -> None:
    section = (
        (programs.ROOT / "docs" / "runbook.md").read_text().partition("## An alert has reached you")[2].partition("\n## ")[0]
    )
    rows = [[cell.strip() for cell in line[1:-1].split(" | ")] for line in section.splitlines() if line.startswith("| `")]
    told = {name: command.strip("`") for names, _, command, _ in rows for name in re.findall(r"`(\w+)`", names)}
    asked = {
        name: rule["annotations"]["runbook"].replace("inventories/production", "inventories/<env>")
        for name, rule in ALERTS.items()
    }
    assert told == asked


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_alert_names_its_severity_what_it_is_and_the_command_that_comes_next(name: str) -> None:
    for alert, rule in alerts(ENVIRONMENTS[name]()).items():
        assert rule["labels"]["severity"] in ("page", "ticket"), alert
        assert rule["annotations"]["summary"], alert
        found = re.fullmatch(r"ansible-playbook (\S+) -i inventories/(\w+)(?: --tags (\w+))?", rule["annotations"]["runbook"])
        assert found, alert
        playbook = programs.ROOT / found[1]
        assert playbook.is_file(), alert
        assert found[2] == name
        assert found[3] is None or re.search(rf"tags: \[.*\b{found[3]}\b", playbook.read_text()), alert
