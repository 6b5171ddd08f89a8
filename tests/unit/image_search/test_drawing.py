"""What a drawing is made of, without a database."""

from io import BytesIO

import pytest
from PIL import Image

from job_worker.tasks.image_search.blurhash import blur_hash
from job_worker.tasks.image_search.drawing import draw
from job_worker.tasks.image_search.painting import paint
from job_worker.tasks.image_search.painting.scenes import SCENES
from job_worker.tasks.image_search.pictures import Orientation


def test_the_same_words_draw_the_same_bytes() -> None:
    (first, first_sizes), (second, second_sizes) = (draw("mountains", 3, None) for _ in range(2))
    assert first == second
    assert [size.data for size in first_sizes] == [size.data for size in second_sizes]


def test_other_words_and_other_numbers_draw_other_pictures() -> None:
    drawn = [draw(query, number, None)[0] for query in ("mountains", "sea") for number in range(3)]
    assert len({one.hashes for one in drawn}) == len(drawn)


def test_there_are_three_sizes_of_one_form() -> None:
    drawn, sizes = draw("mountains", 0, None)
    assert [size.width for size in sizes] == [1080, 400, 200]
    assert all(abs(size.height / size.width - drawn.height / drawn.width) < 0.01 for size in sizes)
    assert drawn.hashes == tuple(size.hash for size in sizes)
    for size in sizes:
        assert Image.open(BytesIO(size.data)).size == (size.width, size.height)


@pytest.mark.parametrize("number", range(4))
def test_the_orientation_is_as_asked(number: int) -> None:
    landscape, portrait, square = (draw("x", number, form)[0] for form in Orientation)
    assert landscape.width > landscape.height
    assert portrait.width < portrait.height
    assert square.width == square.height


@pytest.mark.parametrize("number", range(0, 40, 3))
def test_no_drawing_is_heavy_or_all_of_one_colour(number: int) -> None:
    drawn, sizes = draw("weight", number, None)
    assert 15_000 < len(sizes[0].data) < 250_000
    with Image.open(BytesIO(sizes[0].data)) as picture:
        assert all(high - low > 40 for low, high in picture.getextrema())  # type: ignore[misc]
    assert len(drawn.color) == 7


def test_neighbours_show_different_scenes() -> None:
    told = [paint("mountains", number, (270, 180)).description for number in range(len(SCENES))]
    assert len(set(told)) == len(SCENES)


@pytest.mark.parametrize("query", ["", "\x00", "🏔️", "a" * 200, "<script>"])
@pytest.mark.parametrize("size", [(40, 30), (30, 90)])
def test_any_words_and_any_size_can_be_painted(query: str, size: tuple[int, int]) -> None:
    for number in range(len(SCENES)):
        assert paint(query, number, size).image.size == size


def test_a_blur_hash_is_the_one_the_reference_gives() -> None:
    # Made with the reference encoder in Python (blurhash 1.1.5) from the same 32 × 32 picture.
    picture = Image.merge(
        "RGB",
        (
            Image.linear_gradient("L").resize((32, 32), Image.Resampling.NEAREST),
            Image.linear_gradient("L").rotate(90).resize((32, 32), Image.Resampling.NEAREST),
            Image.radial_gradient("L").resize((32, 32), Image.Resampling.NEAREST),
        ),
    )
    assert blur_hash(picture) == "L#HetTl}gPnn2sWDfkWpw*jufRju"
    assert blur_hash(Image.new("RGB", (32, 32))) == "L00000fQfQfQfQfQfQfQfQfQfQfQ"


@pytest.mark.parametrize(
    ("words", "shown"),
    [("mountains", "peaks"), ("the Sea", "islands"), ("DESERT", "dunes"), ("pine trees", "forests")],
)
def test_what_the_words_name_comes_first(words: str, shown: str) -> None:
    assert shown in paint(words, 0, (90, 60)).description
