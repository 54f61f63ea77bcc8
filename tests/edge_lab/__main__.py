"""Tries one example: python -m tests.edge_lab 'Example(releases=...)', as a failed run prints it."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests.edge_lab.examples import Example, Release, Service
from tests.edge_lab.lab import run
from tests.edge_lab.namespace import own_network

KNOWN = {"Example": Example, "Release": Release, "Service": Service}

if __name__ == "__main__":
    with own_network():
        found = run(eval(sys.argv[1], KNOWN))
    print(found)
    sys.exit(0 if found.good else 1)
