# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of a release on this host: what they are called there, and what to do when somebody took the name away.

An image that containers run can lose every name and lives on under its id; the next replica cannot be started by name then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.images import Image

# {reference, digest, id}, as a manifest has it.
Entry = Mapping[str, str]


class Engine(Protocol):
    def image(self, reference: str) -> Image | None: ...

    def tag(self, identity: str, reference: str) -> None: ...

    def pull(self, reference: str) -> Image: ...


def pinned(engine: Engine, entry: Entry) -> str:
    """How to run exactly this image here: by digest where it has that name, or else by id."""
    wanted = _image(entry).pinned
    return wanted if _is(engine, wanted, entry) else entry["id"]


def nameless(engine: Engine, entries: Iterable[Entry]) -> list[Entry]:
    """Those that are on this host and that no name leads to any more."""
    return [
        one
        for one in _distinct(entries)
        if not any(_is(engine, name, one) for name in (_image(one).pinned, one["reference"]) if name != one["id"])
        and engine.image(one["id"]) is not None
    ]


def missing(engine: Engine, entries: Iterable[Entry]) -> list[Entry]:
    return [one for one in _distinct(entries) if engine.image(one["id"]) is None]


def restore(engine: Engine, entries: Iterable[Entry]) -> list[str]:
    """Give those that lost their name the tag back, unless that is another image's now; what was done, in words."""
    done = []
    for one in nameless(engine, entries):
        # By its content an image is named where it was pulled; no tag gives that name back.
        if "@" not in one["reference"] and engine.image(one["reference"]) is None:
            engine.tag(one["id"], one["reference"])
            done.append(f"image {one['reference']} had lost its name on this host (docker rmi); {one['id']} has it again")
    return done


def fetch(engine: Engine, entries: Iterable[Entry]) -> list[str]:
    """Pull by their digests what is gone from this host; what was done, in words. EngineError says what no registry gave."""
    done = []
    for one in (one for one in missing(engine, entries) if one["digest"]):
        try:
            engine.pull(_image(one).pinned)
        except EngineError as exc:
            raise EngineError(f"this host has lost {one['reference']}, and it could not be pulled again: {exc}") from exc
        done.append(f"image {one['reference']} was gone from this host and was pulled again by its digest")
    return done


def _distinct(entries: Iterable[Entry]) -> list[Entry]:
    return list({(one["reference"], one["id"]): one for one in entries}.values())


def _image(entry: Entry) -> Image:
    return Image(entry["reference"], entry["id"], entry["digest"])


def _is(engine: Engine, name: str, entry: Entry) -> bool:
    found = engine.image(name)
    return found is not None and found.id == entry["id"]
