"""The engine's words for a pull that failed, as engines and registries print them, told apart."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError, RegistryDownError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.pull import failure
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.registries import Login

DOWN = [
    'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on 127.0.0.11:53: no such host',
    'Get "https://r.example/v2/": dial tcp 192.0.2.1:443: connect: connection refused',
    'Get "https://r.example/v2/": dial tcp 192.0.2.1:443: connect: permission denied',
    'Get "https://r.example/v2/": net/http: TLS handshake timeout',
    'Get "https://r.example/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded)',
    "context deadline exceeded",
    "unexpected EOF",
    'Head "https://r.example/v2/shop/api/manifests/1.403": EOF',
    "received unexpected HTTP status: 503 Service Unavailable",
    "toomanyrequests: You have reached your pull rate limit.",
    "read tcp 10.0.0.2:4711->192.0.2.1:443: read: connection reset by peer",
]
OTHERS = [
    ("no space", "failed to register layer: write /usr/lib/x: no space left on device", "does not fit onto the engine's disk"),
    ("no space", "write /var/lib/docker/tmp/GetImageBlob1: no space left on device: unexpected EOF", "does not fit"),
    ("access", "pull access denied for shop/api, repository does not exist or may require 'docker login'", "to nobody who asks"),
    ("access", "unauthorized: authentication required", "to nobody who asks from this host"),
    ("access", 'Head "https://r.example/v2/shop/api/manifests/1.403": no basic auth credentials', "to nobody who asks"),
    ("access", "error parsing HTTP 403 response body: unexpected end of JSON input", "to nobody who asks from this host"),
    ("platform", "no matching manifest for linux/arm64/v8 in the manifest list entries", "was not built for this host's"),
    ("platform", 'image operating system "windows" cannot be used on this platform', "was not built for this host's platform"),
    (
        "absent",
        "manifest for shop/api:1.403 not found: manifest unknown: manifest unknown",
        "the registry docker.io has no image",
    ),
    ("absent", "name unknown: repository name not known to registry", "the registry docker.io has no image shop/api:1.403"),
    (
        "unknown",
        "filesystem layer verification failed for digest sha256:1",
        "could not be pulled from docker.io: filesystem layer",
    ),
    (
        "unknown",
        "manifest of shop/api:1.403: x509: certificate has expired",
        "could not be pulled from docker.io: manifest of shop/api:1.403",
    ),
]


@pytest.mark.parametrize("words", DOWN)
def test_a_registry_that_does_not_answer_leaves_open_what_it_has(words: str) -> None:
    found = failure("shop/api:1.403", words)
    assert isinstance(found, RegistryDownError)
    assert str(found) == (
        f"image shop/api:1.403 could not be pulled from docker.io: {words}. Either no registry that this host asks has it, or "
        "none can be reached; try it there with: docker pull shop/api:1.403"
    )


@pytest.mark.parametrize(("kind", "words", "said"), OTHERS, ids=[f"{kind}: {words[:30]}" for kind, words, _ in OTHERS])
def test_any_other_answer_is_final_and_says_what_it_is(kind: str, words: str, said: str) -> None:
    found = failure("shop/api:1.403", words)
    assert type(found) is EngineError
    assert said in str(found)
    assert words in str(found)


PRIVATE = "ghcr.io/shop/api:1.403"
LOGIN = Login("ghcr.io", "deploy", "pass-canary")
TOKEN = Login("ghcr.io", token="token-canary")
# What engines of today say when a registry refuses; what the registry says of the login itself is asked beside it.
REFUSED = [
    pytest.param(
        None,
        None,
        f"the registry ghcr.io gives image {PRIVATE} to nobody who asks from this host: unauthorized. Either it wants a login, "
        "which belongs into stack_registries with server: ghcr.io, or there is no such image",
        id="without a login",
    ),
    pytest.param(
        LOGIN,
        False,
        f'the registry ghcr.io refuses the login "deploy" of stack_registries, so image {PRIVATE} could not be pulled: '
        "unauthorized. Correct the username and password there, or in the vault",
        id="a wrong password",
    ),
    pytest.param(
        LOGIN,
        True,
        f'the registry ghcr.io accepts the login "deploy" of stack_registries, and gives it no image {PRIVATE}: unauthorized. '
        "Either there is no such image, or this login may not read it",
        id="a login without rights",
    ),
    pytest.param(
        TOKEN,
        None,
        f"the registry ghcr.io gives the token of stack_registries no image {PRIVATE}: unauthorized. Either the vault has the "
        "wrong value, or this login may not read the image, or there is no such image",
        id="a token",
    ),
]


@pytest.mark.parametrize(("login", "accepted", "said"), REFUSED)
def test_a_refusal_names_registry_login_and_image_and_never_the_password(
    login: Login | None, accepted: bool | None, said: str
) -> None:
    assert str(failure(PRIVATE, "unauthorized", login, accepted=accepted)) == said


@pytest.mark.parametrize("words", [words for kind, words, _ in OTHERS if kind != "access"] + DOWN)
def test_with_a_login_what_is_no_refusal_is_told_as_without_one(words: str) -> None:
    assert str(failure("shop/api:1.403", words, LOGIN)) == str(failure("shop/api:1.403", words))
