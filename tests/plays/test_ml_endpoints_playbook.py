"""playbooks/ml_endpoints.yml against the sandbox's stub of RunPod's REST API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.plays.staged import Case, Done, Stage
from tests.runpod_stub import KEY, Stub, stub

COMIC: dict[str, Any] = {
    "name": "comic",
    "model": "comic-xl",
    "version": "1.4.0",
    "price_per_second": 0.0004,
    "serverless": {"image": "registry.example/comic-xl:1.4.0", "gpu_pools": ["ADA_24"], "env": {"STEPS": "canary-7731"}},
}


@pytest.fixture(scope="module")
def runpod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    with stub(tmp_path_factory.mktemp("runpod")) as found:
        yield found


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"))


def play(
    stage: Stage, runpod: Stub, name: str, *options: str, bound: float = 10, playbook: str = "ml_endpoints", **more: Any
) -> Done:
    endpoint = {**COMIC, "serverless": {**COMIC["serverless"], **more}}
    ml = {
        "tier": "staging",
        "key": "canary-gateway-key",
        "management_key": KEY,
        "management_url": runpod.url,
        "endpoints": [endpoint],
        "limits": {"money_per_day": 5, "hourly_bound": bound},
    }
    return stage.play(name, playbook, Case(options=("-e", json.dumps({"ml": ml}), *options)))


def test_it_says_what_it_would_do_does_it_once_and_refuses_what_is_too_dear(stage: Stage, runpod: Stub) -> None:
    looked = play(stage, runpod, "looked", "--check", "--diff")
    assert (looked.code, runpod.endpoints()) == (0, []), looked.output
    assert "comic (no id yet): is to be made" in looked.output
    assert "+++ after" in looked.output
    made = play(stage, runpod, "made", "-vvv")
    [there] = runpod.endpoints()
    assert made.code == 0, made.output
    assert f"comic ({there['id']}): is to be made" in made.output
    assert "all together may cost 3.3 an hour; ml.limits.hourly_bound is 10" in made.output
    assert not made.asked
    again = play(stage, runpod, "again")
    assert f"comic ({there['id']}): is as declared" in again.output
    assert "changed=0" in again.output
    dear = play(stage, runpod, "dear", workers_max=50)
    assert dear.code == 2
    assert "would cost 55 an hour (comic 55), so far 3.3; lower workers_max" in dear.verdict
    assert runpod.endpoints() == [there]
    for done in (looked, made, again, dear):
        assert KEY not in done.output
        assert "canary" not in done.output


@pytest.mark.deep
def test_what_somebody_changed_at_runpod_is_told_by_status_and_audit(stage: Stage, runpod: Stub) -> None:
    runpod.forget()
    play(stage, runpod, "kept")
    [there] = runpod.endpoints()
    well = play(stage, runpod, "well", playbook="status")
    assert well.code == 0, well.output
    assert "SERVERLESS ENDPOINTS" not in well.output
    runpod.ask("PATCH", f"serverless/{there['id']}", {"workers": {"max": 9}})
    drift = f"comic ({there['id']}): workers.max is 9, declared is 3"
    done = play(stage, runpod, "status", playbook="status")
    assert (done.code, done.files["staging/status.json"]["endpoints"]) == (0, [drift]), done.output
    assert f"  {drift}" in done.output
    audit = play(stage, runpod, "audit", playbook="audit")
    [found] = [one for one in audit.files["staging/audit.json"]["findings"] if one["id"] == "ml-endpoint"]
    assert (found["level"], found["seen"]) == ("medium", drift)
    assert runpod.endpoints()[0]["workers"]["max"] == 9
    assert KEY not in done.output + audit.output


@pytest.mark.deep
def test_where_nothing_is_declared_nobody_is_asked(stage: Stage, runpod: Stub) -> None:
    done = stage.play("nothing", "ml_endpoints", Case())
    assert done.code == 2
    assert "ml.endpoints: " in done.verdict
    assert "nothing was contacted or changed" in done.verdict
