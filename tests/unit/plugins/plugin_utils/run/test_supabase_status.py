"""What a status says of the environment's Supabase project, from what the role supabase keeps for reports."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import status_table, supabase_status

ONE: dict[str, Any] = {
    "differences": [{"sentence": "auth.site_url is https://a.example, declared is https://b.example"}],
    "waiting": [],
}
BUCKETS: list[dict[str, Any]] = [
    {"differences": ["the bucket pictures is public, declared is private"]},
    {"msg": "GET /bucket/films: it took too long"},
]
WAITS = "another signing key is on standby, and can be used in 20 min"
SAID = [
    pytest.param({}, [], id="no project is declared"),
    pytest.param({"declared": True, "project": {"differences": []}}, ["as it is declared"], id="all is well"),
    pytest.param(
        {"declared": True, "project": ONE},
        ["1 setting differs; mend it with playbooks/supabase.yml", ONE["differences"][0]["sentence"]],
        id="a setting",
    ),
    pytest.param(
        {"declared": True, "project": ONE, "buckets": BUCKETS},
        [
            "3 settings differ; mend it with playbooks/supabase.yml",
            ONE["differences"][0]["sentence"],
            BUCKETS[0]["differences"][0],
            BUCKETS[1]["msg"],
        ],
        id="buckets, and one that cannot be asked",
    ),
    pytest.param(
        {"declared": True, "project": {"differences": [], "waiting": [WAITS]}}, ["as it is declared", WAITS], id="what waits"
    ),
    pytest.param(
        {"declared": True, "project": {"msg": "it took\n too long"}}, ["? (it took too long)"], id="an API that is away"
    ),
    pytest.param({"declared": True, "problem": "no vault"}, ["? (no vault)"], id="nobody could ask"),
]


@pytest.mark.parametrize(("seen", "sentences"), SAID)
def test_a_status_names_what_differs_and_what_mends_it(seen: dict[str, Any], sentences: list[str]) -> None:
    assert supabase_status.heads(supabase_status.told(seen)) == sentences


def test_of_a_rotation_the_step_that_is_due_and_what_waits_are_told_apart_from_other_differences() -> None:
    due = {"name": "signing_key", "sentence": "signing_key is the signing key is 91 days old, expected a key ES256 on standby"}
    said = {"differences": [{"name": "auth.site_url", **ONE["differences"][0]}, due], "waiting": [WAITS]}
    assert supabase_status.told({"declared": True, "project": said})["rotation"] == [f"due now: {due['sentence']}", WAITS]


def test_it_stands_in_the_table_for_people() -> None:
    report: dict[str, Any] = {"environment": "staging", "hosts": {}, "runs": [], "lease": None, "lease_problem": "no host"}
    report["supabase"] = supabase_status.told({"declared": True, "project": ONE})
    text = "\n".join(status_table.table(report, 0.0))
    assert "SUPABASE  1 setting differs; mend it with playbooks/supabase.yml" in text
    assert "auth.site_url is https://a.example" in text
