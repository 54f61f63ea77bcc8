# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit looks for, and a finding of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import cis_controls

HIGH, MEDIUM, LOW, ACCEPTED, PASSED = "high", "medium", "low", "accepted", "passed"
LEVELS = (HIGH, MEDIUM, LOW, ACCEPTED, PASSED)
EDGE = "edge"

# id -> what is required
RULES: Mapping[str, str] = {
    "host-not-audited": "every host of the environment answers, with all that is asked",
    "host-identity": "the host was claimed for this environment and for no other",
    "database-project": "the database's credentials name the project that the inventory declares",
    "proof-reached": "no connection to what audit_must_not_reach names can be opened",
    "proof-void": "what audit_must_reach names is reached from the same place, so that a failed connection proves something",
    "proof-absent": "the inventory names what must not be reached (audit_must_not_reach), and it was tried",
    "key-undeclared": "a replica gets no variable and no file that the release does not give it",
    "key-missing": "a replica gets every variable and file that the release gives it",
    "secret-shared": "no secret has a value that another environment has too",
    "secret-unrecorded": "every secret has its fingerprint in inventories/<environment>/fingerprints.json",
    "secret-old": "no secret is older than audit_secret_max_age_days",
    "secret-readable": "the file's owner alone may read it (mode 0600 or less)",
    "secret-owner": "secrets belong to root, or to a user that nobody can log in as",
    "secret-leftover": "no copy of a secret is left anywhere but in its own file",
    "secret-unsearched": "every file that could hold a copy of a secret was read",
    "file-writable": f"nothing below {ROOT} can be changed by anybody but its owner",
    "account-docker": "nobody is in the group docker, which is root without a password and without a trace",
    "engine-socket": "the engine's socket belongs to root, and nobody else can write to it but the group docker",
    "baseline-missing": "playbooks/claim.yml has recorded who may get into the host and become root on it",
    "baseline-changed": "the baseline on the host is the one whose fingerprint the repository has",
    "account-root": "no account has the uid 0 but root and those of the baseline",
    "account-login": "no account can log in but those of the baseline",
    "account-group": "nobody is in a group that is as good as root but those of the baseline",
    "account-key": "no key opens an account but those of the baseline",
    "account-sudo": "sudo has no rule but those of the baseline",
    "account-sshd": "sshd has no setting of who gets in but those of the baseline",
    "file-setuid": "no program gives another user's rights but those of the baseline, each as it was or as its package has it",
    "file-autostart": "nothing runs as root by itself or at a login but what packages brought and what the baseline has",
    "file-open": "nobody but root may change what root runs and obeys, but for what the baseline has",
    "container-unknown": "every container, whatever its state, belongs to a stack of this collection or to its edge",
    "hardening-exempt": "a service asks nothing of its host that stack.hardening has to admit, and is given all that hardens it",
    "hardening-unused": "every exemption in stack.hardening admits something that the live release asks for",
    "hardening-refused": "the live release asks nothing of its host that would be refused today",
    "egress-filter": "hosts keep containers away from SSH of the hosts, metadata of the cloud and metrics of the edge",
    "egress-admitted": "stack.egress lets no stack through to what hosts keep containers away from",
    "port-open": "what listens beyond loopback is in audit_allowed_ports",
    "tls-expiry": "the certificate is valid for 30 days and more",
    "tls-name": "the certificate carries the name of the site",
    "tls-protocol": "TLS 1.2 or 1.3 is spoken, and nothing older",
    "tls-unanswered": "the edge answers for each certificate with TLS",
    "ml-endpoint": "serverless endpoints at RunPod are as ml.endpoints declares them, as far as the vault's password is here",
    "supabase-drift": "the Supabase project has the settings and buckets that the inventory declares",
    "supabase-token-wide": "the Management API's token reaches the environment's own project and nothing else",
    "supabase-open": "the database of the Supabase project lets in declared addresses alone",
    "supabase-accepted": "other environments' Supabase projects refuse this one's addresses and tokens",
    "supabase-unproved": "the own project accepts what others refuse, so that a refusal proves something",
    "supabase-unasked": "the Management API says how the declared Supabase project is set",
    "certificate-left": "no certificate and key lies on the host that the inventory does not name",
}


@dataclass(frozen=True)
class Finding:
    """``id`` never changes its meaning; ``where`` is a host and perhaps what on it."""

    id: str
    level: str
    host: str
    subject: str
    seen: str
    mend: str = ""

    @property
    def required(self) -> str:
        return RULES.get(self.id) or cis_controls.CONTROLS[self.id.removeprefix("cis-")].title


@dataclass(frozen=True)
class Check:
    """What a rule looked at. An id for which nothing was found has passed."""

    ids: Sequence[str]
    seen: str
    findings: Sequence[Finding] = ()


@dataclass(frozen=True)
class Settings:
    """``secrets``: file below secrets/ -> names, as the vault has them; None when it was not opened.

    ``baselines``: host -> fingerprint of its baseline and when it was recorded, as the repository has them. ``endpoints``: how
    serverless endpoints at RunPod differ from what is declared, in sentences.
    ``supabase``: what was seen of the Supabase project, empty without one.
    """

    environment: str
    stack: str
    now: datetime
    allowed_ports: Sequence[str] = ()
    secrets: Mapping[str, Sequence[str]] | None = None
    database: Mapping[str, Any] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    endpoints: Sequence[str] = ()
    supabase: Mapping[str, Any] = field(default_factory=dict)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def is_replica(container: Mapping[str, Any], stack: str) -> bool:
    """Whether it runs for users of the stack. Paused ones are asked by none, and are still what the release made."""
    return container["project"] == stack and not container["once"] and container["state"] in cis_controls.RUNNING
