"""What may be asked for."""

import pytest
from pydantic import ValidationError

from job_worker.tasks.image_search import SearchPayload, image_search


def test_ten_pictures_of_any_form_are_the_default() -> None:
    payload = SearchPayload(query="  mountains ")
    assert payload.model_dump() == {"query": "mountains", "count": 10, "orientation": None}


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({}, "query"),
        ({"query": " "}, "query"),
        ({"query": "x" * 201}, "query"),
        ({"query": 7}, "query"),
        ({"query": "x", "count": 0}, "count"),
        ({"query": "x", "count": 31}, "count"),
        ({"query": "x", "orientation": "round"}, "orientation"),
        ({"query": "x", "page": 2}, "page"),
    ],
)
def test_bad_input_is_refused_by_the_name_of_its_field(payload: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SearchPayload.model_validate(payload)
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


def test_every_field_of_the_form_is_described() -> None:
    fields = image_search.payload.model_json_schema()["properties"].values()
    assert all(field["description"] for field in fields)
