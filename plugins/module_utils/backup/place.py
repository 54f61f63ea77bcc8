# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where backups lie: a directory of this host, or URLs that each open one object of a store for a while.

Archives are encrypted before they come here. A record is written after its archive, so a backup without a record was never
finished.
"""

from __future__ import annotations

import fcntl
import http.client
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.backup import record
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.flow import Pace, Paced
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.record import ARCHIVE, RECORD, Record
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import private, write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock, SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import spoken, told

_SECONDS = 600
_CHUNK = 1 << 18
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Directory:
    """One below which only root may look."""

    path: Path

    def make(self) -> None:
        with told(self.path, "made"):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
        # Of a run that was killed.
        for left in self.path.glob(".partial-*"):
            left.unlink()

    def records(self) -> list[Record]:
        """Oldest first."""
        texts = ((str(path), path.read_text()) for path in sorted(self.path.glob(f"*{RECORD}")))
        return record.listed(texts, time.time())

    def put(self, archive: Path, found: Record) -> None:
        with told(self.path):
            archive.chmod(0o600)
            archive.replace(self.path / f"{found.name}{ARCHIVE}")
        self.note(found)

    def note(self, found: Record) -> None:
        write_atomically(self.path / f"{found.name}{RECORD}", found.text(), mode=0o600)

    @contextmanager
    def archive(self, found: Record, beside: Path) -> Iterator[Path]:
        path = self.path / f"{found.name}{ARCHIVE}"
        if not path.is_file():
            raise DeployError(f"{path} is missing, although its record is there; take another backup, and remove this record")
        yield path

    def remove(self, names: Sequence[str]) -> None:
        """The record first: then it is no backup any more."""
        for name in names:
            for end in (RECORD, ARCHIVE):
                (self.path / f"{name}{end}").unlink(missing_ok=True)


@dataclass(frozen=True)
class Urls:
    """What is opened by each of these is signed into it, so none of them is told to anybody. ``pace``: of archives."""

    urls: Mapping[str, str] = field(repr=False)
    pace: Pace = field(default_factory=Pace)

    def make(self) -> None:
        """A store has nothing to make."""

    def put(self, archive: Path, found: Record) -> None:
        with archive.open("rb") as stream:
            _ask("PUT", self.urls["put_archive"], Paced(stream, self.pace), found.size)
        self.note(found)

    def note(self, found: Record) -> None:
        text = found.text().encode()
        _ask("PUT", self.urls["put_record"], text, len(text))

    @contextmanager
    def archive(self, found: Record, beside: Path) -> Iterator[Path]:
        path = beside / f".partial-{found.name}"
        try:
            with open(path, "wb", opener=private) as stream:
                _fetch(self.urls["get_archive"], stream, found.size, self.pace)
            yield path
        finally:
            path.unlink(missing_ok=True)


Place = Directory | Urls


# Writes an archive into a file; its record, and why it could not be verified (empty when it was).
Fill = Callable[[Path], tuple[Record, str]]


def keep(where: Place, spool: Path, name: str, fill: Fill, now: Callable[[], float]) -> Record:
    """An archive that grows in ``spool`` and is then put in its place. Raises DeployError when it could not be verified: then it
    is kept, without a word in it that it was.
    """
    where.make()
    path = spool / f".partial-{name}"
    try:
        found, problem = fill(path)
        found = found if problem else replace(found, verified=record.said(now()))
        where.put(path, found)
    finally:
        path.unlink(missing_ok=True)
    if problem:
        raise DeployError(f"the backup {name} was made and kept, and could not be verified: {problem}. It does not count as one")
    return found


def of(directory: str, urls: Mapping[str, str], pace: Pace | None = None) -> Place:
    return Urls(urls, pace or Pace()) if urls else Directory(Path(directory))


@contextmanager
def alone(directory: Path, wait_seconds: float, clock: Clock | None = None) -> Iterator[None]:
    """One at work with backups on this host. Raises DeployError when another one does not end in time."""
    time = clock or SystemClock()
    deadline = time.now() + wait_seconds
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with spoken():
        # Where it is a directory, which somebody has made.
        stream = open(directory / "lock", "w", opener=private)  # noqa: SIM115
    with stream:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.now() >= deadline:
                raise DeployError(
                    f"another run is at work with backups on this host, and was for {wait_seconds:g} s; run this again when it "
                    "has ended"
                )
            time.sleep(_POLL_SECONDS)
        yield


def require_room(directory: Path, needed: int, whose: str = "the database has") -> None:
    """Raises DeployError when an archive of so many bytes would leave the disk full."""
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise DeployError(
            f"{directory} has {free >> 20} MiB free, and {whose} {needed >> 20} MiB; make room, or name another backup.directory"
        )


def _ask(method: str, url: str, body: object, size: int) -> None:
    headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, data=body, method=method, headers=headers)  # type: ignore[arg-type]
    with _opened(request, url):
        pass


def _fetch(url: str, into: IO[bytes], size: int, pace: Pace) -> None:
    """Not more than ``size``: a store that says more would fill the disk."""
    with _opened(urllib.request.Request(url), url) as answer:
        left = size
        while left and (found := answer.read(min(_CHUNK, left))):
            pace.take(len(found))
            into.write(found)
            left -= len(found)
        if answer.read(1):
            raise DeployError(f"what {_where(url)} answers is longer than the {size} bytes of its record; take another backup")


class _Stays(urllib.request.HTTPRedirectHandler):
    """A store that leads elsewhere could make this host ask whatever it alone reaches."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _where(url: str) -> str:
    """What is signed into a URL is in no message: only where it leads."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


@contextmanager
def _opened(request: urllib.request.Request, url: str) -> Iterator[http.client.HTTPResponse]:
    what = f"{request.get_method()} {_where(url)}"
    secure = urllib.request.HTTPSHandler(context=ssl.create_default_context())
    try:
        with urllib.request.build_opener(secure, _Stays).open(request, timeout=_SECONDS) as answer:
            yield answer
    except urllib.error.HTTPError as exc:
        raise DeployError(f"{what} was answered with {exc.code} {exc.reason}; see backup.s3 and its keys") from None
    except (urllib.error.URLError, OSError, http.client.HTTPException) as exc:
        reason = getattr(exc, "reason", exc)
        raise DeployError(f"{what} failed: {reason}; can this host reach the store?") from None
