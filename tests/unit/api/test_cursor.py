"""What a client may send as its place in the stream, and what becomes of anything else."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cursor import Cursor

_OFFSETS = st.dictionaries(st.integers(0, 200), st.integers(0, 2**62), min_size=1, max_size=40)


@given(st.from_regex(r"[A-Za-z0-9_-]{1,22}", fullmatch=True), _OFFSETS)
def test_a_cursor_is_read_as_it_was_written(cluster: str, offsets: dict[int, int]) -> None:
    cursor = Cursor(cluster, offsets)
    assert Cursor.parse(str(cursor)) == cursor


@given(st.text(max_size=60) | st.from_regex(r"[\w;:,.\-]{0,40}"))
def test_whatever_else_is_sent_is_a_cursor_that_reads_the_same_or_none(text: str) -> None:
    cursor = Cursor.parse(text)
    assert cursor is None or Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3.0",
        "c1",
        "c1;",
        "c1;0",
        "c1;0:",
        "c1;0:1,",
        "c1;,0:1",
        "c1;0:1;1:2",
        "c1;0:-1",
        "c1;0:+1",
        "c1;0:1_0",
        "c1;0:1 ",
        " c1;0:1",
        "c1;0:1\n",
        "c1;0:١",
        "c1;0:1,0:1",
        "c1;0:99999999999999999999",
        "c1;9999999:1",
        "é;0:1",
        f"{'c' * 65};0:1",
        ";0:1",
    ],
)
def test_what_was_never_written_so_is_no_cursor(text: str) -> None:
    assert Cursor.parse(text) is None


def test_a_vector_of_a_million_entries_costs_nothing() -> None:
    huge = "c1;" + ",".join(f"{n}:1" for n in range(1_000_000))
    began = time.perf_counter()
    assert Cursor.parse(huge) is None
    assert time.perf_counter() - began < 0.01
