"""People who register: a story of their own with a picture of their own, which nobody else sees.

The example runs from its sources, and then it is staging of the sandbox, behind its edge, which is deployed with users for that.
In both it is known besides in which bucket a picture lies. With --site it is that site, which must have users whose addresses
need no confirmation and a bucket for pictures.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Playwright

from tests.browser.conftest import sites
from tests.browser.example import Example, example, staging_with_users
from tests.browser.provider import png
from tests.browser.sites import Site, browser
from tests.browser.visitor import CLOCK, LAMP, Story, Visitor
from tests.supabase.standin import PRODUCTION, STAGING

PASSWORD = secrets.token_urlsafe(18)


def somebody() -> str:
    return f"{secrets.token_hex(6)}@example.com"


PLACES = {"from its sources": example, "behind staging's edge": staging_with_users}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test is one of each place, or of the site that was named."""
    places = ["named"] if metafunc.config.getoption("--site") else list(PLACES)
    metafunc.parametrize("here", places, indirect=True, scope="module")


@pytest.fixture(scope="module")
def here(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example | None]:
    """The example in a place. None when a site was named."""
    if request.param not in PLACES:
        yield None
        return
    with PLACES[request.param](tmp_path_factory.mktemp("example")) as found:
        yield found


@pytest.fixture(scope="module")
def chromium(
    playwright: Playwright, here: Example | None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """Knows what this place needs."""
    with browser(playwright, [here.site] if here else sites(request.config), tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture
def come(arrive: Callable[[Site], Visitor], here: Example | None, request: pytest.FixtureRequest) -> Callable[[], Visitor]:
    place = here.site if here else sites(request.config)[0]
    return lambda: arrive(place).comes()


def has_a_comic_with_a_picture(visitor: Visitor, email: str, story: Story, width: int) -> None:
    """From the first visit to the last: registered, signed out, signed in."""
    visitor.registers(email, PASSWORD)
    visitor.is_told("Welcome.")
    visitor.signs_out()
    visitor.signs_in(email, PASSWORD)
    visitor.is_told("Welcome.")
    visitor.writes(story)
    visitor.uploads("mine.png", "image/png", png(width, 40))
    visitor.is_told("Your picture is kept.")
    visitor.sees_the_picture_of(story, width)
    visitor.asks_for_the_comic()
    visitor.sees_the_comic_of(story)
    visitor.reloads()
    visitor.sees_the_picture_of(story, width)


def test_two_tenants_have_comics_and_pictures_of_their_own(come: Callable[[], Visitor], here: Example | None) -> None:
    addresses, emails = [], [somebody(), somebody()]
    # One after the other at the same screen, as in a library.
    visitor = come()
    for email, story, width in zip(emails, (LAMP, CLOCK), (60, 80), strict=True):
        has_a_comic_with_a_picture(visitor, email, story, width)
        addresses.append(visitor.address)
        visitor.saw_no_error()
        visitor.signs_out()
        visitor.sees_no_picture()
    assert addresses[0] != addresses[1]
    if here:
        owners = here.objects(STAGING)
        stories = [[address.partition("story=")[2]] for address in addresses]
        assert sorted(here.objects(STAGING, owner) for owner in owners) == stories
        assert here.objects(PRODUCTION) == []
    # The second one, by the address of the first one's story.
    other = come()
    other.signs_in(emails[1], PASSWORD)
    other.is_told("Welcome.")
    other.comes(addresses[0])
    other.is_told("This story is not here.")
    other.sees_no_picture()
    status, answer = other.fetches(f"/api/stories/{addresses[0].partition('story=')[2]}/picture")
    assert (status, answer["detail"].startswith("There is no story")) == (404, True)


def test_what_the_bucket_does_not_take_is_refused_in_words_before_it_is_sent(
    come: Callable[[], Visitor], here: Example | None
) -> None:
    visitor = come()
    visitor.registers(somebody(), PASSWORD)
    visitor.is_told("Welcome.")
    visitor.uploads("large.png", "image/png", png(60, 40, trailing=9_000_000))
    visitor.is_told("This picture was not kept. It has 9 MB, and may have")
    visitor.uploads("script.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    visitor.is_told("This picture was not kept. It is to be PNG")
    visitor.sees_no_picture()
    assert [answer.url for answer in visitor.answers if answer.request.method == "PUT"] == []
    visitor.saw_no_error()
    if here:
        visitor.reads("PNG, at most 0.1 MB. Only you see it.")


def test_what_the_bucket_refuses_itself_is_said_in_words(come: Callable[[], Visitor], here: Example | None) -> None:
    """A page that is older than the limit, or a file that only calls itself a picture."""
    visitor = come()
    visitor.registers(somebody(), PASSWORD)
    visitor.is_told("Welcome.")
    visitor.uploads("mine.png", "image/png", b"no picture at all")
    visitor.is_told("This picture was not kept. A picture is one of image/png")
    visitor.sees_no_picture()
    if here:
        visitor.page.evaluate("takes.max_bytes = 1e9")
        visitor.uploads("large.png", "image/png", png(60, 40, trailing=200_000))
        visitor.is_told("This picture was not kept. A picture has at most 0.1 MB")
        visitor.sees_no_picture()


@pytest.mark.parametrize("theme", ["day", "night"])
def test_the_form_for_a_picture_is_accessible_and_fits_a_narrow_screen(come: Callable[[], Visitor], theme: str) -> None:
    visitor = come()
    visitor.wears(theme)
    visitor.finds_it_accessible()
    visitor.page.set_viewport_size({"width": 320, "height": 568})
    visitor.registers(somebody(), PASSWORD)
    visitor.is_told("Welcome.")
    visitor.writes(LAMP)
    visitor.uploads("mine.png", "image/png", png(640, 300))
    visitor.sees_the_picture_of(LAMP, 640)
    visitor.finds_it_accessible()
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 320
