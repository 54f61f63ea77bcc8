"""Check mode of provisioning and of a first deploy, on a host that was provisioned."""

from __future__ import annotations

from moments import STACK, Moment, recall
from testinfra.host import Host


def test_no_container_was_started_or_restarted(moment: Moment) -> None:
    assert moment.started == recall("provisioned").started


def test_no_image_was_pulled(moment: Moment) -> None:
    assert moment.images == recall("provisioned").images


def test_no_file_was_written(moment: Moment) -> None:
    assert moment.files == recall("provisioned").files


def test_the_stack_left_no_trace(host: Host) -> None:
    assert not host.file(STACK).exists
    assert host.check_output("find /run /tmp -name 'morpheus.deploy.*'") == ""
