"""An edge that runs, with toys in the place of an engine behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, TypeVar

from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases

from tests.edge_lab.haproxy import Haproxy, configure, root_file_system
from tests.edge_lab.host import STACK, LabHost
from tests.edge_lab.toys import Loop, ToyDocker

Engine = TypeVar("Engine", bound=ToyDocker)


@dataclass(frozen=True)
class RunningEdge(Generic[Engine]):
    root: Path
    haproxy: Haproxy
    loop: Loop
    docker: Engine

    def host(self, stacks: Path | None = None, docker: ToyDocker | None = None, name: str = STACK) -> LabHost:
        """``stacks``: where releases lie; ``docker``: the engine of this stack, where there are several."""
        releases = Releases(name, stacks or self.root / "stacks")
        return LabHost(docker or self.docker, self.root / "edge", releases, self.haproxy.validate, name)


@contextmanager
def lab_directory() -> Iterator[Path]:
    with TemporaryDirectory(prefix="edge-lab.", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@contextmanager
def running_edge(root: Path, engine: Callable[[Loop], Engine]) -> Iterator[RunningEdge[Engine]]:
    """Its files lie in ``root``. To be entered inside ``namespace.own_network``."""
    paths = EdgePaths(root / "edge")
    configure(paths)
    haproxy, loop = Haproxy(root_file_system(), paths), Loop()
    docker = engine(loop)
    try:
        docker.open()
        haproxy.start()
        yield RunningEdge(root, haproxy, loop, docker)
    finally:
        haproxy.kill()
        docker.close()
        loop.close()
