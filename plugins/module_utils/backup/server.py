# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postgres' programs on this host, and a server of their own that holds a database only as long as it is looked at.

They are those of an image, or those that are installed. Either way they have one version, which must be that of the server that
they speak with.
"""

from __future__ import annotations

import csv
import io
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.backup import flow
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock, SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import told
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import rows
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres.url import Address
from ansible_collections.morpheus.deploy.plugins.module_utils.words import said

LABEL = "morpheus.deploy.backup"
START_SECONDS = 300.0
_POLL_SECONDS = 0.2
_DATABASE = "scratch"
_VERSION = re.compile(r"\b(\d+)(?:\.\d+|devel|beta\d+|rc\d+)")
_SERVER = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_wal_size=4GB")


@dataclass(frozen=True)
class Target:
    """A database in libpq's words, its password in a file that only root reads."""

    address: Address
    passfile: Path

    def variables(self) -> dict[str, str]:
        names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE", "sslmode": "PGSSLMODE"}
        words = {**self.address.keywords()}
        found = {variable: words[word] for word, variable in names.items() if word in words}
        if "sslrootcert" in words:
            found["PGSSLROOTCERT"] = words["sslrootcert"]
        return found


@contextmanager
def target(address: Address) -> Iterator[Target]:
    """For as long as commands need it."""
    with tempfile.TemporaryDirectory(prefix="morpheus-deploy-", dir="/run" if os.access("/run", os.W_OK) else None) as directory:
        path = Path(directory, "passfile")
        path.touch(mode=0o600)
        password = address.password.replace("\\", "\\\\").replace(":", "\\:")
        with told(path):
            path.write_text(f"*:*:*:*:{password}\n")
        yield Target(address, path)


@dataclass
class Scratch:
    """A server that nobody else reaches, with one empty database. ``wrap``: a command as it is run beside the server."""

    wrap: Callable[[str, Sequence[str]], list[str]]

    def command(self, program: str, *arguments: str) -> list[str]:
        return self.wrap(program, ["--username=postgres", f"--dbname={_DATABASE}", *arguments])

    def run(self, sql: str, what: str) -> list[list[str]]:
        """Rows of what the last statement answers, as text; in one session, that ends with the first error."""
        command = self.command("psql", "--no-psqlrc", "--quiet", "--csv", "--tuples-only", "--set=ON_ERROR_STOP=1", "--file=-")
        done = subprocess.run(command, input=sql.encode(), capture_output=True, check=False, env=flow.clean_environment())
        if done.returncode:
            raise DeployError(f"{what}: {said.ending(rows.without(done.stderr.decode(errors='replace')), 2000)}")
        return list(csv.reader(io.StringIO(done.stdout.decode())))


@dataclass(frozen=True)
class Installed:
    """Programs of ``directory``, such as /usr/lib/postgresql/17/bin of Debian's packages.

    ``user``: whom a server of its own runs as, and with it what a dump's functions start: one to whom nothing belongs.
    """

    directory: Path
    user: str = "nobody"

    def command(self, program: str, *arguments: str, target: Target | None = None) -> list[str]:
        return [str(self.directory / program), *arguments]

    def environment(self, target: Target | None) -> dict[str, str]:
        return {**target.variables(), "PGPASSFILE": str(target.passfile)} if target else {}

    @contextmanager
    def scratch(self) -> Iterator[Scratch]:
        prefix = self._as_user()
        with tempfile.TemporaryDirectory(prefix="morpheus-deploy-scratch-") as directory:
            data = Path(directory, "data")
            data.mkdir(mode=0o700)
            if prefix:
                for path in (data.parent, data):
                    shutil.chown(path, self.user)

            def wrap(program: str, arguments: Sequence[str]) -> list[str]:
                return [*prefix, str(self.directory / program), f"--host={directory}", *arguments]

            self._do(prefix, "initdb", f"--pgdata={data}", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
            words = (f"unix_socket_directories={directory}", "listen_addresses=", *_SERVER)
            options = " ".join(f"-c {word}" for word in words)
            control = (f"--pgdata={data}", "--wait", f"--timeout={START_SECONDS:.0f}")
            self._do(prefix, "pg_ctl", *control, f"--log={directory}/log", f"--options={options}", "start")
            try:
                self._do([], "createdb", f"--host={directory}", "--username=postgres", _DATABASE)
                yield Scratch(wrap)
            finally:
                self._do(prefix, "pg_ctl", *control, "--mode=immediate", "stop")

    def _as_user(self) -> list[str]:
        """Postgres refuses to run as root."""
        if os.geteuid() != 0:
            return []
        try:
            user = pwd.getpwnam(self.user)
        except KeyError:
            raise DeployError(f'backup.programs: there is no user "{self.user}" on this host to run a server as') from None
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--no-new-privs"]

    def _do(self, prefix: Sequence[str], program: str, *arguments: str) -> None:
        # Its server keeps what it inherits open, so what is said goes to a file and not to a pipe that would never end.
        with tempfile.TemporaryFile() as words:
            command = [*prefix, str(self.directory / program), *arguments]
            done = subprocess.run(
                command, check=False, cwd="/", stdout=words, stderr=words, stdin=subprocess.DEVNULL, env=flow.clean_environment()
            )
            words.seek(0)
            if done.returncode:
                said = " ".join(words.read().decode(errors="replace").split())
                raise DeployError(
                    f"no server could be started to look at the backup: {program} ended with {done.returncode}: {said}"
                )


@dataclass(frozen=True)
class Image:
    """Programs of an image with the interface of the official ``postgres``."""

    name: str
    clock: Clock = field(default_factory=SystemClock)

    def command(self, program: str, *arguments: str, target: Target | None = None) -> list[str]:
        # As a root that may do nothing but read the file that is its own.
        options = ["--rm", "--interactive", "--user=0:0", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only"]
        options += [f"--label={LABEL}", "--pull=missing", f"--entrypoint={program}"]
        if target:
            # As the host reaches it: containers have a packet filter of their own.
            options += ["--network=host", f"--mount=type=bind,source={target.passfile},destination=/passfile,readonly"]
            options += [f"--env={name}={value}" for name, value in target.variables().items()]
            options += ["--env=PGPASSFILE=/passfile"]
            certificate = target.variables().get("PGSSLROOTCERT", "")
            if certificate.startswith("/"):
                options += [f"--mount=type=bind,source={certificate},destination={certificate},readonly"]
        else:
            options += ["--network=none"]
        return ["docker", "run", *options, self.name, *arguments]

    def environment(self, target: Target | None) -> dict[str, str]:
        return {}

    @contextmanager
    def scratch(self) -> Iterator[Scratch]:
        name = f"morpheus-deploy-scratch-{uuid.uuid4().hex[:12]}"
        server = [f"-c{word}" for word in _SERVER]
        given = ("--env=POSTGRES_HOST_AUTH_METHOD=trust", f"--env=POSTGRES_DB={_DATABASE}")
        command = ["docker", "run", "--detach", "--rm", f"--name={name}", f"--label={LABEL}", "--network=none", "--pull=missing"]
        _docker([*command, *given, self.name, *server])
        try:
            self._await(name)

            def wrap(program: str, arguments: Sequence[str]) -> list[str]:
                return ["docker", "exec", "--interactive", name, program, *arguments]

            yield Scratch(wrap)
        finally:
            with suppress(DeployError):
                _docker(["docker", "rm", "--force", "--volumes", name])

    def _await(self, name: str) -> None:
        """While an image initialises its data, its server listens on no address."""
        deadline = self.clock.now() + START_SECONDS
        ready = ["docker", "exec", name, "pg_isready", "--quiet", "--host=127.0.0.1", "--username=postgres"]
        while subprocess.run(ready, capture_output=True, check=False).returncode:
            if self.clock.now() >= deadline:
                raise DeployError(f"{self.name}: its server did not begin within {START_SECONDS:g} s to look at the backup")
            self.clock.sleep(_POLL_SECONDS)

    def sweep(self) -> None:
        """Remove what a killed run has left: nobody else may be at work."""
        left = _docker(["docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL}"]).split()
        if left:
            _docker(["docker", "rm", "--force", "--volumes", *left])


def _docker(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, check=False, text=True)
    except FileNotFoundError:
        raise DeployError(
            "docker is not installed on this host; playbooks/provision.yml for this inventory installs it"
        ) from None
    if done.returncode:
        raise DeployError(f"{' '.join(command[:2])} ended with {done.returncode}: {' '.join(done.stderr.split())}")
    return done.stdout


def tools(image: str, programs: str) -> Installed | Image:
    return Installed(Path(programs)) if programs else Image(image)


def refuse_other(found: Installed | Image, server: int) -> str:
    """The version of the programs. Raises DeployError when it is not ``server``, a major version: an older
    ``pg_dump`` refuses to read it, and what a newer ``pg_restore`` says it does not understand.
    """
    command = found.command("pg_dump", "--version")
    with flow.programs() as at_work:
        program = at_work.start(command, stdin=subprocess.DEVNULL)
        text = program.output.read().decode()
        at_work.finish()
    match = _VERSION.search(text)
    if not match or int(match[1]) != server:
        what, place = (found.name, "backup.image") if isinstance(found, Image) else (str(found.directory), "backup.programs")
        raise DeployError(
            f"{place}: pg_dump of {what} is version {match[1] if match else '?'}, and the server is version {server}. Name "
            f"one of version {server}: an older one cannot read it, and what a newer one restores it does not understand"
        )
    return match[1]
