"""What a host lets go of in its content store. Releases and images: test_rollout."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EngineError
from ansible_collections.morpheus.deploy.plugins.module_utils.compose.contents import Content
from ansible_collections.morpheus.deploy.plugins.module_utils.host.retention import prune
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Retention


class Host:
    """host.StackHost whose containers have ``mounted`` these paths."""

    def __init__(self, root: Path) -> None:
        self.releases = Releases("shop", root)
        self.mounted: set[str] = set()
        self.asked = 0
        self.engine = SimpleNamespace(mounts=self.mounts)

    def mounts(self) -> set[str]:
        self.asked += 1
        return self.mounted

    def placed(self, name: str) -> str:
        source = self.releases.root / "source" / name
        write_atomically(source, name, mode=0o644)
        return str(self.releases.contents.place(Content(name, {name: source})))

    def live(self, *sources: str, config: str) -> None:
        """The live release mounts these."""
        volumes = [{"type": "bind", "source": source, "target": "/x"} for source in sources]
        found = {"services": {"api": {"volumes": volumes}, "worker": {}}, "configs": {"c": {"file": config}}}
        write_atomically(self.releases.project / "override.json", json.dumps(found), mode=0o644)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def pruned(host: Any) -> set[str]:
    prune(host, Retention(5))
    return {path.name for path in host.releases.root.glob("content/*/*")}


def test_what_the_live_release_and_containers_mount_is_kept_and_the_rest_goes(host: Host) -> None:
    live, config, held = (host.placed(name) for name in ("live", "config", "held"))
    host.placed("gone")
    host.live(live, config=config)
    host.mounted = {held, "/etc/ssl"}
    assert pruned(host) == {"live", "config", "held"}
    host.mounted = set()
    assert pruned(host) == {"live", "config"}


def test_the_engine_is_not_asked_when_nothing_could_go(host: Host) -> None:
    host.live(host.placed("live"), config=host.placed("config"))
    assert (pruned(host), host.asked) == ({"live", "config"}, 0)


def test_nothing_goes_when_the_engine_does_not_say_what_is_mounted(host: Host) -> None:
    host.live(host.placed("live"), config=host.placed("config"))
    host.placed("unknown")

    def fail() -> set[str]:
        raise EngineError("the engine did not answer")

    host.engine = SimpleNamespace(mounts=fail)
    with pytest.raises(EngineError):
        prune(host, Retention(5))  # type: ignore[arg-type]
    assert len(list(host.releases.root.glob("content/*/*"))) == 3


def test_data_and_live_files_are_never_pruned(host: Host) -> None:
    for path in ("project/uploads/a.png", "live/flags/a.json"):
        write_atomically(host.releases.root / path, "theirs", mode=0o644)
    host.live(config=host.placed("config"))
    host.placed("gone")
    prune(host, Retention(1))  # type: ignore[arg-type]
    assert [(host.releases.root / path).read_text() for path in ("project/uploads/a.png", "live/flags/a.json")] == ["theirs"] * 2
