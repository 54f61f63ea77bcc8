"""Can be used by everybody: axe-core's rules on each page as it is shown, and no mouse."""

from __future__ import annotations

import pytest

from tests.browser.visitor import LAMP, Visitor


@pytest.mark.parametrize("theme", ["day", "night"])
def test_the_page_is_accessible_before_and_after(visitor: Visitor, theme: str) -> None:
    visitor.wears(theme)
    visitor.finds_it_accessible()
    visitor.tells(LAMP)
    visitor.finds_it_accessible()


def test_a_story_can_be_told_by_keyboard_and_the_focus_stays(visitor: Visitor) -> None:
    visitor.page.get_by_label("Title").focus()
    visitor.types(LAMP)
    visitor.sees_the_comic_of(LAMP)
    assert visitor.page.evaluate("document.activeElement.tagName") == "BUTTON"


def test_a_narrow_screen_needs_no_sideways_scrolling(visitor: Visitor) -> None:
    visitor.page.set_viewport_size({"width": 320, "height": 568})
    visitor.tells(LAMP)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 320
