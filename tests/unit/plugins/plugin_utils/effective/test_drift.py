from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.drift import Drift, Fingerprints, Side, compare, say
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.entries import Configuration, Entry
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.rules import MUST_DIFFER, MUST_MATCH, Rules, fits
from ansible_collections.morpheus.deploy.plugins.plugin_utils.effective.variables import Vault

HIDDEN = object()


def side(name: str, values: Mapping[str, Any], secrets: Mapping[str, str] | None = None, key: str = "k") -> Side:
    """``values``: path with / between its parts -> value; a part after @ is the scope."""
    entries = []
    for text, value in values.items():
        path, _, scope = text.partition("@")
        hidden = "set" if value is HIDDEN else ""
        entries.append(Entry(tuple(path.split("/")), None if hidden else value, f"{name}.yml:1", hidden, scope))
    groups = {"app": [f"{name}-1"], "lb": [f"{name}-2"]}
    configuration = Configuration(name, f"inventories/{name}", Vault(), groups, entries, [])
    return Side(configuration, Fingerprints(f"{name}/fingerprints.json", key, secrets or {}))


def drift(mine: Mapping[str, Any], theirs: Mapping[str, Any], rules: Rules | None = None) -> Drift:
    return compare(side("staging", mine), side("production", theirs), rules or Rules())


BROKEN = [
    pytest.param(
        {"stack/public_check/url": "https://a"},
        {"stack/public_check/url": "https://a"},
        ["stack.public_check.url must differ, and is https://a in both (staging.yml:1 and production.yml:1)"],
        id="what must differ and does not",
    ),
    pytest.param(
        {"stack/services/api/port": 1},
        {"stack/services/api/port": 2},
        [
            "stack.services.api.port must be the same, and is 1 in staging (staging.yml:1) and 2 in production "
            "(production.yml:1)",
        ],
        id="what may not differ and does",
    ),
    pytest.param(
        {"stack/services/api/port": 1},
        {"stack/services/api/port": "1"},
        [
            'stack.services.api.port must be the same, and is 1 in staging (staging.yml:1) and "1" in production '
            "(production.yml:1)",
        ],
        id="of another type",
    ),
    pytest.param(
        {"stack/env/api/LEVEL": "x", "stack/env/api/MORE": "x"},
        {"stack/env/api/LEVEL": "y"},
        ["stack.env.api.MORE must be in both, and production has none (staging: staging.yml:1)"],
        id="a variable that the other lacks",
    ),
    pytest.param(
        {"stack_secrets/api/KEY": HIDDEN},
        {"stack_secrets/api/KEY": HIDDEN, "stack_secrets/api/TOKEN": HIDDEN},
        ["stack_secrets.api.TOKEN must be in both, and staging has none (production: production.yml:1)"],
        id="a secret that this one lacks",
    ),
    pytest.param(
        {"compose/services/ml/image": "ml:1", "compose/services/ml/user": "1", "compose/services/api/image": "a"},
        {"compose/services/api/image": "a"},
        ["compose.services.ml must be in both, and production has none (staging: staging.yml:1)"],
        id="a service, said once",
    ),
    pytest.param(
        {"stack/migration/directory": "m", "stack/migration/service": "s"},
        {"stack/migration": None},
        ["stack.migration must be in both, and production has none (staging: staging.yml:1)"],
        id="a part that is left out",
    ),
    pytest.param(
        {"compose/services/api/image": "a", "compose/services/api/user": "1000"},
        {"compose/services/api/image": "a"},
        ["compose.services.api.user must be in both, and production has none (staging: staging.yml:1)"],
        id="a value that must be the same and is left out",
    ),
    pytest.param(
        {"stack/env/api/ML_MODEL_VERSION": "1"},
        {"stack/env/api/ML_MODEL_VERSION": "2"},
        [
            'stack.env.api.ML_MODEL_VERSION must be the same, and is "1" in staging (staging.yml:1) and "2" in production '
            "(production.yml:1)",
        ],
        id="the version of a model",
    ),
    pytest.param(
        {"edge_certificate_paths/a.example.com": "x.pem"},
        {"edge_certificate_paths/a.example.com": "x.pem"},
        ["edge_certificate_paths.a.example.com must differ, and is x.pem in both (staging.yml:1 and production.yml:1)"],
        id="a key with dots",
    ),
    pytest.param(
        {"stack/services/web/routes/1/redirect/host": "shop.example"},
        {"stack/services/web/routes/1/redirect/host": "shop.example"},
        [
            "stack.services.web.routes.1.redirect.host must differ, and is shop.example in both (staging.yml:1 and "
            "production.yml:1)"
        ],
        id="users who are sent to the other one",
    ),
    pytest.param(
        {"stack/services/api/routes/0/host": ""}, {"stack/services/api/routes/0/host": ""}, [], id="nothing is in common"
    ),
    pytest.param({"stack/drain_seconds": 1}, {"stack/drain_seconds": 2}, [], id="what may differ"),
    pytest.param({"stack_release": "1"}, {}, [], id="the release, which every deploy names"),
    pytest.param({"stack/public_check/url": HIDDEN}, {"stack/public_check/url": HIDDEN}, [], id="nobody knows"),
]


@pytest.mark.parametrize(("mine", "theirs", "broken"), BROKEN)
def test_every_rule_that_is_broken_is_said_with_both_places(
    mine: dict[str, Any], theirs: dict[str, Any], broken: list[str]
) -> None:
    assert drift(mine, theirs).broken == broken


def test_what_differs_as_it_may_is_told_for_information() -> None:
    found = drift({"stack/drain_seconds": 1, "stack/x": 1, "stack_release": "1"}, {"stack/drain_seconds": 2, "other/y": 1})
    assert [path for path, _, _ in found.different] == [("stack", "drain_seconds")]
    assert (found.only_here, found.only_there) == (["stack.x"], ["other"])


@pytest.mark.parametrize("exempt", ["compose.services.ml", "compose.services.*", "compose.**", "compose"])
def test_an_inventory_can_except_what_it_means(exempt: str) -> None:
    rules = Rules().extended({"config_exempt": [exempt]})
    found = drift({"compose/services/ml/image": "ml:1"}, {"compose/services/api/port": 1}, rules)
    assert [line for line in found.broken if ".ml" in line] == []
    assert found.only_here == (["compose.services.ml"])


def test_the_rules_of_both_inventories_count_beside_those_that_are_there() -> None:
    rules = Rules().extended(
        {"config_must_differ": ["stack.env.api.BUCKET"]},
        {"config_must_match": ["stack.drain_seconds"], "config_must_exist": ["stack.extra"]},
    )
    mine = {"stack/env/api/BUCKET": "b", "stack/drain_seconds": 1, "stack/extra": 1, "stack/name": "x"}
    found = drift(mine, {"stack/env/api/BUCKET": "b", "stack/drain_seconds": 2, "stack/name": "y"}, rules)
    assert [line.split()[0] for line in found.broken] == [
        "stack.env.api.BUCKET",
        "stack.drain_seconds",
        "stack.name",
        "stack.extra",
    ]


def test_the_same_value_for_all_hosts_here_is_compared_with_that_of_each_group_there() -> None:
    found = drift({"edge_http_port": 80}, {"edge_http_port@app": 80, "edge_http_port@lb": 8080, "edge_other@lb": 1})
    assert [path for path, _, _ in found.different] == [("edge_http_port@lb",)]
    assert (found.only_here, found.only_there) == ([], ["edge_other@lb"])


def test_a_host_of_both_environments_breaks_a_rule() -> None:
    theirs = side("production", {})
    theirs = replace(theirs, configuration=replace(theirs.configuration, groups={"app": ["staging-1"]}))
    assert compare(side("staging", {}), theirs, Rules()).broken == [
        "hosts.staging-1 must not be in both: a host belongs to one environment"
    ]


SECRETS = {"stack_secrets/api/KEY": HIDDEN, "stack_secret_files/ca/content": HIDDEN}
FINGERPRINTS = [
    pytest.param({"api.KEY": "1"}, {"api.KEY": "1"}, {}, ["stack_secrets.api.KEY", "stack_secrets.api.KEY"], id="the same"),
    pytest.param(
        {"api.KEY": "1"}, {"files.ca": "1"}, {}, ["stack_secrets.api.KEY", "stack_secret_files.ca.content"], id="another name"
    ),
    pytest.param({"api.KEY": "1"}, {"api.KEY": "2"}, {}, [], id="others"),
    pytest.param({"api.KEY": "1"}, {"api.KEY": "1"}, {"config_exempt": ["stack_secrets.api.KEY"]}, [], id="excepted"),
]


@pytest.mark.parametrize(("mine", "theirs", "rules", "named"), FINGERPRINTS)
def test_secrets_are_compared_by_their_fingerprints(
    mine: dict[str, str], theirs: dict[str, str], rules: dict[str, list[str]], named: list[str]
) -> None:
    found = compare(side("staging", SECRETS, mine), side("production", SECRETS, theirs), Rules().extended(rules))
    wanted = [f"{named[0]} of staging and {named[1]} of production must differ, and are the same"] if named else []
    assert found.broken == wanted


def test_secrets_that_may_be_shared_are_not_held_against_anybody() -> None:
    mine = side("staging", {**SECRETS, "stack_shared_secrets": ["api.KEY"]}, {"api.KEY": "1"})
    assert compare(mine, side("production", SECRETS, {"api.KEY": "1"}), Rules()).broken == []


NOT_COMPARED = [
    pytest.param({}, "k", "values not compared: no fingerprints in staging/fingerprints.json", id="no file"),
    pytest.param(
        {"api.KEY": "1"},
        "other",
        "values not compared: the fingerprints of both environments were made with different keys",
        id="another key",
    ),
    pytest.param(
        {"api.KEY": "1"},
        "k",
        "values compared by their fingerprints; not compared, because they have no fingerprint: "
        "stack_secret_files.ca.content of staging, stack_secret_files.ca.content of production",
        id="one is left out",
    ),
]


@pytest.mark.parametrize(("secrets", "key", "sentence"), NOT_COMPARED)
def test_what_is_not_compared_is_said(secrets: dict[str, str], key: str, sentence: str) -> None:
    theirs = side("production", SECRETS, {"api.KEY": "9"})
    assert compare(side("staging", SECRETS, secrets, key), theirs, Rules()).secrets == sentence


PATTERNS = [
    ("stack.env.*", "stack/env/api", True),
    ("stack.env.*", "stack/env/api/A", False),
    ("stack.**", "stack/env/api/A", True),
    ("stack.env.*.ML_*", "stack/env/api/ML_URL", True),
    ("stack.env.*.ML_*", "stack/env/api/URL", False),
    ("edge_certificate_paths.*", "edge_certificate_paths/a.example.com", True),
    ("edge_certificate_paths.a.example.com", "edge_certificate_paths/a.example.com", True),
    ("stack.x+", "stack/x+", True),
    ("stack.x+", "stack/xx", False),
]


@pytest.mark.parametrize(("pattern", "path", "matches"), PATTERNS)
def test_a_star_is_one_part_of_a_path_and_two_are_any(pattern: str, path: str, matches: bool) -> None:
    assert fits([pattern], tuple(path.split("/"))) is matches


def test_no_rule_wants_a_value_to_be_the_same_and_to_differ() -> None:
    assert not set(MUST_DIFFER) & set(MUST_MATCH)


SAID = [
    ("1.0.0", "1.0.0"),
    ("1.10", '"1.10"'),
    (1.1, "1.1"),
    (0.25, "0.25"),
    (30.0, "30.0"),
    ("true", '"true"'),
    (True, "true"),
    ("", '""'),
    (None, "not set"),
    ([1, "1", "a"], '[1, "1", a]'),
    ({"a": "no"}, '{a: "no"}'),
    ("a\nb", "a b"),
    ("10.0.0.1", "10.0.0.1"),
]


@pytest.mark.parametrize(("value", "text"), SAID)
def test_a_text_that_could_be_taken_for_another_type_is_quoted(value: Any, text: str) -> None:
    assert say(value) == text
