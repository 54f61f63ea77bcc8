"""What a visitor comes for: a story becomes a comic, and both are there when they come back."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.sites import Site
from tests.browser.visitor import CLOCK, LAMP, Visitor


def test_a_story_becomes_a_comic(visitor: Visitor) -> None:
    visitor.tells(LAMP)
    visitor.is_told("Here is your comic.")
    visitor.saw_no_error()


def test_after_a_reload_story_and_comic_are_there_and_were_not_drawn_again(visitor: Visitor) -> None:
    visitor.tells(LAMP)
    visitor.answers.clear()
    visitor.reloads()
    visitor.sees_the_comic_of(LAMP)
    visitor.reads_the_story(LAMP)
    assert [answer.url for answer in visitor.answers if answer.request.method != "GET"] == []
    visitor.saw_no_error()


def test_its_address_leads_anybody_to_the_story_later(visitor: Visitor, arrive: Callable[[Site], Visitor]) -> None:
    visitor.tells(LAMP)
    other = arrive(visitor.site).comes(visitor.address)
    other.reads_the_story(LAMP)
    other.asks_for_the_comic()
    other.sees_the_comic_of(LAMP)
    # It is the same story, and was not told twice.
    assert other.address == visitor.address
    other.saw_no_error()


def test_the_way_back_leads_to_the_story_before(visitor: Visitor) -> None:
    visitor.tells(LAMP)
    visitor.tells(CLOCK)
    visitor.goes_back()
    visitor.reads_the_story(LAMP)
    visitor.saw_no_error()


def test_a_story_that_is_not_there_is_said_to_be_missing(visitor: Visitor) -> None:
    visitor.comes(f"{visitor.site.url}?story=999999999")
    visitor.is_told("This story is not here.")
    visitor.tells(CLOCK)
    visitor.is_told("Here is your comic.")
