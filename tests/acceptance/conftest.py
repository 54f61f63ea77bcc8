from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import configuration

ROOT = Path(__file__).parents[2]
# The collection first, so that no other installed copy of it is tested by mistake.
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]
configuration.set_hypothesis_home_dir(ROOT / ".cache" / "hypothesis")

from tests.acceptance.tales import Tales, claimed_tales
from tests.acceptance.world import PRODUCTION, ROOT, SHARE_IN_A_LANE, STAGING, Environment

LANES = ("staging", "production", "rest")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lane", choices=LANES, help="only tests of this environment, or of both and what they share")
    parser.addoption("--deep", action="store_true", help="the deep ones, too, which a lane leaves to make faults")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "lane(name): where a test runs whose fixtures do not say it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of one environment and those of the other may run side by side."""
    chosen, deep = config.getoption("--lane"), config.getoption("--deep")
    if chosen:
        kept = [item for item in items if lane(item) == chosen and (deep or not item.get_closest_marker("deep"))]
        dropped = [item for item in items if item not in kept]
        items[:] = kept
        config.hook.pytest_deselected(items=dropped)


def lane(item: pytest.Item) -> str:
    marked = item.get_closest_marker("lane")
    if marked:
        (name,) = marked.args
        if name not in LANES:
            raise pytest.UsageError(f"{item.nodeid}: lane {name!r} is not one of {', '.join(LANES)}, so no lane would run it")
        return str(name)
    fixtures = set(getattr(item, "fixturenames", ()))
    used = [name for name in ("staging", "production") if name in fixtures]
    return used[0] if len(used) == 1 else "rest"


@pytest.fixture
def share(pytestconfig: pytest.Config) -> float:
    return SHARE_IN_A_LANE if pytestconfig.getoption("--lane") else 1.0


@pytest.fixture
def staging(share: float) -> Environment:
    return serving(replace(STAGING, share=share))


@pytest.fixture
def production(share: float) -> Environment:
    return serving(replace(PRODUCTION, share=share))


@pytest.fixture
def tales(tmp_path: Path, staging: Environment) -> Iterator[Tales]:
    with claimed_tales(tmp_path, staging) as found:
        yield found


# Environment -> what its hosts showed after the last deploy of the release that every test begins with.
_SERVED: dict[str, dict[str, str]] = {}


def serving(environment: Environment) -> Environment:
    """The environment with release 1.0.0 on its hosts, deployed unless they show what they showed after the last such deploy."""
    shown: dict[str, str] = {}
    # What a test has broken cannot be asked.
    with suppress(AssertionError):
        shown = environment.everything()
    if not shown or shown != _SERVED.get(environment.name):
        environment.deployed("1.0.0")
        _SERVED[environment.name] = environment.everything()
    return environment


@pytest.fixture
def inventories(tmp_path: Path) -> Path:
    """Copies of the inventories, at the same distance from everything that they name."""
    for name in ("stacks", ".sandbox"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "inventories", tmp_path / "inventories")
    return tmp_path / "inventories"
