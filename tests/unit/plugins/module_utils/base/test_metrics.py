from __future__ import annotations

import stat
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base import metrics
from ansible_collections.morpheus.deploy.plugins.module_utils.base.metrics import Sample


def test_what_is_told_is_as_prometheus_reads_it() -> None:
    told = metrics.text({"one": "What it is."}, [Sample("one", {"a": 'say "hi"\\\n', "b": "2"}, 1_764_000_000.25)])
    assert told == '# HELP one What it is.\n# TYPE one gauge\none{a="say \\"hi\\"\\\\\\n",b="2"} 1764000000.25\n'


def test_a_metric_without_a_sample_is_named_all_the_same() -> None:
    assert metrics.text({"one": "What it is."}, []) == "# HELP one What it is.\n# TYPE one gauge\n"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("stack", "shop"), "stack-shop.prom"),
        (("run", "eu/1", "deploy", "rolled_back"), "run-eu_1-deploy-rolled_back.prom"),
        (("run", "../../etc"), "run-.._.._etc.prom"),
    ],
)
def test_a_file_lies_in_its_directory_whatever_it_is_called(words: tuple[str, ...], name: str) -> None:
    assert metrics.file(Path("/metrics"), *words) == Path("/metrics") / name


def test_the_exporter_may_read_it(tmp_path: Path) -> None:
    path = metrics.file(tmp_path / "metrics", "stack", "shop")
    metrics.keep(path, "one 1\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
