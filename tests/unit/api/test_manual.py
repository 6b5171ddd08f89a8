"""The docs page: readable without scripts, and deaf to what a description holds."""

from api.manual import manual_page, manual_style

DOCUMENT = {
    "info": {"title": "Jobstream", "summary": "Runs jobs"},
    "paths": {
        "/jobs/{job_id}": {
            "get": {
                "tags": ["jobs"],
                "summary": "Read a job <script>alert(1)</script>",
                "parameters": [{"name": "job_id", "in": "path", "schema": {"type": "string"}}],
                "responses": {
                    "200": {
                        "description": "The job",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}},
                    }
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Job": {
                "description": "One job",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string", "maxLength": 36},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "reason": {"anyOf": [{"enum": ["retry"]}, {"type": "null"}]},
                },
            }
        }
    },
}


def page() -> str:
    return bytes(manual_page(DOCUMENT).body).decode()


def test_every_call_and_shape_stands_on_the_page() -> None:
    assert "<code>/jobs/{job_id}</code>" in page()
    assert '<a href="#Job">Job</a>' in page()
    assert 'id="Job"' in page()
    assert "string (at most 36)" in page()
    assert "array of string" in page()


def test_text_is_text() -> None:
    assert "<script>" not in page()
    assert "&lt;script&gt;alert(1)" in page()


def test_nothing_is_loaded_from_another_host() -> None:
    assert "http" not in page()
    assert "@import" not in bytes(manual_style().body).decode()
