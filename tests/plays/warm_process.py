"""The process that warm.py asks: it has read what every start of ansible-playbook reads, and forks for each run.

For each it gets a byte with a connection, its input, output and errors. By the connection it is told arguments, directory and
environment, in a line of JSON, and tells the process and at its end its exit status.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
from typing import Any

# By these comes nearly all that ansible-playbook imports; of Ansible what asks nobody for its configuration.
MODULES = (
    "ansible.config.manager",
    "cryptography.hazmat.backends.openssl.backend",
    "cryptography.hazmat.primitives.hmac",
    "cryptography.hazmat.primitives.kdf.pbkdf2",
    "cryptography.hazmat.primitives.padding",
    "ansible._internal._templating._access",
    "ansible._internal._templating._jinja_patches",
    "ansible._internal._ssh._ssh_agent",
    "ansible._internal._yaml._errors",
    "ansible._internal._errors._task_timeout",
    "ansible._internal._datatag._wrappers",
    "ansible._internal._display_utils",
    "ansible.context",
    "ansible.module_utils.common.process",
    "ansible.module_utils.common.sys_info",
    "ansible.parsing.splitter",
    "ansible.parsing.utils.addresses",
    "ansible.vars.hostvars",
    "jinja2.nativetypes",
    "jinja2.sandbox",
    "multiprocessing.queues",
    "packaging.specifiers",
    "curses",
    "difflib",
    "getpass",
    "pty",
    "secrets",
    "tarfile",
    "uuid",
)
# Has read the configuration as soon as it is imported.
CONFIGURED = "ansible.constants"


def main() -> None:
    for name in MODULES:
        importlib.import_module(name)
    assert CONFIGURED not in sys.modules
    # Nobody waits for those that wait for a run.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    asked = socket.socket(fileno=int(sys.argv[1]))
    while True:
        byte, given, _, _ = socket.recv_fds(asked, 1, 4)
        if not byte:
            return
        if os.fork() == 0:
            asked.close()
            _stand_by(*given)
            break
        for number in given:
            os.close(number)
    # In the process of the run, from here on as ansible-playbook is: it ends as any program does.
    from ansible.cli.playbook import main as playbook

    sys.exit(playbook())


def _stand_by(connection: int, *streams: int) -> None:
    """Come back as the process of the run; another one waits for its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with socket.socket(fileno=connection) as teller:
        with teller.makefile(encoding="utf-8") as lines:
            wanted = json.loads(lines.readline())
        process = os.fork()
        if process:
            for number in streams:
                os.close(number)
            teller.sendall(f"{process}\n".encode())
            _, status = os.waitpid(process, 0)
            teller.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os._exit(0)
    _become(wanted, streams)


def _become(wanted: dict[str, Any], streams: tuple[int, ...]) -> None:
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # A CI that was started by nohup would have the run ignore the end of its terminal.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    sys.argv = wanted["argv"]
    # "-m" has put the directory in which it was started there.
    sys.path[:1] = []


if __name__ == "__main__":
    main()
