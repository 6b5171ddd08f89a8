"""The browser of this machine."""

import shutil
from typing import Final

import pytest

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where the browser is."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(
            f"no browser: none of {', '.join(BROWSERS)} is on PATH (Debian: apt-get install chromium)"
        )
    return found
