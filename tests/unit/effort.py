"""How hard property tests try: 1 is what ``make unit-deep`` tries, CI less, and HYPOTHESIS_EFFORT=20 is a run for the night."""

from __future__ import annotations

import os

EFFORT = float(os.environ.get("HYPOTHESIS_EFFORT", "0.25"))


def examples(count: int) -> int:
    return max(1, int(count * EFFORT))
