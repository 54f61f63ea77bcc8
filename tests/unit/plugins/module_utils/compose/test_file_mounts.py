"""What relative paths stand for that services mount."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.contents import ContentStore
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.file_mounts import Kind, Mount, Sources, written
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.project_mounts import ProjectMounts
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack

FILES = {
    "compose.yml": b"",
    "env/api.env": b"",
    "conf/a.conf": b"1",
    "conf/run.sh": b"2",
    "data/seed.sql": b"3",
    "nginx.conf": b"4",
}
STACK: dict[str, Any] = {
    "compose_files": ["compose.yml"],
    "files": ["./conf", "data/seed.sql", "nginx.conf"],
    "live_files": ["flags/", "app/live"],
}
SOURCES = Sources.of(Stack.of(STACK), FILES, ["flags/a.json"])


@pytest.mark.parametrize(
    ("name", "writable", "kind"),
    [
        ("conf", True, Kind.CONTENT),
        ("conf/a.conf", True, Kind.CONTENT),
        ("nginx.conf", True, Kind.CONTENT),
        ("env/api.env", True, Kind.CONTENT),
        ("data", False, Kind.CONTENT),
        # A part of it is shipped and all of it can be written to: refused where it is new, and left alone where it is not.
        ("data", True, Kind.DATA),
        (".", False, Kind.CONTENT),
        (".", True, Kind.DATA),
        ("data/seed.sql", False, Kind.CONTENT),
        ("flags", True, Kind.LIVE),
        ("flags/deep", False, Kind.LIVE),
        ("flags2", True, Kind.DATA),
        ("uploads", True, Kind.DATA),
        ("uploads", False, Kind.DATA),
        ("conf/cache", True, Kind.DATA),
        ("secrets", False, Kind.SECRETS),
        ("secrets/key", False, Kind.SECRETS),
    ],
)
def test_what_a_path_stands_for(name: str, writable: bool, kind: Kind) -> None:
    assert SOURCES.kind(name, writable=writable) is kind


PROBLEMS = [
    pytest.param("./conf", None, [], id="a shipped directory, as most files write it"),
    pytest.param("./nginx.conf", None, [], id="a shipped file, as most files write it"),
    pytest.param("./conf", False, [], id="a shipped directory, read-only"),
    pytest.param("./uploads", None, [], id="data"),
    pytest.param("./uploads", True, [], id="data that is said to be written to"),
    pytest.param("./conf/cache", True, [], id="data below what is shipped"),
    pytest.param("./data", False, [], id="a directory with shipped files in it, read-only"),
    pytest.param("./flags", None, [], id="live files"),
    pytest.param("./secrets/key", None, [], id="a secret"),
    pytest.param(
        "./conf",
        True,
        [
            'services.api.volumes: "./conf" is to be written to, and is shipped by stack.files, so it never changes; add :ro, or '
            "take it out of stack.files so that it becomes the application's data"
        ],
        id="a shipped directory that is said to be written to",
    ),
    pytest.param(
        "./data",
        None,
        [
            'services.api.volumes: "./data" can be written to, and stack.files ships data/seed.sql in it, which never changes; '
            "add :ro, or mount what is shipped and what is written as two directories"
        ],
        id="a directory with shipped files in it",
    ),
    pytest.param(
        "./app",
        False,
        [
            'services.api.volumes: "./app" holds app/live of stack.live_files, which changes while the rest does not; mount '
            "./app/live by itself"
        ],
        id="a directory with live files in it",
    ),
    pytest.param(
        "./flags",
        True,
        ['services.api.volumes: "./flags" is in stack.live_files, which only a deploy writes; add :ro'],
        id="live files that are said to be written to",
    ),
    pytest.param(
        "./flags/a.json",
        False,
        [
            'services.api.volumes: "./flags/a.json" is a single file of stack.live_files, which a container would never see '
            "change; mount ./flags"
        ],
        id="one live file",
    ),
]


@pytest.mark.parametrize(("source", "writable", "problems"), PROBLEMS)
def test_what_cannot_work_is_refused_with_the_way_out(source: str, writable: bool | None, problems: list[str]) -> None:
    assert SOURCES.problems(Mount("api", source, str(Path(source)), writable)) == problems


def test_the_whole_project_cannot_be_mounted_when_a_part_of_it_is_live() -> None:
    assert SOURCES.problems(Mount("api", ".", ".", False)) == [
        'services.api.volumes: "." holds app/live of stack.live_files, which changes while the rest does not; mount ./app/live '
        "by itself"
    ]


CONFIGS = [
    pytest.param({"file": "./nginx.conf"}, [], id="shipped"),
    pytest.param({"file": "nginx.conf"}, [], id="shipped, written without ./"),
    pytest.param({"content": "a"}, [], id="in the file itself"),
    pytest.param({"file": "/etc/motd"}, [], id="a file of the host"),
    pytest.param({"file": "${HOME}/x"}, [], id="what only the host knows"),
    pytest.param(
        {"file": "./x.conf"},
        ["configs.c.file: nothing ships ./x.conf; add x.conf to stack.files"],
        id="a config that nothing brings",
    ),
    pytest.param(
        {"file": "./flags/a.json"},
        [
            'configs.c.file: "./flags/a.json" is a single file of stack.live_files, which a container would never see change; '
            "mount ./flags"
        ],
        id="a config that is a live file",
    ),
    pytest.param([1], [], id="misshapen"),
]


@pytest.mark.parametrize(("config", "problems"), CONFIGS)
def test_a_config_is_a_file_that_the_release_ships(config: Any, problems: list[str]) -> None:
    assert SOURCES.config_problems({"c": config}) == problems


DEVICE = 'volumes.v.driver_opts.device: "{0}" is shipped with the stack; mount {0} itself in the services, without a named volume'


@pytest.mark.parametrize(
    ("device", "is_problem"),
    [
        ("./conf", True),
        ("./data", True),
        ("./flags/deep", True),
        (".", True),
        ("./uploads", False),
        ("/srv/conf", False),
        ("", False),
    ],
)
def test_a_named_volume_is_no_way_around(device: str, is_problem: bool) -> None:
    problem = DEVICE.format(device)
    volumes = {"v": {"driver_opts": {"type": "none", "o": "bind", "device": device}}, "w": None, "x": {"driver_opts": 5}}
    assert SOURCES.volume_problems(volumes) == ([problem] if is_problem else [])
    assert SOURCES.volume_problems([1]) == []


VOLUMES = [
    pytest.param("./conf:/conf", [("./conf", "conf", None)], id="short"),
    pytest.param("./conf/:/conf:ro,z", [("./conf/", "conf", False)], id="short, read-only"),
    pytest.param("./conf:/conf:rw", [("./conf", "conf", True)], id="short, to be written to"),
    pytest.param(".:/app", [(".", ".", None)], id="everything"),
    pytest.param({"type": "bind", "source": "conf", "target": "/c"}, [("./conf", "conf", None)], id="long"),
    pytest.param(
        {"type": "bind", "source": "./conf", "target": "/c", "read_only": True}, [("./conf", "conf", False)], id="long, ro"
    ),
    pytest.param(
        {"type": "bind", "source": "./conf", "target": "/c", "read_only": False}, [("./conf", "conf", True)], id="long, rw"
    ),
    pytest.param("data:/data", [], id="a named volume"),
    pytest.param({"type": "volume", "source": "data", "target": "/data"}, [], id="a named volume, long"),
    pytest.param("/etc/ssl:/etc/ssl:ro", [], id="a path of the host"),
    pytest.param("~/x:/x", [], id="a home"),
    pytest.param("../x:/x", [], id="outside"),
    pytest.param("./x/../../y:/x", [], id="outside in a roundabout way"),
    pytest.param("./${X}:/x", [], id="what only the host knows"),
    pytest.param("/cache", [], id="an anonymous volume"),
    pytest.param(5, [], id="misshapen"),
]


@pytest.mark.parametrize(("volume", "found"), VOLUMES)
def test_relative_mounts_as_files_write_them(volume: Any, found: list[tuple[str, str, bool | None]]) -> None:
    assert [(one.text, one.name, one.writable) for one in written("api", {"volumes": [volume]})] == found


def test_of_two_mounts_at_one_target_the_last_counts_as_in_compose() -> None:
    [mount] = written("api", {"volumes": ["./conf:/conf:rw", "./conf:/conf/:ro"]})
    assert mount.writable is False
    assert written("api", {"volumes": ["./conf:/conf", "conf:/conf"]}) == []


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    for name, content in FILES.items():
        write_atomically(tmp_path / "release" / name, content, mode=0o755 if name.endswith(".sh") else 0o644)
    return {name: tmp_path / "release" / name for name in FILES}


@pytest.fixture
def mounts(tmp_path: Path) -> ProjectMounts:
    return ProjectMounts(SOURCES, tmp_path / "project", tmp_path / "live", ContentStore(tmp_path / "content"))


def bind(mounts: ProjectMounts, name: str, target: str, **more: Any) -> dict[str, Any]:
    source = name if name.startswith("/") else str(mounts.project / name)
    return {"type": "bind", "source": source, "target": target, "bind": {"create_host_path": True}, **more}


def test_every_kind_of_mount_comes_from_its_place(mounts: ProjectMounts, files: dict[str, Path], tmp_path: Path) -> None:
    volumes = [
        bind(mounts, "conf", "/conf"),
        bind(mounts, "nginx.conf", "/etc/nginx.conf", read_only=True),
        bind(mounts, "flags", "/flags"),
        bind(mounts, "uploads", "/uploads"),
        bind(mounts, "secrets/key", "/key", read_only=True),
        bind(mounts, "/etc/ssl/certs", "/etc/ssl/certs", read_only=True),
        {"type": "volume", "source": "db", "target": "/db"},
    ]
    configs = {"own": {"file": str(mounts.project / "nginx.conf")}, "host": {"file": "/etc/motd"}, "inline": {"content": "x"}}
    model = mounts.resolved({"services": {"api": {"volumes": volumes}, "worker": {"volumes": volumes[3:]}}, "configs": configs})
    assert mounts.data(model) == {"uploads"}
    assert mounts.contents(model) == {"conf", "nginx.conf"}
    found = mounts.overrides(model, files)
    assert set(found.volumes) == {"api"}
    conf, nginx, flags = found.volumes["api"]
    assert (conf["target"], conf["read_only"], conf["bind"]) == ("/conf", True, {"create_host_path": False})
    assert sorted(path.name for path in Path(conf["source"]).iterdir()) == ["a.conf", "run.sh"]
    assert Path(conf["source"], "run.sh").stat().st_mode & 0o777 == 0o755
    assert (Path(nginx["source"]).read_bytes(), nginx["read_only"]) == (b"4", True)
    assert (flags["source"], flags["read_only"]) == (str(tmp_path / "live" / "flags"), True)
    assert found.configs.keys() == {"own", "inline"}
    assert found.configs["own"] == {"file": nginx["source"]}
    assert Path(found.configs["inline"]["file"]).read_bytes() == b"x"
    assert found.inline == {"inline"}
    # All that a one-off container of another project directory must be told.
    sources = [one["source"] for one in mounts.placed(model, "api", files)]
    assert sources == [conf["source"], nginx["source"], flags["source"], str(mounts.project / "uploads"), "/etc/ssl/certs"]


def test_what_is_mounted_inside_a_shipped_directory_has_a_place_there(mounts: ProjectMounts, files: dict[str, Path]) -> None:
    """A directory that is mounted read-only gets no mount point from the engine."""
    service = {
        "volumes": [
            bind(mounts, "conf", "/app"),
            bind(mounts, "nginx.conf", "/app/a.conf"),
            bind(mounts, "nginx.conf", "/app/more/nginx.conf"),
            bind(mounts, "conf/cache", "/app/cache"),
            {"type": "volume", "source": "modules", "target": "/app/node_modules"},
            {"type": "volume", "source": "db", "target": "/application"},
        ],
        "tmpfs": ["/app/tmp:size=1m", "/tmp"],
        "secrets": [{"source": "key", "target": "/app/key"}, {"source": "other"}],
    }
    model = mounts.resolved({"services": {"api": service}})
    place = Path(mounts.overrides(model, files).volumes["api"][0]["source"])
    names = {str(path.relative_to(place)): path.is_dir() for path in place.rglob("*")}
    assert names == {
        "a.conf": False,
        "run.sh": False,
        "key": False,
        "more": True,
        "more/nginx.conf": False,
        "cache": True,
        "node_modules": True,
        "tmp": True,
    }
    assert (place / "a.conf").read_bytes() == b"1"


def test_a_directory_with_shipped_files_in_it_that_could_be_written_to_is_left_as_it_is(
    mounts: ProjectMounts, files: dict[str, Path]
) -> None:
    """Only releases from before it was refused have one."""
    model = mounts.resolved({"services": {"api": {"volumes": [bind(mounts, "data", "/data")]}}})
    assert mounts.overrides(model, files).volumes == {}
    assert mounts.data(model) == mounts.contents(model) == set()
    assert [problem.split(" can be ")[0] for problem in mounts.problems(model)] == ['services.api.volumes: "./data"']


def test_the_whole_project_is_what_the_release_ships_and_no_secret(tmp_path: Path, files: dict[str, Path]) -> None:
    store = ContentStore(tmp_path / "content")
    mounts = ProjectMounts(
        Sources.of(Stack.of({**STACK, "live_files": []}), FILES), tmp_path / "project", tmp_path / "live", store
    )
    model = mounts.resolved({"services": {"api": {"volumes": [bind(mounts, ".", "/app", read_only=True)]}}})
    place = Path(mounts.overrides(model, files).volumes["api"][0]["source"])
    assert {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()} == set(FILES)
