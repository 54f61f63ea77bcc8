# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version of each image runs: the release of a deploy, or what the Compose file or a person says. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import image_name
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import known_images
from ansible_collections.morpheus.deploy.plugins.plugin_utils.inspected.needed import DEFAULT, Needed

# A person must look up which version of somebody else's image runs.
VERSION = "VERSION"
# A variable in the place of a tag, and nothing else beside it.
_TAG_VARIABLE = re.compile(r":\$(?:\{(?P<name>[A-Za-z_]\w*)[^{}/]*\}|(?P<bare>[A-Za-z_]\w*))\Z")


def _own(services: Mapping[str, Mapping[str, Any]], ports: Mapping[str, int]) -> set[str]:
    """Images whose versions are releases: those that are built, or, where none is, what users reach and what its makers make
    beside it; with others that one variable gives the same tag. A worker that runs the same image changes with it.
    """
    found = {str(one.get("image") or "") for one in services.values() if "build" in one}
    if not found:
        reached = [str(services[name].get("image") or "") for name in ports]
        maker = image_name.parse(reached[0]).maker if reached else ""
        found = {one for one in reached if one == reached[0] or (maker and image_name.parse(one).maker == maker)}
    variables = {name for one in found if (name := _tag_variable(one))}
    return found | {image for one in services.values() if _tag_variable(image := str(one.get("image") or "")) in variables}


def _literal(services: Mapping[str, Mapping[str, Any]], own: Collection[str]) -> str:
    """The version that stands in the names of all own images; empty where there is none, or another in each."""
    named = [
        image_name.parse(image) for one in services.values() if (image := str(one.get("image") or "")) in own and "$" not in image
    ]
    found = {one.tag for one in named if one.is_versioned and not one.digest}
    return found.pop() if len(found) == 1 else ""


def _tag_variable(image: str) -> str:
    """The variable in the place of its tag; empty when there is none."""
    found = _TAG_VARIABLE.search(image)
    return (found["name"] or found["bare"]) if found else ""


def images(
    needed: Needed, services: Mapping[str, Mapping[str, Any]], ports: Mapping[str, int], project: str, *, released: bool
) -> None:
    """Each service has an image whose name says which version runs. ``released``: whether the files say themselves where the
    release stands.
    """
    own = {image for image in _own(services, ports) if not known_images.needs(image)}
    literal = needed.release = "" if released else _literal(services, own)
    for name, service in services.items():
        image = DEFAULT.sub(lambda found: found["default"], str(service.get("image") or ""))
        if not image:
            continue
        parts = image_name.parse(image)
        is_own = str(service["image"]) in own
        if literal and is_own and parts.tag == literal and not parts.digest:
            why = f"the release of a deploy is its tag, in the place of {literal}"
            needed.change(name, "image", f"{image.removesuffix(literal)}${{STACK_RELEASE:?}}", why)
            continue
        variable = _TAG_VARIABLE.search(str(service["image"])) if is_own else None
        if variable and _tag_variable(str(service["image"])) != "STACK_RELEASE" and parts.is_versioned:
            release = f"{str(service['image'])[: variable.start()]}:${{STACK_RELEASE:?}}"
            needed.change(name, "image", release, f"the release of a deploy is its tag, in the place of {variable[0][1:]}")
            continue
        if parts.is_versioned:
            continue
        bare = image.removesuffix(":latest")
        if is_own:
            why = f'"{image}" does not say which version runs; the release of a deploy is its tag'
            needed.change(name, "image", f"{bare}:${{STACK_RELEASE:?}}", why)
        else:
            why = f'"{image}" does not say which version runs; write it in the place of {VERSION}'
            needed.change(name, "image", f"{bare}:{VERSION}", why, how="yours")
    _nameless(needed, services, project)


def _nameless(needed: Needed, services: Mapping[str, Mapping[str, Any]], project: str) -> None:
    """What is built the same way is one image, which is pushed once."""
    override = needed.override.get("services", {})
    with_image = {name: one for name, one in services.items() if one.get("image")}
    named = {_build(one): override.get(name, {}).get("image") or str(one["image"]) for name, one in with_image.items()}
    for name, service in services.items():
        if not service.get("image"):
            own = f"{project}/{name.lower()}:${{STACK_RELEASE:?}}"
            image = named.setdefault(_build(service), own) if service.get("build") else own
            needed.change(name, "image", image, "hosts build nothing; push it under this name, or write the one that you push")


def _build(service: Mapping[str, Any]) -> str:
    """The same text for the same build."""
    return json.dumps(service.get("build"), sort_keys=True, default=str)
