"""What a deploy has to cut is counted, by the edge's own counters, and nothing else is."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import yaml

from tests.acceptance.world import STAGING, play
from tests.changes.shop import Release, Service, write

CART = Service("cart", paths=("/shop/cart",))
LONG_SECONDS = 8
USERS = 4


def impatient(release: Release, directory: Path, name: str) -> Path:
    """An inventory whose requests get a second after the drain began, and one more when their replica is told to stop."""
    inventory = write(release, directory, name)
    variables, compose = inventory / "group_vars" / "all" / "stack.yml", directory / "shop" / "compose.yml"
    found = yaml.safe_load(variables.read_text())
    found["stack"]["drain_seconds"] = 1
    variables.write_text(yaml.safe_dump(found))
    compose.write_text(compose.read_text().replace("stop_grace_period: 10s", "stop_grace_period: 1s"))
    return inventory


def is_cut() -> bool:
    """Whether a long request was not answered to its end."""
    try:
        return STAGING.ask(f"/shop/cart?seconds={LONG_SECONDS}")[0] != 200
    except (OSError, HTTPException):
        return True


def test_requests_that_outlive_drain_and_grace_are_cut_and_counted_one_by_one(shop: Path) -> None:
    before, after = Release((CART,)), Release((CART,)).changed(cart={"edition": "2"})
    first = play("deploy.yml", impatient(before, shop, "1.0.0"))
    assert first.code == 0, first.output
    inventory = impatient(after, shop, "2.0.0")
    over = False

    def user(number: int) -> int:
        """Ends what it has begun, and begins nothing more when the deploy is over."""
        time.sleep(number * LONG_SECONDS / USERS)
        cut = 0
        while not over:
            cut += is_cut()
        return cut

    with ThreadPoolExecutor(USERS) as users:
        counts = [users.submit(user, number) for number in range(USERS)]
        try:
            run = play("deploy.yml", inventory)
        finally:
            over = True
    assert run.code == 0, run.output
    cut = sum(count.result() for count in counts)
    assert 0 < cut <= USERS
    assert STAGING.verdict()["cut"] == cut, run.output
    assert f"{cut} connections cut" in run.output
