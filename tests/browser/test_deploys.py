"""What visitors see of an operator's work: another version, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.acceptance.test_maintenance import maintenance
from tests.acceptance.world import Environment, Run
from tests.browser.conftest import site_of
from tests.browser.sites import Site
from tests.browser.visitor import CLOCK, CLOSED, FAILED, LAMP, Visitor


def comes_again_and_again(visitor: Visitor, work: Future[Run]) -> list[str]:
    """Which releases were met by somebody who reloads the page and tells a story until the work is done, and once more."""
    met: list[str] = []
    is_last = False
    while not is_last:
        is_last = work.done()
        visitor.comes()
        if visitor.release not in met[-1:]:
            met.append(visitor.release)
        visitor.tells(LAMP)
    assert work.result().code == 0, work.result().output
    return met


@pytest.fixture
def beside() -> Iterator[Callable[..., Future[Run]]]:
    """An operator at work while a test goes on."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit


def test_a_deploy_and_a_rollback_are_another_version_and_no_error(
    staging: Environment, arrive: Callable[[Site], Visitor], beside: Callable[..., Future[Run]]
) -> None:
    site = site_of(staging)
    coming, staying = arrive(site), arrive(site).comes()
    staying.writes(CLOCK)
    for work, release in (((staging.deploy, "1.1.0"), "1.1.0"), ((staging.play, "rollback.yml"), "1.0.0")):
        before = staging.health()[1]["version"]
        met = comes_again_and_again(coming, beside(*work))
        # While replicas are exchanged both serve, to whoever is led to them.
        assert (met[0], met[-1], set(met)) == (before, release, {before, release})
        # The page of the release before goes on with the API of this one.
        staying.asks_for_the_comic()
        staying.sees_the_comic_of(CLOCK)
        print(f"\n{len(coming.answers)} answers, releases {' -> '.join(met)}")
    for visitor in (coming, staying):
        visitor.saw_no_error()


def test_a_story_that_is_told_in_maintenance_becomes_a_comic_when_it_is_over(
    staging: Environment, arrive: Callable[[Site], Visitor]
) -> None:
    site = site_of(staging)
    present, coming = arrive(site).comes(), arrive(site)
    coming.page.clock.install()
    with maintenance(staging):
        present.writes(LAMP)
        present.asks_for_the_comic()
        present.is_told(CLOSED)
        present.finds_it_accessible()
        coming.comes()
        coming.reads("We will be back soon")
        coming.finds_it_accessible()
    # By themselves.
    present.sees_the_comic_of(LAMP)
    coming.page.clock.fast_forward("01:01")
    coming.reads("Tell a story.")
    assert [words for words in present.said if FAILED in words] == []
    # It was told once: what the edge refused had not begun.
    accepted = [answer for answer in present.answers if answer.request.method == "POST" and answer.ok]
    assert [answer.url.removeprefix(site.url) for answer in accepted] == ["api/stories", "api/transform"]
