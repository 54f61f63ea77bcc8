"""The stub of RunPod's REST API, and what is asked of it, beside the document that RunPod has published of that API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.runpod.api import Api
from jsonschema import Draft202012Validator

from tests.hangs import HANGS_AFTER_SECONDS
from tests.runpod_stub import KEY, Stub, stub
from tests.unit.plugins.plugin_utils.runpod.test_endpoints_fleet import CHANGES, Declared, comic, fleet, kept

SCHEMAS = json.loads((Path(__file__).parent / "published.json").read_text())["schemas"]
ASKED = {"POST": "CreateEndpointRequest", "PATCH": "UpdateEndpointRequest"}
TEMPLATE = {"serverless__image": "", "serverless__template": "tpl-comic"}
GOOD: dict[str, Any] = {
    "name": "staging-comic-1.4.0",
    "type": "QUEUE",
    "image": "registry.example/comic-xl:1.4.0",
    "gpu": {"pools": ["ADA_24"]},
    "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
}


@pytest.fixture(scope="module")
def runpod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    with stub(tmp_path_factory.mktemp("runpod")) as found:
        yield found


def misfits(value: Any, schema: str) -> list[str]:
    whole = {"$ref": f"#/components/schemas/{schema}", "components": {"schemas": SCHEMAS}}
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(whole).iter_errors(value)]


def answered(path: str, method: str) -> str:
    """The schema of an answer."""
    if path.startswith("templates/"):
        return "Template"
    if path == "catalog/gpus":
        return "ListGpuTypesResponse"
    return "ListEndpointsResponse" if (path, method) == ("serverless", "GET") else "Endpoint"


@dataclass
class Exchanges:
    seen: set[str] = field(default_factory=set)
    misfits: list[str] = field(default_factory=list)

    def look(self, value: Any, schema: str, where: str) -> None:
        self.seen.add(schema)
        self.misfits += [f"{where}, {schema}: {words}" for words in misfits(value, schema)]


@pytest.fixture
def exchanges(runpod: Stub, monkeypatch: pytest.MonkeyPatch) -> Exchanges:
    """All that the collection sends to an empty account, and all that comes back."""
    runpod.forget()
    found, answer = Exchanges(), Api._answer

    def watched(api: Api, method: str, path: str, body: Any) -> dict[str, Any]:
        if body is not None:
            found.look(body, ASKED[method], f"sent by {method} {path}")
        told = answer(api, method, path, body)
        found.look(told, answered(path, method), f"answered to {method} {path}")
        return told

    monkeypatch.setattr(Api, "_answer", watched)
    return found


@pytest.mark.parametrize("more", [*(more for more, _ in CHANGES.values()), TEMPLATE], ids=[*CHANGES, "a template"])
def test_what_is_sent_and_answered_has_the_shape_that_the_vendor_has_published(
    runpod: Stub, exchanges: Exchanges, more: Declared
) -> None:
    kept(runpod, comic())
    kept(runpod, comic(**more))
    fleet(runpod, comic())
    assert exchanges.misfits == []
    assert {"ListEndpointsResponse", "ListGpuTypesResponse", "CreateEndpointRequest", "Endpoint"} <= exchanges.seen
    assert ("UpdateEndpointRequest" if more is not TEMPLATE else "Template") in exchanges.seen


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


BODIES: dict[str, dict[str, Any]] = {
    "all that is needed": GOOD,
    "a template and no image": {**without("image"), "templateId": "tpl-comic"},
    "neither an image nor a template": without("image"),
    "no name": without("name"),
    "no type": without("type"),
    "no scaler": without("scaling"),
    "a type that there is not": {**GOOD, "type": "POD"},
    "a field that there is not": {**GOOD, "bogus": 1},
    "a field of a card that there is not": {**GOOD, "gpu": {"pools": ["ADA_24"], "bogus": 1}},
    "the value of another scaler": {**GOOD, "scaling": {"type": "QUEUE_DELAY", "requestCount": 4}},
}


def created(at: Stub, body: dict[str, Any]) -> tuple[int, str, Any]:
    """Status, type and content of the answer."""
    data, headers = json.dumps(body).encode(), {"Authorization": f"Bearer {KEY}"}
    try:
        answer = urlopen(Request(f"{at.url}/serverless", data, headers), timeout=HANGS_AFTER_SECONDS)
    except HTTPError as exc:
        answer = exc
    with answer:
        return answer.status, answer.headers["Content-Type"], json.load(answer)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_the_stub_takes_what_the_document_takes_and_refuses_what_it_refuses(runpod: Stub, body: dict[str, Any]) -> None:
    is_good = misfits(body, "CreateEndpointRequest") == []
    status, kind, told = created(runpod, body)
    assert (status, kind) == ((201, "application/json") if is_good else (422, "application/problem+json"))
    assert misfits(told, "Endpoint" if is_good else "ErrorResponse") == []


def test_some_of_these_are_taken_and_some_are_not() -> None:
    assert {misfits(body, "CreateEndpointRequest") == [] for body in BODIES.values()} == {True, False}


def test_whoever_has_no_key_is_answered_in_the_shape_of_the_document(runpod: Stub) -> None:
    with pytest.raises(HTTPError) as refused:
        runpod.ask("GET", "serverless", key="nobody's")
    assert (refused.value.code, misfits(json.loads(refused.value.read()), "ErrorResponse")) == (401, [])


def test_what_another_shape_would_be_is_seen(runpod: Stub, exchanges: Exchanges) -> None:
    """That a document is compared with is not enough: it must notice."""
    with pytest.raises(DeployError):
        Api(runpod.url, KEY).create({**GOOD, "bogus": 1})
    assert exchanges.misfits == [
        "sent by POST serverless, CreateEndpointRequest: $: Unevaluated properties are not allowed ('bogus' was unexpected)"
    ]
