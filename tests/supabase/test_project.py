"""The module supabase_project against the stand-in: what is declared is kept, drift is found, and nothing else is touched."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.modules import supabase_project

from tests.supabase.standin import STAGING, STAGING_TOKEN, WIDE_TOKEN, StandIn
from tests.unit.module_run import run_module

DECLARED: dict[str, Any] = {
    "auth": {
        "site_url": "https://staging.morpheus.app",
        "redirect_urls": ["https://staging.morpheus.app/**", "https://staging.morpheus.app/welcome"],
        "allow_signup": True,
        "allow_anonymous": False,
        "confirm_email": True,
        "password_min_length": 12,
        "token_seconds": 900,
        "rotate_refresh_tokens": True,
    },
    "network": {"allowed_addresses": ["192.0.2.10", "2001:db8::10"], "require_tls": True},
    "pooler": {"mode": "transaction", "size": 20},
    "data_api": {"schemas": ["public"], "max_rows": 500},
    "storage": {"max_file_bytes": 5_000_000},
}
# Section of the API, field, what somebody has typed by hand -> the setting's name.
DRIFTS: list[tuple[str, str, Any, str]] = [
    ("auth", "site_url", "https://elsewhere.example", "auth.site_url"),
    ("auth", "uri_allow_list", "https://elsewhere.example/**", "auth.redirect_urls"),
    ("auth", "disable_signup", True, "auth.allow_signup"),
    ("auth", "external_anonymous_users_enabled", True, "auth.allow_anonymous"),
    ("auth", "mailer_autoconfirm", True, "auth.confirm_email"),
    ("auth", "password_min_length", 6, "auth.password_min_length"),
    ("auth", "jwt_exp", 604800, "auth.token_seconds"),
    ("auth", "refresh_token_rotation_enabled", False, "auth.rotate_refresh_tokens"),
    ("network", "dbAllowedCidrs", ["0.0.0.0/0"], "network.allowed_addresses"),
    ("ssl", "database", False, "network.require_tls"),
    ("pooler", "pool_mode", "session", "pooler.mode"),
    ("pooler", "default_pool_size", 1, "pooler.size"),
    ("postgrest", "db_schema", "public,auth", "data_api.schemas"),
    ("postgrest", "max_rows", 1_000_000, "data_api.max_rows"),
    ("storage", "fileSizeLimit", 50_000_000, "storage.max_file_bytes"),
]


class Run:
    def __init__(self, supabase: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
        self._supabase, self._capsys = supabase, capsys

    def __call__(self, **more: Any) -> dict[str, Any]:
        return run_module(supabase_project, self._capsys, self._supabase.options(**{**DECLARED, **more}))


@pytest.fixture
def run(supabase: StandIn, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(supabase, capsys)


def names(result: dict[str, Any]) -> list[str]:
    return [one["name"] for one in result["differences"]]


def test_what_is_declared_is_written_once(run: Run, supabase: StandIn) -> None:
    first = run()
    assert first["changed"] is True
    assert "auth.site_url is http://localhost:3000, expected https://staging.morpheus.app" in [
        one["sentence"] for one in first["differences"]
    ]
    writes = supabase.writes()
    again = run()
    assert (again["changed"], again["differences"], again["open"]) == (False, [], False)
    assert supabase.writes() == writes


def test_check_mode_shows_the_same_and_writes_nothing(run: Run, supabase: StandIn) -> None:
    planned = run(_ansible_check_mode=True, _ansible_diff=True)
    assert planned["changed"] is True
    assert planned["diff"]["before"]["network.allowed_addresses"] == ["0.0.0.0/0", "::/0"]
    assert planned["diff"]["after"]["network.allowed_addresses"] == ["192.0.2.10/32", "2001:db8::10/128"]
    assert planned["open"] is True
    assert supabase.writes() == []
    assert names(run()) == names(planned)


@pytest.mark.parametrize(("section", "field", "value", "name"), DRIFTS, ids=[drift[3] for drift in DRIFTS])
def test_each_setting_that_drifts_is_found_and_mended_alone(
    shared: StandIn, capsys: pytest.CaptureFixture[str], section: str, field: str, value: Any, name: str
) -> None:
    run = Run(shared, capsys)
    run()
    shared.drift(section, **{field: value})
    before = len(shared.writes())
    assert names(run(_ansible_check_mode=True)) == [name]
    assert len(shared.writes()) == before
    assert names(run()) == [name]
    assert len(shared.writes()) == before + 1
    assert names(run()) == []


def test_all_of_them_at_once_are_found_and_mended(run: Run, supabase: StandIn) -> None:
    run()
    for section, field, value, _ in DRIFTS:
        supabase.drift(section, **{field: value})
    assert sorted(names(run())) == sorted(drift[3] for drift in DRIFTS)
    assert names(run()) == []


def test_what_is_not_declared_stays_as_it_is(run: Run, supabase: StandIn) -> None:
    supabase.drift("auth", sessions_timebox=77)
    run(pooler={}, storage={}, data_api={}, network={})
    auth = supabase.ask("GET", f"/v1/projects/{STAGING}/config/auth", STAGING_TOKEN)
    assert auth["sessions_timebox"] == 77
    assert [write for write in supabase.writes() if "config/auth" not in write] == []


def test_an_account_wide_token_changes_nothing(run: Run, supabase: StandIn) -> None:
    refused = run(token=WIDE_TOKEN)
    assert refused["failed"]
    assert refused["msg"].startswith(
        f"the token is not scoped to the project {STAGING}: it also reads the projects productionmorpheuspr; it reads the "
        "account's organizations (morpheus). Nothing was changed; make an access token that is scoped"
    )
    assert supabase.writes() == []
    assert run(token=WIDE_TOKEN, _ansible_check_mode=True)["wide"] == [
        "it also reads the projects productionmorpheuspr",
        "it reads the account's organizations (morpheus)",
    ]


def test_a_token_of_another_project_is_told_apart_from_an_unknown_one(run: Run) -> None:
    foreign, unknown = run(token="production-token-canary"), run(token="nobody-canary")
    assert foreign["msg"].startswith(f"the token is not scoped to the project {STAGING}: it also reads the projects production")
    assert 'answered with status 401 "Unauthorized"; the token is not known there, or has ended' in unknown["msg"]


@pytest.mark.parametrize(
    ("addresses", "message"),
    [
        (["0.0.0.0/0"], "network.allowed_addresses[0]: 0.0.0.0/0 lets everybody in; name the addresses"),
        (["192.0.2.1", "::/0"], "network.allowed_addresses[1]: ::/0 lets everybody in"),
        (["staging-app-1"], 'network.allowed_addresses[0]: "staging-app-1" is not an address or a network'),
    ],
)
def test_restrictions_that_restrict_nobody_are_refused(run: Run, supabase: StandIn, addresses: list[str], message: str) -> None:
    refused = run(network={"allowed_addresses": addresses})
    assert refused["msg"].startswith(message)
    assert supabase.get("/log") == []


def test_nobody_who_answers_is_said_in_one_sentence(run: Run) -> None:
    refused = run(api_url="http://127.0.0.1:9")
    assert "there was no answer: Connection refused" in refused["msg"]


def test_a_signing_key_is_put_on_standby_and_not_used_at_once(run: Run, supabase: StandIn) -> None:
    wanted = {"algorithm": "ES256", "max_age_days": 90}
    first = run(signing_key=wanted)
    assert "signing_key is the project signs with its legacy secret" in str(first["differences"])
    again = run(signing_key=wanted)
    assert (again["changed"], again["waiting"]) == (False, ["another signing key is on standby, and can be used in 20 min"])
    found = supabase.ask("GET", f"/v1/projects/{STAGING}/config/auth/signing-keys", STAGING_TOKEN)["keys"]
    assert [(one["algorithm"], one["status"]) for one in found] == [("HS256", "in_use"), ("ES256", "standby")]
