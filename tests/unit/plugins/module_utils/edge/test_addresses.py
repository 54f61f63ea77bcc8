"""What a new worker of HAProxy is told of addresses; that HAProxy takes it so is asked in the edge laboratory."""

from __future__ import annotations

from ansible_collections.morpheus.deploy.plugins.module_utils.edge import addresses
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import render_backends

TABLE = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change \
srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn \
srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port
3 shop.api 1 s1 172.18.0.3 2 0 1 1 9 8 2 0 6 0 0 0 shop-api-1 8000 - 0 0 - - 0
3 shop.api 2 s2 - 2 32 1 1 9 8 2 0 6 0 0 0 shop-api-2 8000 - 0 0 - - 0
3 shop.api 3 s3 0.0.0.0 2 5 1 1 9 8 2 0 6 0 0 0 - 1 - 0 0 - - 0
4 upstreams 1 app1 10.0.0.7 2 0 1 1 9 8 2 0 6 0 0 0 app1.example 443 - 1 0 - - 0
""".replace("\\\n", "")


def test_an_address_is_known_by_its_name_once_there_is_one() -> None:
    assert addresses.of_names(TABLE) == {"shop-api-1": "172.18.0.3", "app1.example": "10.0.0.7"}


def test_a_server_has_its_address_wherever_it_stands_in_the_new_configuration() -> None:
    """In another slot, with another port and in the backend of another service: the container is the same."""
    text = render_backends("shop", ["backend"], 3, {"backend": {"s2": ("shop-api-1", 9000), "s3": ("shop-api-9", 9000)}})
    assert addresses.server_state(addresses.of_names(TABLE), {}, [text]).splitlines() == [
        "1",
        *(
            f"0 shop.backend{purpose} 0 s2 172.18.0.3 2 0 0 0 0 1 0 1 6 0 0 0 shop-api-1 9000 -"
            for purpose in ("", ".tunnels", ".any")
        ),
    ]


def test_a_balancers_hosts_have_theirs_and_what_is_an_address_needs_none() -> None:
    text = "defaults upstreams\n    default-server ssl\n\nbackend upstreams from upstreams\n    server app1 app1.example:443\n"
    text += "    server app2 10.0.0.8:443\n"
    assert addresses.server_state({"app1.example": "10.0.0.7"}, {}, [text]) == (
        "1\n0 upstreams 0 app1 10.0.0.7 2 0 0 0 0 1 0 1 6 0 0 0 app1.example 443 -\n"
    )


def test_a_balancers_host_that_is_down_begins_so_and_only_there_and_at_that_address() -> None:
    down = TABLE.replace("4 upstreams 1 app1 10.0.0.7 2", "4 upstreams 1 app1 10.0.0.7 0").replace("172.18.0.3 2", "172.18.0.3 0")
    down += "4 upstreams 2 app2 10.0.0.8 0 0 1 1 9 8 2 0 6 0 0 0 - 443 - 1 0 - - 0\n"
    hosts = addresses.of_hosts_down(down)
    assert (hosts, addresses.of_hosts_down(TABLE)) == ({"app1": "10.0.0.7", "app2": "10.0.0.8"}, {})
    text = "backend upstreams from upstreams\n    server app1 app1.example:443\n    server app2 10.0.0.8:443\n"
    said = addresses.server_state(addresses.of_names(down), hosts, [text, text.replace("upstreams from", "upstreams.any from")])
    assert said.splitlines() == [
        "1",
        "0 upstreams 0 app1 10.0.0.7 0 0 0 0 0 1 0 0 6 0 0 0 app1.example 443 -",
        "0 upstreams 0 app2 10.0.0.8 0 0 0 0 0 1 0 0 6 0 0 0 - 443 -",
        "0 upstreams.any 0 app1 10.0.0.7 2 0 0 0 0 1 0 1 6 0 0 0 app1.example 443 -",
    ]
    assert addresses.server_state({}, hosts, [text.replace("10.0.0.8", "10.0.0.9")]) == "1\n"
