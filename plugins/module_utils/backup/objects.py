# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of a project's buckets as one archive, and back: a tar of bucket/path, encrypted before it is written.

The very stream that is encrypted is read again beside, so an archive is seen to be whole without the key that opens it. The type
of an object stands where tar --xattrs finds it.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from ansible_collections.morpheus.deploy.plugins.module_utils.backup import flow, place, record, restore
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.place import Directory, Place
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.record import OBJECTS, Held, Record
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.objects import Objects, Stored, path_problem

_TYPE = "SCHILY.xattr.user.mime_type"
_IN_MEMORY = 1 << 24


@dataclass
class Sums:
    """What there is of each bucket, whatever the order is that it comes in."""

    lines: dict[str, list[str]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, buckets: Sequence[str]) -> Sums:
        return cls({name: [] for name in buckets}, dict.fromkeys(buckets, 0))

    def add(self, one: Stored, sha256: str) -> None:
        if one.bucket not in self.lines:
            raise DeployError(f"the archive has an object of {one.bucket}, of which its record knows nothing")
        self.lines[one.bucket].append(f"{one.path}\0{one.kind}\0{one.size}\0{sha256}\n")
        self.sizes[one.bucket] += one.size

    def held(self) -> dict[str, Held]:
        return {
            name: Held(len(lines), self.sizes[name], hashlib.sha256("".join(sorted(lines)).encode()).hexdigest())
            for name, lines in self.lines.items()
        }


@dataclass
class _Summed:
    """Bytes that are counted while somebody reads them."""

    source: Any
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def read(self, count: int = -1) -> bytes:
        chunk = bytes(self.source.read(count))
        self.digest.update(chunk)
        self.size += len(chunk)
        return chunk


@dataclass(frozen=True)
class _Both:
    """Takes what is written for each of its sinks. Why one takes no more is told when it is waited for."""

    sinks: Sequence[IO[bytes]]

    def write(self, chunk: bytes) -> int:
        for sink in self.sinks:
            flow.written(sink, chunk)
        return len(chunk)


@dataclass(frozen=True)
class Keeping:
    """``spool``: where an archive grows before it is put in its place."""

    objects: Objects
    place: Place
    spool: Path
    environment: str
    now: Callable[[], float] = time.time

    def make(self, name: str, why: str, recipients: Sequence[str], buckets: Sequence[str]) -> Record:
        """Raises DeployError when it could not be made, and when it could not be read again: then it is kept, without a word in
        it that it was verified.
        """

        def fill(path: Path) -> tuple[Record, str]:
            at = record.said(self.now())
            listed = [one for bucket in buckets for one in self.objects.listed(bucket)]
            if isinstance(self.place, Directory):
                place.require_room(self.spool, sum(one.size for one in listed), "the buckets have")
            with flow.programs() as at_work:
                encrypted = flow.encrypting(at_work, recipients, path)
                with _reading_again(buckets) as (beside, seen):
                    written = self._packed(_Both([encrypted.input, beside]), listed, Sums.of(buckets))
                encrypted.close()
                at_work.finish()
            found = Record(
                name=name,
                kind=OBJECTS,
                environment=self.environment,
                at=at,
                why=why,
                server="",
                sha256=flow.sha256(path),
                size=path.stat().st_size,
                buckets=written,
            )
            return found, "; ".join(seen.problems or differences(written, seen.held, "read again", "written"))

        return place.keep(self.place, self.spool, name, fill, self.now)

    def _packed(self, into: Any, listed: Sequence[Stored], sums: Sums) -> dict[str, Held]:
        with tarfile.open(fileobj=into, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for one in listed:
                with self.objects.read(one) as answer:
                    # Deleted since it was listed: then it is none of this moment.
                    if answer is None:
                        continue
                    size = int(answer.headers.get("Content-Length") or one.size)
                    info = tarfile.TarInfo(f"{one.bucket}/{one.path}")
                    info.size, info.mode, info.pax_headers = size, 0o600, {_TYPE: one.kind}
                    content: Any = _Summed(answer)
                    try:
                        tar.addfile(info, content)
                    except OSError as exc:
                        raise DeployError(
                            f"{one.bucket}/{one.path} ended before its {size} bytes: {exc}; run this again"
                        ) from None
                    if answer.read(1):
                        raise DeployError(f"{one.bucket}/{one.path} has more than {size} bytes; run this again")
                    sums.add(replace(one, size=size), content.digest.hexdigest())
        return sums.held()


@dataclass
class _Seen:
    held: Mapping[str, Held] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@contextmanager
def _reading_again(buckets: Sequence[str]) -> Iterator[tuple[IO[bytes], _Seen]]:
    """What is written into the first is summed up in the second, when this has ended."""
    reading, writing = os.pipe()
    seen = _Seen()

    def read() -> None:
        with os.fdopen(reading, "rb") as stream:
            try:
                seen.held = summed(stream, buckets)
            except DeployError as exc:
                seen.problems.append(str(exc))

    thread = threading.Thread(target=read)
    thread.start()
    pipe = os.fdopen(writing, "wb")
    try:
        yield pipe, seen
    finally:
        pipe.close()
        thread.join()


@dataclass(frozen=True)
class Returning:
    """``identity``: the key that opens archives. ``spool``: where one lies that comes from elsewhere."""

    place: Place
    spool: Path
    identity: str = field(repr=False)

    def drill(self, found: Record) -> int:
        """How many objects the archive has, each as it was. Nothing is written."""
        with restore.archive(self.place, self.spool, found) as path:
            return self._proved(found, path)

    def restore(self, found: Record, objects: Objects) -> int:
        """Raises DeployError before the first object is written when not all of them are in the archive as they were."""
        for bucket in found.buckets:
            objects.require(bucket)
        with restore.archive(self.place, self.spool, found) as path:
            count, done = self._proved(found, path), 0
            with self._plain(path) as stream:
                for one, content in each(stream):
                    try:
                        objects.write(one, content)
                    except DeployError as exc:
                        raise DeployError(
                            f"{done} of {count} objects of {found.name} were put back, and then {one.bucket}/{one.path} was "
                            f"refused: {exc}. Run this again: it puts all of them back"
                        ) from None
                    done += 1
        return done

    def _proved(self, found: Record, path: Path) -> int:
        with self._plain(path) as stream:
            seen = summed(stream, list(found.buckets))
        wrong = differences(found.buckets, seen, "in the archive", "in its record")
        if wrong:
            raise DeployError(f"the backup {found.name} does not come back as it was: {'; '.join(wrong)}")
        return sum(one.objects for one in seen.values())

    @contextmanager
    def _plain(self, path: Path) -> Iterator[IO[bytes]]:
        with flow.programs() as at_work, ExitStack() as stack:
            plain = flow.decrypting(at_work, self.identity, path, stack)
            yield plain.output
            at_work.finish()


def each(stream: IO[bytes]) -> Iterator[tuple[Stored, IO[bytes]]]:
    """Objects of an archive. The content of each can be read again until the next one is asked for."""
    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for info in tar:
                bucket, _, path = info.name.partition("/")
                problem = path_problem(path) if info.isreg() else f"{info.name!r} is no object"
                if problem:
                    raise DeployError(f"the archive is not one of objects: {problem}")
                source = tar.extractfile(info)
                with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as content:
                    while source and (chunk := source.read(1 << 18)):
                        content.write(chunk)
                    content.seek(0)
                    yield Stored(bucket, path, info.size, info.pax_headers.get(_TYPE, "")), content
        # What the end is filled up with.
        while stream.read(1 << 18):
            pass
    except tarfile.TarError as exc:
        raise DeployError(f"the archive is not one of objects: {exc}") from None


def summed(stream: IO[bytes], buckets: Sequence[str]) -> dict[str, Held]:
    sums = Sums.of(buckets)
    for one, content in each(stream):
        sums.add(one, flow.sha256_of(content))
    return sums.held()


def differences(wanted: Mapping[str, Held], seen: Mapping[str, Held], now: str, then: str) -> list[str]:
    """``then``: what ``wanted`` is called, ``now``: what ``seen`` is."""
    found = []
    for name, one in sorted(wanted.items()):
        other = seen.get(name, Held(0, 0, ""))
        if (other.objects, other.bytes) != (one.objects, one.bytes):
            found.append(
                f"bucket {name}: {other.objects} objects with {other.bytes} bytes {now}, {one.objects} with {one.bytes} {then}"
            )
        elif other != one:
            found.append(f"bucket {name}: {one.objects} objects {now} and {then}, with other content")
    return found


def lost(found: Record, objects: Objects) -> list[str]:
    """What a restore of ``found`` would do to buckets, by what they have at this moment."""
    sentences = []
    for name, one in sorted(found.buckets.items()):
        count = len(objects.listed(name))
        sentences.append(
            f"bucket {name}: {count} objects now, {one.objects} in the backup, which take the place of those of their names; "
            "others stay"
        )
    return sentences
