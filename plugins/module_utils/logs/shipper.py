# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that sends a host's logs away: it reads them from the engine, where it stopped, and masks what it sends.

The engine's own files are the only queue. While the target is away nothing is read, so nothing waits for it, and memory and disk
stay as they are; what the engine's rotation takes away meanwhile is lost to the target.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import STACKS_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.logs import sources, target
from ansible_collections.morpheus.deploy.plugins.module_utils.logs.entry import Entry
from ansible_collections.morpheus.deploy.plugins.module_utils.logs.lines import split
from ansible_collections.morpheus.deploy.plugins.module_utils.logs.sources import Source
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

CONFIG, POSITIONS = "config.json", "positions.json"
# How many lines are read ahead, and sent at once.
AHEAD, AT_ONCE = 1000, 500
LOOKS_EVERY_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 30.0
# A follower is silent for so long at the most before it asks again.
SILENT_SECONDS = 3600


class Positions:
    """Up to where each container's log was sent. A container that is not known began after this did."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._began = _now()
        self._times: dict[str, str] = {}
        # What was lost, in a sentence; a file that is missing is that of a host that has just begun.
        self.problem = ""
        try:
            found = json.loads(path.read_bytes())
            self._began, self._times = str(found["began"]), dict(found["times"])
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as exc:
            mend = f"Move it away (mv {path} {path}.damaged)" if path.is_dir() else "It is written anew"
            self.problem = f"{path} cannot be read ({exc}), so what was not sent until {self._began} is not sent. {mend}"
        # When it first began is what the next one goes by, also when this one never came to send anything.
        self._written()

    def of(self, identity: str) -> str:
        return self._times.get(identity, self._began)

    def advance(self, lines: Sequence[Entry], known: Mapping[str, Source]) -> str:
        """Why it could not be written down; then it is known here until this ends."""
        self._times |= {line.source.id: line.time for line in lines}
        self._times = {identity: at for identity, at in self._times.items() if identity in known}
        return self._written()

    def _written(self) -> str:
        try:
            write_atomically(self._path, json.dumps({"began": self._began, "times": self._times}), mode=0o600)
        except (DeployError, OSError) as exc:
            return str(exc)
        return ""


class Scrubber:
    """Masks with what this host keeps secret, also what it kept secret before."""

    def __init__(self, root: Path = STACKS_ROOT) -> None:
        self._root = root
        self._seen: object = None
        self._knowledge = said.Knowledge()

    def learn(self) -> None:
        """Read the secrets of all stacks when one of their directories has changed."""
        with suppress(OSError):
            directories = sorted(path / "secrets" for path in self._root.iterdir() if (path / "secrets").is_dir())
            now = [(str(path), path.stat().st_mtime_ns, _newest(path)) for path in directories]
            if now != self._seen:
                self._seen = now
                for path in directories:
                    self._knowledge.know_directory(path)

    def learn_of(self, variables: Sequence[str]) -> None:
        self._knowledge.know_variables(variables)

    def masked(self, text: str) -> str:
        return self._knowledge.masked(text).replace("\n", "\\n")


class Shipper:
    def __init__(self, client: Any, send: target.Send, positions: Positions, scrubber: Scrubber) -> None:
        self._client, self._send, self._positions, self._scrubber = client, send, positions, scrubber
        self._queue: Queue[Entry] = Queue(AHEAD)
        self._followed: dict[str, Source] = {}
        self._said = ""
        self._looked = 0.0

    def run(self) -> None:
        while True:
            self.step()

    def step(self) -> None:
        if time.monotonic() >= self._looked + LOOKS_EVERY_SECONDS:
            self._looked = time.monotonic()
            self.look()
        lines = self._next()
        if lines:
            self._scrubber.learn()
            self._deliver([Entry(line.time, line.source, self._scrubber.masked(line.text)) for line in lines])
            self._say_once(self._positions.advance(lines, self._followed))

    def look(self) -> None:
        """Follow every container that is not followed yet."""
        try:
            found = {source.id: source for source in sources.every(self._client)}
        except DeployError as exc:
            self._say_once(str(exc))
            return
        # Which of a container's variables are secrets is known by the names of those that there are.
        self._scrubber.learn()
        for identity in self._followed.keys() - found.keys():
            del self._followed[identity]
        for identity in found.keys() - self._followed.keys():
            self._followed[identity] = found[identity]
            with suppress(Exception):
                self._scrubber.learn_of(self._client.api.inspect_container(identity)["Config"]["Env"] or [])
            Thread(target=self._follow, args=(found[identity], self._positions.of(identity)), daemon=True).start()

    def _follow(self, source: Source, last: str) -> None:
        """Until the container is gone. A log that ends is asked for again: its container may be started again."""
        pause, complaint = LOOKS_EVERY_SECONDS, ""
        while source.id in self._followed:
            before = last
            try:
                since = max(1, Entry(last, source, "").nanoseconds // 10**9)
                pieces = self._client.api.logs(source.id, stream=True, follow=True, timestamps=True, since=since)
                for at, text in split(pieces):
                    if at > last:
                        self._queue.put(Entry(at, source, text))
                        last = at
            # Whatever the engine or its client says of it, the next look says whether the container is there.
            except Exception as exc:
                if source.id in self._followed and str(exc) != complaint:
                    complaint = str(exc)
                    _say(f"{source.replica}: its log cannot be read: {type(exc).__name__}: {complaint}")
            # To ask costs the engine all of the log, and one that has ended says nothing more.
            pause = LOOKS_EVERY_SECONDS if last > before else min(2 * pause, LONGEST_PAUSE_SECONDS)
            time.sleep(pause)

    def _next(self) -> list[Entry]:
        found: list[Entry] = []
        with suppress(Empty):
            found.append(self._queue.get(timeout=LOOKS_EVERY_SECONDS))
            while len(found) < AT_ONCE:
                found.append(self._queue.get_nowait())
        return found

    def _deliver(self, lines: Sequence[Entry]) -> None:
        pause = 1.0
        while True:
            try:
                refused = self._send(lines)
            except OSError as exc:
                self._say_once(f"the target of the logs is away, which nothing waits for: {exc}")
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                continue
            self._say_once(f"the target of the logs: {refused}" if refused else "")
            return

    def _say_once(self, sentence: str) -> None:
        if sentence and sentence != self._said:
            _say(sentence)
        self._said = sentence


def _say(sentence: str) -> None:
    with suppress(OSError):
        print(said.masked(sentence), file=sys.stderr, flush=True)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime())


def _newest(directory: Path) -> int:
    return max((path.stat().st_mtime_ns for path in directory.iterdir()), default=0)


def configured(root: Path) -> target.Send:
    """Who is sent what. DeployError when the configuration does not say it."""
    path = root / CONFIG
    try:
        return target.of(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError) as exc:
        move = f"move it away (mv {path} {path}.damaged), and " if path.is_dir() else ""
        raise DeployError(f"{path} cannot be read ({exc}): {move}run playbooks/provision.yml --tags logs") from exc


def main() -> None:
    """The program's only argument: the directory with its configuration."""
    root = Path(sys.argv[1])
    try:
        send = configured(root)
    except DeployError as exc:
        sys.exit(str(exc))
    os.umask(0o077)
    client = engine.connect()
    client.api.timeout = SILENT_SECONDS
    positions = Positions(root / POSITIONS)
    if positions.problem:
        _say(positions.problem)
    Shipper(client, send, positions, Scrubber()).run()
