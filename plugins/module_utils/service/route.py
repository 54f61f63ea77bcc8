# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A route as a stack's configuration describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.service.given import listed, said, texts


@dataclass(frozen=True)
class Redirect:
    """Where requests of a route are sent instead: the same path of another ``host``, or ``url``."""

    host: str = ""
    url: str = ""
    status: int = 308

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Redirect:
        return cls(**said(given, host=str, url=str, status=int))


@dataclass(frozen=True)
class Hsts:
    """How long browsers ask for the route's host by https only, in seconds; 0 ends it."""

    max_age_seconds: int = 31536000
    include_subdomains: bool = False
    preload: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Hsts:
        return cls(**said(given, max_age_seconds=int, include_subdomains=bool, preload=bool))


@dataclass(frozen=True)
class Route:
    """Requests for ``host`` (empty: any) whose path is one of ``paths`` or lies below one.

    The rest is what edge/route_options.py makes of it; 0 and "" are the edge's own. ``allow``: addresses and networks that users
    come from; ``basic_auth``: the file of secrets that holds users and hashes of their passwords. A header that is set to "" is
    taken away.
    """

    host: str = ""
    paths: Sequence[str] = ("/",)
    timeout_seconds: int = 0
    stream: bool = False
    max_body: str = ""
    strip_prefix: bool = False
    redirect: Redirect | None = None
    hsts: Hsts | None = None
    allow: Sequence[str] = ()
    basic_auth: str = ""
    request_headers: Mapping[str, str] = field(default_factory=dict)
    response_headers: Mapping[str, str] = field(default_factory=dict)
    sticky: bool = False
    compression: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Route:
        redirect, hsts = given.get("redirect"), given.get("hsts")
        flags = dict.fromkeys(("stream", "strip_prefix", "sticky", "compression"), bool)
        headers = dict.fromkeys(("request_headers", "response_headers"), texts)
        more = said(given, host=str, paths=listed, timeout_seconds=int, max_body=str, allow=listed, basic_auth=str)
        return cls(
            **more,
            **said(given, **flags, **headers),
            redirect=Redirect.of(redirect) if redirect is not None else None,
            hsts=Hsts.of(hsts) if hsts is not None else None,
        )
