"""Every kind of change between two releases that the suite knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.changes.shop import Release, Service

MTU = "com.docker.network.driver.mtu"


@dataclass(frozen=True)
class Kind:
    """A change from ``before`` to ``after``.

    ``earlier``: releases that were live before that. ``verdicts``: how the change may end. ``strain``: what is done to the
    machine meanwhile; such a kind is about the strain, so it has no release that fails. ``small``: CI runs it.
    """

    name: str
    before: Release
    after: Release
    earlier: Sequence[Release] = ()
    verdicts: tuple[str, ...] = ("deployed",)
    strain: str = ""
    small: bool = False

    def __str__(self) -> str:
        return self.name.replace(" ", "-")

    @property
    def phases(self) -> tuple[str, ...]:
        if self.verdicts == ("unchanged",):
            return ("good",)
        return ("good", "back") if self.strain else ("good", "back", "never", "late")


def _release(*services: Service) -> Release:
    return Release(services)


CART = Service("cart", paths=("/shop/front", "/shop/cart"))
HELP = Service("help", paths=("/shop/help",), replicas=1)
LEDGER = Service("ledger", replicas=1, volume=True)
NEXT = {"edition": "2"}
BASE = _release(CART, HELP)
NEXT_CART = BASE.changed(cart=NEXT)
MANY = BASE.changed(cart={"replicas": 12})
# These hold the low slots of the edge when the twelve that follow them are admitted.
SIXTEEN = BASE.changed(cart={"replicas": 16})
MANY_HIGH = MANY.changed(cart=NEXT)
FEW = BASE.changed(cart={"replicas": 3})
MENU = replace(_release(replace(CART, menu=True), HELP), menu="soup")
ENV_FILE = BASE.changed(cart={"env_file": True})
NETWORK = replace(BASE.changed(cart={"networks": ("back",)}), networks={"back": {}})
STATE = BASE.plus(LEDGER)
ONE_BY_ONE = BASE.changed(cart={"replicas": 3, "parallelism": 1})

KINDS: tuple[Kind, ...] = (
    Kind("another edition", BASE, NEXT_CART),
    Kind("port", BASE, BASE.changed(cart={"port": 9000, **NEXT})),
    Kind("service renamed", BASE, _release(replace(CART, name="basket", edition="2"), HELP)),
    Kind(
        "path to a new service",
        BASE,
        BASE.changed(cart={"paths": ("/shop/front",)}).plus(Service("basket", edition="2", paths=("/shop/cart",))),
    ),
    Kind(
        "path to a service that stays",
        BASE,
        BASE.changed(cart={"paths": ("/shop/front",), **NEXT}, help={"paths": ("/shop/help", "/shop/cart"), **NEXT}),
    ),
    Kind(
        "path to a service that does not change",
        BASE,
        BASE.changed(cart={"paths": ("/shop/front",)}, help={"paths": ("/shop/help", "/shop/cart")}),
    ),
    Kind("route lost", BASE, BASE.changed(cart=NEXT, help={"paths": (), **NEXT})),
    Kind("route gained", BASE.changed(help={"paths": ()}), BASE.changed(help=NEXT)),
    Kind(
        "route lost to a shorter one",
        BASE.changed(cart={"paths": ("/shop",)}),
        BASE.changed(cart={"paths": ("/shop",), **NEXT}, help={"paths": (), **NEXT}),
    ),
    Kind("path lost", BASE, BASE.changed(cart={"paths": ("/shop/front",)})),
    Kind("twelve to three replicas", MANY_HIGH, MANY_HIGH.changed(cart={"replicas": 3}), earlier=[SIXTEEN]),
    Kind("three to twelve replicas", FEW, MANY),
    Kind("twelve to three replicas and an edition", MANY_HIGH, FEW.changed(cart={"edition": "3"}), earlier=[SIXTEEN]),
    Kind("service removed", BASE, BASE.without("help")),
    Kind("service added", BASE.without("help"), BASE),
    Kind("mounted file", MENU, replace(MENU, menu="cake")),
    Kind("env file", ENV_FILE, ENV_FILE.changed(cart=NEXT)),
    Kind("one to all at once", ONE_BY_ONE, ONE_BY_ONE.changed(cart={"parallelism": 0, **NEXT})),
    Kind("one by one", ONE_BY_ONE, ONE_BY_ONE.changed(cart=NEXT)),
    Kind("order", ONE_BY_ONE, ONE_BY_ONE.changed(cart={"order": "stop-first", **NEXT})),
    Kind("depends_on", BASE, BASE.changed(cart={"depends_on": ("help",)})),
    Kind("network added", BASE, NETWORK),
    Kind(
        "network changed",
        NETWORK,
        replace(NETWORK.changed(cart=NEXT), networks={"back": {"driver_opts": {MTU: "1400"}}}),
        verdicts=("deployed", "refused"),
    ),
    Kind("nothing", BASE, BASE, verdicts=("unchanged",)),
    Kind("state beside it", STATE, STATE.changed(cart=NEXT, ledger=NEXT)),
    Kind(
        "everything at once",
        replace(
            _release(
                replace(CART, menu=True),
                Service("help", paths=("/shop/help", "/shop/faq"), replicas=2),
                Service("mail", paths=("/shop/mail",), replicas=1),
                Service("news", paths=("/shop/news",), replicas=1),
                Service("jobs", replicas=1),
                LEDGER,
            ),
            menu="soup",
        ),
        replace(
            _release(
                replace(CART, menu=True, port=9000, edition="2", replicas=3, depends_on=("help",)),
                Service("help", paths=("/shop/help",), replicas=1, edition="2", parallelism=1),
                # Renamed, with a path of another service.
                Service("post", paths=("/shop/mail", "/shop/faq"), replicas=1, edition="2"),
                # Loses its route, and another service gains one.
                Service("news", replicas=1, edition="2"),
                Service("jobs", paths=("/shop/jobs",), replicas=1, edition="2"),
                replace(LEDGER, edition="2"),
            ),
            menu="cake",
        ),
        small=True,
    ),
    Kind("eight busy loops", BASE, NEXT_CART, strain="busy"),
    Kind("a quota of half a CPU", BASE, NEXT_CART, strain="quota"),
    Kind("stopped for three seconds", BASE, NEXT_CART, strain="stopped"),
)
