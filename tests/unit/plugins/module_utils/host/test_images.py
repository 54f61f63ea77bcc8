"""What images are called on a host, and what happens when somebody takes the name away."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError, RegistryDownError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.images import Image
from ansible_collections.morpheus.deploy.plugins.module_utils.host import images

API = {"reference": "shop/api:1.0", "digest": "sha256:d", "id": "sha256:i"}
LOCAL = {"reference": "shop/tool:1.0", "digest": "", "id": "sha256:t"}
BY_DIGEST = "shop/api:1.0@sha256:d"


class Engine:
    """``names``: name -> id. An image with no name is there as long as its id is among ``ids``."""

    def __init__(self, names: dict[str, str], *ids: str, registry: bool = True) -> None:
        self.names, self.ids, self.registry = names, {*names.values(), *ids}, registry
        self.pulls: list[str] = []

    def image(self, reference: str) -> Image | None:
        identity = self.names.get(reference, reference if reference in self.ids else "")
        return Image(reference, identity, "") if identity else None

    def tag(self, identity: str, reference: str) -> None:
        self.names[reference] = identity

    def pull(self, reference: str) -> Image:
        if not self.registry:
            raise RegistryDownError("no route to host")
        self.pulls.append(reference)
        self.names[reference] = "sha256:i"
        self.ids.add("sha256:i")
        return Image(reference, "sha256:i", "sha256:d")


PINS = [
    pytest.param(Engine({BY_DIGEST: "sha256:i"}), API, BY_DIGEST, id="by digest"),
    pytest.param(Engine({"shop/api:1.0": "sha256:i"}), API, "sha256:i", id="the digest is gone"),
    pytest.param(Engine({}, "sha256:i"), API, "sha256:i", id="every name is gone"),
    pytest.param(Engine({BY_DIGEST: "sha256:other"}, "sha256:i"), API, "sha256:i", id="the digest leads elsewhere"),
    pytest.param(Engine({"shop/tool:1.0": "sha256:t"}), LOCAL, "sha256:t", id="no registry knows it"),
]


@pytest.mark.parametrize(("engine", "entry", "name"), PINS)
def test_an_image_is_run_by_a_name_that_leads_to_it(engine: Engine, entry: images.Entry, name: str) -> None:
    assert images.pinned(engine, entry) == name


def test_an_image_that_lost_its_names_gets_its_tag_back_and_it_is_said() -> None:
    engine = Engine({}, "sha256:i")
    assert images.nameless(engine, [API, API]) == [API]
    assert images.restore(engine, [API]) == [
        "image shop/api:1.0 had lost its name on this host (docker rmi); sha256:i has it again"
    ]
    assert (engine.names, images.nameless(engine, [API])) == ({"shop/api:1.0": "sha256:i"}, [])


def test_a_tag_that_is_another_images_now_is_left_to_it() -> None:
    engine = Engine({"shop/api:1.0": "sha256:newer"}, "sha256:i")
    assert images.restore(engine, [API]) == []
    assert engine.names == {"shop/api:1.0": "sha256:newer"}


@pytest.mark.parametrize("names", [{BY_DIGEST: "sha256:i"}, {"shop/api:1.0": "sha256:i"}], ids=["by digest", "by tag"])
def test_one_name_is_enough(names: dict[str, str]) -> None:
    """A host that pulled by another host's digest has no tag, and nothing is wrong."""
    assert images.nameless(Engine(names), [API]) == []


def test_an_image_that_is_gone_is_pulled_by_its_digest() -> None:
    engine = Engine({})
    assert images.missing(engine, [API, LOCAL]) == [API, LOCAL]
    # One without a digest would be whatever the tag says now.
    assert images.fetch(engine, [API, LOCAL]) == ["image shop/api:1.0 was gone from this host and was pulled again by its digest"]
    assert (engine.pulls, images.missing(engine, [API, LOCAL])) == ([BY_DIGEST], [LOCAL])


def test_an_image_that_no_registry_gives_is_named() -> None:
    with pytest.raises(EngineError) as caught:
        images.fetch(Engine({}, registry=False), [API])
    assert str(caught.value) == "this host has lost shop/api:1.0, and it could not be pulled again: no route to host"
