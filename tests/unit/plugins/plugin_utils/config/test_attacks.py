"""The table of attacks: each is refused by its name on the controller and on the host, with the same sentence, or admitted by an
exemption that the audit prints. Every key of the Compose specification is in it, or is one whose harm would be its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import ConfigError
from ansible_collections.morpheus.deploy.plugins.module_utils.compose import hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.host_paths import Own
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.keys import HARMLESS
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refusals import Project
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.refused_mounts import with_files
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.exemptions import exemptions
from ansible_collections.morpheus.deploy.plugins.module_utils.host import host as host_module
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import prepare
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.wanted import Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import finding
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import pages as audit_report
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import report as audit
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.secrets import MaximumAge
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.check import StackConfig

from tests.unit.attacks import ATTACKS, LISTS, OWN, Attack
from tests.unit.audited import facts, recorded, settings
from tests.unit.resolved import resolved, written

ROOT = Path(__file__).parents[5]
OPTIONS = specifications.options("preflight")
SPECIFICATION = json.loads((ROOT / "tests/unit/compose_specification.json").read_text())
FILE = "compose.yml"
# Refused by another rule, whatever stands in it.
NEVER = {"pre_stop"}


class AllWellError(Exception):
    """Nothing was refused."""


def model_of(attack: Attack) -> dict[str, Any]:
    service = {"image": "shop/api:1", **attack.asks}
    return {"services": {"api": service, "worker": {"image": "shop/worker:1", "network_mode": "none"}}, **attack.elements}


def admitted_to(attack: Attack) -> dict[str, Any]:
    exempt = sorted(attack.words - set(LISTS))
    return {"exempt": {"api": exempt} if exempt else {}, **{one: ["api"] * (one in attack.words) for one in LISTS}}


def configured(source: Path, model: Mapping[str, Any], hardening: Mapping[str, Any]) -> StackConfig:
    (source / FILE).write_text(yaml.safe_dump(dict(model)))
    stack = {"name": "shop", "compose_files": [FILE], "services": [], "hardening": dict(hardening)}
    raw = {
        "stack_environment": "production",
        "stack_release": "1.2.0",
        "stack_source": str(source),
        "stack_secrets": {},
        "stack_secret_files": {"key": {"content": "canary"}},
        "stack": stack,
    }
    return StackConfig(raw, OPTIONS)


def own_root(text: str, root: Path) -> str:
    """The table speaks of the real place of a stack, tests have it elsewhere."""
    return text.replace(OWN, str(root))


class Host:
    """A host on which Compose makes of a release what it makes of files."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root / "stacks" / "shop"
        (root / "edge").mkdir()
        (root / "edge" / "edge.json").write_text(json.dumps({"image": "haproxy:3.0", "user": "99:99"}))
        self.stack = StackHost("shop", object(), root / "edge", Releases("shop", root / "stacks"))
        # Nothing runs yet.
        self.stack.releases.running = tuple
        self.stack.one_offs = SimpleNamespace(jobs=lambda names: [])  # type: ignore[assignment]
        self.model: Mapping[str, Any] = {}
        world = self

        class Compose:
            def __init__(self, project: str, directory: Path, files: Sequence[Path], *unused: Any) -> None:
                self.directory = str(directory)

            def model(self) -> dict[str, Any]:
                return resolved("shop", self.directory, world.model)

            def written(self) -> dict[str, Any]:
                return written(self.directory, world.model)

        def disk() -> None:
            # What is looked at next, for images to be pulled.
            raise AllWellError

        monkeypatch.setattr(host_module, "Compose", Compose)
        monkeypatch.setattr(self.stack.engine, "disk", disk)

    def prepare(self, model: Mapping[str, Any], config: StackConfig) -> None:
        self.model = json.loads(own_root(json.dumps(model), self.root))
        files = {FILE: b"written by the controller"}
        wanted = Wanted("1.2.0", "production", Stack.of(config.release_config), files, {"key": "canary"})
        prepare.prepare(self.stack, wanted, SimpleNamespace(now=time.time), check_mode=False)  # type: ignore[arg-type]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_refused_by_its_name_on_the_controller_and_on_the_host(attack: Attack, host: Host, tmp_path: Path) -> None:
    model = model_of(attack)
    config = configured(tmp_path, model, {})
    prefix = f"{FILE}: "
    assert [one.removeprefix(prefix) for one in config.problems] == attack.problems
    assert all(one.startswith(prefix) for one in config.problems)
    with pytest.raises(ConfigError) as caught:
        host.prepare(model, config)
    said = {**attack.says, **attack.resolved}.items()
    assert caught.value.problems == [attack.problem(key, own_root(text, host.root), word) for key, (text, word) in said]
    assert not host.root.exists() or not list(host.root.rglob("manifest.json"))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_that_is_admitted_is_printed_by_the_audit(attack: Attack, host: Host, tmp_path: Path) -> None:
    model, admitted = model_of(attack), admitted_to(attack)
    config = configured(tmp_path, model, admitted)
    assert config.problems == []
    with pytest.raises(AllWellError):
        host.prepare(model, config)
    own = Own.of(OWN, [FILE])
    directory = f"{OWN}/project"
    read = with_files(resolved("shop", directory, model), written(directory, model), {})
    found = exemptions(Stack(hardening=admitted), Project(read, own, written=False))
    report = audited(found)
    [finding] = [one for one in report["findings"] if one["id"] == "hardening-exempt"]
    [(key, (text, word))] = {**attack.says, **attack.resolved}.items()
    place = f"stack.hardening.{word}" if word in LISTS else f"{word} in stack.hardening.exempt.api"
    assert (finding["level"], finding["where"]) == ("accepted", ["api on app-1"])
    assert finding["seen"] == f"services.api.{key}: {text}; admitted by {place}"
    assert "hardening-exempt" in audit_report.markdown(report)


def audited(found: list[dict[str, str]]) -> dict[str, Any]:
    host = facts(exemptions=found)
    return audit.report({"app-1": host}, settings(), recorded(), MaximumAge(90, {}))


def test_every_key_of_the_specification_is_attacked_or_harms_nobody_else() -> None:
    attacked = {key.partition(".")[0] for attack in ATTACKS for key in [*attack.says, *attack.asks]}
    assert set(SPECIFICATION["service"]) <= attacked | set(HARMLESS) | NEVER


HOSTILE: list[Any] = ["host", "/etc/shadow", "../../etc", "container:edge-haproxy-1", -1, True, ["/:/host"], {"privileged": True}]


@pytest.mark.parametrize("key", sorted(HARMLESS))
def test_a_key_that_is_the_services_own_business_may_say_anything(key: str) -> None:
    """That is what its decision means; whether the value makes sense is Compose's to say."""
    for value in HOSTILE:
        model = {"services": {"api": {key: value}}}
        own = Own.of(OWN, [FILE])
        below = [
            problem
            for written_ in (True, False)
            for problem in hardening.problems(Stack(hardening={}), Project(model, own, written_), ())
        ]
        # A mapping may hold keys that nobody knows, which is another matter.
        assert [one for one in below if "nobody has reviewed" not in one] == [], HARMLESS[key]


def test_files_that_no_check_sees_are_refused_where_they_are_written(tmp_path: Path) -> None:
    """Compose puts what they say into what it resolves, where it is judged as everything else."""
    model = {
        "services": {"api": {"image": "a:1", "extends": {"file": "/root/compose.yml", "service": "db"}}},
        "include": ["../blog/compose.yml"],
        "hosts": {},
    }
    assert configured(tmp_path, model, {}).problems == [
        f'{FILE}: include[0]: "../blog/compose.yml" must lie below stack_source, so that the release has it; copy it there',
        f'{FILE}: services.api.extends: "/root/compose.yml" must lie below stack_source, so that the release has it; '
        "copy it there",
        "hosts: nobody has reviewed yet what this element may do to the host; remove it",
    ]
    own = {"services": {"api": {"image": "a:1", "extends": {"file": f"./{FILE}", "service": "db"}}, "db": {"image": "b:1"}}}
    assert configured(tmp_path, own, {}).problems == []


def test_a_hook_at_the_end_is_refused_by_another_rule_and_by_this_one(tmp_path: Path) -> None:
    model = {"services": {"api": {"image": "a:1", "pre_stop": [{"command": ["sh"], "privileged": "true"}]}}}
    problems = configured(tmp_path, model, {}).problems
    assert [problem.split(": ")[1] for problem in problems] == ["services.api.pre_stop"] * 2
    assert problems[1].endswith(
        "privileged makes the hook root on the host; remove privileged, or name api in stack.hardening.privileged"
    )


HIDDEN = [one for one in ATTACKS if "volumes" in one.asks and not one.elements and '"/' in json.dumps(dict(one.asks))]


@pytest.mark.parametrize("attack", HIDDEN, ids=lambda attack: attack.name)
def test_what_hides_behind_a_variable_is_refused_on_the_controller_and_on_the_host(
    attack: Attack, host: Host, tmp_path: Path
) -> None:
    model = model_of(attack)
    hidden = configured(tmp_path, json.loads(json.dumps(model).replace('"/', '"${X:-}/')), {})
    assert hidden.problems
    assert hidden.problems == configured(tmp_path, model, {}).problems
    with pytest.raises(ConfigError, match=r"services\.api\.volumes"):
        host.prepare(model, hidden)


def test_what_an_exemption_takes_away_or_admits_in_vain_is_told_as_well() -> None:
    model = {"services": {"api": {"networks": {}}, "web": {"pid": "host", "networks": {}}}}
    stack = {"hardening": {"exempt": {"api": ["read_only", "mem_limit", "sysctls"]}}, "services": []}
    found = audited(exemptions(Stack.of(stack), Project(model, Own.of(OWN), written=False)))
    told = {(one["id"], one["level"], one["seen"], one["mend"]) for one in found["findings"] if one["id"].startswith("hardening")}
    assert told == {
        (
            "hardening-exempt",
            "accepted",
            "services.api: is not given a read-only root; admitted by read_only in stack.hardening.exempt.api",
            "see whether the service still needs it",
        ),
        (
            "hardening-exempt",
            "accepted",
            "services.api: needs no memory limit; admitted by mem_limit in stack.hardening.exempt.api",
            "see whether the service still needs it",
        ),
        (
            "hardening-unused",
            "low",
            "services.api: asks nothing that sysctls admits",
            "remove sysctls in stack.hardening.exempt.api",
        ),
        (
            "hardening-refused",
            "high",
            "services.web.pid: host shares the host's processes with the service",
            "remove it, or name pid in stack.hardening.exempt.web, and deploy",
        ),
    }
    assert finding.RULES.keys() >= {one[0] for one in told}
