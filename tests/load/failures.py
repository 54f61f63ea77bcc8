"""Every way in which an answer can fail to come, and which of them an exception means."""

from __future__ import annotations

import ssl
from enum import StrEnum

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus


class Kind(StrEnum):
    REFUSED = "refused"
    RESET = "reset"
    EOF = "eof"
    TIMEOUT = "timeout"
    STATUS_5XX = "status_5xx"
    STATUS_4XX = "status_4xx"
    STATUS_OTHER = "status_other"
    BAD_BODY = "bad_body"
    BAD_PROTOCOL = "bad_protocol"
    WS_ABNORMAL = "ws_abnormal"


class WrongAnswerError(Exception):
    """A complete answer came, but not the expected one."""

    def __init__(self, kind: Kind, detail: str, release: str | None = None, replica: str | None = None) -> None:
        super().__init__(detail)
        self.kind, self.release, self.replica = kind, release, replica


class ProtocolError(Exception):
    """What came is not HTTP/1.1."""


class EndedError(EOFError):
    """The server closed the connection before the answer was complete."""


# What a request may run into. Anything else is a fault of the generator and must end it.
EXPECTED = (WrongAnswerError, ProtocolError, EOFError, OSError, TimeoutError, ConnectionClosed, InvalidHandshake)


def kind_of_status(status: int) -> Kind:
    return {4: Kind.STATUS_4XX, 5: Kind.STATUS_5XX}.get(status // 100, Kind.STATUS_OTHER)


# The first class that fits decides, so the order matters: most of these derive from OSError.
_KINDS: tuple[tuple[type[BaseException], Kind], ...] = (
    (ConnectionClosed, Kind.WS_ABNORMAL),
    (TimeoutError, Kind.TIMEOUT),
    (ConnectionRefusedError, Kind.REFUSED),
    (EOFError, Kind.EOF),
    (ssl.SSLEOFError, Kind.EOF),
    (ssl.SSLZeroReturnError, Kind.EOF),
    (ssl.SSLError, Kind.BAD_PROTOCOL),
    (OSError, Kind.RESET),
)


def classify(error: BaseException) -> Kind:
    if isinstance(error, WrongAnswerError):
        return error.kind
    if isinstance(error, InvalidStatus):
        return kind_of_status(error.response.status_code)
    if isinstance(error, InvalidMessage) and error.__cause__ is not None:
        return classify(error.__cause__)
    # asyncio's own, without a number, when the peer closed during the TLS handshake.
    if isinstance(error, ConnectionError) and error.errno is None:
        return Kind.EOF
    return next((kind for type_, kind in _KINDS if isinstance(error, type_)), Kind.BAD_PROTOCOL)


def describe(error: BaseException) -> str:
    cause = f" ({error.__cause__!r})" if error.__cause__ is not None else ""
    return (str(error) or type(error).__name__) + cause
