"""Write the table of docs/damage.md anew: python -m tests.unit.damage"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests.unit.damage.files import DAMAGES, FILES, applies, case, table
from tests.unit.damage.prepared import prepared_host

_BETWEEN = re.compile(r"(<!-- files -->\n).*?(<!-- /files -->)", re.DOTALL)


def main() -> None:
    with prepared_host() as host, TemporaryDirectory() as kept:
        bring_back = host.keep(Path(kept) / "host")
        cases = []
        for label, damage in ((label, damage) for label in FILES for damage in DAMAGES if applies(label, damage)):
            bring_back()
            cases.append(case(host, label, damage))
    for one in cases:
        if one.wrong or one.after_mend:
            print(f"{one.label}, {one.damage}: {one.wrong or one.after_mend}", file=sys.stderr)
    path = ROOT / "docs" / "damage.md"
    path.write_text(_BETWEEN.sub(lambda found: f"{found[1]}{table(cases)}{found[2]}", path.read_text()))


if __name__ == "__main__":
    main()
