# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service that failed was given to harden it, the lines that take away what its own words say is in its way, and what its
first start leaves behind. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose.hardening import GIVEN, GIVEN_KEYS, GIVEN_WORDS, Hardening
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

# In words of programs, of the C library and of the kernel. 126 and 127: the shell could not run it, or has not found it.
_SIGNS: Mapping[str, re.Pattern[str]] = {
    "read_only": re.compile(r"read-only file ?system|\bEROFS\b|(exited|ended) with code 12[67]\b", re.IGNORECASE),
    "cap_drop": re.compile(
        r"operation not permitted|\bEPERM\b|permission denied|\bEACCES\b|(exited|ended) with code 126\b"
        r"|(setuid|setgid|setgroups|initgroups|chown|setpriv|gosu|su-exec)\W.{0,80}(failed|not permitted|denied)",
        re.IGNORECASE,
    ),
    "no_new_privileges": re.compile(r"no new privileges|effective uid is not 0|must be setuid|sudo: .*nosuid", re.IGNORECASE),
    "pids_limit": re.compile(
        r"resource temporarily unavailable|\bEAGAIN\b|cannot fork|can't start new thread|unable to create .{0,20}thread"
        r"|pthread_create",
        re.IGNORECASE,
    ),
}
_PORT = re.compile(
    r"(bind|listen)\w*\W.{0,80}?:(?P<port>\d{1,4})\b.{0,60}(permission denied|EACCES|not permitted)"
    r"|(permission denied|EACCES)\W.{0,60}:(?P<other>\d{1,4})\b",
    re.IGNORECASE | re.DOTALL,
)
_PRIVILEGED_PORTS = 1024


def advice(stack: Stack, additions: Mapping[str, Mapping[str, Any]], service: str, said: str) -> str:
    """``additions``: service -> what hardens it beside what its files say; ``said``: why it failed, and its last log lines.

    Empty for a service that was given nothing.
    """
    given = [word for word in GIVEN if any(key in additions.get(service, {}) for key in GIVEN_KEYS[word])]
    rules = Hardening.of(stack)
    if not given or rules is None:
        return ""
    told = f"It ran with what every service is given: {', '.join(GIVEN_WORDS[word] for word in given)}."
    port = _low_port(said) if "cap_drop" in given else 0
    if port:
        return (
            f"{told} Port {port} is below {_PRIVILEGED_PORTS}, for which it lacks a capability. In the Compose file:\n"
            + _lines("services", service, "cap_add: [NET_BIND_SERVICE]")
        )
    blamed = [word for word in given if word in _SIGNS and _SIGNS[word].search(said)]
    if not blamed:
        return f"{told} docs/hardening.md says what to do where that is in its way."
    words = [*rules.exempt.get(service, ()), *blamed]
    return (
        f"{told} What it says fits {' and '.join(GIVEN_WORDS[word] for word in blamed)}. Narrower is better (cap_add, a tmpfs or "
        "a volume where it writes: docs/hardening.md); these lines exempt it:\n"
        + _lines("stack", "hardening", "exempt", f"{service}: [{', '.join(dict.fromkeys(words))}]")
    )


def begun(model: Mapping[str, Any], service: str) -> str:
    """What stays of a first start that failed; empty for a service that has no volume with a name.

    Entrypoints of databases make users and databases only in an empty directory, so the next start would be healthy without them.
    """
    volumes, mounts = model.get("volumes") or {}, (model["services"].get(service) or {}).get("volumes") or []
    sources = [one["source"] for one in mounts if one.get("type") == "volume" and one.get("source")]
    names = [str((volumes.get(source) or {}).get("name") or source) for source in dict.fromkeys(sources)]
    if not names:
        return ""
    shown = " ".join(names)
    return (
        f"No replica of it ran here before, and what this start has written stays in the volume {', '.join(names)}. A database "
        "that was made by halves there is not made anew: the next start finds it, and may look healthy without its users. If "
        f"nothing in it is needed, remove it on this host before the next deploy: sudo docker volume rm {shown}"
    )


def _low_port(said: str) -> int:
    for found in _PORT.finditer(said):
        port = int(found["port"] or found["other"])
        if 0 < port < _PRIVILEGED_PORTS:
            return port
    return 0


def _lines(*names: str) -> str:
    """One below the other, as YAML has it."""
    shown = [f"{'  ' * depth}{name}{'' if depth == len(names) - 1 else ':'}" for depth, name in enumerate(names)]
    return "\n".join(shown)
