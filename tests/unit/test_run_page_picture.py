from __future__ import annotations

import struct

import pytest

from tests.unit import run_page_picture
from tests.unit.run_page_picture import PICTURE, SIZE, digest, page, shown_digest, signed


def test_the_picture_in_the_docs_shows_the_page_as_it_is_made() -> None:
    picture = PICTURE.read_bytes()
    assert shown_digest(picture) == digest(), "draw it again: python -m tests.unit.run_page_picture"
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", picture[16:24]) == SIZE
    assert len(picture) < 250_000
    for heading in ("Hosts", "Where the time went", "What users asked meanwhile", "Seconds by kind of step", "Gates"):
        assert f"<h2>{heading}</h2>" in page()


def test_a_picture_says_of_which_page_it_is() -> None:
    plain = PICTURE.read_bytes()
    assert shown_digest(signed(plain[:33] + plain[33:], "b" * 64)) == "b" * 64
    assert shown_digest(b"\x89PNG") == ""


def test_without_a_browser_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(SystemExit, match="apt-get install chromium"):
        run_page_picture.draw()
