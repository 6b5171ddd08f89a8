from pathlib import Path

import pytest

from jobstream_local.state import Home, PartState, RunningError, State

STATE = State(pid=1, phase="up", parts=[PartState("kafka", 2, {"kafka": 9092}, "tcp:9092", 0)])


def test_what_was_written_is_read(tmp_path: Path) -> None:
    Home(tmp_path).write(STATE)
    assert Home(tmp_path).read() == STATE


@pytest.mark.parametrize(
    "torn", ["", "{", '{"pid": 1}', '{"pid": 1, "phase": "up", "parts": [{}], "api_url": 3}']
)
def test_a_torn_state_is_no_state(tmp_path: Path, torn: str) -> None:
    (tmp_path / "state.json").write_text(torn)
    assert Home(tmp_path).read() is None


def test_a_home_has_one_launcher(tmp_path: Path) -> None:
    Home(tmp_path).write(STATE)
    with Home(tmp_path).own():
        assert Home(tmp_path).owned()
        with pytest.raises(RunningError, match="runs already as pid 1"), Home(tmp_path).own():
            pass
    assert not Home(tmp_path).owned()


def test_the_state_of_a_dead_launcher_is_in_nobodys_way(tmp_path: Path) -> None:
    Home(tmp_path).write(STATE)
    assert not Home(tmp_path).owned()
    with Home(tmp_path).own():
        pass
