# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program of its own that sends one message, so that nothing of a channel can hold up or break a run.

It reads one line of JSON, ends by itself when its time is over, and prints why the message was not sent: a sentence that repeats
neither the address nor anything of the answer but its status. Knows nothing but Python's own library.
"""

from __future__ import annotations

import json
import signal
import smtplib
import ssl
import sys
import urllib.error
import urllib.request
from email.message import EmailMessage
from typing import Any


class _Stays(urllib.request.HTTPRedirectHandler):
    """A message that is led elsewhere would arrive as a GET without its content."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def post(given: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json", "User-Agent": "morpheus.deploy"}
    headers |= {"Authorization": f"Bearer {given['token']}"} if given["token"] else {}
    request = urllib.request.Request(given["url"], given["body"].encode(), headers, method="POST")
    with urllib.request.build_opener(_Stays).open(request, timeout=given["timeout_seconds"]) as answer:
        answer.read(1)


def mail(given: dict[str, Any]) -> None:
    found = EmailMessage()
    found["Subject"], found["From"], found["To"] = given["subject"], given["sender"], ", ".join(given["recipients"])
    found.set_content(given["text"] + "\n")
    where, seconds = (given["server"], given["port"]), given["timeout_seconds"]
    context = ssl.create_default_context()
    is_implicit = given["tls"] == "implicit"
    server = smtplib.SMTP_SSL(*where, timeout=seconds, context=context) if is_implicit else smtplib.SMTP(*where, timeout=seconds)
    with server:
        if given["tls"] == "starttls":
            server.starttls(context=context)
        if given["username"]:
            server.login(given["username"], given["password"])
        server.send_message(found)


def why(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"it answered with status {error.code}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the server refused the login ({error.smtp_code})"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "the server refused every recipient"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "the server offers no TLS or no login"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the server answered with {error.smtp_code}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({reason.verify_message})"
    if isinstance(reason, TimeoutError):
        return "it did not answer in time"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror[:1].lower() + reason.strerror[1:]
    return type(reason).__name__


def main() -> int:
    given = json.loads(sys.stdin.readline())
    # It ends the program wherever that waits: also for a name server, and for an answer that comes byte by byte.
    signal.setitimer(signal.ITIMER_REAL, given["timeout_seconds"])
    try:
        (post if "url" in given else mail)(given)
    except Exception as exc:
        print(why(exc))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
