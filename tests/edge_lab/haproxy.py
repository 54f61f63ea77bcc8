"""HAProxy of the edge's image, run in its own file system, because this machine's libc may be older than the image's."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import HAPROXY_DIRECTORY, RUN_DIRECTORY
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.networks import HOME_LIST
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.validation import HAPROXY_FILES

from tests.edge_lab.namespace import own_network
from tests.templates.test_edge_templates import ROLE, render

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "edge-lab"
START_SECONDS = 300.0
# Docker gives every container this one, so that HAProxy finds replicas by the names of their containers. It is less patient here:
# while libc waits HAProxy does not start.
RESOLV_CONF = "nameserver 127.0.0.11\noptions ndots:0 timeout:1 attempts:1\n"


@cache
def root_file_system() -> Path:
    """Where the image's files lie unpacked; without an engine or the image, Debian's HAProxy 3.0. Made once, and first asked for
    outside a network of one's own, in which Debian cannot be reached.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    image = str(yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())["edge_image"])
    identity = _image_id(image)
    root = CACHE / (identity.removeprefix("sha256:")[:16] or "debian-trixie")
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            unfinished = root.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            if identity:
                _export(image, unfinished)
            else:
                # No engine has the edge's image.
                bootstrap("haproxy", unfinished, "minbase")
            _fit(unfinished)
            unfinished.rename(root)
    return root


def _image_id(image: str) -> str:
    if not shutil.which("docker"):
        return ""
    found = subprocess.run(["docker", "image", "inspect", "--format", "{{.Id}}", image], capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else ""


def _export(image: str, target: Path) -> None:
    container = subprocess.run(["docker", "create", image], check=True, capture_output=True, text=True).stdout.strip()
    try:
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export:
            subprocess.run(["tar", "--extract", "--directory", str(target)], stdin=export.stdout, check=True)
        if export.returncode:
            raise RuntimeError(f"docker export of {image} failed")
    finally:
        subprocess.run(["docker", "rm", container], check=True, capture_output=True)


def bootstrap(package: str, target: Path, variant: str) -> None:
    """Debian 13 with a package, unpacked below ``target``; ``variant`` as mmdebstrap has them."""
    command = ["mmdebstrap", f"--variant={variant}", f"--include={package}", "trixie", str(target)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"mmdebstrap does not give {package}: {done.stderr.strip()[-600:]}")


def _fit(root: Path) -> None:
    """Places to mount to, and Docker's DNS."""
    for directory in (HAPROXY_DIRECTORY, RUN_DIRECTORY):
        (root / directory.lstrip("/")).mkdir(parents=True, exist_ok=True)
    resolv = root / "etc" / "resolv.conf"
    resolv.unlink(missing_ok=True)
    resolv.write_text(RESOLV_CONF)


def configure(paths: EdgePaths) -> None:
    """What the role edge leaves on a host: its own files with its defaults, and nothing of any stack yet."""
    for path in (paths.conf / "certs", paths.conf / "stacks", paths.conf / "routes.d", paths.root / "run"):
        path.mkdir(parents=True, exist_ok=True)
    (paths.conf / "haproxy.cfg").write_text(render("haproxy.cfg.j2"))
    (paths.conf / "maintenance.html").write_text((ROLE / "files" / "maintenance.html").read_text())
    (paths.conf / "maintenance.map").write_text("state off\n")
    (paths.conf / "routes.map").write_text("")
    (paths.conf / HOME_LIST).write_text("127.0.0.0/8\n")
    paths.settings.write_text('{"image": "haproxy:3.0", "user": "99:99"}\n')


@contextmanager
def host_of_an_edge() -> Iterator[EdgePaths]:
    """A directory and a network of its own for one edge, which is not running yet."""
    with TemporaryDirectory(prefix="edge-lab.", ignore_cleanup_errors=True) as directory, own_network():
        paths = EdgePaths(Path(directory) / "edge")
        configure(paths)
        yield paths


class Haproxy:
    """One edge: a master with its workers, as edge_setup runs it. Its log goes to ``log``."""

    def __init__(self, root: Path, paths: EdgePaths) -> None:
        self._root = root
        self._paths = paths
        self.log = paths.root / "haproxy.log"
        self._process: subprocess.Popen[bytes] | None = None
        # HAProxy ends with the thread that started it, so that is one that lasts.
        self._starter = ThreadPoolExecutor(1)

    def start(self) -> None:
        command = ["haproxy", "-W", "-db", "-S", f"{RUN_DIRECTORY}/master.sock,mode,600", *_files()]
        with self.log.open("ab") as log:
            self._process = self._starter.submit(
                subprocess.Popen,
                # With a process namespace of its own the master is process 1, as in a container, and nothing outlives it.
                [*_inside("--pid", "--fork", "--kill-child"), *self._script(self._paths.conf, command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            ).result()
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                for socket in (self._paths.socket, self._paths.master):
                    Socket(str(socket)).ask("show version")
                return
            except EdgeError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"HAProxy does not start:\n{self.log.read_text()[-3000:]}") from None
            time.sleep(0.01)

    def kill(self) -> None:
        """End it at once. The master is told, not what waits for it: its ports are free when this returns."""
        if self._process:
            pid = self._process.pid
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
            self._process.wait()
            self._process = None
        for socket in (self._paths.socket, self._paths.master):
            socket.unlink(missing_ok=True)

    def validate(self, candidate: Path) -> str:
        """As host.validate_edge: what HAProxy says against a configuration directory, asked where there is no network."""
        command = [*_inside("--net"), *self._script(candidate, ["haproxy", "-c", *_files()])]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        alerts = [line.split(" : ", 1)[-1] for line in done.stdout.splitlines() if "[ALERT]" in line]
        return "" if done.returncode == 0 else "; ".join(alerts[:3]) or done.stdout

    def _script(self, conf: Path, command: list[str]) -> list[str]:
        mounts = {conf: HAPROXY_DIRECTORY, self._paths.root / "run": RUN_DIRECTORY}
        lines = [f'mount --bind "{source}" "{self._root}{target}"' for source, target in mounts.items()]
        return ["sh", "-ec", "; ".join([*lines, f'exec chroot "{self._root}" "$@"']), "sh", *command]


def _inside(*namespaces: str) -> list[str]:
    # The first part ends all of it with this process, however that ends.
    return ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", *namespaces]


def _files() -> list[str]:
    return [part for name in HAPROXY_FILES for part in ("-f", f"{HAPROXY_DIRECTORY}/{name}")]
