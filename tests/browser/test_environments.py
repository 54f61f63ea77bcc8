"""Whose page it is, and whom its visitors meet behind it."""

from __future__ import annotations

from tests.browser import provider
from tests.browser.visitor import LAMP, Visitor


def test_only_production_is_not_marked(visitor: Visitor) -> None:
    expected = "" if visitor.site.is_production else f"{visitor.site.environment} · not the real thing"
    assert visitor.mark == expected


def test_a_comic_takes_every_service_and_none_of_another_environment(visitor: Visitor) -> None:
    visitor.tells(LAMP)
    # The story by way of the database, its panels by way of the ML service.
    calls = {(answer.request.method, answer.url.removeprefix(visitor.site.url).partition("?")[0]) for answer in visitor.answers}
    assert {("GET", ""), ("POST", "api/stories"), ("POST", "api/transform")} <= calls
    # Pictures of the mock come with its answer.
    assert visitor.hosts() - {provider.HOST} == {visitor.site.name}
    said = {answer.header_value("x-environment") for answer in visitor.answers if answer.url.startswith(visitor.site.url)}
    assert said == {visitor.site.environment}
    visitor.saw_no_error()
