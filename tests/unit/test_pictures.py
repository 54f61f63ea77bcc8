from __future__ import annotations

import pytest

pytest.importorskip("rich")

from tests.unit.pictures import PICTURES, pictures


def test_pictures_in_the_docs_are_what_is_drawn_and_light() -> None:
    found = dict(pictures())
    assert sorted(found) == sorted(PICTURES.glob("live-*.svg"))
    for path, text in found.items():
        assert path.read_text() == text, "draw them again: python -m tests.unit.pictures"
        assert len(text) < 20_000
