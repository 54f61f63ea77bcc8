"""The command line: python -m tests.load --url https://staging.morpheus.app --connect 127.0.0.1:8443 --ca .sandbox/ca.pem"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.load.generator import generate, write
from tests.load.settings import add_options, from_options
from tests.load.summary import summarize


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    add_options(parser)
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input does, or on SIGTERM")
    parser.add_argument("--json", type=Path, help="write the report here at the end")
    parser.add_argument("--status", type=Path, help="write the report so far here, four times a second")
    options = parser.parse_args(arguments)
    try:
        settings = from_options(options)
    except ValueError as error:
        parser.error(str(error))
    report = asyncio.run(generate(settings, status=options.status, until_stdin_closes=options.until_stdin_closes))
    if options.json:
        write(options.json, report)
    print(summarize(report))
    return 0 if report.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
