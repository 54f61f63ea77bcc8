#!/usr/bin/env python3
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A toy of ``docker``, as modules of backups call it: programs of an image are those that are installed here.

$TOY: where its containers are; $BIN: Postgres' programs; $RUNS_AS: who runs a server. What it is asked is written to $TOY/asked.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

TOY, BIN, RUNS_AS = Path(os.environ["TOY"]), Path(os.environ["BIN"]), os.environ.get("RUNS_AS", "")
VALUED = ("--name", "--env", "--label", "--mount", "--entrypoint", "--filter", "--network", "--pull", "--user")


def as_user(*command: object) -> None:
    words = [str(word) for word in command]
    subprocess.run(
        [*(["setpriv", f"--reuid={RUNS_AS}", "--clear-groups"] if RUNS_AS else []), *words], check=True, cwd="/", stdout=2
    )


def options(words: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    found: dict[str, list[str]] = {}
    while words and words[0].startswith("--"):
        name, _, value = words.pop(0).partition("=")
        found.setdefault(name, []).append(value if name not in VALUED or value else words.pop(0))
    return found, words


def server(name: str) -> None:
    data = TOY / "containers" / name
    data.mkdir(parents=True)
    if RUNS_AS:
        shutil.chown(data, RUNS_AS)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    as_user(BIN / "initdb", "--pgdata", data / "data", "--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8")
    line = f"-c port={port} -c unix_socket_directories={data} -c fsync=off"
    as_user(BIN / "pg_ctl", "--pgdata", data / "data", "--wait", "--log", data / "log", "--options", line, "start")
    (TOY / f"{name}.port").write_text(str(port))
    subprocess.run([BIN / "createdb", "--host", data, "--port", str(port), "--username=postgres", "scratch"], check=True)


def main(verb: str, words: list[str]) -> None:
    with (TOY / "asked").open("a") as stream:
        print(json.dumps([verb, *words]), file=stream)
    found, rest = options(words)
    if verb == "run" and "--detach" in found:
        server(found["--name"][0])
    elif verb == "run":
        given = dict(one.split("=", 1) for one in found.get("--env", []))
        mounts = [dict(part.split("=", 1) for part in one.split(",") if "=" in part) for one in found.get("--mount", [])]
        inside = {one["destination"]: one["source"] for one in mounts}
        given = {name: inside.get(value, value) for name, value in given.items()}
        program = BIN / found["--entrypoint"][0]
        os.execve(program, [str(program), *rest[1:]], {"PATH": os.environ["PATH"], **given})
    elif verb == "exec":
        name, called, *arguments = rest
        here = {"PGHOST": str(TOY / "containers" / name), "PGPORT": (TOY / f"{name}.port").read_text()}
        arguments = [one for one in arguments if not one.startswith("--host")]
        os.execve(BIN / called, [called, *arguments], {"PATH": os.environ["PATH"], **here})
    elif verb == "ps":
        print("\n".join(path.name for path in (TOY / "containers").glob("*")))
    elif verb == "rm":
        for name in rest:
            data = TOY / "containers" / name
            as_user(BIN / "pg_ctl", "--pgdata", data / "data", "--mode", "immediate", "stop")
            shutil.rmtree(data)


main(sys.argv[1], sys.argv[2:])
