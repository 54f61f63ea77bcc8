#!/usr/bin/env python3
"""Does the example serve a release? Asks who it is, reads the page, tells a story and turns it into a comic.

smoke.py <url> <release> [--read-only]
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from typing import Any

_SECONDS = 20


class SmokeError(Exception):
    """What a person is told."""


def ask(url: str, body: dict[str, Any] | None = None) -> bytes:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} if body is not None else {})
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            read: bytes = answer.read()
            return read
    except urllib.error.HTTPError as error:
        raise SmokeError(f"{url}: status {error.code}: {error.read()[:200].decode(errors='replace')}") from None
    except OSError as error:
        raise SmokeError(f"{url}: {error}") from None


def run(site: str, release: str, *, read_only: bool) -> None:
    health = json.loads(ask(f"{site}/health"))
    if health.get("version") != release:
        raise SmokeError(f"{site}/health: version is {health.get('version')!r} where {release!r} is expected")
    if b"<html" not in ask(f"{site}/").lower():
        raise SmokeError(f"{site}/: is no page")
    if read_only:
        return
    story = json.loads(ask(f"{site}/api/stories", {"title": "Smoke", "text": "It rained. A fox came by. It stayed."}))
    comic = json.loads(ask(f"{site}/api/transform", {"story_id": story["id"]}))
    if not comic.get("panels"):
        raise SmokeError(f"{site}/api/transform: story {story['id']} became no comic")
    if comic.get("release") != release:
        raise SmokeError(f"{site}/api/transform: was answered by {comic.get('release')!r} where {release!r} is expected")


def main(words: list[str]) -> int:
    site, release, *options = words
    try:
        run(site.rstrip("/"), release, read_only="--read-only" in options)
    except SmokeError as error:
        sys.stderr.write(f"smoke: {error}\n")
        return 1
    sys.stdout.write(f"{site} serves {release}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
