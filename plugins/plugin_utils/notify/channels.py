# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom an inventory wants told of its runs, and which programs it wants called: every problem in it, and what is sent. Pure.

Problems name keys and plain values, never a URL, a token or a password.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.morpheus.deploy.plugins.module_utils.base import schema
from ansible_collections.morpheus.deploy.plugins.plugin_utils.notify import events

KINDS = ("webhook", "slack", "email")
TLS = ("starttls", "implicit", "none")
HOOKS = ("before_deploy", "after_deploy", "on_failure", "after_rollback")
SECRETS = ("url", "token", "password")
# A run waits that long for all of its channels together.
LONGEST_SECONDS = 60
# Of a channel, by its kind: what it needs, and what else it may have.
_NEEDS = {"webhook": ("url",), "slack": ("url",), "email": ("server", "sender", "recipients")}
_MAY_HAVE = {"webhook": ("token",), "slack": (), "email": ("port", "tls", "username", "password")}
_OWN = ("url", "token", "server", "port", "tls", "username", "password", "sender", "recipients")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")
_MAIL = re.compile(r"[^@\s<>,;:\x00-\x1f]+@[^@\s<>,;:\x00-\x1f]+\Z")
_SUBJECT_CHARACTERS = 200
# How Slack wants what it would else take for its own.
_OF_SLACK = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Told:
    """``problems`` is empty exactly when channels and hooks can be used. ``hooks``: name -> command and timeout_seconds."""

    channels: Sequence[Options] = ()
    hooks: Mapping[str, Options] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 5.0
    problems: Sequence[str] = ()


def told(notifications: Any, hooks: Any, options: Options) -> Told:
    """``options``: as the role ``preflight`` specifies both."""
    shape: list[str] = []
    known = {name: options[name] for name in ("notifications", "hooks")}
    given = schema.typed({"notifications": notifications, "hooks": hooks}, known, "", shape)
    wanted, called = given["notifications"] or {}, given["hooks"] or {}
    channels = wanted.get("channels") or []
    programs = {name: hook for name, hook in called.items() if hook}
    found = [*_of_all(wanted)]
    for number, one in enumerate(channels):
        found += [f"notifications.channels[{number}].{problem}" for problem in _of_channel(channels[:number], one)]
    for name, hook in programs.items():
        found += [f"hooks.{name}.{problem}" for problem in _of_hook(hook)]
    seconds = wanted.get("timeout_seconds") or 0.0
    return Told(channels, programs, wanted.get("templates") or {}, seconds, schema.causes(shape, found))


def _of_all(given: Options) -> Iterator[str]:
    if not given:
        return
    seconds = given["timeout_seconds"]
    if seconds is not None and not 0 < seconds <= LONGEST_SECONDS:
        yield f"notifications.timeout_seconds: must be above 0 and at most {LONGEST_SECONDS}, because a run waits for it"
    if not given["channels"]:
        yield "notifications.channels: required; name at least one, or leave notifications out"
    for problem in events.template_problems(given["templates"] or {}):
        yield f"notifications.templates.{problem}"


def _of_channel(before: Sequence[Options], one: Options) -> Iterator[str]:
    name, kind = one["name"] or "", one["kind"] or ""
    earlier = [number for number, other in enumerate(before) if name and other["name"] == name]
    if earlier:
        yield f'name: "{name}" is already used by notifications.channels[{earlier[0]}]'
    elif name and not _NAME.match(name):
        yield f'name: "{name}" may hold only lower-case letters, digits, - and _'
    for event in one["events"] or []:
        if event not in events.EVENTS:
            yield f'events: "{event}" is no event; there is {", ".join(events.EVENTS)}'
    if not one["events"]:
        yield "events: names none, so nobody is ever told; leave it out for all, or take the channel out"
    yield from (f"templates.{problem}" for problem in events.template_problems(one["templates"] or {}))
    if kind in KINDS:
        yield from _of_kind(kind, one)
        yield from _of_mail(one) if kind == "email" else _of_http(one)
    elif kind:
        yield f'kind: "{kind}" is not one of {", ".join(KINDS)}'


def _of_kind(kind: str, one: Options) -> Iterator[str]:
    yield from (f"{option}: required for {kind}" for option in _NEEDS[kind] if not one[option])
    known = (*_NEEDS[kind], *_MAY_HAVE[kind])
    yield from (f"{option}: is nothing of {kind}; take it out" for option in _OWN if one[option] and option not in known)


def _of_http(one: Options) -> Iterator[str]:
    if one["url"] and not _is_url(one["url"]):
        # The whole URL of a webhook is the secret.
        yield "url: is not an http or https URL, or holds a blank"
    if one["token"] and not (one["token"].isascii() and one["token"].isprintable() and " " not in one["token"]):
        yield "token: holds a blank or a character that no header may have"


def _of_mail(one: Options) -> Iterator[str]:
    if one["server"] and not re.fullmatch(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:]+", one["server"]):
        yield f'server: "{one["server"]}" is not the name of a host; its port stands in port'
    if one["port"] is not None and not 0 < one["port"] < 65536:
        yield f"port: {one['port']} is not a port"
    tls = one["tls"] or "starttls"
    if tls not in TLS:
        yield f'tls: "{tls}" is not one of {", ".join(TLS)}'
    if tls == "none" and one["password"]:
        yield "tls: none would send the password in the open; write starttls or implicit"
    if bool(one["username"]) != bool(one["password"]):
        missing, other = ("password", "username") if one["username"] else ("username", "password")
        yield f"{missing}: required with {other}"
    if one["sender"] and not _MAIL.match(one["sender"]):
        yield f'sender: "{one["sender"]}" is not an address such as deploys@example.com'
    for address in one["recipients"] or []:
        if address and not _MAIL.match(address):
            yield f'recipients: "{address}" is not an address such as team@example.com'


def _of_hook(hook: Options) -> Iterator[str]:
    command = hook["command"] or []
    if hook["timeout_seconds"] is not None and not hook["timeout_seconds"]:
        yield "timeout_seconds: must be above 0"
    if not command or not command[0]:
        yield "command: names no program; give it with its arguments, as [./tell, --now]"
    elif not shutil.which(command[0]):
        yield f'command: "{command[0]}" is no program on this machine that may be executed; name it as a shell here finds it'


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    is_plain = text.isascii() and text.isprintable() and " " not in text
    return is_plain and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


def asked(found: Told, happened: Sequence[str]) -> list[tuple[Options, str]]:
    """The channels that want one of these events, each with the first one that it wants."""
    wanted = [(one, [event for event in happened if event in one["events"]]) for one in found.channels]
    return [(one, of_it[0]) for one, of_it in wanted if of_it]


def message(one: Options, found: Told, event: str, words: Mapping[str, str]) -> dict[str, Any]:
    """What the program ``send`` is told. It holds the channel's secrets."""
    text = events.said(event, words, {**found.templates, **(one["templates"] or {})})
    common = {"timeout_seconds": found.timeout_seconds}
    if one["kind"] == "email":
        first = text.splitlines()[0] if text else event
        mail = {key: one[key] for key in ("server", "username", "password", "sender", "recipients")}
        tls = one["tls"] or "starttls"
        port = one["port"] or (465 if tls == "implicit" else 587)
        return {**common, **mail, "tls": tls, "port": port, "subject": first[:_SUBJECT_CHARACTERS], "text": text}
    body = {"event": event, "text": text, **words}
    if one["kind"] == "slack":
        body = {"text": "".join(_OF_SLACK.get(character, character) for character in text)}
    return {**common, "url": one["url"], "token": one["token"], "body": json.dumps(body)}
