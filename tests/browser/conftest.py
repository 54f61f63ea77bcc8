from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The collection first, so that no other installed copy of it is tested by mistake.
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

# What is asserted there is to be explained as in a test.
pytest.register_assert_rewrite("tests.browser.visitor")

from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.acceptance import world
from tests.acceptance.conftest import serving
from tests.browser import provider
from tests.browser.sites import Site, browser
from tests.browser.visitor import Visitor
from tests.hangs import never_hangs, pytest_configure

__all__ = ["never_hangs", "pytest_configure"]

# What is kept of a test that failed.
FAILED = ROOT / ".cache" / "browser" / "failed"
FAILURE = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("a site in place of the sandbox's two")
    group.addoption("--site", help="its name, such as staging.example.com")
    group.addoption("--environment", default="staging", help="which environment it says that it is (staging)")
    group.addoption("--connect", default="", help="host:port in place of what DNS says")
    group.addoption("--ca", type=Path, help="file of an authority that Chromium does not know")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A site that is not the sandbox's is visited, and not changed."""
    if config.getoption("--site"):
        dropped = [item for item in items if "staging" in getattr(item, "fixturenames", ())]
        items[:] = [item for item in items if item not in dropped]
        config.hook.pytest_deselected(items=dropped)


def sites(config: pytest.Config) -> list[Site]:
    if name := config.getoption("--site"):
        return [Site(name, config.getoption("--environment"), config.getoption("--connect"), config.getoption("--ca"))]
    return [site_of(environment) for environment in (world.STAGING, world.PRODUCTION)]


def site_of(environment: world.Environment) -> Site:
    return Site(environment.site, environment.name, f"127.0.0.1:{environment.port}", world.CA)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test of a site is one of each."""
    if "site" in metafunc.fixturenames:
        found = sites(metafunc.config)
        metafunc.parametrize("site", found, ids=[site.environment for site in found])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILURE] = item.stash.get(FAILURE, False) or report.failed
    return report


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="session")
def chromium(
    playwright: Playwright, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """One for all tests. Each visitor has a profile of their own in it."""
    with browser(playwright, sites(request.config), tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture
def arrive(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[[Site], Visitor]]:
    """Somebody who was never there. Of a test that fails a picture is kept for each of them, and a trace of all they did."""
    place = FAILED / re.sub(r"[^\w-]+", "-", request.node.name).strip("-")
    visitors: list[Visitor] = []
    with ExitStack() as stack:

        def come(site: Site) -> Visitor:
            context = chromium.new_context(locale="en-GB", reduced_motion="reduce")
            stack.callback(context.close)
            if not request.config.getoption("--site"):
                provider.serve(context)
            context.tracing.start(screenshots=True, snapshots=True)
            visitors.append(Visitor(context, site))
            return visitors[-1]

        yield come
        if not request.node.stash.get(FAILURE, False):
            return
        place.mkdir(parents=True, exist_ok=True)
        for number, visitor in enumerate(visitors, start=1):
            visitor.page.screenshot(path=place / f"visitor-{number}.png", full_page=True)
            visitor.context.tracing.stop(path=place / f"visitor-{number}.zip")
        print(f"\n{place} has a picture and a trace of each visitor: python -m playwright show-trace {place}/visitor-1.zip")


@pytest.fixture
def visitor(arrive: Callable[[Site], Visitor], site: Site) -> Visitor:
    return arrive(site).comes()


@pytest.fixture
def staging() -> world.Environment:
    return serving(world.STAGING)
