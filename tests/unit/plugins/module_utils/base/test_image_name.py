"""The parts of an image's name."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.image_name import ImageName, parse

DIGEST = "sha256:" + "0" * 64
# Name -> its parts, the name without tag and digest, and whether it says which version runs.
NAMES: dict[str, tuple[ImageName, str, bool]] = {
    "": (ImageName("", "", "", ""), "", False),
    "web": (ImageName("", "web", "", ""), "web", False),
    "web:latest": (ImageName("", "web", "latest", ""), "web", False),
    "web:1.0": (ImageName("", "web", "1.0", ""), "web", True),
    "shop/web:1.0": (ImageName("shop", "web", "1.0", ""), "shop/web", True),
    # A port is no tag.
    "host:5000/web": (ImageName("host:5000", "web", "", ""), "host:5000/web", False),
    "host:5000/shop/web:1.0": (ImageName("host:5000/shop", "web", "1.0", ""), "host:5000/shop/web", True),
    f"web@{DIGEST}": (ImageName("", "web", "", DIGEST), "web", True),
    f"web:latest@{DIGEST}": (ImageName("", "web", "latest", DIGEST), "web", True),
    f"host:5000/web:1.0@{DIGEST}": (ImageName("host:5000", "web", "1.0", DIGEST), "host:5000/web", True),
    # Of a variable that nobody gives.
    ":1.0": (ImageName("", "", "1.0", ""), "", True),
}


@pytest.mark.parametrize("image", NAMES)
def test_a_name_has_these_parts(image: str) -> None:
    parts, bare, is_versioned = NAMES[image]
    found = parse(image)
    assert (found, found.bare, found.is_versioned) == (parts, bare, is_versioned)
