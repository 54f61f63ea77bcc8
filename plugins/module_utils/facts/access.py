# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may get into a host and become root on it, as entries that can be compared with those of another day.

An entry is one line for people, under the id of the audit's rule that it is judged by. Beside it stands what is not compared with
other entries: the comment of a key, the hash of a program. Holds no hash of a password and no value of an option.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

Entries = dict[str, dict[str, str]]

ROOT_ACCOUNT, LOGIN, GROUP, KEY = "account-root", "account-login", "account-group", "account-key"
SUDO, SSHD, SETUID = "account-sudo", "account-sshd", "file-setuid"
AUTOSTART, OPEN = "file-autostart", "file-open"
KINDS = (ROOT_ACCOUNT, LOGIN, GROUP, KEY, SUDO, SSHD, SETUID, AUTOSTART, OPEN)

NO_LOGIN = ("nologin", "false", "sync")
# Whoever is in one of them is root, or reads what root reads.
_GROUPS = (
    *("adm", "admin", "disk", "docker", "kmem", "kvm", "libvirt", "lxd", "root", "shadow", "staff", "sudo", "systemd-journal"),
    "wheel",
)
# Of sshd's settings, those that say who gets in and how.
# sshd's settings that say nothing of who gets in, and as what; every other one counts, one that is not known here too.
_HARMLESS = (
    *("addressfamily", "banner", "channeltimeout", "ciphers", "clientalivecountmax", "clientaliveinterval", "compression"),
    *("debianbanner", "fingerprinthash", "gssapicleanupcredentials", "hostkeyalgorithms", "ipqos", "kexalgorithms"),
    *("listenaddress", "logingracetime", "loglevel", "macs", "maxauthtries", "maxsessions", "maxstartups", "modulifile"),
    *("persourcemaxstartups", "persourcenetblocksize", "pidfile", "printlastlog", "printmotd", "rekeylimit", "requiredrsasize"),
    *("syslogfacility", "tcpkeepalive", "unusedconnectiontimeout", "usedns", "versionaddendum"),
    *("x11displayoffset", "x11forwarding", "x11uselocalhost"),
)
# As Debian has them.
_HARMLESS_LINES = (
    *("acceptenv lang lc_*", "acceptenv lang lc_* colorterm no_color"),
    *("subsystem sftp /usr/lib/openssh/sftp-server", "subsystem sftp internal-sftp"),
)
_SSHD_CONFIG, _SSHD_MORE = "etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf"
_SSHD_FILES = 100
_DEFAULT_KEY_FILES = (".ssh/authorized_keys", ".ssh/authorized_keys2")
_KEY = re.compile(r"(?:^|\s)(?P<type>(?:sk-)?(?:ssh|ecdsa)-[A-Za-z0-9@.-]+)\s+(?P<blob>[A-Za-z0-9+/]+=*)(?:\s+(?P<comment>.*))?$")
_ASSIGNED = re.compile(r"^(\s*[A-Za-z0-9]+)\s*=")
_OPTION = re.compile(r'([A-Za-z0-9-]+)(?:="(?:\\.|[^"\\])*")?,?')
_READ_AT_MOST = 1 << 20
# Whoever may choose words finds others with the same 8 digits in seconds.
_DIGITS = 32


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int
    home: str
    shell: str
    # "set", "locked" or "empty".
    password: str

    @property
    def can_log_in(self) -> bool:
        return self.shell.rpartition("/")[2] not in NO_LOGIN


def look(root: Path = Path("/")) -> Entries:
    """What the host says now; files aside, which need a walk (walk.py, autostart.py)."""
    passwd, group = text(root / "etc/passwd"), text(root / "etc/group")
    accounts = list(parse_accounts(passwd, text(root / "etc/shadow")))
    settings = sshd_settings(root)
    found = {
        ROOT_ACCOUNT: {one.name: "" for one in accounts if one.uid == 0},
        LOGIN: {_login(one): "" for one in accounts if one.can_log_in},
        GROUP: {f"{name} in {member_of}": "" for member_of, name in members(accounts, group) if name != "root"},
        KEY: dict(_keys(root, accounts, settings)),
        SUDO: {f"{path}: {rule}": "" for path, rule in sudo_rules(sudoers(root))},
        SSHD: {f"{path}: {line}": "" for path, line in settings},
    }
    return {kind: {printable(entry): printable(beside) for entry, beside in entries.items()} for kind, entries in found.items()}


def _login(one: Account) -> str:
    return f"{one.name}: uid {one.uid}, {one.shell or '/bin/sh'}, password {one.password}"


def parse_accounts(passwd: str, shadow: str) -> Iterator[Account]:
    hashes = {fields[0]: fields[1] for fields in (line.split(":") for line in shadow.splitlines()) if len(fields) > 1}
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) == 7 and fields[2].isdecimal() and fields[3].isdecimal():
            name, given, uid, gid, _, home, shell = fields
            hashed = hashes.get(name, "!") if given == "x" else given
            yield Account(name, int(uid), int(gid), home, shell, _password(hashed))


def _password(hashed: str) -> str:
    if not hashed:
        return "empty"
    return "locked" if hashed[0] in "!*" else "set"


def members(accounts: Iterable[Account], group: str) -> Iterator[tuple[str, str]]:
    """(group, account) for each group that is as good as root; a primary group makes a member, too."""
    known = list(accounts)
    for line in group.splitlines():
        fields = line.split(":")
        if len(fields) == 4 and fields[0] in _GROUPS:
            primary = {one.name for one in known if str(one.gid) == fields[2]}
            yield from ((fields[0], name) for name in sorted({*filter(None, fields[3].split(",")), *primary}))


def sudoers(root: Path = Path("/")) -> dict[str, str]:
    """The files that sudo reads -> what stands in them. Those that @include names elsewhere show by the line itself."""
    folder = root / "etc/sudoers.d"
    names = sorted(folder.iterdir()) if folder.is_dir() else []
    # sudo passes over the others.
    read = [path for path in names if "." not in path.name and not path.name.endswith("~") and path.is_file()]
    return {shown(root, path): text(path) for path in (root / "etc/sudoers", *read) if path.is_file()}


def sudo_rules(texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(path, line) of everything that sudo follows, continued lines as one."""
    for path, content in texts.items():
        for line in re.sub(r"\\\n", " ", content).splitlines():
            # "#include" and "#1000" are no comments.
            words = re.sub(r"(^|\s)#(?!includ|\d).*", "", line).split()
            if words:
                yield path, " ".join(words)


def sshd_settings(root: Path = Path("/")) -> list[tuple[str, str]]:
    """(path, line) of sshd's settings that say who gets in, those of files that it includes too."""
    found = []
    waiting = [root / _SSHD_CONFIG, *_included(root, _SSHD_MORE)]
    for path in waiting:
        match = ""
        for words in filter(None, map(_words, text(path).split("\n"))):
            keyword, line = words[0].strip('"').lower(), " ".join(words)
            if keyword == "match":
                match = "" if [one.lower() for one in words[1:]] == ["all"] else line
            if keyword == "include":
                more = [one for pattern in words[1:] for one in _included(root, pattern.strip('"'))]
                waiting += [one for one in more if one not in waiting][: _SSHD_FILES - len(waiting)]
            if keyword not in _HARMLESS and line.lower() not in _HARMLESS_LINES:
                found.append((shown(root, path), f"{line} (in {match})" if match and keyword != "match" else line))
    return found


def _words(line: str) -> list[str]:
    words = [] if line.lstrip().startswith("#") else _ASSIGNED.sub(r"\1 ", line, count=1).split()
    if words and words[0].strip('"').lower() == "setenv":
        # Its values may be secrets.
        return [words[0], *(f"{one.partition('=')[0]}=..." for one in words[1:]), f"({_short(line.strip())})"]
    return words


def _included(root: Path, pattern: str) -> list[Path]:
    """Files of a line of Include; what is no absolute path is one below /etc/ssh."""
    below = pattern.lstrip("/") if pattern.startswith("/") else f"etc/ssh/{pattern}"
    with suppress(ValueError, NotImplementedError):
        return sorted(root.glob(below))
    return []


def _keys(root: Path, accounts: Iterable[Account], settings: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Each key that opens an account, whatever its shell -> its comment."""
    said = [line.partition(" (in ")[0].split() for _, line in settings]
    named = [words[1:] for words in said if words[0].strip('"').lower() == "authorizedkeysfile"]
    patterns = {*_DEFAULT_KEY_FILES, *(one.strip('"') for words in named for one in words if one != "none")}
    for account in accounts:
        for pattern in sorted(patterns):
            path = _key_file(root, account, pattern)
            for line in text(path).splitlines():
                if line.strip() and not line.lstrip().startswith("#"):
                    described, comment = key_line(line.strip())
                    yield f"{account.name}: {described} in {shown(root, path)}", comment


def _key_file(root: Path, account: Account, pattern: str) -> Path:
    tokens = {"%%": "%", "%h": account.home, "%u": account.name, "%U": str(account.uid)}
    path = re.sub(r"%[%huU]", lambda found: tokens[found[0]], pattern)
    return root / (path if path.startswith("/") else f"{account.home}/{path}").lstrip("/")


def key_line(line: str) -> tuple[str, str]:
    """A line of authorized_keys -> what tells it from others, as ssh-keygen -l shows it, and its comment."""
    found = _KEY.search(line)
    if not found:
        return f"a line that is not a key ({_short(line)})", ""
    try:
        digest = hashlib.sha256(base64.b64decode(found["blob"], validate=True)).digest()
    except binascii.Error:
        return f"a line that is not a key ({_short(line)})", ""
    shown_digest = base64.b64encode(digest).decode().rstrip("=")
    options = line[: found.start()].strip()
    # Their values are commands and may be anything.
    names = sorted(set(_OPTION.findall(options)))
    said = f" with {', '.join(names)} ({_short(options)})" if options else ""
    return f"{found['type']} SHA256:{shown_digest}{said}", (found["comment"] or "").strip()


def _short(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()[:_DIGITS]


def shown(root: Path, path: Path) -> str:
    """``path`` as the host itself has it."""
    return f"/{path.relative_to(root)}"


def text(path: Path) -> str:
    """Empty where there is no such file, or none that can be read. One that is too long says so in a line of its own."""
    with suppress(OSError):
        if path.is_file():
            with path.open(errors="replace") as stream:
                found = stream.read(_READ_AT_MOST + 1)
            return found if len(found) <= _READ_AT_MOST else f"{found[:_READ_AT_MOST]}\n(too long, not read to its end)\n"
    return ""


def printable(words: str) -> str:
    """What a terminal does not obey."""
    return "".join(one if one.isprintable() else "?" for one in words)
