"""Who may get in and become root, from files as a host has them."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import access

BLOB = base64.b64encode(b"a key of nobody" * 3).decode()
SHA = base64.b64encode(hashlib.sha256(b"a key of nobody" * 3).digest()).decode().rstrip("=")
FILES = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/bash\n"
        "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
        "deploy:x:4000:4000::/home/deploy:/bin/bash\n"
        "broken line\n"
    ),
    "etc/shadow": "root:*:1::::::\ndaemon:*:1::::::\ndeploy:!:1::::::\n",
    "etc/group": "root:x:0:\nsudo:x:27:deploy\ndocker:x:102:\nshop:x:4000:\n",
    "etc/sudoers": "Defaults env_reset # why\n# a comment\nroot ALL=(ALL:ALL)   ALL\n#includedir /etc/sudoers.d\n",
    "etc/sudoers.d/deploy": "deploy ALL=(ALL) \\\n  NOPASSWD: ALL\n",
    "etc/sudoers.d/old.disabled": "ben ALL=(ALL) ALL\n",
    "etc/ssh/sshd_config": "# PermitRootLogin yes\nPermitRootLogin no\nX11Forwarding no\n",
    "home/deploy/.ssh/authorized_keys": f"# laptop\nssh-ed25519 {BLOB} anna@laptop\n\n",
}
CLEAN = {
    "account-root": ["root"],
    "account-login": ["deploy: uid 4000, /bin/bash, password locked", "root: uid 0, /bin/bash, password locked"],
    "account-group": ["deploy in sudo"],
    "account-key": [f"deploy: ssh-ed25519 SHA256:{SHA} in /home/deploy/.ssh/authorized_keys"],
    "account-sudo": [
        "/etc/sudoers.d/deploy: deploy ALL=(ALL) NOPASSWD: ALL",
        "/etc/sudoers: #includedir /etc/sudoers.d",
        "/etc/sudoers: Defaults env_reset",
        "/etc/sudoers: root ALL=(ALL:ALL) ALL",
    ],
    "account-sshd": ["/etc/ssh/sshd_config: PermitRootLogin no"],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def entries(root: Path) -> dict[str, list[str]]:
    return {kind: sorted(found) for kind, found in access.look(root).items()}


def test_a_host_says_who_may_get_in(root: Path) -> None:
    assert entries(root) == CLEAN
    assert list(access.look(root)["account-key"].values()) == ["anna@laptop"]


KEYS2, NOBODYS = "root/.ssh/authorized_keys2", "usr/sbin/.ssh/authorized_keys"
EVE = "eve ALL=(ALL) NOPASSWD: /bin/sh"


@pytest.mark.parametrize(
    ("file", "line", "kind", "entry"),
    [
        ("etc/passwd", "toor:x:0:0::/root:/usr/sbin/nologin", "account-root", "toor"),
        ("etc/passwd", "eve::4001:4001::/home/eve:", "account-login", "eve: uid 4001, /bin/sh, password empty"),
        ("etc/group", "lxd:x:110:eve", "account-group", "eve in lxd"),
        ("etc/sudoers.d/eve", EVE, "account-sudo", f"/etc/sudoers.d/eve: {EVE}"),
        ("etc/sudoers", "#1001 ALL=(ALL) ALL", "account-sudo", "/etc/sudoers: #1001 ALL=(ALL) ALL"),
        ("etc/ssh/sshd_config.d/x.conf", "usepam=no", "account-sshd", "/etc/ssh/sshd_config.d/x.conf: usepam no"),
        (KEYS2, f"ssh-rsa {BLOB}", "account-key", f"root: ssh-rsa SHA256:{SHA} in /{KEYS2}"),
        # Of an account without a shell, too: it may still forward ports.
        (NOBODYS, f"ssh-rsa {BLOB}", "account-key", f"daemon: ssh-rsa SHA256:{SHA} in /{NOBODYS}"),
    ],
)
def test_what_is_added_is_one_entry_more(root: Path, file: str, line: str, kind: str, entry: str) -> None:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text() if path.exists() else ""
    path.write_text(f"{before}{line}\n")
    assert entry in set(entries(root)[kind]) - set(CLEAN[kind])


def test_keys_are_looked_for_where_sshd_looks_for_them(root: Path) -> None:
    (root / "etc/ssh/sshd_config").write_text("AuthorizedKeysFile /etc/keys/%u .keys\n")
    for name in ("etc/keys/deploy", "home/deploy/.keys"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"ssh-rsa {BLOB}\n")
    found = [one.rpartition(" in ")[2] for one in entries(root)["account-key"]]
    assert found == ["/home/deploy/.ssh/authorized_keys", "/etc/keys/deploy", "/home/deploy/.keys"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"ssh-ed25519 {BLOB} anna@laptop", (f"ssh-ed25519 SHA256:{SHA}", "anna@laptop")),
        (f"sk-ssh-ed25519@openssh.com {BLOB}", (f"sk-ssh-ed25519@openssh.com SHA256:{SHA}", "")),
        ("ssh-ed25519 AAA", ("a line that is not a key (c6fde8b2)", "")),
        ("nonsense", ("a line that is not a key (b1e9cd93)", "")),
    ],
)
def test_a_key_is_told_as_ssh_tells_it(line: str, said: tuple[str, str]) -> None:
    assert access.key_line(line)[1] == said[1]
    assert access.key_line(line)[0].partition(" (")[0] == said[0].partition(" (")[0]


def test_options_of_a_key_are_named_and_their_values_are_not() -> None:
    one, _ = access.key_line(f'command="curl -H canary",no-pty ssh-rsa {BLOB} x')
    other, _ = access.key_line(f'command="something else",no-pty ssh-rsa {BLOB} x')
    assert one.startswith(f"ssh-rsa SHA256:{SHA} with command, no-pty (")
    assert "canary" not in one
    assert one != other
    # Nobody finds another command with the same digits.
    assert re.search(r"\([0-9a-f]{32}\)\Z", one)


def test_what_would_steer_a_terminal_is_shown_as_a_question_mark(root: Path) -> None:
    (root / "etc/sudoers.d/eve").write_text("eve ALL=(ALL)\x1b[2K ALL\n")
    assert "/etc/sudoers.d/eve: eve ALL=(ALL)?[2K ALL" in entries(root)["account-sudo"]


def test_a_file_that_is_too_long_says_so_in_an_entry(root: Path) -> None:
    (root / "home/deploy/.ssh/authorized_keys").write_text("#" * (1 << 20) + f"\nssh-rsa {BLOB}\n")
    [found] = entries(root)["account-key"]
    assert found.startswith("deploy: a line that is not a key (")
