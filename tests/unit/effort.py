"""How hard property tests try: HYPOTHESIS_EFFORT=20 makes a run for the night."""

from __future__ import annotations

import os

EFFORT = float(os.environ.get("HYPOTHESIS_EFFORT", "1"))


def examples(count: int) -> int:
    return max(1, int(count * EFFORT))
