"""The vendor's own client calls an endpoint that was made by the REST API, by the id that it got."""

from __future__ import annotations

from typing import Any

import pytest
import runpod

from tests.ml_gateway.world import KEY, Providers, http

MADE: dict[str, Any] = {
    "name": "staging-comic-1.4.0",
    "type": "QUEUE",
    "image": "registry.example/comic-xl:1.4.0",
    "gpu": {"pools": ["ADA_24"]},
    "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
}


def test_what_is_made_by_the_rest_api_is_called_by_the_vendors_client(stubs: Providers, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    answer = http.post(f"{stubs.stub.url}/v2/serverless", json=MADE, headers=headers)
    assert answer.status_code == 201
    made = answer.json()
    monkeypatch.setattr(runpod, "api_key", KEY)
    monkeypatch.setattr(runpod, "endpoint_url_base", f"{stubs.stub.url}/v2")
    told = runpod.Endpoint(made["id"]).run_sync({"input": {"prompt": "A fox."}}, timeout=20)
    assert told["panels"][0]["caption"] == "A fox."
    assert made["requestUrls"]["runSync"].endswith(f"/v2/{made['id']}/runsync")
    assert http.delete(f"{stubs.stub.url}/v2/serverless/{made['id']}", headers=headers).status_code == 204
