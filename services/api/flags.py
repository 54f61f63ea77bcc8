"""Feature flags of this environment by OpenFeature, from a file in flagd's format that is read again when it changes.

They are evaluated once for each request, so that one answer never shows both sides of a switch.
"""

import asyncio
import os
from dataclasses import asdict, dataclass
from typing import Annotated

from fastapi import Depends, Header
from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext

from .identity import IDENTITY

FILE = os.environ.get("FLAGS_FILE", "")
# How long a change may go unseen.
POLL_MILLISECONDS = 500
# Whom the application does not know is one user.
ANONYMOUS = "anonymous"


@dataclass(frozen=True)
class Flags:
    """With what the application does where the environment says nothing."""

    loud_captions: bool = False
    page_theme: str = "day"

    def as_dict(self) -> dict[str, bool | str]:
        return asdict(self)


async def load() -> None:
    """A file that is missing or broken is no reason not to serve: each flag is at its default until it is read."""
    if FILE:
        provider = FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=FILE, deadline_ms=POLL_MILLISECONDS)
        await asyncio.to_thread(api.set_provider, provider)


def evaluated(user: str) -> Flags:
    client, usual = api.get_client(), Flags()
    context = EvaluationContext(user or ANONYMOUS, {"environment": IDENTITY["environment"]})
    return Flags(
        loud_captions=client.get_boolean_value("loud-captions", usual.loud_captions, context),
        page_theme=client.get_string_value("page-theme", usual.page_theme, context),
    )


async def of_request(x_user: Annotated[str, Header(max_length=200)] = "") -> Flags:
    return evaluated(x_user)


# FastAPI asks a dependency once for each request, however many need it.
RequestFlags = Annotated[Flags, Depends(of_request)]
