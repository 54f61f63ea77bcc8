"""Write the table of docs/damage.md anew: python -m tests.unit.damage

With names of files (as the table has them) only their rows are tried, and the others stay.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT)]

from tests.unit.damage.files import DAMAGES, FILES, NOT_QUIET, QUIET, applies, case, table
from tests.unit.damage.prepared import prepared_host

_BETWEEN = re.compile(r"(<!-- files -->\n).*?(<!-- /files -->)", re.DOTALL)


def main(only: list[str]) -> None:
    labels = [label for label in FILES if not only or label in only]
    with prepared_host() as host, TemporaryDirectory() as kept:
        bring_back = host.keep(Path(kept) / "host")
        cases = []
        for label, damage in ((label, damage) for label in labels for damage in DAMAGES if applies(label, damage)):
            bring_back()
            cases.append(case(host, label, damage))
    for one in cases:
        if one.wrong or one.after_mend:
            print(f"{one.label}, {one.damage}: {one.wrong or one.after_mend}", file=sys.stderr)
        elif one.is_quiet != (one.damage in QUIET.get(one.label, NOT_QUIET).damages):
            print(f"{one.label}, {one.damage}: {'quiet' if one.is_quiet else 'not quiet'}", file=sys.stderr)
    path = ROOT / "docs" / "damage.md"
    text = path.read_text()
    before, tried = text.splitlines(), table(cases).splitlines()
    head, rows = tried[:2], {label: [one for one in tried if one.startswith(f"| `{label}` |")] for label in labels}
    untouched = {label: [one for one in before if one.startswith(f"| `{label}` |")] for label in FILES}
    lines = [*head, *(line for label in FILES for line in rows.get(label, untouched[label]))]
    path.write_text(_BETWEEN.sub(lambda found: f"{found[1]}{chr(10).join(lines)}{chr(10)}{found[2]}", text))


if __name__ == "__main__":
    main(sys.argv[1:])
