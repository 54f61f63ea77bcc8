# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RunPod's REST API, as far as serverless endpoints are kept by it: one request each, and its refusals in words.

https://api.runpod.io/v2/openapi.json says what goes in and comes out. The key is in no error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

from ansible.module_utils.urls import ConnectionError, open_url
from ansible_collections.morpheus.deploy.plugins.module_utils.base import deadline, others_json
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.words.said import Knowledge

PATIENCE_SECONDS = 30
# Of its answers that are no JSON, or longer.
_LONGEST_WORDS = 300
_LARGEST = 8 << 20


class Api:
    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url.rstrip("/"), key

    def endpoints(self) -> list[dict[str, Any]]:
        return list(self._ask("GET", "serverless")["endpoints"])

    def template(self, name: str) -> dict[str, Any]:
        return self._ask("GET", f"templates/{quote(name, safe='')}")

    def gpus(self) -> list[dict[str, Any]]:
        return list(self._ask("GET", "catalog/gpus")["gpus"])

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._ask("POST", "serverless", body)

    def update(self, identity: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._ask("PATCH", f"serverless/{quote(identity, safe='')}", body)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            return deadline.within(PATIENCE_SECONDS, lambda: self._answer(method, path, body))
        except TimeoutError as exc:
            raise DeployError(f"RunPod does not answer at {self._url}: {exc}") from None

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body)
        try:
            answer = open_url(f"{self._url}/{path}", data, headers, method, timeout=PATIENCE_SECONDS, follow_redirects="none")
            found = others_json.loads(answer.read(_LARGEST))
        except HTTPError as exc:
            raise DeployError(f"RunPod refused {method} {path}: HTTP {exc.code}{self._words(exc)}{_mend(exc.code)}") from None
        except (OSError, HTTPException, ConnectionError) as exc:
            raise DeployError(f"RunPod does not answer at {self._url}: {getattr(exc, 'reason', None) or exc}") from None
        except ValueError:
            raise DeployError(f"what answers {method} {path} at {self._url} is not RunPod: it is no JSON") from None
        if not isinstance(found, dict):
            raise DeployError(f"what answers {method} {path} at {self._url} is not RunPod: it is no JSON object")
        return found

    def _words(self, error: HTTPError) -> str:
        """What it says is wrong, by RFC 9457, without the key."""
        try:
            found = others_json.loads(error.read(_LARGEST))
            words = "; ".join([str(found["detail"]), *map(str, found.get("errors") or [])])
        except (ValueError, KeyError, TypeError, AttributeError, OSError):
            return ""
        known = Knowledge()
        known.know([("", self._key)])
        return f", {known.beginning(words, _LONGEST_WORDS)}"


def _mend(status: int) -> str:
    return ". The key must be allowed to read and write serverless endpoints" if status in (401, 403) else ""
