"""Whatever differs between two releases, no request fails: the new one is good, never well or bad later, or is left again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.world import SHARE_IN_A_LANE
from tests.changes.kinds import KINDS, Kind
from tests.changes.outcome import Outcome, carry_out, deployed, mended


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.handful) if kind.small else kind for kind in KINDS], ids=str
)
def test_a_change_between_two_releases_fails_no_request(
    kind: Kind, shop: Path, outcomes: list[Outcome], pytestconfig: pytest.Config
) -> None:
    for number, earlier in enumerate(kind.earlier):
        deployed(earlier, shop, name=f"0.{number}.0")
    deployed(kind.before, shop)
    live, wrong = kind.before, list[str]()
    in_ci = pytestconfig.option.markexpr == "handful"
    for phase in kind.phases:
        # A release that fails under load is one of production's tests, and of the laboratory's.
        if in_ci and phase in ("never", "late"):
            continue
        if phase == "back" and live is kind.before:
            continue
        outcome = carry_out(kind, phase, shop, share=SHARE_IN_A_LANE if in_ci else 1)
        outcomes.append(outcome)
        live = outcome.live
        if outcome.problems:
            wrong.append("\n".join([f"{phase}:", *outcome.problems, outcome.evidence]))
            try:
                mended(kind, live, shop)
            except AssertionError as error:
                pytest.fail("\n\n".join([*wrong, f"and nothing mends it: {error}"]))
    assert not wrong, "\n\n".join(wrong)
