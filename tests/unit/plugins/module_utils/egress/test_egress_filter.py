"""The packet filter of a host: its files, and what is in the kernel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.egress import egress_filter, rules
from ansible_collections.morpheus.deploy.plugins.module_utils.egress.egress_filter import EgressFilter
from ansible_collections.morpheus.deploy.plugins.module_utils.egress.rules import Base, Host

from tests.unit.memory_kernel import HOOK, Kernel

BASE = Base(Host((), (22,), 8405), {"app-2": Host(("10.0.0.6",), (22,), 8405)})
SUBNETS = ["172.18.0.0/16"]


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


def filter_of(tmp_path: Path, kernel: Kernel, *, six: bool = False) -> EgressFilter:
    (tmp_path / "enabled").touch()
    return EgressFilter(tmp_path / "egress", kernel, tmp_path if six else tmp_path / "none", tmp_path / "enabled")


@pytest.fixture
def found(tmp_path: Path, kernel: Kernel) -> EgressFilter:
    return filter_of(tmp_path, kernel)


def test_a_bare_host_gets_them_and_a_second_run_changes_nothing(found: EgressFilter, kernel: Kernel) -> None:
    # There is no iptables before the engine is installed, and check mode says what will be.
    assert found.differences(BASE) == ["base.json", "rules.v4, loaded"]
    assert kernel.commands == []
    assert found.apply(BASE) == ["base.json", "rules.v4, loaded"]
    assert kernel.tables["iptables"] == [HOOK, *rules.render(BASE, [], 4)]
    assert kernel.tables["ip6tables"] == []
    assert found.problems() == []
    done = [*kernel.changes]
    assert found.differences(BASE) == found.apply(BASE) == []
    assert kernel.changes == done


def test_with_ipv6_there_are_two_tables(tmp_path: Path, kernel: Kernel) -> None:
    found = filter_of(tmp_path, kernel, six=True)
    assert found.apply(BASE) == ["base.json", "rules.v4, loaded", "rules.v6, loaded"]
    assert kernel.tables["ip6tables"] == [HOOK, *rules.render(BASE, [], 6)]
    assert found.problems() == []


@pytest.mark.parametrize("six", [False, True])
def test_what_is_loaded_at_boot_is_what_is_loaded_now(tmp_path: Path, kernel: Kernel, six: bool) -> None:
    found = filter_of(tmp_path, kernel, six=six)
    found.apply(BASE)
    for version in (4, 6) if six else (4,):
        assert (tmp_path / f"egress/rules.v{version}").read_text() == rules.restorable(rules.render(BASE, [], version))


def tampered(kernel: Kernel, how: str, root: Path) -> None:
    table = kernel.tables["iptables"]
    if how == "flushed":
        table.clear()
    elif how == "unhooked":
        table.remove(HOOK)
    elif how == "one rule removed":
        del table[-1]
    elif how == "let through by hand":
        table.insert(0, "-A PREROUTING -s 172.18.0.0/16 -j ACCEPT")
    elif how == "hooked twice":
        table.append(HOOK)
    elif how == "file changed":
        (root / "rules.v4").write_text("*raw\nCOMMIT\n")
    else:
        (root / "rules.v4").unlink()


KERNEL = "rules that keep containers away are not in the kernel as they should be (iptables -t raw -S)"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("flushed", KERNEL),
        ("unhooked", KERNEL),
        ("one rule removed", KERNEL),
        ("let through by hand", KERNEL),
        ("hooked twice", KERNEL),
        ("file changed", "/rules.v4, which is loaded at boot, is not as it should be"),
        ("file gone", "/rules.v4, which is loaded at boot, is not as it should be"),
    ],
)
def test_what_was_altered_is_said_and_put_back(found: EgressFilter, kernel: Kernel, tmp_path: Path, how: str, said: str) -> None:
    found.apply(BASE)
    tampered(kernel, how, tmp_path / "egress")
    assert [one.removeprefix(str(tmp_path / "egress")) for one in found.problems()] == [said]
    assert found.differences(BASE) == found.apply(BASE) == ["rules.v4, loaded"]
    assert found.problems() == []
    ours = [one for one in kernel.tables["iptables"] if "-s 172.18" not in one]
    assert ours == [HOOK, *rules.render(BASE, [], 4)]
    # Somebody else's rule is not ours to remove; it comes after.
    assert found.apply(BASE) == []


def test_what_would_be_gone_after_a_reboot_is_said(found: EgressFilter, tmp_path: Path) -> None:
    found.apply(BASE)
    (tmp_path / "enabled").unlink()
    assert found.problems() == ["container-egress.service is not enabled, so the rules are gone after a reboot"]


def test_a_host_that_was_never_provisioned_says_what_its_containers_reach(found: EgressFilter, kernel: Kernel) -> None:
    assert found.problems() == ["nothing keeps containers of this host from SSH of the hosts and from the metadata of the cloud"]
    assert kernel.commands == []


def test_a_kernel_that_cannot_is_refused_and_asked_again_next_time(tmp_path: Path) -> None:
    kernel = Kernel("the packet filter of this host cannot be used")
    found = filter_of(tmp_path, kernel)
    for _ in range(2):
        with pytest.raises(DeployError, match="the packet filter of this host cannot be used"):
            found.apply(BASE)
    assert sorted(path.name for path in (tmp_path / "egress").iterdir()) == ["lock"]
    kernel.refuses = ""
    assert found.apply(BASE) == ["base.json", "rules.v4, loaded"]
    kernel.refuses = "iptables: Permission denied"
    assert found.problems() == ["iptables: Permission denied"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["no-such-iptables"], r"no-such-iptables: \[Errno 2\] No such file or directory: 'no-such-iptables'"),
        (["sh", "-c", "echo table raw; echo unknown >&2; exit 3"], "sh -c echo table raw; echo unknown >&2; exit 3: unknown"),
    ],
)
def test_the_refusal_names_command_answer_and_mend(command: list[str], words: str) -> None:
    with pytest.raises(DeployError) as said:
        egress_filter.run(command)
    text = str(said.value)
    assert text.startswith("the packet filter of this host cannot be used: ")
    assert words.replace("\\", "") in text
    assert text.endswith(
        "Without it containers of this host reach SSH of the hosts and the metadata of the cloud. Mend that (a kernel with the "
        "table raw and the matches tcp and addrtype, the package iptables, root), or let this host go without: "
        "egress_filter: false"
    )


def test_a_stack_is_let_through_and_kept_away_again(found: EgressFilter, kernel: Kernel) -> None:
    found.apply(BASE)
    through = "-A MORPHEUS-SSH -s 172.18.0.0/16 -j RETURN"
    found.admit("shop", ["ssh"], SUBNETS)
    assert through in kernel.tables["iptables"]
    assert found.admits("shop", ["ssh"], SUBNETS)
    assert not found.admits("shop", ["ssh", "metadata"], SUBNETS)
    assert {stack: [*one.kinds] for stack, one in found.admitted().items()} == {"shop": ["ssh"]}
    # Provisioning knows what rollouts have admitted.
    assert found.problems() == found.apply(BASE) == []
    done = [*kernel.changes]
    found.admit("shop", ["ssh"], SUBNETS)
    assert kernel.changes == done
    found.admit("shop", [], [])
    assert found.admitted() == {}
    assert kernel.tables["iptables"] == [HOOK, *rules.render(BASE, [], 4)]


def test_a_stack_that_asks_for_nothing_leaves_no_trace_and_asks_nobody(
    found: EgressFilter, kernel: Kernel, tmp_path: Path
) -> None:
    found.admit("shop", [], [])
    assert found.admits("shop", [], [])
    assert kernel.commands == []
    assert not (tmp_path / "egress").exists()


def test_what_is_admitted_before_a_host_is_provisioned_counts_from_then_on(found: EgressFilter, kernel: Kernel) -> None:
    found.admit("shop", ["metadata"], SUBNETS)
    assert kernel.commands == []
    found.apply(BASE)
    assert "-A MORPHEUS-METADATA -s 172.18.0.0/16 -j RETURN" in kernel.tables["iptables"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kinds": ["ssh"]}', '{"kinds": "ssh", "subnets": []}'])
def test_a_damaged_file_of_a_stack_is_named_with_its_mend_and_a_rollout_writes_it_anew(
    found: EgressFilter, tmp_path: Path, text: str
) -> None:
    found.apply(BASE)
    path = tmp_path / "egress/stacks/shop.json"
    path.parent.mkdir()
    path.write_text(text)
    assert found.admitted_to("shop") == ()
    problems = found.problems()
    assert len(problems) == 1
    assert problems[0].startswith(f"{path} cannot be read (")
    assert problems[0].endswith(
        "): deploy the live release of that stack again to restore it; of a stack that is gone, remove it"
    )
    found.admit("shop", ["ssh"], SUBNETS)
    assert found.problems() == []


def test_a_damaged_file_of_another_stack_keeps_nobody_through_by_a_file_that_no_rule_follows(
    found: EgressFilter, kernel: Kernel, tmp_path: Path
) -> None:
    found.apply(BASE)
    other = tmp_path / "egress/stacks/blog.json"
    other.parent.mkdir()
    other.write_text("{")
    done = [*kernel.changes]
    for ask in (found.admits, found.admit):
        with pytest.raises(DeployError, match=r"blog\.json cannot be read"):
            ask("shop", ["ssh"], SUBNETS)
    assert (kernel.changes, [path.name for path in other.parent.iterdir()]) == (done, ["blog.json"])
    other.unlink()
    found.admit("shop", ["ssh"], SUBNETS)
    assert found.problems() == []


def test_a_stack_counts_as_let_through_only_once_the_rules_are_loaded(found: EgressFilter, kernel: Kernel) -> None:
    found.apply(BASE)
    kernel.refuses = "iptables: Resource temporarily unavailable"
    with pytest.raises(DeployError, match="Resource temporarily unavailable"):
        found.admit("shop", ["ssh"], SUBNETS)
    assert not found.admits("shop", ["ssh"], SUBNETS)
    kernel.refuses = ""
    found.admit("shop", ["ssh"], SUBNETS)
    assert "-A MORPHEUS-SSH -s 172.18.0.0/16 -j RETURN" in kernel.tables["iptables"]


def test_when_what_provisioning_said_was_lost_the_rules_stay_and_nobody_is_let_through(
    found: EgressFilter, kernel: Kernel, tmp_path: Path
) -> None:
    found.apply(BASE)
    (tmp_path / "egress/base.json").unlink()
    lost = (
        f"{tmp_path}/egress/base.json is missing: run playbooks/provision.yml --tags egress for this inventory, which restores it"
    )
    assert found.problems() == [lost]
    for ask in (found.admits, found.admit):
        with pytest.raises(DeployError) as said:
            ask("shop", ["ssh"], SUBNETS)
        assert str(said.value) == lost
    assert kernel.tables["iptables"] == [HOOK, *rules.render(BASE, [], 4)]
    assert found.differences(BASE) == found.apply(BASE) == ["base.json"]
    assert found.problems() == []


@pytest.mark.parametrize("name", ["rules.v4", "lock"])
def test_a_directory_in_the_place_of_a_file_is_named_with_its_mend(found: EgressFilter, tmp_path: Path, name: str) -> None:
    found.apply(BASE)
    path = tmp_path / "egress" / name
    path.unlink()
    path.mkdir()
    with pytest.raises(DeployError) as said:
        found.apply(BASE)
    assert str(said.value) == (
        f"{path} is a directory where a file belongs: move it away (mv {path} {path}.damaged); then run this again"
    )


def test_a_newer_version_is_never_written_over(found: EgressFilter, tmp_path: Path) -> None:
    found.apply(BASE)
    path = tmp_path / "egress/base.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(
        DeployError, match=r"base\.json has format 2, and this version of morpheus\.deploy knows files of the packet"
    ):
        found.base()


def test_a_file_of_a_stack_that_a_newer_version_wrote_is_never_written_over(found: EgressFilter, tmp_path: Path) -> None:
    found.apply(BASE)
    path = tmp_path / "egress/stacks/shop.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"format": 2, "kinds": ["ssh"], "subnets": SUBNETS}))
    before = path.read_text()
    for kinds in (["ssh"], []):
        with pytest.raises(DeployError, match=r"shop\.json has format 2, and .* knows files of stacks at the packet filter"):
            found.admit("shop", kinds, SUBNETS)
    assert path.read_text() == before
