"""Serverless endpoints at RunPod, kept over HTTP at the sandbox's stub of its REST API."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.error import HTTPError

import pytest
from ansible_collections.morpheus.deploy.plugins.filter.endpoints_drift import endpoints_drift
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import specifications
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config.ml import Ml
from ansible_collections.morpheus.deploy.plugins.plugin_utils.runpod.api import Api
from ansible_collections.morpheus.deploy.plugins.plugin_utils.runpod.fleet import Fleet

from tests.postgres import free_port
from tests.runpod_stub import KEY, Stub, stub

SERVERLESS: dict[str, Any] = {"image": "registry.example/comic-xl:1.4.0", "gpu_pools": ["ADA_24"]}
COMIC: dict[str, Any] = {
    "name": "comic",
    "model": "comic-xl",
    "version": "1.4.0",
    "price_per_second": 0.0004,
    "serverless": SERVERLESS,
}
Declared = dict[str, Any]
SECRET_KEY = "canary-key-of-runpod"


@pytest.fixture(scope="module")
def runpod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    with stub(tmp_path_factory.mktemp("runpod")) as found:
        yield found


@pytest.fixture
def fresh(runpod: Stub) -> Stub:
    runpod.forget()
    return runpod


def comic(**more: Any) -> Declared:
    """``serverless__x=...`` changes what is kept, the rest the entry itself."""
    found = copy.deepcopy(COMIC)
    for name, value in more.items():
        place, _, key = name.rpartition("__")
        (found[place] if place else found)[key] = value
    return found


def fleet(at: Stub, *declared: Declared, bound: float = 100, key: str = KEY) -> Fleet:
    given = {
        "tier": "staging",
        "key": key,
        "management_url": at.url,
        "endpoints": list(declared),
        "limits": {"money_per_day": 10, "hourly_bound": bound},
    }
    ml = Ml(given, specifications.options("ml_gateway"), is_made=False)
    assert ml.problems == []
    return Fleet(Api(ml.management_url, ml.management_key), "staging", ml.serverless, ml.hourly_bound)


def kept(at: Stub, *declared: Declared, bound: float = 100) -> list[dict[str, Any]]:
    return fleet(at, *declared, bound=bound).act()


def test_an_endpoint_is_made_once_and_then_found_by_its_name_and_by_its_id(fresh: Stub) -> None:
    before = len(fresh.writes())
    [made] = kept(fresh, comic())
    [there] = fresh.endpoints()
    assert (made["id"], made["drift"]) == (there["id"], ["is to be made"])
    assert (there["name"], there["image"], there["type"]) == ("staging-comic-1.4.0", SERVERLESS["image"], "QUEUE")
    assert there["env"] == {"MODEL": "comic-xl", "MODEL_VERSION": "1.4.0"}
    assert (there["workers"], there["timeout"]) == ({"min": 0, "max": 3, "idleTimeout": 5}, 60_000)
    for again in (comic(), comic(id=made["id"])):
        same = fleet(fresh, again)
        assert not same.is_changed
        assert same.act() == [{"name": "comic", "id": made["id"], "drift": [], "hourly": 3.3}]
    assert fresh.writes()[before:] == ["POST serverless"]


CHANGES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "more workers": ({"serverless__workers_max": 4}, ["workers.max is 3, declared is 4"]),
    "a worker that always runs": ({"serverless__workers_min": 1}, ["workers.min is 0, declared is 1"]),
    "an idle time": ({"serverless__idle_timeout_seconds": 30}, ["workers.idleTimeout is 5, declared is 30"]),
    "other pools": (
        {"serverless__gpu_pools": ["AMPERE_16", "ADA_24"]},
        ["gpu.pools is ADA_24, declared is ADA_24, AMPERE_16"],
    ),
    "a card less": (
        {"serverless__gpu_excluded": ["NVIDIA L4"]},
        ["gpu.excludedTypes is not set, declared is NVIDIA L4"],
    ),
    "two cards": ({"serverless__gpu_count": 2}, ["gpu.count is 1, declared is 2"]),
    "a time": ({"timeout_seconds": 90}, ["timeout is 60000, declared is 90000"]),
    "an image": (
        {"serverless__image": "registry.example/comic-xl@sha256:" + "a" * 64},
        [f"image is {SERVERLESS['image']}, declared is registry.example/comic-xl@sha256:{'a' * 64}"],
    ),
    "a variable": ({"serverless__env": {"STEPS": "canary-7731"}}, ["env differs in STEPS"]),
    "another scaler": (
        {"serverless__scaler": "REQUEST_COUNT"},
        [
            "scaling.queueDelay is 4, declared is not set",
            "scaling.requestCount is not set, declared is 4",
            "scaling.type is QUEUE_DELAY, declared is REQUEST_COUNT",
        ],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_part_that_differs_is_told_changed_once_and_changed_back(fresh: Stub, name: str) -> None:
    more, drift = CHANGES[name]
    kept(fresh, comic())
    before = fresh.endpoints()
    looked = fleet(fresh, comic(**more))
    assert (looked.kept[0].drift, looked.is_changed, fresh.endpoints()) == (drift, True, before)
    assert "canary-7731" not in str(looked.diff())
    [told] = looked.act()
    assert told["drift"] == drift
    assert not fleet(fresh, comic(**more)).is_changed
    kept(fresh, comic())
    [after] = fresh.endpoints()
    assert after == before[0]


def test_what_somebody_changed_by_hand_is_told_and_what_nobody_declares_stays(fresh: Stub) -> None:
    [made] = kept(fresh, comic())
    fresh.ask("PATCH", f"serverless/{made['id']}", {"workers": {"max": 9}, "env": {"EXTRA": "1"}, "disk": 80})
    looked = fleet(fresh, comic())
    assert looked.kept[0].drift == ["env differs in EXTRA, MODEL, MODEL_VERSION", "workers.max is 9, declared is 3"]
    looked.act()
    assert fresh.endpoints()[0]["disk"] == 80


def test_a_template_gives_image_and_variables(fresh: Stub) -> None:
    declared = comic(serverless__image="", serverless__template="tpl-comic", serverless__env={"STEPS": "20"})
    kept(fresh, declared)
    [there] = fresh.endpoints()
    assert there["image"] == "registry.example/comic-xl:1.4.0"
    assert there["env"] == {"CACHE": "/runpod-volume", "STEPS": "20", "MODEL": "comic-xl", "MODEL_VERSION": "1.4.0"}
    assert not fleet(fresh, declared).is_changed
    with pytest.raises(DeployError, match="RunPod refused GET templates/tpl-none: HTTP 404, template not found; nothing was"):
        fleet(fresh, comic(serverless__image="", serverless__template="tpl-none"))


def test_another_version_is_another_endpoint_and_the_one_before_stays_as_it_is(fresh: Stub) -> None:
    [made] = kept(fresh, comic())
    newer = {"version": "1.5.0", "serverless__image": "registry.example/comic-xl:1.5.0"}
    with pytest.raises(DeployError) as refused:
        fleet(fresh, comic(id=made["id"], **newer))
    assert str(refused.value) == (
        f"comic: the endpoint {made['id']} runs version 1.4.0, and releases may be pinned to it; leave id out to have an "
        "endpoint for 1.5.0 made, and put its id into the inventory; nothing was changed"
    )
    [second] = kept(fresh, comic(**newer))
    assert {one["id"]: one["image"] for one in fresh.endpoints()} == {
        made["id"]: "registry.example/comic-xl:1.4.0",
        second["id"]: "registry.example/comic-xl:1.5.0",
    }


@pytest.mark.parametrize(
    ("more", "dearest"),
    [
        ({}, 3.3),
        ({"serverless__gpu_excluded": ["NVIDIA GeForce RTX 4090"]}, 2.07),
        ({"serverless__gpu_pools": ["AMPERE_16", "AMPERE_80"]}, 8.16),
        ({"serverless__gpu_count": 2, "serverless__workers_max": 1}, 2.2),
    ],
    ids=["the dearest of its pool", "without the dearest", "the dearest of its pools", "by the card"],
)
def test_an_hour_costs_what_all_workers_on_the_dearest_card_cost(fresh: Stub, more: dict[str, Any], dearest: float) -> None:
    assert fleet(fresh, comic(**more), bound=dearest).after == dearest
    with pytest.raises(DeployError, match=r"ml\.limits\.hourly_bound: is"):
        fleet(fresh, comic(**more), bound=dearest - 0.01)


def test_the_bound_is_that_of_all_endpoints_and_stops_nothing_that_makes_them_cheaper(fresh: Stub) -> None:
    sketch = comic(name="sketch", serverless__gpu_pools=["AMPERE_16"])
    kept(fresh, comic(), sketch)
    writes = len(fresh.writes())
    with pytest.raises(DeployError) as refused:
        kept(fresh, comic(serverless__workers_max=10), sketch, bound=10)
    assert str(refused.value) == (
        "ml.limits.hourly_bound: is 10, and with all workers at work these endpoints would cost 12.74 an hour "
        "(comic 11, sketch 1.74), so far 5.04; lower workers_max, choose other gpu_pools, or raise the bound; nothing was changed"
    )
    assert len(fresh.writes()) == writes
    # Too dear already, and cheaper than so far.
    kept(fresh, comic(serverless__workers_max=2), sketch, bound=1)
    assert {one["name"]: one["workers"]["max"] for one in fresh.endpoints()}["staging-comic-1.4.0"] == 2
    with pytest.raises(DeployError, match=r"would cost 5\.04 an hour"):
        kept(fresh, comic(), sketch, bound=1)


def test_an_interrupted_making_is_found_again_and_two_of_one_name_are_not_guessed_between(fresh: Stub) -> None:
    [made] = kept(fresh, comic())
    there = fresh.endpoints()[0]
    fresh.ask("POST", "serverless", {key: there[key] for key in ("name", "image", "gpu", "scaling", "type")})
    with pytest.raises(DeployError, match=r"RunPod has 2 endpoints of the name staging-comic-1\.4\.0 \(.*\); say which by id"):
        fleet(fresh, comic())
    assert fleet(fresh, comic(id=made["id"])).kept[0].actual is not None
    with pytest.raises(DeployError, match="comic: RunPod has no endpoint gone; leave id out to have one made"):
        fleet(fresh, comic(id="gone"))


def test_the_key_of_another_environment_sees_none_of_this_ones(fresh: Stub) -> None:
    kept(fresh, comic())
    assert fresh.endpoints("production-runpod-demo-key") == []


def test_what_runpod_refuses_is_said_in_its_words_and_without_the_key(fresh: Stub) -> None:
    with pytest.raises(DeployError) as refused:
        fleet(fresh, comic(), key="rpa_canary")
    assert str(refused.value) == (
        "RunPod refused GET serverless: HTTP 401, missing or invalid bearer token. The key must be allowed to read and write "
        "serverless endpoints"
    )
    with pytest.raises(
        DeployError, match=r"no price of a card in the pool NOPE, .* known pools are ADA_24, AMPERE_16, AMPERE_80"
    ):
        fleet(fresh, comic(serverless__gpu_pools=["NOPE"]))
    api = Api(fresh.url, KEY)
    with pytest.raises(
        DeployError, match=r"HTTP 422, Request validation failed\.; \$: additional properties 'bogus' not allowed"
    ):
        api.create({"bogus": 1, "name": "a", "type": "QUEUE", "image": "a", "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4}})


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (200, b"[]"), (302, b""), (502, b"<html>")])
def test_who_is_not_runpod_is_not_believed(status: int, body: bytes) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Other)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(DeployError, match=r"is not RunPod: it is no JSON|RunPod refused GET serverless: HTTP (302|502)$"):
            Api(f"http://127.0.0.1:{server.server_port}/v2", KEY).endpoints()
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("before", [0, 270, 295, 5990])
def test_an_answer_that_repeats_the_key_is_told_without_it(before: int) -> None:
    body = json.dumps({"detail": "x" * before + f" {SECRET_KEY} is not known"}).encode()
    error = HTTPError("http://127.0.0.1", 401, "no", Message(), io.BytesIO(body))
    assert "canary" not in Api("http://127.0.0.1", SECRET_KEY)._words(error)


def test_nobody_answers() -> None:
    url = f"http://127.0.0.1:{free_port()}/v2"
    with pytest.raises(DeployError, match=f"RunPod does not answer at {url}: .*refused"):
        Api(url, KEY).endpoints()


PROBLEMS = [
    ({"serverless__image": ""}, "serverless.image: required, or template instead; not both"),
    ({"serverless__template": "x"}, "serverless.image: required, or template instead; not both"),
    (
        {"serverless__image": "localhost:5000/comic"},
        'serverless.image: "localhost:5000/comic" does not say what runs; give a tag other than latest, or a digest',
    ),
    (
        {"serverless__image": "a/b:latest"},
        'serverless.image: "a/b:latest" does not say what runs; give a tag other than latest, or a digest',
    ),
    ({"serverless__gpu_pools": []}, "serverless.gpu_pools: name at least one, as RunPod's catalog calls it, for example ADA_24"),
    ({"serverless__gpu_count": 0}, "serverless.gpu_count: must be 1 or more"),
    ({"serverless__workers_max": 0}, "serverless.workers_max: 0 lets nothing run; switch the mode off instead"),
    ({"serverless__workers_min": 4}, "serverless.workers_min: 4 is more than workers_max (3)"),
    ({"serverless__scaler": "MAGIC"}, 'serverless.scaler: "MAGIC" is not one of QUEUE_DELAY, REQUEST_COUNT'),
    ({"serverless__scaler_value": 0.2}, "serverless.scaler_value: must be 0.5 or more with QUEUE_DELAY"),
    (
        {"serverless__scaler": "REQUEST_COUNT", "serverless__scaler_value": 1.5},
        "serverless.scaler_value: must be a whole number with REQUEST_COUNT",
    ),
    (
        {"serverless__idle_timeout_seconds": 3601},
        "serverless.idle_timeout_seconds: must be from 1 to 3600, which are the provider's own bounds",
    ),
    ({"serverless__env": {"MODEL": "x"}}, "serverless.env.MODEL: is set by model and version of the endpoint"),
    ({"serverless__env": {"A": 1}}, "serverless.env.A: must be a variable with a string; quote it"),
]


@pytest.mark.parametrize(("more", "problem"), PROBLEMS)
def test_what_cannot_be_kept_is_refused_before_anybody_is_asked(more: dict[str, Any], problem: str) -> None:
    given = {
        "tier": "staging",
        "key": KEY,
        "endpoints": [comic(**more)],
        "limits": {"money_per_day": 10, "hourly_bound": 10},
    }
    assert Ml(given, specifications.options("ml_gateway"), is_made=False).problems == [f"ml.endpoints[0].{problem}"]


def test_an_endpoint_that_is_kept_needs_its_id_for_a_deploy_and_a_bound(fresh: Stub) -> None:
    given: dict[str, Any] = {"tier": "staging", "key": KEY, "endpoints": [comic()], "limits": {"money_per_day": 10}}
    assert Ml(given, specifications.options("ml_gateway")).problems == [
        "ml.endpoints[0].id: required; the provider's id of the endpoint; "
        "playbooks/ml_endpoints.yml makes the endpoint and says it",
        "ml.limits.hourly_bound: required, above 0; endpoints are kept at RunPod, and nothing would bound what they cost",
    ]
    given["limits"]["hourly_bound"] = 5
    made = Ml({**given, "endpoints": [comic(id="abc")]}, specifications.options("ml_gateway"), "staging")
    assert made.problems == []
    # The gateway has no use for either.
    assert "serverless" not in str(made.told())
    assert "hourly_bound" not in str(made.told())


def test_drift_is_a_sentence_for_each_endpoint_that_differs_and_for_a_provider_that_is_away() -> None:
    well = {"name": "sketch", "id": "b", "drift": [], "hourly": 1.0}
    bad = {"name": "comic", "id": "a", "drift": ["workers.max is 9, declared is 3", "env differs in STEPS"], "hourly": 3.3}
    new = {"name": "new", "id": "", "drift": ["is to be made"], "hourly": 1.0}
    asked = {"endpoints": [well, bad, new], "hourly": {"before": 1, "after": 2, "bound": 3}}
    told = ["comic (a): workers.max is 9, declared is 3; env differs in STEPS", "new (no id yet): is to be made"]
    assert endpoints_drift(asked) == told
    assert endpoints_drift({"skipped": True}) == endpoints_drift({}) == []
    assert endpoints_drift({"failed": False, "msg": "RunPod does not answer", "hourly": {}, "endpoints": []}) == [
        "they could not be compared: RunPod does not answer"
    ]
