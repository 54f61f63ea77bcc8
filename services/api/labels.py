"""Says with every answer, whoever gives it, which environment and which release it comes from."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .identity import IDENTITY, RELEASE

HEADERS = [(b"x-environment", IDENTITY["environment"].encode()), (b"x-release", RELEASE.encode())]


class Labels:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def labelled(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
            await send(message)

        await self.app(scope, receive, labelled)
