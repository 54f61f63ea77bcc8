# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One order of a certificate, from the account to the chain. Whoever calls says how a module and a program are run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.acme.options import DNS

HOOK_SECONDS = 300.0
# Module of community.crypto, and its options -> its result.
Ask = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
# A program with arguments, what it reads, and its time -> what it printed.
RunProgram = Callable[[list[str], str, float], str]


class Order:
    """``arguments``: those of the module acme_certificate."""

    def __init__(self, arguments: Mapping[str, Any], ask: Ask, run: RunProgram) -> None:
        self._arguments = arguments
        self._ask_module = ask
        self._run = run
        self._challenge = str(arguments.get("challenge") or "http-01")

    def chain(self, csr: str) -> str:
        """The certificate that was issued for ``csr`` and those that signed it, in PEM. DeployError in the authority's words."""
        self._ask("acme_account", state="present", terms_agreed=True, contact=[f"mailto:{self._arguments['email']}"])
        order = self._ask("acme_certificate_order_create", csr_content=csr)
        uri = order["order_uri"]
        # The first call only begins it; the second one waits until the authority has looked.
        with self._records(order.get("challenge_data_dns") or {}):
            try:
                self._ask("acme_certificate_order_validate", order_uri=uri, challenge=self._challenge)
                signed = self._ask("acme_certificate_order_finalize", order_uri=uri, csr_content=csr)
            except DeployError as exc:
                raise DeployError(self._reasons(uri) or str(exc)) from None
        return str(signed["selected_chain"]["full_chain"]).rstrip("\n") + "\n"

    def _ask(self, module: str, **more: Any) -> Mapping[str, Any]:
        common = {
            "acme_directory": self._arguments["directory"],
            "acme_version": 2,
            "account_key_content": self._arguments["account_key"],
            "select_crypto_backend": "cryptography",
            "request_timeout": 30,
        }
        answer = self._ask_module(f"community.crypto.{module}", {**common, **more})
        if answer.get("failed"):
            raise DeployError(str(answer.get("msg") or f"{module} of community.crypto failed without a word"))
        return answer

    def _reasons(self, uri: str) -> str:
        """What the authority met at each name that it refused. The modules only sometimes say it."""
        try:
            found = self._ask("acme_certificate_order_info", order_uri=uri).get("authorizations_by_identifier") or {}
        except DeployError:
            return ""
        errors = [
            (name.removeprefix("dns:"), challenge["error"])
            for name, authorization in sorted(found.items())
            for challenge in authorization.get("challenges") or []
            if challenge.get("error")
        ]
        return "; ".join(f"{name}: {error.get('detail')} ({error.get('type')})" for name, error in errors)

    @contextmanager
    def _records(self, wanted: Mapping[str, Sequence[str]]) -> Iterator[None]:
        """TXT records, there while the authority looks. One that cannot be removed does no harm and stops nobody."""
        if self._challenge != DNS:
            yield
            return
        made = []
        try:
            for record, values in sorted(wanted.items()):
                for value in values:
                    made.append((record, value))
                    self._call("present", record, value)
            yield
        finally:
            for record, value in made:
                with suppress(DeployError):
                    self._call("remove", record, value)

    def _call(self, action: str, record: str, value: str) -> None:
        line = {"action": action, "environment": self._arguments["environment"], "record": record, "value": value}
        self._run(list(self._arguments["dns_hook"]), json.dumps(line) + "\n", HOOK_SECONDS)
