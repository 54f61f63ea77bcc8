# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an image could not be pulled, from the words of the engine. Pure.

The engine has no codes for it: most failures come as text in the middle of a stream that began well.
"""

from __future__ import annotations

import re

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError, RegistryDownError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.registries import Login, server_of

_URL = re.compile(r"https?://[^\s\"]+")
# In this order: what comes first is the more certain, and a full disk or a wrong platform may be told with a timeout in it.
_NO_SPACE = re.compile(r"no space left|disk quota exceeded", re.IGNORECASE)
_PLATFORM = re.compile(
    r"no matching manifest for|no match for platform|cannot be used on this platform|does not match the specified platform",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\bdenied\b|unauthorized|authentication required|no basic auth|\b40[13]\b|forbidden", re.IGNORECASE)
_ABSENT = re.compile(r"manifest unknown|name unknown|not found|does not exist|\b404\b", re.IGNORECASE)
_DOWN = re.compile(
    r"dial tcp|\blookup \S|proxyconnect|connection refused|connection reset|connect: |no route to host|network is unreachable"
    r"|no such host|server misbehaving|timeout|timed out|deadline exceeded|request canceled|\bEOF\b"
    r"|toomanyrequests|too many requests|\b429\b|\b50[0234]\b|bad gateway|service unavailable",
    re.IGNORECASE,
)
# What DNS says of a registry's own name; "not found" of an image never mentions a lookup.
_NO_NAME = re.compile(r"\blookup \S|no such host|dial tcp", re.IGNORECASE)


def failure(reference: str, words: str, login: Login | None = None, *, accepted: bool | None = None) -> EngineError:
    """What to raise for ``words``. RegistryDownError alone leaves open whether the image exists.

    ``accepted``: whether the registry lets ``login`` in at all; None when nobody could say.
    """
    said, server = " ".join(words.split()), server_of(reference)
    told = _told(reference, words)
    if _NO_SPACE.search(told):
        return EngineError(
            f"image {reference} does not fit onto the engine's disk: {said}. Make room and run this again; see what takes the "
            "space with: docker system df"
        )
    if _PLATFORM.search(told):
        return EngineError(
            f"image {reference} was not built for this host's platform: {said}. Build and push it for this one, too"
        )
    if _NO_NAME.search(told):
        return _down(reference, said)
    if _DENIED.search(told):
        return EngineError(_denied(reference, said, login, accepted))
    if _ABSENT.search(told):
        return EngineError(f"the registry {server} has no image {reference}: {said}. Was it built and pushed?")
    if _DOWN.search(told):
        return _down(reference, said)
    return EngineError(
        f"image {reference} could not be pulled from {server}: {said}. Try it on this host with: docker pull {reference}"
    )


def is_denied(reference: str, words: str) -> bool:
    """Whether the registry says that this one may not, and not that it is down or that a disk is full."""
    told = _told(reference, words)
    return bool(_DENIED.search(told)) and not any(one.search(told) for one in (_NO_SPACE, _PLATFORM, _NO_NAME))


def _told(reference: str, words: str) -> str:
    # A tag may look like a status, a name like a word.
    return _URL.sub("", " ".join(words.split())).replace(reference, "")


def _denied(reference: str, said: str, login: Login | None, accepted: bool | None) -> str:
    server = server_of(reference)
    if login is None:
        return (
            f"the registry {server} gives image {reference} to nobody who asks from this host: {said}. Either it wants a login, "
            f"which belongs into stack_registries with server: {server}, or there is no such image"
        )
    if accepted:
        return (
            f"the registry {server} accepts {login.called} of stack_registries, and gives it no image {reference}: {said}. "
            "Either there is no such image, or this login may not read it"
        )
    if accepted is None:
        return (
            f"the registry {server} gives {login.called} of stack_registries no image {reference}: {said}. Either the vault has "
            "the wrong value, or this login may not read the image, or there is no such image"
        )
    wrong = "username and password" if login.password else "token"
    return (
        f"the registry {server} refuses {login.called} of stack_registries, so image {reference} could not be pulled: {said}. "
        f"Correct the {wrong} there, or in the vault"
    )


def _down(reference: str, said: str) -> EngineError:
    return RegistryDownError(
        f"image {reference} could not be pulled from {server_of(reference)}: {said}. Either no registry that this host asks has "
        f"it, or none can be reached; try it there with: docker pull {reference}"
    )
