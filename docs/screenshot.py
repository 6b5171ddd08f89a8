"""Takes the pictures of the page that the README shows, from a running `make up`.

.venv/bin/python docs/screenshot.py        # WEB_PORT if it is not 5173
"""

import os
import shutil
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import httpx
from PIL import Image
from playwright.sync_api import sync_playwright

IMAGES: Final = Path(__file__).parent / "images"
LIMIT: Final = 200_000
"""Bytes: a README is read over a telephone as well."""

_JOBS: Final[list[dict[str, Any]]] = [
    {"task": "sleep", "payload": {"seconds": 0.2, "fail": "reject"}, "tags": ["nightly"]},
    {"task": "sleep", "payload": {"seconds": 60, "steps": 20}, "tags": ["nightly"]},
    {"task": "noop", "delay": 3600},
    {"task": "image.search", "payload": {"query": "harbour at night", "count": 6}},
    {"task": "image.search", "payload": {"query": "mountains", "count": 9}, "tags": ["readme"]},
]


def main() -> int:
    """Submit some jobs, look at them, keep two pictures."""
    url = f"http://localhost:{os.environ.get('WEB_PORT') or '5173'}"
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with httpx.Client(base_url=url, trust_env=False) as client:
        ids = [client.post("/jobs", json=job).raise_for_status().json()["id"] for job in _JOBS]
        deadline = time.monotonic() + 30
        while client.get(f"/jobs/{ids[-1]}").json()["state"] != "succeeded":
            if time.monotonic() > deadline:
                sys.exit("the search for pictures did not end within 30 s")
            time.sleep(0.2)
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(color_scheme="light")
        for name, path, height in (("jobs", "/ui/jobs", 420), ("job", f"/ui/jobs/{ids[-1]}", 800)):
            page.set_viewport_size({"width": 1280, "height": height})
            page.goto(f"{url}{path}", wait_until="load")
            page.wait_for_timeout(2_500)  # pictures fade in; there is nothing to wait for but that
            picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
            picture.quantize(256).save(IMAGES / f"{name}.png", optimize=True)
        browser.close()
    sizes = {file.name: file.stat().st_size for file in sorted(IMAGES.glob("*.png"))}
    sys.stdout.write(", ".join(f"{name}: {size:,} bytes" for name, size in sizes.items()) + "\n")
    return 1 if max(sizes.values()) > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
