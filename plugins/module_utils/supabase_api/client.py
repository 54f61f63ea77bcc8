# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to one of Supabase's APIs: bounded, no redirect followed, repeated where the API asks for it. No message holds the
token or what was sent.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import deadline, others_json
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

MANAGEMENT = "https://api.supabase.com"
_BODY_LIMIT_BYTES = 4 * 1024 * 1024
_MOST_TRIES = 4
_LONGEST_PAUSE_SECONDS = 30.0
# A second, of objects.
_SLOWEST_BYTES = 16 * 1024
REFUSALS = (401, 403)
# Of modules that ask the storage API.
STORAGE: Mapping[str, Mapping[str, Any]] = {
    "url": {"type": "str", "required": True},
    "key": {"type": "str", "required": True, "no_log": True},
}
# Of every module that asks one of the APIs, beside its address and token.
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "ca_path": {"type": "path", "default": ""},
    "timeout_seconds": {"type": "float", "default": 20.0},
}


@dataclass(frozen=True)
class Answer:
    """``status`` is 0 when nobody answered, and ``words`` say why; else they are what the API says itself."""

    status: int
    body: Any
    words: str

    @property
    def is_well(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_missing(self) -> bool:
        """The storage API has said it in both ways."""
        said_so = isinstance(self.body, Mapping) and str(self.body.get("statusCode")) == "404"
        return self.status == 404 or (self.status == 400 and said_so)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A token goes nowhere but where it was sent."""


def _read(response: http.client.HTTPResponse) -> Any:
    with response:
        return _parsed(response.read(_BODY_LIMIT_BYTES))


class Api:
    """``headers`` carry the token. ``pause``: waits for so many seconds."""

    def __init__(
        self, url: str, headers: Mapping[str, str], options: Mapping[str, Any], pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Accept": "application/json", "User-Agent": "morpheus.deploy", **headers}
        self._timeout = float(options["timeout_seconds"])
        self._pause = pause
        context = ssl.create_default_context(cafile=options["ca_path"] or None)
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoRedirect)

    @classmethod
    def management(cls, options: Mapping[str, Any]) -> Api:
        """``options``: with ``api_url`` and ``token``."""
        return cls(options["api_url"], {"Authorization": f"Bearer {options['token']}"}, options)

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """The answer, whatever it is. What is busy (429), and failed to read (5xx), is asked again."""
        data = None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        return self._tried(lambda: self._sent(method, path, data, headers), repeatable=method == "GET")

    def read(self, path: str) -> Any:
        """The body of what must be there. Raises DeployError."""
        return self._done("GET", path, self.ask("GET", path))

    def write(self, method: str, path: str, body: Any = None) -> Any:
        """Raises DeployError when it is refused."""
        return self._done(method, path, self.ask(method, path, body))

    @contextmanager
    def opened(self, path: str) -> Iterator[http.client.HTTPResponse | None]:
        """The bytes that are answered, however many; None where there is nothing. Raises DeployError when it is refused."""
        answer = self._tried(lambda: self._sent("GET", path, take=lambda response: response), repeatable=True)
        if answer.is_missing:
            yield None
            return
        with self._done("GET", path, answer) as response:
            seconds = self._seconds_for(response.length or 0)
            with deadline.cut_off(response, seconds) as cut:
                try:
                    yield response
                except (OSError, ValueError, http.client.HTTPException, DeployError) as exc:
                    if not cut.is_set():
                        raise
                    raise DeployError(f"GET {self.url}{path}: no whole answer within {seconds:g} s; run this again") from exc

    def send(self, path: str, content: IO[bytes], size: int, headers: Mapping[str, str]) -> None:
        """``content``: is read again where the API asks for it. Raises DeployError when it is refused."""

        def once() -> tuple[Answer, float]:
            content.seek(0)
            return self._sent("POST", path, content, {**headers, "Content-Length": str(size)}, size=size)

        self._done("POST", path, self._tried(once, repeatable=True))

    def _done(self, method: str, path: str, answer: Answer) -> Any:
        if answer.is_well:
            return answer.body
        raise DeployError(f"{method} {self.url}{path}: {self.told(answer)}")

    @staticmethod
    def told(answer: Answer) -> str:
        """What an answer was, in words."""
        if not answer.status:
            return answer.words
        said = f' "{answer.words}"' if answer.words else ""
        hint = {
            401: "; the token is not known there, or has ended: make another one and put it into the environment's vault",
            403: "; the token may not do this: give it the permission that docs/supabase.md names for it",
        }.get(answer.status, "")
        return f"answered with status {answer.status}{said}{hint}"

    def _tried(self, once: Callable[[], tuple[Answer, float]], *, repeatable: bool) -> Answer:
        """``once``: asks; its answer, and for how many seconds it is not to be asked again. ``repeatable``: what has failed (5xx)
        may be asked twice.
        """
        for number in range(1, _MOST_TRIES + 1):
            answer, wait = once()
            is_worth_it = answer.status == 429 or (repeatable and answer.status >= 500)
            if not is_worth_it or number == _MOST_TRIES:
                break
            self._pause(min(wait or 0.5 * 2**number, _LONGEST_PAUSE_SECONDS))
        return answer

    def _sent(
        self,
        method: str,
        path: str,
        data: bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        take: Callable[[http.client.HTTPResponse], Any] = _read,
        size: int = 0,
    ) -> tuple[Answer, float]:
        """``take``: what of a good answer is its body; ``size``: bytes of the data."""
        request = urllib.request.Request(f"{self.url}{path}", data, {**self._headers, **headers}, method=method)

        def ask() -> tuple[Answer, float]:
            try:
                response = self._opener.open(request, timeout=self._timeout)
                return Answer(response.status, take(response), ""), 0.0
            except urllib.error.HTTPError as exc:
                found = _parsed(exc.read(_BODY_LIMIT_BYTES))
                return Answer(exc.code, found, _message(found)), _seconds(exc.headers.get("Retry-After"))

        try:
            return deadline.within(self._seconds_for(size), ask)
        except (OSError, http.client.HTTPException, ValueError) as exc:
            return Answer(0, None, f"there was no answer: {_reason(exc)}"), 0.0

    def _seconds_for(self, size: int) -> float:
        """How long a request may take that carries so many bytes one way."""
        return self._timeout + size / _SLOWEST_BYTES


def _parsed(raw: bytes) -> Any:
    try:
        return others_json.loads(raw) if raw.strip() else None
    except ValueError:
        return None


def _message(body: Any) -> str:
    """What the API says is wrong, in one short line."""
    found = ""
    for name in ("message", "msg", "error_description", "error"):
        if isinstance(body, Mapping) and body.get(name):
            found = str(body[name])
            break
    return said.beginning(found, 200)


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdecimal() else 0.0


def _reason(exc: BaseException) -> str:
    reason = getattr(exc, "reason", None)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {reason.verify_message}"
    if isinstance(reason, TimeoutError) or isinstance(exc, TimeoutError):
        return "it took too long"
    if isinstance(reason, OSError):
        return reason.strerror or str(reason)
    return str(reason or type(exc).__name__)
