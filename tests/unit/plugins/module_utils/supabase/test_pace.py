"""How many rows a batch of a backfill has, by how long the one before took."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.pace import (
    BATCH_SECONDS,
    LAST_BATCHES,
    LEAST_ROWS,
    REST_FACTOR,
    REST_SECONDS,
    Pace,
)
from hypothesis import given
from hypothesis import strategies as st


def sizes(most: int, seconds_a_row: float, batches: int, besides: float = 0.0) -> list[int]:
    """``besides``: what notes and commit take, in seconds."""
    pace, found = Pace.first(most), []
    for _ in range(batches):
        found.append(pace.rows)
        seconds = pace.rows * seconds_a_row
        pace = pace.after(seconds, seconds + besides)
    return found


@pytest.mark.parametrize(
    ("most", "seconds_a_row", "expected"),
    [
        pytest.param(1000, 0.000001, [100, 200, 400, 800, 1000, 1000], id="no more than the file says"),
        pytest.param(50, 0.00001, [50, 50], id="nor at first"),
        pytest.param(5000, 0.00001, [100, 200, 400, 500, 500], id="as many as can be written in the time"),
        pytest.param(5000, 0.1, [100, 100], id="never so few that the notes take longer than the rows"),
        pytest.param(20, 0.1, [20, 20], id="unless the file says so"),
    ],
)
def test_a_batch_takes_as_long_as_it_may(most: int, seconds_a_row: float, expected: list[int]) -> None:
    assert sizes(most, seconds_a_row, len(expected)) == expected


@pytest.mark.parametrize(
    ("besides", "largest"),
    [
        pytest.param(0.001, 400, id="part of the time"),
        pytest.param(0.02, 1000, id="longer"),
        pytest.param(1.0, 5000, id="no more than the file says"),
    ],
)
def test_where_the_commit_takes_long_the_rows_take_half_as_long(besides: float, largest: int) -> None:
    """On a busy disk 100,000 rows in batches of 100 would not end within the time that a deploy has."""
    assert max(sizes(5000, 0.00001, 20, besides)) == largest


def test_what_slows_the_database_down_makes_batches_smaller_and_they_grow_again() -> None:
    pace = Pace(5000, 2000).after(BATCH_SECONDS * 4, BATCH_SECONDS * 4)
    assert pace.rows == 500
    assert pace.after(BATCH_SECONDS / 2, BATCH_SECONDS / 2).rows == 1000


def test_one_slow_moment_does_not_end_the_speed() -> None:
    assert Pace(5000, 4000).after(60, 60).rows == 1000


@pytest.mark.parametrize(("seconds", "rest"), [(0.0, 0.0), (0.04, 0.48), (0.3, REST_SECONDS), (60.0, REST_SECONDS)])
def test_traffic_has_the_database_twelve_times_as_long_as_a_batch_took(seconds: float, rest: float) -> None:
    assert Pace(5000, 100).after(seconds / 2, seconds).rest == pytest.approx(rest)


def test_a_batch_that_was_kept_waiting_is_made_up_for_as_the_quickest_of_the_last_ones() -> None:
    """Of a processor that ten others want it has a tenth; 100,000 rows would not end within the time that a deploy has."""
    pace = Pace(100, 100).after(0.002, 0.004)
    for _ in range(LAST_BATCHES - 1):
        pace = pace.after(0.02, 0.04)
        assert pace.rest == pytest.approx(0.004 * REST_FACTOR)
    # No longer is there one that was quick.
    assert pace.after(0.02, 0.04).rest == pytest.approx(0.04 * REST_FACTOR)


def test_a_large_batch_is_made_up_for_by_its_rows_though_a_small_one_was_quicker() -> None:
    small = Pace(5000, 100).after(0.001, 0.002)
    assert small.rows == 200
    assert small.after(0.002, 0.003).rest == pytest.approx(0.003 * REST_FACTOR)


@given(most=st.integers(1, 100_000), took=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=30))
def test_a_batch_is_never_empty_nor_larger_than_the_file_says(most: int, took: list[tuple[float, float]]) -> None:
    pace = Pace.first(most)
    for rows, besides in took:
        pace = pace.after(rows, rows + besides)
        assert min(most, LEAST_ROWS) <= pace.rows <= most
