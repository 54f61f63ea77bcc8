"""The rules of the packet filter, as iptables prints them."""

from __future__ import annotations

import re

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.egress import rules
from ansible_collections.morpheus.deploy.plugins.module_utils.egress.rules import Admitted, Base, Host

OTHER = Host(["10.0.0.6", "2001:db8::6"], [22], 8405)
BASE = Base(Host((), [22], 8405), {"app-2": OTHER})
FOUR = """
-A MORPHEUS-EGRESS -i docker+ -j MORPHEUS-CONTAINERS
-A MORPHEUS-EGRESS -i br-+ -j MORPHEUS-CONTAINERS
-A MORPHEUS-CONTAINERS -d 169.254.0.0/16 -j MORPHEUS-METADATA
-A MORPHEUS-CONTAINERS -d 168.63.129.16/32 -j MORPHEUS-METADATA
-A MORPHEUS-CONTAINERS -d 100.100.100.200/32 -j MORPHEUS-METADATA
-A MORPHEUS-CONTAINERS -p tcp -m tcp --dport 22 -j MORPHEUS-SSH
-A MORPHEUS-CONTAINERS -p tcp -m tcp --dport 8405 -j MORPHEUS-METRICS
-A MORPHEUS-METADATA -p udp -m udp --dport 53 -j RETURN
-A MORPHEUS-METADATA -p tcp -m tcp --dport 53 -j RETURN
-A MORPHEUS-METADATA -j DROP
-A MORPHEUS-SSH -p tcp -m tcp --dport 22 -m addrtype --dst-type LOCAL -j DROP
-A MORPHEUS-SSH -d 10.0.0.6/32 -p tcp -m tcp --dport 22 -j DROP
-A MORPHEUS-METRICS -p tcp -m tcp --dport 8405 -m addrtype --dst-type LOCAL -j DROP
-A MORPHEUS-METRICS -d 10.0.0.6/32 -p tcp -m tcp --dport 8405 -j DROP
""".strip().splitlines()


def of_chain(found: list[str], chain: str) -> list[str]:
    return [one.removeprefix(f"-A {chain} ") for one in found if one.startswith(f"-A {chain} ")]


def test_a_host_with_another_one_beside_it() -> None:
    assert rules.render(BASE, [], 4) == FOUR


def test_by_ipv6_there_are_the_addresses_of_ipv6() -> None:
    found = rules.render(BASE, [], 6)
    clouds = ("fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42", "fd00:a9fe:a9fe::1", "fd00:100::100:200")
    assert of_chain(found, "MORPHEUS-CONTAINERS") == [
        *(f"-d {address}/128 -j MORPHEUS-METADATA" for address in clouds),
        "-p tcp -m tcp --dport 22 -j MORPHEUS-SSH",
        "-p tcp -m tcp --dport 8405 -j MORPHEUS-METRICS",
    ]
    assert of_chain(found, "MORPHEUS-METRICS")[-1] == "-d 2001:db8::6/128 -p tcp -m tcp --dport 8405 -j DROP"
    assert of_chain(found, "MORPHEUS-SSH") == [
        "-p tcp -m tcp --dport 22 -m addrtype --dst-type LOCAL -j DROP",
        "-d 2001:db8::6/128 -p tcp -m tcp --dport 22 -j DROP",
    ]


@pytest.mark.parametrize("kind", rules.KINDS)
def test_a_stack_is_let_through_to_what_it_names_before_anything_is_dropped(kind: str) -> None:
    """Nothing else changes, and another stack is kept away as before."""
    found = rules.render(BASE, [Admitted([kind], ["172.18.0.0/16", "fd01::/64"]), Admitted([], ["172.19.0.0/16"])], 4)
    chain = f"MORPHEUS-{kind.upper()}"
    through = f"-A {chain} -s 172.18.0.0/16 -j RETURN"
    assert [one for one in found if one not in FOUR] == [through]
    assert [one for one in found if one != through] == FOUR
    assert found.index(through) < next(
        number for number, one in enumerate(found) if one.startswith(f"-A {chain} ") and "DROP" in one
    )
    six = rules.render(BASE, [Admitted([kind], ["172.18.0.0/16", "fd01::/64"])], 6)
    assert f"-A {chain} -s fd01::/64 -j RETURN" in six


def test_two_stacks_that_share_nothing_are_both_let_through() -> None:
    found = rules.render(BASE, [Admitted(["ssh"], ["172.19.0.0/16"]), Admitted(["ssh"], ["172.18.0.0/16"])], 4)
    assert of_chain(found, "MORPHEUS-SSH")[:2] == ["-s 172.18.0.0/16 -j RETURN", "-s 172.19.0.0/16 -j RETURN"]


def test_each_port_counts_on_the_hosts_that_have_it() -> None:
    found = rules.render(Base(Host((), [2222], 0), {"app-2": Host(["10.0.0.6"], [22, 2200], 9000)}), [], 4)
    assert of_chain(found, "MORPHEUS-SSH") == [
        "-p tcp -m tcp --dport 2222 -m addrtype --dst-type LOCAL -j DROP",
        "-d 10.0.0.6/32 -p tcp -m tcp --dport 22 -j DROP",
        "-d 10.0.0.6/32 -p tcp -m tcp --dport 2200 -j DROP",
    ]
    assert of_chain(found, "MORPHEUS-METRICS") == ["-d 10.0.0.6/32 -p tcp -m tcp --dport 9000 -j DROP"]
    assert [one for one in of_chain(found, "MORPHEUS-CONTAINERS") if "-p tcp" in one] == [
        "-p tcp -m tcp --dport 22 -j MORPHEUS-SSH",
        "-p tcp -m tcp --dport 2200 -j MORPHEUS-SSH",
        "-p tcp -m tcp --dport 2222 -j MORPHEUS-SSH",
        "-p tcp -m tcp --dport 9000 -j MORPHEUS-METRICS",
    ]


def test_another_hosts_loopback_is_nobodys_address() -> None:
    """A host that is reached through a tunnel."""
    found = rules.render(Base(Host((), [22]), {"app-2": Host(["127.0.0.1", "::1"], [22])}), [], 4)
    assert of_chain(found, "MORPHEUS-SSH") == ["-p tcp -m tcp --dport 22 -m addrtype --dst-type LOCAL -j DROP"]


def test_bridges_of_the_host_itself_are_spared_before_anything_else() -> None:
    """SSH over them would end otherwise."""
    names = ["eth0", "br-lan", "br-0123456789ab", "docker0", "br-ex", "veth12", "br0"]
    assert rules.spared(names) == ["br-ex", "br-lan"]
    found = rules.render(Base(spared=rules.spared(names)), [], 4)
    assert found[:3] == [
        "-A MORPHEUS-EGRESS -i br-ex -j RETURN",
        "-A MORPHEUS-EGRESS -i br-lan -j RETURN",
        "-A MORPHEUS-EGRESS -i docker+ -j MORPHEUS-CONTAINERS",
    ]


def test_a_packet_that_goes_elsewhere_meets_as_many_rules_with_a_hundred_hosts_as_with_one() -> None:
    """The table knows no connections, so each packet of a container comes by."""
    many = Base(Host((), [22], 8405), {f"app-{n}": Host([f"10.0.1.{n}"], [22], 8405) for n in range(2, 102)})
    found = rules.render(many, [], 4)
    on_the_way = [*of_chain(found, "MORPHEUS-EGRESS"), *of_chain(found, "MORPHEUS-CONTAINERS")]
    assert len(on_the_way) == 7
    assert len(of_chain(found, "MORPHEUS-SSH")) == 101


def test_what_is_restored_takes_the_place_of_all_that_was_there() -> None:
    text = rules.restorable(FOUR)
    assert text.startswith("*raw\n:MORPHEUS-EGRESS - [0:0]\n")
    assert text.endswith("COMMIT\n")
    targets = {found[1] for found in re.finditer(r"-j (MORPHEUS-\w+)", text)}
    assert targets | {rules.CHAIN} == {*re.findall(r"^:(\S+)", text, re.MULTILINE)} == {*rules.CHAINS}


def test_rules_of_others_in_the_same_table_are_not_ours() -> None:
    engines = "-A PREROUTING -d 172.18.0.2/32 ! -i br-0123456789ab -j DROP"
    listed = "\n".join(["-P PREROUTING ACCEPT", "-N MORPHEUS-EGRESS", "-A PREROUTING -j MORPHEUS-EGRESS", engines, *FOUR])
    assert rules.loaded(listed) == FOUR
    assert rules.hooked(listed) == (1, True)
    assert rules.hooked(f"{engines}\n-A PREROUTING -j MORPHEUS-EGRESS") == (1, False)
    assert rules.hooked(engines) == (0, False)
    assert rules.loaded("-A MORPHEUS-EGRESS-OLD -j DROP") == []


@pytest.mark.parametrize(
    "given",
    [
        {"kinds": "ssh", "subnets": []},
        {"kinds": ["ssh"], "subnets": ["172.18.0.0/16; -j ACCEPT"]},
        {"kinds": ["everything"], "subnets": []},
        {"kinds": ["ssh"]},
    ],
)
def test_what_lies_on_the_host_gets_into_no_rule_unless_it_was_written_here(given: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Admitted.of(given)


@pytest.mark.parametrize(
    "own",
    [
        {"addresses": ["10.0.0.6 -j ACCEPT"], "ssh_ports": [22], "metrics_port": 0},
        {"addresses": [], "ssh_ports": ["22 -j ACCEPT"], "metrics_port": 0},
        {"addresses": [], "ssh_ports": [22]},
    ],
)
def test_so_it_is_with_hosts(own: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Base.of({"own": own, "others": {}, "spared": []})
