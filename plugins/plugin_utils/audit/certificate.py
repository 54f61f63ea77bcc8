# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a certificate says of itself. Needs ``cryptography``, which the controller has from ansible-core."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Certificate:
    subject: str
    issuer: str
    names: tuple[str, ...]
    expires: datetime

    def is_for(self, site: str) -> bool:
        """Whether a browser that asks for ``site`` takes it; a star stands for one label."""
        wanted = site.lower()
        return any(wanted == name or (name.startswith("*.") and wanted.partition(".")[2] == name[2:]) for name in self.names)


def read(pem: str) -> Certificate:
    """Raises ValueError for what is no certificate."""
    # ansible-test imports every file with less than ansible-core brings.
    from cryptography import x509

    found = x509.load_pem_x509_certificate(pem.encode())
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = []
    return Certificate(
        subject=found.subject.rfc4514_string(),
        issuer=found.issuer.rfc4514_string(),
        names=tuple(name.lower() for name in names),
        expires=found.not_valid_after_utc,
    )
