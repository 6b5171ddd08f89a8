"""Takes pictures of every view of the page, on a product of its own: `make screenshots`.

They lie in `.local/screenshots`, with an `index.html` that shows them all; two of them go into `docs/images`, where the
README shows them.
"""

import asyncio
import shutil
import sys
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Literal

import httpx
from PIL import Image
from playwright.async_api import Browser, async_playwright

from jobstream_local import page as built_page
from jobstream_local.stack import Ports, Stack

ROOT: Final = Path(__file__).resolve().parents[1]
OUT: Final = ROOT / ".local/screenshots"
IMAGES: Final = ROOT / "docs/images"
LIMIT: Final = 200_000
"""Bytes: a README is read over a telephone as well."""

_JOBS: Final[list[dict[str, Any]]] = [
    *({"task": "noop", "tags": ["import"]} for _ in range(60)),
    *(
        {"task": "sleep", "payload": {"seconds": 0.2, "fail": "reject"}, "tags": ["nightly"]}
        for _ in range(7)
    ),
    {"task": "sleep", "payload": {"seconds": 0.3, "fail": "retry"}, "max_attempts": 3, "tags": ["failing"]},
    *(
        {
            "task": "sleep",
            "payload": {"seconds": 600, "steps": 200},
            "timeout": 900,
            "tags": ["nightly", "eu"],
        }
        for _ in range(3)
    ),
    *({"task": "noop", "delay": 600 * n} for n in range(1, 4)),
    {"task": "image.search", "payload": {"query": "harbour at night", "count": 6}},
    {"task": "image.search", "payload": {"query": "fog over a river", "count": 8}},
    {"task": "image.search", "payload": {"query": "mountains", "count": 9}, "tags": ["readme"]},
]


@dataclass(frozen=True, slots=True)
class Look:
    """How one looks at a view."""

    name: str
    width: int
    height: int
    scheme: Literal["light", "dark"]

    @property
    def is_phone(self) -> bool:
        """Whether fingers do the work."""
        return self.width < 500


LOOKS: Final = (
    Look("desk", 1280, 800, "light"),
    Look("night", 1280, 800, "dark"),
    Look("phone", 390, 780, "light"),
)
README: Final = {"jobs": ("/ui/jobs", 440), "job": ("pictures", 800)}
"""Pictures of the README: the view, and how high the window is."""


async def seed(client: httpx.AsyncClient) -> dict[str, str]:
    """Submit jobs of all kinds, wait until those that matter have ended, and return the paths of all views."""
    ids = []
    for job in _JOBS:
        answer = await client.post("/jobs", json=job)
        ids.append(answer.raise_for_status().json()["id"])
    pictures = ids[-1]
    failing = ids[next(place for place, job in enumerate(_JOBS) if job.get("tags") == ["failing"])]
    for job in (pictures, failing):
        await ended(client, job)
    return {
        "overview": "/ui",
        "jobs": "/ui/jobs",
        "pictures": f"/ui/jobs/{pictures}",
        "failed-job": f"/ui/jobs/{failing}",
        "new-job": "/ui/new?task=image.search",
        "dead-letters": "/ui/dead-letters",
        "letters": "/ui/dead-letters?kind=rejected",
        "tasks": "/ui/tasks",
    }


async def ended(client: httpx.AsyncClient, job: str) -> None:
    """Wait until a job has ended."""
    for _ in range(300):
        if (await client.get(f"/jobs/{job}")).json()["finished_at"] is not None:
            return
        await asyncio.sleep(0.2)
    sys.exit(f"job {job} did not end within a minute")


async def take(browser: Browser, url: str, look: Look, to: Path) -> None:
    """Take one picture, once what is animated has come to rest."""
    page = await browser.new_page(
        viewport={"width": look.width, "height": look.height},
        color_scheme=look.scheme,
        is_mobile=look.is_phone,
        has_touch=look.is_phone,
    )
    await page.goto(url, wait_until="load")
    await page.get_by_test_id("connection").and_(page.locator("[data-state=live]")).wait_for()
    await page.wait_for_timeout(2_000)  # pictures fade in; there is nothing to wait for but that
    picture = Image.open(BytesIO(await page.screenshot())).convert("RGB")
    picture.quantize(256).save(to, optimize=True)
    await page.close()


def write_index() -> None:
    """Show all pictures on one page, a view a row."""
    files = sorted(OUT.glob("*.png"))
    pictures = "\n".join(f'<figure><img src="{f.name}" height="520"><figcaption>{f.stem}' for f in files)
    style = "body{display:flex;flex-wrap:wrap;gap:16px;font:14px system-ui}figure{margin:0}"
    (OUT / "index.html").write_text(
        f"<!doctype html><meta charset=utf-8><style>{style}</style>\n{pictures}\n"
    )


def say(line: str) -> None:
    """Tell the person who waits."""
    sys.stdout.write(f"{line}\n")


async def main() -> int:
    """Start everything, look at every view in every way, keep the pictures."""
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    shutil.rmtree(OUT, ignore_errors=True)
    for folder in (OUT, IMAGES):
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        await asyncio.to_thread(built_page.build, Path(home) / "page.log")
        stack = Stack(Path(home), ports=Ports.free(), page=built_page.dist(), say=say)
        async with stack, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            async with httpx.AsyncClient(base_url=stack.web_url, trust_env=False, timeout=30) as client:
                views = await seed(client)
                for name, (view, height) in README.items():
                    look = Look(name, 1280, height, "light")
                    await take(
                        browser, f"{stack.web_url}{views.get(view, view)}", look, IMAGES / f"{name}.png"
                    )
                await client.post("/tasks/noop/pause", json={"reason": "the warehouse is being moved"})
            for name, path in views.items():
                for look in LOOKS:
                    await take(browser, f"{stack.web_url}{path}", look, OUT / f"{name}-{look.name}.png")
            await browser.close()
    write_index()
    sizes = {f: f.stat().st_size for f in (*sorted(OUT.glob("*.png")), *sorted(IMAGES.glob("*.png")))}
    for file, size in sizes.items():
        say(f"{size:>8,} bytes  {file.relative_to(ROOT)}")
    say(f"all together: {(OUT / 'index.html').as_uri()}")
    too_large = [file.name for file, size in sizes.items() if size > LIMIT]
    if too_large:
        say(f"over {LIMIT:,} bytes: {', '.join(too_large)}")
    return 1 if too_large else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
