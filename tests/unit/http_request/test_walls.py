"""What a task makes of answers that nobody has thought of."""

import pytest

from job_worker.tasks.errors import Reject, Retry
from job_worker.tasks.walls import understood


@pytest.mark.parametrize(
    "error", [OverflowError("date value"), LookupError("idna"), RecursionError(), AssertionError()]
)
def test_what_nobody_has_expected_of_an_answer_is_trouble_with_its_upstream(error: Exception) -> None:
    with (
        pytest.raises(Retry, match=f"cannot be understood: {type(error).__name__}"),
        understood("pixabay", Retry),
    ):
        raise error


@pytest.mark.parametrize("error", [Reject("no"), TimeoutError()])
def test_what_a_task_says_itself_stays_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)), understood("pixabay", Retry):
        raise error
