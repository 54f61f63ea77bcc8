"""From a host and a database that are claimed to served and seeded, by one command."""

from __future__ import annotations

import json
import shutil
import ssl
from contextlib import closing
from http.client import HTTPSConnection

import pytest

from tests.acceptance.tales import FILL, HOST, NEWEST, SITE, STORIES, SUMMARY, Tales, applied, sql, users, versions
from tests.acceptance.world import ROOT, STAGING, on, says

pytestmark = [pytest.mark.deep, pytest.mark.lane("staging")]

# By the example's seeds.
SEEDED = ["The clockmaker\u2019s apprentice", "The lamp at the end of the pier"]
EXAMPLE = ROOT / "stacks" / "morpheus" / "supabase"


def stories() -> list[str]:
    """Titles, as a user of the site gets them."""
    connection = HTTPSConnection("127.0.0.1", STAGING.port, timeout=30, context=ssl._create_unverified_context())
    with closing(connection):
        connection.request("GET", "/api/stories", headers={"Host": SITE})
        return sorted(story["title"] for story in json.loads(connection.getresponse().read()))


def test_one_command_brings_a_claimed_host_to_served_and_seeded_and_typed_again_it_changes_nothing(tales: Tales) -> None:
    edges = on(HOST, "docker", "ps", "--quiet", "--filter", "label=com.docker.compose.project=edge").split()
    on(HOST, "docker", "rm", "--force", *edges)
    tales.ship(STORIES, SUMMARY, NEWEST, FILL)
    shutil.copy(EXAMPLE / "config.toml", tales.source / "supabase")
    seed = tales.source / "supabase" / "seeds" / "stories.sql"
    seed.parent.mkdir()
    shutil.copy(EXAMPLE / "seeds" / seed.name, seed)

    says(tales.sets_up(), ["VERDICT deployed", "seeds run: supabase/seeds/stories.sql"])
    assert stories() == SEEDED
    assert applied() == versions(STORIES, SUMMARY, NEWEST, FILL)
    before = tales.containers()
    with users():
        says(tales.sets_up(), ["VERDICT unchanged"])
        # Supabase's rule: what has changed is written down, and what is new is run.
        seed.write_text(seed.read_text() + "insert into stories (title, text) values ('never', 'never');\n")
        seed.with_name("more.sql").write_text("insert into stories (title, text) values ('The fox', 'It read on.');\n")
        ran = tales.environment.play("playbooks/seed.yml")
        assert ran.code == 0, ran.output
    says(ran, ["supabase/seeds/more.sql"])
    assert tales.containers() == before
    titles = sql("select title from stories where title <> 'a tale' order by title collate \"C\"")
    assert titles.splitlines() == sorted([*SEEDED, "The fox"])
