"""A host that an audit finds nothing against, to be changed by tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.secrets.fingerprints import Fingerprints
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import finding
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import secrets as audit_secrets

from tests.unit import certificates

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
KEY = "f" * 32
_CERTIFICATE = certificates.make(["shop.example"], 90, NOW)[0]


def container(**more: Any) -> dict[str, Any]:
    found = {
        "name": "shop-api-1",
        "project": "shop",
        "service": "api",
        "once": False,
        "state": "running",
        "restart": "unless-stopped",
        "keys": ["DATABASE_URL", "LOG_LEVEL", "MODE", "PATH"],
        "image_keys": ["PATH"],
        "files": ["license"],
        "user": "1000",
        "read_only": True,
        "privileged": False,
        "added": [],
        "dropped": ["ALL"],
        "networks": ["edge", "shop_default"],
        "findings": [],
    }
    return {**found, **more}


ACCESS: dict[str, dict[str, str]] = {
    "account-root": {"root": ""},
    "account-login": {"root: uid 0, /bin/bash, password locked": "", "deploy: uid 1000, /bin/bash, password locked": ""},
    "account-group": {},
    "account-key": {"deploy: ssh-ed25519 SHA256:x in /home/deploy/.ssh/authorized_keys": "anna@laptop"},
    "account-sudo": {"/etc/sudoers.d/deploy: deploy ALL=(ALL) NOPASSWD: ALL": ""},
    "account-sshd": {"/etc/ssh/sshd_config: PermitRootLogin no": ""},
    "file-setuid": {"/usr/bin/su, mode 4755 of 0:0": "a" * 64},
    "file-autostart": {"/etc/cron.d/backup": "b" * 64},
    "file-open": {},
}
DIGEST = "d" * 64


def baseline(**more: Any) -> dict[str, Any]:
    found = {"environment": "staging", "recorded": "2026-01-02T00:00:00Z", "entries": ACCESS, "digest": DIGEST, "trouble": ""}
    return {**found, **more}


def access_with(kind: str, **entries: str) -> dict[str, dict[str, str]]:
    """ACCESS with more entries of one kind."""
    return {**ACCESS, kind: {**ACCESS[kind], **entries}}


def searched(**more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"files": 900, "values": 2, "short": [], "copies": [], "more": 0, "unread": [], "walked": 70_000}
    return {**found, "left_out": ["/var/lib/docker", "what packages brought"], **more}


def copied(**more: Any) -> dict[str, Any]:
    """A copy of a secret, as it is found."""
    return {"path": "/home/deploy/.env", "uid": 1000, "gid": 1000, "mode": 0o644, "open": True, "secrets": ["api.TOKEN"], **more}


def proof(wanted: str, outcome: str, place: str = "", name: str = "") -> dict[str, Any]:
    name = name or ("own database" if wanted == "open" else "production's database")
    host = "db.own.example" if wanted == "open" else "db.other.example"
    return {
        "from": place,
        "name": name,
        "host": host,
        "port": 5432,
        "wanted": wanted,
        "outcome": outcome,
        "detail": f"10.0.0.5 {outcome}",
    }


def proofs(*places: str, wanted: str = "connected", forbidden: str = "timed out") -> list[dict[str, Any]]:
    return [one for place in places for one in (proof("open", wanted, place), proof("closed", forbidden, place))]


def secret_file(**more: Any) -> dict[str, Any]:
    path = "/var/lib/morpheus.deploy/stacks/shop/secrets/api.env"
    return {"path": path, "kind": "secret", "uid": 0, "gid": 0, "mode": 0o600, **more}


def listening(port: int, **more: Any) -> dict[str, Any]:
    return {"protocol": "tcp", "address": "0.0.0.0", "port": port, "process": "sshd", "container": "", **more}


def served(**more: Any) -> dict[str, Any]:
    protocols = {"TLSv1.0": "refused", "TLSv1.1": "refused", "TLSv1.2": "accepted", "TLSv1.3": "accepted"}
    return {"site": "shop.example", "port": 443, "pem": _CERTIFICATE, "protocols": protocols, "trouble": "", **more}


def facts(**more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "identity": {"environment": "staging", "claimed": "2026-01-01T00:00:00Z"},
        "release": {"id": "1.0.0-abc", "release": "1.0.0", "environment": "staging"},
        "secrets": {"api.env": ["DATABASE_URL"], "license": []},
        "env_files": {"env/api.env": ["LOG_LEVEL"]},
        "services": [
            {
                "name": "api",
                "once": False,
                "env_files": ["env/api.env", "secrets/api.env"],
                "environment": ["MODE"],
                "files": [{"target": "license", "file": "secrets/license"}],
            }
        ],
        "containers": [container()],
        "engine": [],
        "images": [],
        "database": "",
        "stacks": ["shop"],
        "accounts": {
            "users": {"0": "root", "1000": "deploy"},
            "logins": ["deploy", "root"],
            "groups": {"0": "root", "4": "adm", "102": "docker"},
            "docker": [],
            "sudo": ["deploy"],
        },
        "egress": {"problems": [], "admitted": {}},
        "engine_sockets": [{"path": "/run/docker.sock", "uid": 0, "gid": 102, "mode": 0o660}],
        "access": ACCESS,
        "baseline": baseline(),
        "upgraded": [],
        "searched": searched(),
        "abandoned": [],
        "certificates_left": [],
        "count": 40,
        "files": [secret_file()],
        "sockets": [listening(22), listening(8405, address="127.0.0.1", process="docker-proxy")],
        "certificates": [served()],
        "proofs": proofs("", "api"),
        "trouble": [],
    }
    return {**found, **more}


def settings(**more: Any) -> finding.Settings:
    given: dict[str, Any] = {
        "environment": "staging",
        "stack": "shop",
        "now": NOW,
        "allowed_ports": ["22", "80", "443"],
        "database": {"secret": "api.DATABASE_URL", "project_ref": "stagingproj"},
        "baselines": {host: {"digest": DIGEST, "recorded": "2026-01-02T00:00:00Z"} for host in ("app-1", "app-2")},
    }
    return finding.Settings(**{**given, **more})


def fingerprints(environment: str, since: str = "2026-01-01", **secrets: str) -> Fingerprints:
    """``secrets``: name with a double underscore for the dot -> fingerprint."""
    entries = {name.replace("__", "."): {"fingerprint": value and value * 32, "since": since} for name, value in secrets.items()}
    return {"environment": environment, "key": KEY, "secrets": entries}  # type: ignore[typeddict-item]


def recorded(**more: Any) -> audit_secrets.Recorded:
    own = fingerprints("staging", api__DATABASE_URL="a", files__license="b")
    given: dict[str, Any] = {"own": own, "others": [fingerprints("production", api__DATABASE_URL="c")]}
    return audit_secrets.Recorded(**{**given, **more})


def bad(checks: list[finding.Check]) -> list[tuple[str, str, str]]:
    """(level, id, subject) of everything that was found."""
    return [(one.level, one.id, one.subject) for check in checks for one in check.findings]


def levels(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(one["level"], one["id"]) for one in report["findings"] if one["level"] not in ("passed", "accepted")]
