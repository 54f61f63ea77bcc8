#!/usr/bin/env python3
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What staging proved, signed there, and read by production without reaching staging.

write: says which images ran in staging, which tests passed and how the deploy ended, and signs that with a private SSH key.
verify: prints the record when the signature is of an allowed signer and every demand is met, else every reason why not.

The signature is that of ssh-keygen (-Y sign): whoever verifies needs the public key only, so that nothing of production can
make a record, and no program is needed that a deploy by SSH does not need.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

FORMAT = 1
NAMESPACE = "promotion@morpheus.deploy"
SIGNER = "staging"
# Clocks of two machines may differ by so much.
_CLOCKS = timedelta(minutes=5)
_DIGEST = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_GOOD_VERDICTS = ("deployed", "unchanged")
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class PromotionError(Exception):
    """What a person is told."""


@dataclass(frozen=True)
class Record:
    """Images: variable of the Compose file -> name with digest. Proofs: what was tried -> how it ended, "success" when well.

    Data: of when the data are that staging was tried with, where they are production's; empty for those of seeds.
    """

    format: int
    environment: str
    repository: str
    commit: str
    release: str
    images: Mapping[str, str]
    proofs: Mapping[str, str]
    verdict: str
    time: str
    run: str
    data: str = ""


@dataclass(frozen=True)
class Demands:
    """What production asks of a record. ``found``: image -> the digest that the registry has for it now."""

    repository: str
    commit: str
    required: tuple[str, ...]
    max_age: timedelta
    found: Mapping[str, str]
    # None where nobody asks how old the data are.
    max_data_age: timedelta | None = None


def record_of(text: str) -> Record:
    """The record in ``text``, or one sentence about what is wrong with it."""
    try:
        read = json.loads(text)
    except ValueError as error:
        raise PromotionError(f"the record is no JSON: {error}") from None
    if not isinstance(read, dict) or read.get("format") != FORMAT:
        seen = read.get("format") if isinstance(read, dict) else type(read).__name__
        raise PromotionError(f"format: {seen!r} where {FORMAT} is expected; was it written by another version?")
    kinds = {field.name: {"int": int, "str": str}.get(str(field.type), dict) for field in fields(Record)}
    wrong = sorted(
        {name for name in read if name not in kinds}
        | {name for name, kind in kinds.items() if not isinstance(read.get(name, "" if name == "data" else None), kind)}
    )
    if wrong:
        raise PromotionError(f"the record has no, or no sound, {', '.join(wrong)}")
    return Record(**read)


def problems(record: Record, demands: Demands, now: datetime) -> list[str]:
    """Every reason why ``record`` may not go to production."""
    return [
        *_other("environment", record.environment, SIGNER),
        *_other("repository", record.repository, demands.repository),
        *_other("commit", record.commit, demands.commit),
        *_unproved(record, demands.required),
        *_age(record.time, demands.max_age, now),
        *_data_age(record.data, demands.max_data_age, now),
        *_images(record.images, demands.found),
    ]


def _other(name: str, seen: str, wanted: str) -> list[str]:
    return [] if seen == wanted else [f"{name}: staging ran {seen!r} where {wanted!r} is to be deployed"]


def _unproved(record: Record, required: Sequence[str]) -> list[str]:
    found = []
    if record.verdict not in _GOOD_VERDICTS:
        found.append(f"verdict: staging's deploy ended as {record.verdict!r}, where {' or '.join(_GOOD_VERDICTS)} is needed")
    for name in required:
        seen = record.proofs.get(name)
        if seen != "success":
            found.append(f"proofs.{name}: {f'ended as {seen!r}' if seen else 'was not tried'} in staging")
    return found


def _age(time: str, most: timedelta, now: datetime) -> list[str]:
    try:
        age = now - datetime.strptime(time, _TIME).replace(tzinfo=UTC)
    except ValueError:
        return [f"time: {time!r} is no time such as 2026-01-31T12:00:00Z"]
    if age < -_CLOCKS:
        return [f"time: {time} lies in the future; is the clock of this machine right?"]
    if age > most:
        days = age.total_seconds() / 86400
        return [
            f"time: {time} is {days:.1f} days ago, at most {most.days} are allowed. Run the staging workflow of this commit again"
        ]
    return []


def _data_age(time: str, most: timedelta | None, now: datetime) -> list[str]:
    if most is None:
        return []
    mend = (
        "Run playbooks/export_data.yml for production and playbooks/import_data.yml for staging, then the staging workflow again"
    )
    try:
        age = now - datetime.strptime(time, _TIME).replace(tzinfo=UTC)
    except ValueError:
        return [f"data: staging was tried with data of nobody knows when ({time or 'none are told of'}). {mend}"]
    if age <= most:
        return []
    days = age.total_seconds() / 86400
    return [f"data: staging was tried with data of {time}, {days:.1f} days ago, at most {most.days} are allowed. {mend}"]


def _images(images: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    wrong = [] if images else ["images: the record names none"]
    for variable, image in sorted(images.items()):
        if not isinstance(image, str) or not _DIGEST.fullmatch(image):
            wrong.append(f"images.{variable}: {image!r} names no digest (name@sha256:...)")
        elif variable in found and found[variable] != image.partition("@")[2]:
            now = found[variable] or "nothing"
            wrong.append(f"images.{variable}: staging ran {image}, and the registry has {now} under its release now")
    return wrong


def sign(path: Path, key: Path) -> None:
    """Writes ``path``.sig."""
    path.with_name(f"{path.name}.sig").unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", NAMESPACE, "-f", str(key), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise PromotionError(f"{path} could not be signed with {key}: {done.stderr.strip()}")


def check_signature(text: bytes, signature: Path, allowed_signers: Path) -> None:
    """Nothing, when an allowed signer has signed ``text``."""
    command = ["ssh-keygen", "-Y", "verify", "-n", NAMESPACE, "-I", SIGNER, "-f", str(allowed_signers), "-s", str(signature)]
    done = subprocess.run(command, input=text, capture_output=True, check=False)
    if done.returncode:
        said = f"{done.stdout.decode().strip()} {done.stderr.decode().strip()}".strip()
        raise PromotionError(f"{signature} is no signature of {SIGNER!r} in {allowed_signers}: {said}")


def write(options: argparse.Namespace) -> str:
    images = json.loads(options.images)
    wrong = _images(images, {})
    if not _COMMIT.fullmatch(options.commit):
        wrong.append(f"--commit: {options.commit!r} is no whole commit")
    if wrong:
        raise PromotionError("\n  - ".join(["nothing was written:", *wrong]))
    record = Record(
        format=FORMAT,
        environment=SIGNER,
        repository=options.repository,
        commit=options.commit,
        release=options.release,
        images=images,
        proofs=dict(one.split("=", 1) for one in options.proof),
        verdict=options.verdict,
        time=datetime.now(UTC).strftime(_TIME),
        run=options.run,
        data=options.data,
    )
    path = options.record
    path.write_text(json.dumps(asdict(record), indent=2, sort_keys=True) + "\n")
    with tempfile.TemporaryDirectory() as directory:
        # ssh-keygen wants a file that nobody else can read, and a newline at its end.
        key = Path(directory, "key")
        key.touch(mode=0o600)
        key.write_text(options.key.read_text().strip() + "\n")
        sign(path, key)
    return f"{path} and {path}.sig: {record.release} as staging ran it"


def verify(options: argparse.Namespace) -> str:
    text = options.record.read_bytes()
    check_signature(text, options.record.with_name(f"{options.record.name}.sig"), options.allowed_signers)
    record = record_of(text.decode())
    demands = Demands(
        options.repository,
        options.commit,
        tuple(options.require),
        timedelta(days=options.max_days),
        json.loads(options.found),
        timedelta(days=int(options.max_data_days)) if options.max_data_days else None,
    )
    wrong = problems(record, demands, datetime.now(UTC))
    if wrong:
        raise PromotionError("\n  - ".join([f"{record.release} must not go to production:", *wrong]))
    return json.dumps(asdict(record), sort_keys=True)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    both = argparse.ArgumentParser(add_help=False)
    both.add_argument("--record", type=Path, required=True)
    both.add_argument("--repository", required=True)
    both.add_argument("--commit", required=True)
    commands = parser.add_subparsers(required=True)
    writing = commands.add_parser("write", parents=[both])
    writing.set_defaults(does=write)
    writing.add_argument("--key", type=Path, required=True, help="private SSH key without a passphrase")
    writing.add_argument("--release", required=True)
    writing.add_argument("--images", required=True, help='JSON: {"API_IMAGE": "registry/api@sha256:..."}')
    writing.add_argument("--proof", action="append", default=[], metavar="NAME=RESULT")
    writing.add_argument("--verdict", required=True)
    writing.add_argument("--run", default="")
    writing.add_argument("--data", default="", metavar="TIME", help="of when staging's data are, 2026-01-31T12:00:00Z")
    verifying = commands.add_parser("verify", parents=[both])
    verifying.set_defaults(does=verify)
    verifying.add_argument("--allowed-signers", type=Path, required=True)
    verifying.add_argument("--require", action="append", default=[], metavar="NAME")
    verifying.add_argument("--max-days", type=int, default=14)
    verifying.add_argument("--max-data-days", default="", metavar="DAYS", help="how old staging's data may be; left out, any age")
    verifying.add_argument("--found", default="{}", help='JSON: what the registry has now, {"API_IMAGE": "sha256:..."}')
    return parser


def main(words: Sequence[str] | None = None) -> int:
    options: Any = arguments().parse_args(words)
    try:
        sys.stdout.write(f"{options.does(options)}\n")
    except (PromotionError, OSError, ValueError) as error:
        sys.stderr.write(f"promotion: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
