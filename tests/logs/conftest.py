from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The collection first, so that no other installed copy of it is tested by mistake.
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]
