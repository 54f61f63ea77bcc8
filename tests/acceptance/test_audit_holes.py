"""What an attacker leaves on a host: planted on a real one, found by the audit of its environment, and clean again without it.

Each by itself, on a host that is a directory, is tests/unit/test_audit_holes.py, and three on a real one are in test_audit.py.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.world import BASE, ROOT, STACK, Environment, Run, eventually, on, says
from tests.hangs import HANGS_AFTER_SECONDS

HOST = "staging-app-1"
SECRET = f"{STACK}/secrets/api.env"
CERTS = f"{BASE}/edge/conf/certs"
BASELINE = "/etc/morpheus.deploy/baseline.json"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHl4dHl4dHl4dHl4dHl4dHl4dHl4dHl4dHl4dHl4dHl4 eve@laptop"
# Written at the end of a file, and taken out again.
ADD, TAKE = "printf '%s\\n' '{line}' >> {path}", "sed -i '$ d' {path}"

# What is planted -> by which command, taken away by which, and what is found: id and how its place begins.
HOLES: dict[str, tuple[str, str, set[tuple[str, str]]]] = {
    "the engine's socket for everybody": (
        "chmod 0666 /run/docker.sock",
        "chmod 0660 /run/docker.sock",
        {("engine-socket", "/run/docker.sock")},
    ),
    "a key for root": (
        f"mkdir -p /root/.ssh; printf '%s\\n' '{KEY}' > /root/.ssh/authorized_keys",
        "rm -r /root/.ssh",
        {("account-key", "root: ssh-ed25519 ")},
    ),
    "a key for the deploy user": (
        ADD.format(line=KEY, path="/home/deploy/.ssh/authorized_keys"),
        TAKE.format(path="/home/deploy/.ssh/authorized_keys"),
        {("account-key", "deploy: ssh-ed25519 ")},
    ),
    "a second uid 0": (
        ADD.format(line="toor:x:0:0::/nowhere:/usr/sbin/nologin", path="/etc/passwd"),
        TAKE.format(path="/etc/passwd"),
        {("account-root", "toor"), ("account-group", "toor in root")},
    ),
    "a setuid shell": (
        "cp /bin/sh /var/tmp/.sh; chmod 4755 /var/tmp/.sh",
        "rm /var/tmp/.sh",
        {("file-setuid", "/var/tmp/.sh, mode 4755 ")},
    ),
    "a unit of the host": (
        "printf '[Service]\\nExecStart=/opt/eve\\n' > /etc/systemd/system/eve.service",
        "rm /etc/systemd/system/eve.service",
        {("file-autostart", "/etc/systemd/system/eve.service")},
    ),
    "a library before all others": (
        "touch /etc/ld.so.preload",
        "rm /etc/ld.so.preload",
        {("file-autostart", "/etc/ld.so.preload")},
    ),
    "jobs that everybody may add": (
        "chmod o+w /etc/cron.daily",
        "chmod o-w /etc/cron.daily",
        {("file-open", "/etc/cron.daily, mode ")},
    ),
    "an env file in a home": (
        f"install -m 0644 {SECRET} /home/deploy/.env",
        "rm /home/deploy/.env",
        {("secret-leftover", "/home/deploy/.env")},
    ),
    "an env file below our directory": (
        f"install -m 0644 {SECRET} {STACK}/project/api.env.bak",
        f"rm {STACK}/project/api.env.bak",
        {("secret-leftover", f"{STACK}/project/api.env.bak")},
    ),
    "a sudoer without a password": (
        "printf 'www-data ALL=(ALL) NOPASSWD: ALL\\n' > /etc/sudoers.d/eve; chmod 0440 /etc/sudoers.d/eve",
        "rm /etc/sudoers.d/eve",
        {("account-sudo", "/etc/sudoers.d/eve: www-data ALL=(ALL) NOPASSWD: ALL")},
    ),
    "a privileged container that was only created": (
        "docker create --name rogue --privileged --volume /:/host --restart always --entrypoint sleep "
        "$(docker inspect --format '{{.Image}}' edge-haproxy-1) 300",
        "docker rm --force rogue",
        {("cis-5.3", "rogue"), ("cis-5.5", "rogue"), ("cis-5.32", "rogue"), ("container-unknown", "rogue")},
    ),
    "a certificate that left the inventory": (
        f"install -m 0400 {CERTS}/staging.morpheus.app.pem {CERTS}/old.example.pem",
        f"rm -f {CERTS}/old.example.pem",
        {("certificate-left", f"{CERTS}/old.example.pem")},
    ),
    "secrets of a killed preparation": (
        f"mkdir -p -m 0700 /run/morpheus.deploy.held-x/secrets; cp {SECRET} /run/morpheus.deploy.held-x/secrets/",
        "rm -rf /run/morpheus.deploy.held-x",
        {("secret-leftover", "/run/morpheus.deploy.held-x")},
    ),
}


def claim(environment: Environment, baselines: Path, *options: str) -> Run:
    return environment.play("playbooks/claim.yml", "--tags", "baseline", "-e", f"audit_baselines={baselines}", *options)


def audited(environment: Environment, baselines: Path) -> tuple[Run, dict[str, Any]]:
    run = environment.play("playbooks/audit.yml", "-e", f"audit_baselines={baselines}")
    found: dict[str, Any] = json.loads((ROOT / ".deploy" / environment.name / "audit.json").read_text())
    return run, found


def bad(report: dict[str, Any]) -> set[tuple[str, str]]:
    """Id and place of everything that is not as it should be."""
    levels = ("high", "medium", "low")
    return {(one["id"], where) for one in report["findings"] if one["level"] in levels for where in one["where"] or [""]}


@pytest.fixture
def baselines(staging: Environment, tmp_path: Path) -> Iterator[Path]:
    """Staging's hosts with a baseline, whose fingerprints are in this file."""
    path = tmp_path / "baselines.json"
    # What provisioning has recorded comes back: its fingerprint is in the inventory.
    kept = {host: on(host, "sh", "-c", f"base64 -w0 {BASELINE} 2>/dev/null || true") for host in staging.hosts}
    run = claim(staging, path, "-e", "audit_renew_baseline=true")
    try:
        assert run.code == 0, run.output
        yield path
    finally:
        for host, before in kept.items():
            restore = f"echo {before} | base64 -d > {BASELINE}" if before else f"rm -f {BASELINE}"
            on(host, "sh", "-c", restore)


@contextmanager
def planted(name: str) -> Iterator[None]:
    plant, undo, _ = HOLES[name]
    on(HOST, "sh", "-c", plant)
    try:
        yield
    finally:
        on(HOST, "sh", "-c", undo)


@pytest.mark.deep
def test_each_hole_is_found_and_nothing_else_and_then_the_host_is_as_it_was(staging: Environment, baselines: Path) -> None:
    clean, report = audited(staging, baselines)
    assert clean.code == 0, clean.output
    before = bad(report)
    with ExitStack() as holes:
        for name in HOLES:
            holes.enter_context(planted(name))
        run, report = audited(staging, baselines)
    assert run.code == 2
    found = bad(report) - before
    wanted = {one for _, _, ones in HOLES.values() for one in ones}
    assert {
        one for one in wanted if not any(identity == one[0] and where.startswith(one[1]) for identity, where in found)
    } == set()
    assert {
        one for one in found if not any(one[0] == identity and one[1].startswith(where) for identity, where in wanted)
    } == set()
    assert not {one["id"] for one in report["findings"] if one["level"] == "passed"} & {identity for identity, _ in wanted}
    again, report = audited(staging, baselines)
    assert again.code == 0, again.output
    assert bad(report) == before


@pytest.mark.deep
def test_a_baseline_that_somebody_rewrites_or_removes_on_the_host_is_found(staging: Environment, baselines: Path) -> None:
    kept = on(HOST, "cat", BASELINE)
    on(HOST, "sed", "-i", 's/"deploy: uid/"toor: uid 0, root, and deploy: uid/', BASELINE)
    run, report = audited(staging, baselines)
    assert run.code == 2
    assert ("baseline-changed", f"{BASELINE} on {HOST}") in bad(report)
    refused = claim(staging, baselines)
    assert refused.code == 2
    says(refused, [f"{BASELINE} is not the baseline that was recorded", "audit_renew_baseline=true"])
    on(HOST, "rm", BASELINE)
    run, report = audited(staging, baselines)
    assert run.code == 2
    assert ("baseline-missing", HOST) in bad(report)
    on(HOST, "python3", "-c", f"open({BASELINE!r}, 'w').write({kept!r})")
    on(HOST, "chmod", "0600", BASELINE)
    assert audited(staging, baselines)[0].code == 0


@pytest.mark.deep
def test_a_baseline_is_renewed_only_when_somebody_says_so(staging: Environment, baselines: Path) -> None:
    with planted("a setuid shell"):
        kept = claim(staging, baselines)
        assert kept.code == 0, kept.output
        says(kept, ["new file-setuid: /var/tmp/.sh, mode 4755"])
        assert audited(staging, baselines)[0].code == 2
        checked = claim(staging, baselines, "-e", "audit_renew_baseline=true", "--check", "--diff")
        says(checked, ["+file-setuid: /var/tmp/.sh, mode 4755"])
        assert audited(staging, baselines)[0].code == 2
        renewed = claim(staging, baselines, "-e", "audit_renew_baseline=true")
        assert renewed.code == 0, renewed.output
        assert audited(staging, baselines)[0].code == 0
    _, report = audited(staging, baselines)
    assert ("file-setuid", f"/var/tmp/.sh, mode 4755 of 0:0 on {HOST}") in bad(report)


# Kills the module that prepares a release as soon as its secrets lie in memory, and says where.
KILLER = """
import glob, os, signal, sys, time
deadline = time.monotonic() + 120
while time.monotonic() < deadline:
    for path in glob.glob("/run/morpheus.deploy.held-*/secrets/api.env"):
        directory = os.path.dirname(os.path.dirname(path))
        for process in filter(str.isdigit, os.listdir("/proc")):
            try:
                held = directory in {os.readlink(f"/proc/{process}/fd/{fd}") for fd in os.listdir(f"/proc/{process}/fd")}
            except OSError:
                continue
            if held:
                os.kill(int(process), signal.SIGKILL)
                print(directory)
                sys.exit()
    time.sleep(0.002)
sys.exit("nobody prepared a release")
"""


@pytest.mark.deep
def test_secrets_of_a_preparation_that_was_killed_go_with_the_next_deploy(staging: Environment, baselines: Path) -> None:
    command = ["docker", "exec", HOST, "python3", "-c", KILLER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killer:
        run = staging.deploy("1.1.0")
        left = killer.communicate(timeout=HANGS_AFTER_SECONDS)[0].strip()
    assert run.code != 0, run.output
    assert killer.returncode == 0
    assert on(HOST, "ls", f"{left}/secrets").split() == ["api.env", "ledger.env", "ml.env", "session_secret"]
    _, report = audited(staging, baselines)
    assert ("secret-leftover", f"{left} on {HOST}") in bad(report)
    again = staging.deployed("1.1.0")
    says(again, [f"{left} was left by a run that was killed, with secrets in it; it is removed now"])
    assert on(HOST, "sh", "-c", "ls -d /run/morpheus.deploy.* 2>/dev/null || true") == ""


@pytest.mark.deep
def test_a_certificate_that_left_the_inventory_goes_with_the_next_provision(staging: Environment, baselines: Path) -> None:
    with planted("a certificate that left the inventory"):
        _, report = audited(staging, baselines)
        assert ("certificate-left", f"{CERTS}/old.example.pem on {HOST}") in bad(report)
        run = staging.play("playbooks/provision.yml", "--tags", "edge")
        assert run.code == 0, run.output
        eventually(lambda: on(HOST, "ls", CERTS).split() == ["staging.morpheus.app.pem"], "the certificate is gone", 5.0)
        again = staging.play("playbooks/provision.yml", "--tags", "edge", "--check")
        assert again.code == 0, again.output
    _, report = audited(staging, baselines)
    assert "certificate-left" not in {identity for identity, _ in bad(report)}
