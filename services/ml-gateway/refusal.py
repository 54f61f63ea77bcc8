"""What is answered when a call does not go through: always a JSON body that says which limit, and until when."""

import math
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
from starlette.responses import JSONResponse

from .config import Config

# A statement did not get through, or nobody knows whether it did.
DOWN = (psycopg.Error, OSError)
REASONS = {
    "requests_per_minute": (429, "The limit of requests per minute is reached."),
    "concurrency": (429, "As many calls of this endpoint are under way as may be."),
    "requests_per_day": (402, "Today's cap of requests is reached."),
    "requests_per_month": (402, "This month's cap of requests is reached."),
    "money_per_day": (402, "What this call can cost does not fit under today's cap of money."),
    "money_per_month": (402, "What this call can cost does not fit under this month's cap of money."),
    "provider_busy": (429, "The provider takes no more calls at the moment. It did not take this one, so it costs nothing."),
    "provider_unreachable": (502, "The provider cannot be reached. A call that was to start did not, and is not counted."),
    "provider_failed": (502, "The provider failed. It may have taken the call, so this counts as spent until more is known."),
    "provider_refused_key": (502, "The provider refused the gateway's key. Look at the key of this environment."),
    "database_down": (503, "The books cannot be written, so no call that costs money goes out. Look at the database."),
    "mode_off": (503, "The ML mode of this environment is off."),
    "mode_mock": (503, "The ML mode of this environment is mock, and there is no mock here."),
    "unknown_endpoint": (404, "There is no such endpoint here."),
    "unknown_pin": (404, "This environment has never had this endpoint with the model that the release is pinned to."),
    "unknown_job": (404, "No call of this environment has this job id."),
    "not_let_through": (403, "The gateway does not let this operation through."),
    "bad_request": (400, 'The body must be a JSON object with an "input", and "wait" a number of milliseconds.'),
    "too_large": (413, "The body is larger than the provider takes."),
}


class RefusedError(Exception):
    def __init__(self, reason: str, until: datetime | None = None, **more: Any) -> None:
        super().__init__(reason)
        self.reason, self.until, self.more = reason, until, more
        self.endpoint: str | None = None

    @classmethod
    def of(cls, error: Exception, endpoint: str | None) -> "RefusedError":
        """What any of WHY_REFUSED means for who called."""
        if isinstance(error, httpx.HTTPError):
            error = cls("provider_unreachable", provider=type(error).__name__)
        refusal = error if isinstance(error, cls) else cls("database_down")
        refusal.endpoint = refusal.endpoint or endpoint
        return refusal

    def answer(self, config: Config) -> JSONResponse:
        """`error` is a text, as in the provider's own errors. What a program needs stands beside it."""
        status, words = REASONS[self.reason]
        body = {"error": words, "reason": self.reason, "environment": config.environment, "endpoint": self.endpoint, **self.more}
        headers = {"retry-after": "1"} if status == 429 else {}
        if self.reason in config.limits:
            body["limit"] = float(config.limits[self.reason])
        if self.until is not None:
            body["until"] = self.until.astimezone(UTC).isoformat(timespec="milliseconds")
            headers["retry-after"] = str(max(1, math.ceil((self.until - datetime.now(UTC)).total_seconds())))
        return JSONResponse(body, status, headers)


WHY_REFUSED = (RefusedError, httpx.HTTPError, *DOWN)
