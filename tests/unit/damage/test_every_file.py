"""The damage table has a row for every file that the collection writes on a host: what the code says is compared with it.

A place in the code that writes a file and that the prepared host never comes to goes red here, and so does a name of a file that
no row has. Then prepare a host that has the file, which gives it its row; or say below where else it lies.
"""

from __future__ import annotations

import pytest

from tests.unit.damage.files import FILES
from tests.unit.damage.prepared import prepared_host
from tests.unit.damage.written import laid_by_roles, names, places, sources, watched

# Places that write no file below /var/lib/morpheus.deploy, or one that a prepared host has from another place.
ELSEWHERE = {
    "module_utils/backup/place.py: archive": "a part of an archive, gone when it was used",
    "module_utils/backup/place.py: note": "beside its archive, in the directory that the inventory names",
    "module_utils/backup/server.py: target": "a password for one program, gone when that ends",
    "module_utils/base/bytecode.py: write": "/var/cache/morpheus.deploy; its damage is in test_bytecode.py",
    "module_utils/daemon/setup.py: _note": "/etc/docker",
    "module_utils/daemon/setup.py: _put_back": "/etc/docker",
    "module_utils/daemon/setup.py: _validate": "/etc/docker",
    "module_utils/daemon/setup.py: apply": "/etc/docker",
    "module_utils/edge/certificate.py: serve": "edge/conf/certs/acme.pem, which provisioning has laid",
    "module_utils/edge/configuration.py: _known_addresses": "edge/run/servers.state, there while HAProxy is reloaded",
    "module_utils/edge/networks.py: mark": "edge/edge.json of an older version, with another format",
    "module_utils/lease/history.py: append": "history/staging.jsonl, into which the end of a run writes by a command",
    "module_utils/lease/history.py: trim": "the same, and lines that cannot be read into a file beside it, which nobody reads",
    "module_utils/lease/lease.py: break_": "leases/staging/lease.json, which whoever took the lease has written",
    "module_utils/release/live_flags.py: bring": "live/flags/flags.json, which a deploy has brought",
    "module_utils/release/secret_files.py: rewrite_secret": "secrets/, which a deploy has brought",
    "module_utils/release/secret_files.py: write_secrets": "the same, in place",
}
# Names that are of no file below /var/lib/morpheus.deploy.
NOT_OURS = {
    **dict.fromkeys(("__init__.py", "__main__.py"), "in shipper.pyz"),
    **dict.fromkeys(("<name>.py", "V<version>__<description>.sql", "manage.py", "migration.sql"), "of an application"),
    "daemon.json": "of the engine",
    "pg_hba.conf": "of a database",
    **dict.fromkeys(
        (
            "access.conf",
            "ld.so.conf",
            "nsswitch.conf",
            "pam.conf",
            "pam_env.conf",
            "sitecustomize.py",
            "sudo.conf",
            "sysctl.conf",
        ),
        "of the operating system, where an audit looks",
    ),
}
TABLE = {label.rpartition("/")[2] for label in FILES}


@pytest.fixture(scope="module")
def code() -> dict[str, str]:
    return sources()


@pytest.fixture(scope="module")
def known(code: dict[str, str]) -> dict[tuple[str, int], str]:
    return places(code)


def test_what_stands_elsewhere_is_a_place_in_the_code(known: dict[tuple[str, int], str]) -> None:
    assert {*ELSEWHERE} <= {*known.values()}


def test_a_prepared_host_has_been_to_every_place_in_the_code_that_writes_a_file(known: dict[tuple[str, int], str]) -> None:
    with watched() as seen, prepared_host():
        pass
    never = {*known.values()} - {known[place] for place in seen if place in known}
    assert never == {*ELSEWHERE}


def test_every_name_of_a_file_in_the_code_is_in_the_table(code: dict[str, str]) -> None:
    found = names(code)
    ends = {name: name.lstrip("*") for name in found if name.startswith((".", "*"))}
    whole = found - ends.keys() - TABLE
    missing = whole | {name for name, end in ends.items() if not any(one.endswith(end) for one in TABLE)}
    assert missing == {*NOT_OURS}


def test_every_file_that_a_role_lays_on_a_host_is_in_the_table() -> None:
    found = laid_by_roles()
    assert {"engine_metrics.py", "engine.prom", "upstream-ca.pem", "maintenance.html"} <= found
    assert found <= TABLE


def test_a_place_that_writes_is_found_however_it_is_written() -> None:
    source = """
def a(path):
    write_atomically(
        path, "",
    )
    with open(path, "ab") as one, open(path) as other, path.open("rb"):
        pass

def b(path):
    def c():
        path.write_text("")
    put_right(path, "")
    path.touch()
"""
    assert places({"plugins/modules/x.py": source}) == {
        **dict.fromkeys([("plugins/modules/x.py", line) for line in (3, 4, 5, 6)], "modules/x.py: a"),
        ("plugins/modules/x.py", 11): "modules/x.py: c",
        **dict.fromkeys([("plugins/modules/x.py", line) for line in (12, 13)], "modules/x.py: b"),
    }


def test_a_name_of_a_file_is_found_in_texts_and_not_in_documentation() -> None:
    source = (
        'DOCUMENTATION = "a.json"\nA, B = f"{b}/d.prom", "stacks/e.jsonl"\ndef f():\n    """g.lock"""\n    return "see a.b"\n'
    )
    assert names({"x.py": source}) == {"d.prom", "e.jsonl"}
