"""Who asks: users of the environment's own auth service, in a session that a cookie or an Authorization header carries.

AUTH_URL names the project whose auth service it is, and AUTH_KEY is the key that browsers may have. Without AUTH_URL there are no
users, and stories belong to nobody.
"""

import asyncio
import os
import time
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel, Field

URL = os.environ.get("AUTH_URL", "").rstrip("/")
KEY = os.environ.get("AUTH_KEY", "")
COOKIE, REFRESH = "session", "session_refresh"
# How long a session that has ended elsewhere may still be taken for one; it keeps each request from asking the auth service.
REMEMBERED_SECONDS = 5
_REMEMBERED = 10_000
# Statuses by which the auth service says that it was asked for something wrong; its words are for the person.
_OWN_FAULT = (400, 403, 422, 429)


class Credentials(BaseModel):
    email: Annotated[str, Field(min_length=3, max_length=320)]
    password: Annotated[str, Field(min_length=1, max_length=200)]


class Users:
    def __init__(self) -> None:
        headers = {"apikey": KEY}
        self.client = httpx.AsyncClient(base_url=f"{URL}/auth/v1", headers=headers, timeout=5)
        self._known: dict[str, tuple[float, str]] = {}
        self._asking = asyncio.Lock()

    async def of(self, token: str) -> str:
        """The user's id; empty when the auth service does not know the session."""
        now = time.monotonic()
        known = self._known.get(token)
        if known and known[0] > now:
            return known[1]
        answer = await self.ask("GET", "/user", headers={"Authorization": f"Bearer {token}"})
        user = str(answer.json()["id"]) if answer.status_code == 200 else ""
        if answer.status_code >= 500:
            raise HTTPException(503, "The auth service failed")
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        if user:
            self._known[token] = (now + REMEMBERED_SECONDS, user)
        return user

    def forget(self, token: str) -> None:
        self._known.pop(token, None)

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        if not URL:
            raise HTTPException(404, "There are no users here")
        try:
            return await self.client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise HTTPException(503, f"The auth service is away: {type(error).__name__}") from None


users = Users()
router = APIRouter(prefix="/api")


def token_of(request: Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")


async def owner(request: Request) -> str | None:
    """Whose stories are meant. Nobody's where there are no users."""
    if not URL:
        return None
    token = token_of(request)
    user = await users.of(token) if token else ""
    if not user:
        raise HTTPException(401, "Sign in first")
    return user


Owner = Annotated[str | None, Depends(owner)]


@router.post("/users", status_code=201)
async def register(given: Credentials, response: Response) -> dict[str, Any]:
    answer = _well(await users.ask("POST", "/signup", json=given.model_dump()))
    _keep(response, answer)
    return {"email": given.email, "signed_in": "access_token" in answer}


@router.post("/session")
async def sign_in(given: Credentials, response: Response) -> dict[str, Any]:
    answer = _well(await users.ask("POST", "/token", params={"grant_type": "password"}, json=given.model_dump()))
    _keep(response, answer)
    return {"email": given.email, "signed_in": True}


@router.get("/session")
async def session(request: Request, response: Response) -> dict[str, Any]:
    """Who is signed in. A session whose token has ended goes on by the other one."""
    if not URL:
        return {"users": False, "signed_in": False}
    token, refresh = token_of(request), request.cookies.get(REFRESH, "")
    is_known = bool(token and await users.of(token))
    if not is_known and refresh:
        body = {"refresh_token": refresh}
        answer = await users.ask("POST", "/token", params={"grant_type": "refresh_token"}, json=body)
        is_known = answer.status_code == 200
        if is_known:
            _keep(response, answer.json())
    return {"users": True, "signed_in": is_known}


@router.delete("/session")
async def sign_out(request: Request, response: Response) -> dict[str, Any]:
    token = token_of(request)
    users.forget(token)
    await users.ask("POST", "/logout", params={"scope": "local"}, headers={"Authorization": f"Bearer {token}"})
    for name in (COOKIE, REFRESH):
        response.delete_cookie(name, path="/api")
    return {"users": True, "signed_in": False}


def _well(answer: httpx.Response) -> dict[str, Any]:
    if answer.status_code == 200:
        return dict(answer.json())
    if answer.status_code in _OWN_FAULT:
        said = answer.json()
        raise HTTPException(answer.status_code, str(said.get("msg") or said.get("message") or "That was refused"))
    raise HTTPException(503, f"The auth service answered with status {answer.status_code}")


def _keep(response: Response, answer: dict[str, Any]) -> None:
    """No script reads the cookies, and no other site's page sends them."""
    for name, key in ((COOKIE, "access_token"), (REFRESH, "refresh_token")):
        if answer.get(key):
            response.set_cookie(name, answer[key], path="/api", httponly=True, secure=True, samesite="strict")
