# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of an image's name, ``registry:5000/maker/name:tag@digest``. Pure.

A tag begins after the last slash, so a registry's port is none; what follows an ``@`` is never part of it.
"""

from __future__ import annotations

from dataclasses import dataclass

# What engines take where no tag is given, and what says nothing of which version runs.
_NO_VERSION = ("", "latest")


@dataclass(frozen=True)
class ImageName:
    """``maker``: the registry and the path before ``name``, empty where there is none. Each part may be empty."""

    maker: str
    name: str
    tag: str
    digest: str

    @property
    def bare(self) -> str:
        """The name without tag and digest."""
        return f"{self.maker}/{self.name}" if self.maker else self.name

    @property
    def is_versioned(self) -> bool:
        """Whether it says which version runs, by a tag other than latest or by content."""
        return bool(self.digest) or self.tag not in _NO_VERSION


def parse(image: str) -> ImageName:
    named, _, digest = image.partition("@")
    maker, _, last = named.rpartition("/")
    name, _, tag = last.partition(":")
    return ImageName(maker, name, tag, digest)
