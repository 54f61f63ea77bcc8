# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers of this host have logged lately, the newest lines of it. What leaves a module is masked at its end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.logs.lines import split
from ansible_collections.morpheus.deploy.plugins.module_utils.logs.sources import Source
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

with suppress(ImportError):
    from docker.errors import DockerException

# A line is cut where a person reads it.
LONGEST = 4_000


def read(
    client: Any, sources: Sequence[Source], since: float, request: str, count: int
) -> tuple[list[dict[str, str]], int, list[str]]:
    """The newest ``count`` lines since then, oldest first; how many older ones there are; and which logs cannot be read.

    ``request``: only lines that name this id.
    """
    kept: deque[tuple[str, int, Source, str]] = deque()
    seen, unread = 0, []
    for source in sources:
        try:
            own: deque[tuple[str, int, Source, str]] = deque(maxlen=count)
            for number, (at, text) in enumerate(_lines(client, source, since)):
                if request in text:
                    seen += 1
                    own.append((at, number, source, text))
            # Before lines of others come between.
            texts = said.masked_lines([text for _, _, _, text in own])
            kept.extend((at, number, of, text) for (at, number, of, _), text in zip(own, texts, strict=True))
        except (DockerException, OSError) as exc:
            unread.append(f"{source.replica}: its log cannot be read: {exc}")
    newest = sorted(kept, key=lambda one: (one[0], one[2].replica, one[1]))[-count:]
    return [_told(at, source, text) for at, _, source, text in newest], seen - len(newest), unread


def _lines(client: Any, source: Source, since: float) -> Iterator[tuple[str, str]]:
    with suppress(LookupError, TypeError):
        said.know_variables(client.api.inspect_container(source.id)["Config"]["Env"] or [])
    yield from split(client.api.logs(source.id, stream=True, follow=False, timestamps=True, since=max(1, int(since))))


def _told(at: str, source: Source, text: str) -> dict[str, str]:
    if len(text) > LONGEST:
        text = text[:LONGEST] + "…"
    return {
        "time": at,
        "stack": source.stack,
        "service": source.service,
        "replica": source.replica,
        "release": source.release,
        "text": text,
    }
