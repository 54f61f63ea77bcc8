"""What an attacker leaves on a host, planted below a directory that is a whole host: found, and clean again without it.

The same on a real host is tests/acceptance/test_audit_holes.py.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import env_file as dotenv
from ansible_collections.morpheus.deploy.plugins.module_utils.base import leftovers
from ansible_collections.morpheus.deploy.plugins.module_utils.egress.egress_filter import EgressFilter
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import baseline, sockets
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import host as audit_host
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.baseline import BaselineFile
from ansible_collections.morpheus.deploy.plugins.module_utils.facts.host import HostAudit
from ansible_collections.morpheus.deploy.plugins.module_utils.lineage.lineage import Lineage
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity, Owner
from ansible_collections.morpheus.deploy.plugins.module_utils.release.manifest import Manifest
from ansible_collections.morpheus.deploy.plugins.module_utils.release.release import Releases
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Stack
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import report as audit
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.secrets import MaximumAge

from tests.unit.audited import recorded, settings
from tests.unit.memory_kernel import Kernel
from tests.unit.plugins.module_utils.egress.test_egress_filter import BASE
from tests.unit.plugins.module_utils.facts.test_audit_host import inspect

OWN = "var/lib/morpheus.deploy"
UNIT = "etc/systemd/system/multi-user.target.wants/container-egress.service"
SECRETS = f"{OWN}/stacks/shop/secrets"
TOKEN = "sk-canary-0123456789"
ENV = dotenv.render({"TOKEN": TOKEN})
PEM = "-----BEGIN PRIVATE KEY-----\ncanary\n"
KEY = f"ssh-ed25519 {base64.b64encode(b'eve' * 20).decode()} eve@laptop\n"
PASSWD = (
    "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\ndeploy:x:4000:4000::/home/deploy:/bin/bash\n"
)
FILES = {
    "etc/passwd": PASSWD,
    "etc/shadow": "root:*:1::::::\nwww-data:*:1::::::\ndeploy:!:1::::::\n",
    "etc/group": f"root:x:0:\nsudo:x:27:\ndocker:x:{os.getegid() or 102}:\ndeploy:x:4000:\n",
    "etc/sudoers": "root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n",
    "etc/sudoers.d/deploy": "deploy ALL=(ALL) NOPASSWD: ALL\n",
    "etc/ssh/sshd_config": "PermitRootLogin no\nPasswordAuthentication no\nInclude more/*.cfg /etc/ssh/sshd_config.d/*.conf\n",
    "etc/ssh/sshd_config.d/10-own.conf": "Match User backup\nPermitRootLogin yes\n",
    "etc/ssh/more/own.cfg": "Include /etc/ssh/sshd_config\nAllowUsers deploy\n",
    "etc/skel/.bashrc": "HISTSIZE=1000\n",
    "home/deploy/.bashrc": "HISTSIZE=1000\n",
    "home/deploy/.ssh/authorized_keys": f"ssh-ed25519 {base64.b64encode(b'anna' * 20).decode()} anna@laptop\n",
    "etc/cron.d/own": "0 4 * * * root /usr/bin/true\n",
    "etc/pam.d/su": "auth required pam_unix.so\n",
    "usr/bin/id": "id",
    "usr/bin/su": "su",
    "usr/local/sbin/own": "own",
    "run/docker.sock": "",
    f"{OWN}/edge/conf/certificates.list": "/usr/local/etc/haproxy/certs/shop.example.pem\n",
    f"{OWN}/edge/conf/certs/shop.example.pem": PEM,
}
MODES = {"usr/bin/su": 0o4755, "run/docker.sock": 0o660, f"{OWN}/edge/conf/certs/shop.example.pem": 0o400}


@dataclass
class Host:
    """A whole host below ``root``, with an engine that has ``containers``. ``passed``: ids of checks that passed last."""

    root: Path
    containers: list[dict[str, Any]] = field(default_factory=list)
    digest: str = ""
    passed: set[str] = field(default_factory=set)
    kernel: Kernel = field(default_factory=Kernel)

    def put(self, name: str, content: str, mode: int = 0o644) -> Path:
        path = self.root / name
        for parent in reversed(path.relative_to(self.root).parents):
            if not (self.root / parent).exists():
                (self.root / parent).mkdir()
                (self.root / parent).chmod(0o755)
        path.write_text(content)
        path.chmod(mode)
        return path

    def append(self, name: str, content: str) -> Callable[[], object]:
        """Undone by what is returned."""
        path = self.root / name
        before = path.read_text()
        path.write_text(before + content)
        return lambda: path.write_text(before)

    @property
    def baseline(self) -> BaselineFile:
        return BaselineFile(self.root / "etc/morpheus.deploy")

    @property
    def egress(self) -> EgressFilter:
        return EgressFilter(self.root / OWN / "egress", self.kernel, self.root / "no/six", self.root / UNIT)

    def claim(self) -> None:
        self.baseline.write("staging", "2026-01-02T00:00:00Z", baseline.now(self.root))
        found = self.baseline.read()
        assert found is not None
        self.digest = found.digest

    def audited(self) -> dict[str, str]:
        """``<level> <id> <where>`` of what was found -> what was seen."""
        releases = Releases("shop", self.root / OWN / "stacks")
        facts = HostAudit(Engine(self), releases, self.root, self.egress).look([], 1.0, sites=["shop.example"])  # type: ignore[arg-type]
        assert "canary" not in json.dumps(facts)
        for one in (*facts["engine_sockets"], *facts["searched"]["copies"], *facts["files"]):
            # Who runs this test is root on this host.
            one["uid"] = 0 if one["uid"] == os.geteuid() else one["uid"]
            one["path"] = one["path"].removeprefix(str(self.root))
        known = {"app-1": {"digest": self.digest, "recorded": "2026-01-02T00:00:00Z"}}
        report = audit.report({"app-1": facts}, settings(baselines=known, database={}), recorded(), MaximumAge())
        self.passed = {one["id"] for one in report["findings"] if one["level"] == "passed"}
        return {
            f"{one['level']} {one['id']} {where.removesuffix(' on app-1')}": one["seen"]
            for one in report["findings"]
            if one["level"] in ("high", "medium", "low") and one["id"] not in ("proof-absent", "secret-unrecorded")
            for where in one["where"]
        }


@dataclass
class Engine:
    """audit_host's view of the engine of a host."""

    host: Host

    def containers(self) -> list[dict[str, Any]]:
        return self.host.containers

    def volumes(self) -> dict[str, dict[str, str]]:
        return {"data": {}, "of-the-host": {"o": "bind", "type": "none", "device": "/"}}

    def image(self, identity: str) -> dict[str, Any]:
        return {"Id": identity, "Config": {"User": "1000", "Healthcheck": {"Test": ["CMD", "true"]}}}

    def history(self, identity: str) -> list[dict[str, Any]]:
        return []

    def info(self) -> dict[str, Any]:
        options = ["name=seccomp,profile=builtin", "name=no-new-privileges"]
        return {"LiveRestoreEnabled": True, "SecurityOptions": options, "DockerRootDir": "/var/lib/docker"}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host of staging with a live release, whose baseline was recorded."""
    tmp_path.chmod(0o755)
    found = Host(tmp_path)
    for name, content in FILES.items():
        found.put(name, content, MODES.get(name, 0o644))
    releases = Releases("shop", tmp_path / OWN / "stacks")
    releases.write_files("1-a", "1", "staging", {"compose.yml": b"services: {}\n"})
    releases.write_manifest(
        Manifest(
            "1-a", "1", "staging", Stack.of({"name": "shop", "compose_files": ["compose.yml"]}), secrets={"api.env": ["TOKEN"]}
        )
    )
    releases.write_secrets({"api.env": ENV})
    releases.write_lineage(Lineage(trail=["1-a"]))
    identity = HostIdentity(tmp_path / "etc/morpheus.deploy")
    identity.write(Owner("staging", "2026-01-01T00:00:00Z"))
    found.containers.append(inspect())
    found.put(UNIT, "")
    found.egress.apply(BASE)
    found.claim()
    daemon = found.put("etc/docker/daemon.json", '{"icc": false, "no-new-privileges": true}')
    monkeypatch.setattr(audit_host, "DAEMON_FILE", daemon)
    monkeypatch.setattr(audit_host, "HostIdentity", lambda: identity)
    monkeypatch.setattr(Compose, "written", lambda _: {})
    monkeypatch.setattr(sockets, "listeners", list)
    monkeypatch.setattr(sockets, "owners", dict)
    return found


Undo = Callable[[], object]


def file(name: str, content: str, mode: int = 0o644) -> Callable[[Host], Undo]:
    """A file that was not there."""

    def plant(host: Host) -> Undo:
        path = host.put(name, content, mode)
        return path.unlink

    return plant


def written(name: str, content: str) -> Callable[[Host], Undo]:
    """A file with other content than before, if there was one."""

    def plant(host: Host) -> Undo:
        path = host.root / name
        before = path.read_text() if path.exists() else None
        host.put(name, content)
        return path.unlink if before is None else lambda: path.write_text(before)

    return plant


def link(name: str, target: str) -> Callable[[Host], Undo]:
    def plant(host: Host) -> Undo:
        path = host.put(name, "")
        path.unlink()
        path.symlink_to(target)
        return path.unlink

    return plant


def line(name: str, content: str) -> Callable[[Host], Undo]:
    """A line more in a file."""
    return lambda host: host.append(name, f"{content}\n")


def moved(name: str, before: str, after: str) -> Callable[[Host], Undo]:
    """The same lines of a file in another order."""

    def plant(host: Host) -> Undo:
        path = host.root / name
        path.write_text(path.read_text().replace(before, after))
        return lambda: path.write_text(path.read_text().replace(after, before))

    return plant


def mode(name: str, other: int) -> Callable[[Host], Undo]:
    def plant(host: Host) -> Undo:
        path = host.root / name
        before = path.stat().st_mode & 0o7777
        path.chmod(other)
        return lambda: path.chmod(before)

    return plant


def container(state: str, mounts: Sequence[Mapping[str, Any]] = (), **more: Any) -> Callable[[Host], Undo]:
    """One that was made by hand. ``more``: what is in its HostConfig."""

    def plant(host: Host) -> Undo:
        made = inspect(Name="/rogue", Id="cd" * 32, State={"Status": state, "Pid": 0}, Mounts=list(mounts))
        made["Config"] = {**made["Config"], "Labels": {}}
        made["HostConfig"] = {**made["HostConfig"], "PortBindings": {}, **more}
        host.containers.append(made)
        return lambda: host.containers.remove(made)

    return plant


def mount(source: str, **more: Any) -> list[dict[str, Any]]:
    return [{"Type": "bind", "Source": source, "Destination": "/host", "RW": True, "Propagation": "rprivate", **more}]


def killed_preparation(host: Host) -> Undo:
    host.put("run/morpheus.deploy.held-x/secrets/api.env", ENV, 0o600)
    return lambda: shutil.rmtree(host.root / "run/morpheus.deploy.held-x")


def killed_check_of_the_edge(host: Host) -> Undo:
    host.put(f"{OWN}/edge/candidate.held-x/certs/shop.example.pem", PEM, 0o400)
    return lambda: shutil.rmtree(host.root / OWN / "edge/candidate.held-x")


def another_baseline(host: Host) -> Undo:
    """Who is root adds an account, and what the baseline says of it."""
    undo = host.append("etc/passwd", "toor:x:0:0::/root:/bin/bash\n")
    before = host.baseline.path.read_text()
    host.baseline.write("staging", "2026-01-02T00:00:00Z", baseline.now(host.root))
    return lambda: (undo(), host.baseline.path.write_text(before))


def flushed(host: Host) -> Undo:
    host.kernel.tables["iptables"].clear()
    return lambda: host.egress.apply(BASE)


def unloaded(host: Host) -> Undo:
    (host.root / UNIT).unlink()
    return lambda: host.put(UNIT, "")


def never_provisioned(host: Host) -> Undo:
    (host.root / OWN / "egress/base.json").unlink()
    return lambda: host.egress.apply(BASE)


def no_baseline(host: Host) -> Undo:
    before = host.baseline.path.read_text()
    host.baseline.path.unlink()
    return lambda: host.put("etc/morpheus.deploy/baseline.json", before, 0o600)


ALWAYS: dict[str, Any] = {"RestartPolicy": {"Name": "always"}}
ROGUE = "medium container-unknown rogue"
LEFT = "secret-leftover"
SUDO = "eve ALL=(ALL) NOPASSWD: ALL"
# What is planted, and what is found of it; ``*`` stands for the rest of a line.
HOLES = {
    "the socket for everybody": (mode("run/docker.sock", 0o666), {"high engine-socket /run/docker.sock"}),
    "a key for root": (file("root/.ssh/authorized_keys", KEY), {"high account-key root: ssh-ed25519 *"}),
    "a key for the deploy user": (line("home/deploy/.ssh/authorized_keys", KEY), {"high account-key deploy: ssh-ed25519 *"}),
    "a key for who has no shell": (file("var/www/.ssh/authorized_keys", KEY), {"high account-key www-data: ssh-ed25519 *"}),
    "keys somewhere else": (
        line("etc/ssh/sshd_config", "AuthorizedKeysFile /var/keys/%u"),
        {"high account-sshd /etc/ssh/sshd_config: AuthorizedKeysFile /var/keys/%u"},
    ),
    **{
        f"sshd: {words}": (line("etc/ssh/sshd_config", words), {f"high account-sshd /etc/ssh/sshd_config: {words}"})
        for words in (
            "AuthenticationMethods none",
            "ChallengeResponseAuthentication yes",
            "StrictModes no",
            "SecurityKeyProvider /opt/eve.so",
            "PubkeyAuthOptions none",
            "ForceCommand /opt/eve",
            "AcceptEnv *",
            "Subsystem sftp /opt/eve",
            "GSSAPIAuthentication yes",
            "KerberosAuthentication yes",
            "PAMServiceName eve",
            "HostCertificate /opt/eve",
            "SetOfTomorrow eve",
        )
    },
    "sshd: a variable of every login": (
        line("etc/ssh/sshd_config", "SetEnv LD_PRELOAD=/opt/canary.so X=1"),
        {"high account-sshd /etc/ssh/sshd_config: SetEnv LD_PRELOAD=... X=... (*"},
    ),
    "sshd: a keyword in quotes": (
        line("etc/ssh/sshd_config", '"PermitRootLogin" yes'),
        {'high account-sshd /etc/ssh/sshd_config: "PermitRootLogin" yes'},
    ),
    "sshd: a setting of everybody that was one of a single account": (
        moved(
            "etc/ssh/sshd_config.d/10-own.conf",
            "Match User backup\nPermitRootLogin yes\n",
            "PermitRootLogin yes\nMatch User backup\n",
        ),
        {
            "high account-sshd /etc/ssh/sshd_config.d/10-own.conf: PermitRootLogin yes",
            "low account-sshd /etc/ssh/sshd_config.d/10-own.conf: PermitRootLogin yes (in Match User backup)",
        },
    ),
    "sshd: more in a file that is included": (
        line("etc/ssh/more/own.cfg", "PermitRootLogin yes"),
        {"high account-sshd /etc/ssh/more/own.cfg: PermitRootLogin yes"},
    ),
    "sshd: started with another configuration": (
        file("etc/default/ssh", "SSHD_OPTS='-f /opt/eve'\n"),
        {"high file-autostart /etc/default/ssh"},
    ),
    **{
        f"what the deploy user's shell obeys: {name}": (
            written(f"home/deploy/{name}", "sudo() { /opt/eve; }\n"),
            {f"high file-autostart /home/deploy/{name}"},
        )
        for name in (".ssh/rc", ".ssh/environment", ".bashrc", ".profile", ".bash_profile", ".zshenv", ".pam_environment")
    },
    "a second uid 0": (
        line("etc/passwd", "toor:x:0:33::/root:/usr/sbin/nologin"),
        {"high account-root toor"},
    ),
    "an account without a password": (
        line("etc/passwd", "eve::4001:4001::/home/eve:/bin/sh"),
        {"high account-login eve: uid 4001, /bin/sh, password empty"},
    ),
    "a password for the deploy user": (
        line("etc/shadow", "deploy:$y$canary:1::::::"),
        {
            "high account-login deploy: uid 4000, /bin/bash, password set",
            "low account-login deploy: uid 4000, /bin/bash, password locked",
        },
    ),
    "a member of sudo": (line("etc/group", "wheel:x:10:deploy"), {"high account-group deploy in wheel"}),
    "a member of docker": (
        line("etc/group", "docker:x:102:deploy"),
        {"high account-group deploy in docker", "medium account-docker deploy"},
    ),
    "a sudoer without a password": (file("etc/sudoers.d/eve", SUDO, 0o440), {f"high account-sudo /etc/sudoers.d/eve: {SUDO}"}),
    "a setuid shell": (file("var/tmp/.sh", "shell", 0o4755), {"high file-setuid /var/tmp/.sh, mode 4755 *"}),
    "a setgid shell": (file("opt/x/sh", "shell", 0o2755), {"high file-setuid /opt/x/sh, mode 2755 *"}),
    "another program in the place of su": (line("usr/bin/su", "x"), {"high file-setuid /usr/bin/su, mode 4755 *"}),
    "a unit": (
        file("etc/systemd/system/eve.service", "[Service]\nExecStart=/opt/eve\n"),
        {"high file-autostart /etc/systemd/system/eve.service"},
    ),
    "a unit beside those of packages": (
        file("usr/lib/systemd/system/eve.service", "[Service]\n"),
        {"high file-autostart /usr/lib/systemd/system/eve.service"},
    ),
    "more of a unit of this collection": (
        file("etc/systemd/system/edge-guard.service.d/eve.conf", "[Service]\nExecStartPre=/opt/eve\n"),
        {"high file-autostart /etc/systemd/system/edge-guard.service.d/eve.conf"},
    ),
    "a link to a unit elsewhere": (
        link("etc/systemd/system/multi-user.target.wants/eve.service", "/opt/eve.service"),
        {"high file-autostart /etc/systemd/system/multi-user.target.wants/eve.service -> /opt/eve.service"},
    ),
    "a job by the time": (file("etc/cron.d/eve", "* * * * * root /opt/eve\n"), {"high file-autostart /etc/cron.d/eve"}),
    "root's own jobs": (file("var/spool/cron/crontabs/root", "x", 0o600), {"high file-autostart /var/spool/cron/crontabs/root"}),
    "a library before all others": (file("etc/ld.so.preload", "/opt/eve.so\n"), {"high file-autostart /etc/ld.so.preload"}),
    "a password that is not asked for": (
        line("etc/pam.d/su", "auth sufficient pam_permit.so"),
        {"high file-autostart /etc/pam.d/su"},
    ),
    "a line in root's shell": (file("root/.bashrc", "/opt/eve\n"), {"high file-autostart /root/.bashrc"}),
    "a program before its namesake": (file("usr/local/bin/su", "x", 0o755), {"high file-autostart /usr/local/bin/su"}),
    "a plugin of the engine": (
        file("etc/docker/plugins/eve.spec", "tcp://192.0.2.7:9\n"),
        {"high file-autostart /etc/docker/plugins/eve.spec"},
    ),
    "a program that everybody may change": (mode("usr/bin/id", 0o777), {"high file-open /usr/bin/id, mode 0777 *"}),
    "settings that everybody may change": (mode("etc/pam.d/su", 0o646), {"high file-open /etc/pam.d/su, mode 0646 *"}),
    "a directory of root's path that everybody may write to": (
        mode("usr/local/sbin", 0o1777),
        {"high file-open /usr/local/sbin, mode 1777 *"},
    ),
    "jobs that everybody may add": (mode("etc/cron.d", 0o757), {"high file-open /etc/cron.d, mode 0757 *"}),
    "an env file in a home": (file("home/deploy/.env", ENV), {f"high {LEFT} /home/deploy/.env"}),
    "an env file below our directory": (
        file(f"{OWN}/stacks/shop/project/api.env.bak", ENV),
        {f"high {LEFT} /{OWN}/stacks/shop/project/api.env.bak"},
    ),
    "a secret that only root reads": (file("root/notes", f"token {TOKEN}", 0o600), {f"medium {LEFT} /root/notes"}),
    "a secret in base64": (file("srv/k8s.yml", base64.b64encode(ENV.encode()).decode()), {f"high {LEFT} /srv/k8s.yml"}),
    "a half-written secret": (file(f"{SECRETS}/.api.env.x7", ENV, 0o600), {f"medium {LEFT} /{SECRETS}/.api.env.x7"}),
    "secrets of a killed preparation": (killed_preparation, {f"medium {LEFT} /run/morpheus.deploy.held-x"}),
    "keys of a killed check of the edge": (killed_check_of_the_edge, {f"medium {LEFT} /{OWN}/edge/candidate.held-x"}),
    "a certificate that left the inventory": (
        file(f"{OWN}/edge/conf/certs/old.example.pem", PEM, 0o400),
        {f"medium certificate-left /{OWN}/edge/conf/certs/old.example.pem"},
    ),
    "a privileged container that was only created": (
        container("created", mount("/"), Privileged=True, **ALWAYS),
        {"high cis-5.5 rogue", "high cis-5.32 rogue", ROGUE},
    ),
    "the socket in a paused container": (
        container("paused", mount("/var/run/docker.sock")),
        {"high cis-5.32 rogue", "low container-unknown rogue"},
    ),
    "the host as a volume of one that has ended": (
        container("exited", mount("/x", Type="volume", Name="of-the-host"), **ALWAYS),
        {"high cis-5.32 rogue", ROGUE},
    ),
    "what the engine masks": (container("running", MaskedPaths=[], **ALWAYS), {"high cis-M.2 rogue", ROGUE}),
    "another baseline": (another_baseline, {"high baseline-changed /etc/morpheus.deploy/baseline.json"}),
    "a baseline for everybody": (
        mode("etc/morpheus.deploy/baseline.json", 0o666),
        {
            "high baseline-changed /etc/morpheus.deploy/baseline.json",
            "high file-open /etc/morpheus.deploy/baseline.json, mode 0666 *",
        },
    ),
    "rules of the packet filter that somebody flushed": (flushed, {"high egress-filter app-1"}),
    "rules that are gone after a reboot": (
        unloaded,
        {"high egress-filter app-1"},
    ),
    "a host from before there was a packet filter": (never_provisioned, {"high egress-filter app-1"}),
    "no baseline": (no_baseline, {"high baseline-missing app-1"}),
}


def matches(found: dict[str, str], wanted: set[str]) -> bool:
    """Whether each is found, and nothing else."""
    patterns = {one.removesuffix("*") for one in wanted}
    return len(found) == len(wanted) and all(
        any(one == p or (f"{p}*" in wanted and one.startswith(p)) for p in patterns) for one in found
    )


def test_the_host_is_clean(host: Host) -> None:
    assert host.audited() == {}
    assert {
        "secret-leftover",
        "secret-unsearched",
        "engine-socket",
        "account-key",
        "file-setuid",
        "certificate-left",
    } <= host.passed


@pytest.mark.parametrize("name", HOLES)
def test_what_is_planted_is_found_alone_and_is_gone_when_it_is_removed(host: Host, name: str) -> None:
    plant, wanted = HOLES[name]
    undo = plant(host)
    found = host.audited()
    assert matches(found, wanted), found
    assert not {one.split()[1] for one in wanted} & host.passed
    undo()
    assert host.audited() == {}


def test_holes_that_are_planted_together_are_each_found(host: Host) -> None:
    left_out = {"another baseline", "no baseline", "a baseline for everybody", "a member of docker"}
    together = [one for name, one in HOLES.items() if name not in left_out and "container" not in name and "volume" not in name]
    undone = [plant(host) for plant, _ in together]
    found = host.audited()
    missing = {
        one for _, wanted in together for one in wanted if not any(seen.startswith(one.removesuffix("*")) for seen in found)
    }
    assert missing == set()
    for undo in reversed(undone):
        undo()
    assert host.audited() == {}


def test_a_program_that_an_upgrade_has_brought_is_no_hole(host: Host) -> None:
    host.append("usr/bin/su", "of a newer package")
    md5 = hashlib.md5((host.root / "usr/bin/su").read_bytes()).hexdigest()
    host.put("var/lib/dpkg/info/login.md5sums", f"{md5}  usr/bin/su\n")
    assert host.audited() == {}


def test_what_packages_and_this_collection_bring_is_no_hole(host: Host) -> None:
    """Settings are listed in another place than other files, and of units some packages say /lib."""
    brought = {"etc/cron.d/certbot": "", "usr/lib/systemd/system/nginx.service": "lib/systemd/system/nginx.service"}
    for name in brought:
        host.put(name, name)
    md5s = {name: hashlib.md5(name.encode()).hexdigest() for name in brought}
    host.put("var/lib/dpkg/status", f"Package: certbot\nConffiles:\n /etc/cron.d/certbot {md5s['etc/cron.d/certbot']}\n")
    unit = "usr/lib/systemd/system/nginx.service"
    host.put("var/lib/dpkg/info/nginx.md5sums", f"{md5s[unit]}  {brought[unit]}\n")
    link("etc/systemd/system/multi-user.target.wants/nginx.service", "/lib/systemd/system/nginx.service")(host)
    link("etc/systemd/system/apt-daily.timer", "/dev/null")(host)
    host.put("etc/systemd/system/edge-guard.service", "[Service]\n")
    assert host.audited() == {}
    host.append(unit, "ExecStartPre=/opt/eve\n")
    assert host.audited().keys() == {f"high file-autostart /{unit}"}


def test_a_pipe_where_a_job_belongs_is_found_and_not_waited_for(host: Host) -> None:
    os.mkfifo(host.root / "etc/cron.d/eve")
    assert host.audited().keys() == {"high file-autostart /etc/cron.d/eve"}


def test_a_baseline_from_before_there_was_a_kind_says_so(host: Host) -> None:
    entries = baseline.now(host.root)
    host.baseline.write("staging", "2026-01-02T00:00:00Z", {kind: entries[kind] for kind in entries if kind != "file-autostart"})
    host.digest = host.baseline.read().digest  # type: ignore[union-attr]
    found = host.audited()
    assert found == {
        "low baseline-missing /etc/morpheus.deploy/baseline.json": "was recorded before this was looked at: file-autostart"
    }
    assert "file-autostart" not in host.passed
    assert "file-open" in host.passed


def test_what_a_run_at_work_has_in_memory_is_no_hole(host: Host) -> None:
    with leftovers.directory(host.root / "run", leftovers.PREPARING) as directory:
        (directory / "api.env").write_text(ENV)
        assert host.audited() == {}
