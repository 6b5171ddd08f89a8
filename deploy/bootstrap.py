"""What `make` runs before anything else: an environment from locked packages, with nothing but Python ≥ 3.11.

    python3 deploy/bootstrap.py local    .venv with what `make up` needs
    python3 deploy/bootstrap.py dev      the same and what tests and checks need
    python3 deploy/bootstrap.py lock     write requirements/*.lock anew (options go to uv: `--upgrade`)

Standard library only. uv comes from PyPI by hash into `.venv-uv`; it then fills `.venv` from a lock, and puts the
workspace's own packages beside it as editable ones. A stamp holds the digest of all that went in, so that a second run
costs milliseconds; the stamp of `dev` serves `local` as well.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "requirements"
TOOLS = ROOT / ".venv-uv"
ENVIRONMENT = ROOT / ".venv"


def members() -> dict[str, Path]:
    """The workspace's packages: distribution name to folder."""
    globs: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"][
        "members"
    ]
    folders = sorted(folder.parent for glob in globs for folder in ROOT.glob(f"{glob}/pyproject.toml"))
    return {tomllib.loads((f / "pyproject.toml").read_text())["project"]["name"]: f for f in folders}


def digest(*files: Path) -> str:
    """One SHA-256 over the contents of files and over the Python that runs this."""
    sha = hashlib.sha256(sys.version.encode())
    for file in files:
        sha.update(file.read_bytes())
    return sha.hexdigest()


def fresh(stamp: Path, want: str) -> bool:
    """Whether a stamp was written for just this digest."""
    return stamp.exists() and stamp.read_text() == want


def environ() -> dict[str, str]:
    """The environment of uv: no Python downloads, and pip's mirror and certificates where only pip was told."""
    env = {k: v for k, v in os.environ.items() if k not in {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}}
    env["UV_PYTHON_DOWNLOADS"] = "never"
    if "PIP_INDEX_URL" in env:
        env.setdefault("UV_DEFAULT_INDEX", env["PIP_INDEX_URL"])
    if "PIP_CERT" in env:
        env.setdefault("SSL_CERT_FILE", env["PIP_CERT"])
    return env


def say(line: str) -> None:
    """Tell the person who waits."""
    print(f"· {line}", flush=True)


def run(*command: str | Path) -> None:
    """Run a command; end with its exit code when it fails (its own message has been shown)."""
    done = subprocess.run([str(c) for c in command], cwd=ROOT, env=environ(), check=False)
    if done.returncode:
        sys.exit(
            f"bootstrap: `{' '.join(str(c) for c in command[:4])} …` failed with exit code {done.returncode}"
        )


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One bootstrap at a time: two `make` in one folder must not install over each other."""
    with open(ROOT / ".venv.lock", "w") as file:  # noqa: PTH123 -- a descriptor is what flock wants
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def uv() -> Path:
    """The pinned uv, installed by pip with its hash checked."""
    binary, stamp, lock = TOOLS / "bin/uv", TOOLS / "stamp", LOCKS / "bootstrap.lock"
    if fresh(stamp, digest(lock)) and binary.exists():
        return binary
    say("installing uv")
    try:
        venv.create(TOOLS, with_pip=True, clear=True)
    except subprocess.CalledProcessError:
        # Debian splits `ensurepip` off. Any pip that is there can fill a folder just as well.
        shutil.rmtree(TOOLS, ignore_errors=True)
        if subprocess.run(
            [sys.executable, "-m", "pip", "--version"], capture_output=True, check=False
        ).returncode:
            sys.exit(
                f"bootstrap: {sys.executable} can make no environment with pip; install python3-venv (Debian, Ubuntu)"
            )
        run(
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--require-hashes",
            "--no-deps",
            "--target",
            TOOLS,
            "-r",
            lock,
        )
    else:
        run(
            TOOLS / "bin/python",
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--require-hashes",
            "--no-deps",
            "-r",
            lock,
        )
    stamp.write_text(digest(lock))
    return binary


def sync(level: str) -> None:
    """Bring `.venv` to a level, `local` or `dev`, unless it is there."""
    packages = members()

    def wanted(of: str) -> str:
        return digest(LOCKS / f"{of}.lock", *(f / "pyproject.toml" for f in packages.values()))

    stamps = {of: ENVIRONMENT / f".stamp-{of}" for of in ("local", "dev")}
    if any(fresh(stamps[of], wanted(of)) for of in {level, "dev"}):
        return
    if stamps["dev"].exists():
        level = "dev"  # its tools would vanish otherwise, and come back with the next `make test`
    tool = uv()
    python = ENVIRONMENT / "bin/python"
    works = (
        python.exists()
        and not subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode
    )
    if not works:
        say(f"making .venv with Python {sys.version.split()[0]}")
        run(tool, "venv", "-q", "--clear", "--python", sys.executable, ENVIRONMENT)
    for stamp in stamps.values():
        stamp.unlink(missing_ok=True)
    say(f"installing requirements/{level}.lock into .venv")
    quiet = [] if sys.stderr.isatty() else ["-q"]  # a person who waits wants to see the downloads move
    run(tool, "pip", "sync", *quiet, "--require-hashes", "--python", python, LOCKS / f"{level}.lock")
    editable = [part for folder in packages.values() for part in ("-e", folder)]
    run(tool, "pip", "install", "-q", "--no-deps", "--python", python, *editable)
    stamps[level].write_text(wanted(level))


def lock(*options: str) -> None:
    """Write the locks: `all` from everything, each other one as a part of it.

    No registry, no machine: neither an index nor a path is written, and the workspace's own packages are left out.
    """
    packages = members()
    tool = (
        uv() if (LOCKS / "bootstrap.lock").exists() else Path(shutil.which("uv") or sys.exit("lock: no uv"))
    )
    own = [part for name in packages for part in ("--no-emit-package", name)]
    projects = {
        name: [folder / "pyproject.toml"] for name, folder in packages.items() if "shared" not in folder.parts
    }
    everything = [p for paths in projects.values() for p in paths]
    tools = {name: [LOCKS / f"{name}.in"] for name in ("bootstrap", "kubernetes", "node")}
    parts: dict[str, list[Path | str]] = {
        "all": [*everything, *(file for files in tools.values() for file in files), "--group", "dev"],
        "dev": [*everything, "--group", "dev"],
        "local": [*everything],
        **{name: list(paths) for name, paths in {**projects, **tools}.items() if name != "jobstream-local"},
    }
    for name, sources in parts.items():
        target = LOCKS / f"{name}.lock"
        narrow: list[Path | str] = [] if name == "all" else ["-c", LOCKS / "all.lock"]
        say(f"requirements/{name}.lock")
        flags = [
            *("-q", "--universal", "--python-version", "3.11", "--generate-hashes"),
            *("--no-emit-index-url", "--no-annotate", "--no-header"),
        ]
        run(
            tool,
            "pip",
            "compile",
            *flags,
            *own,
            *narrow,
            *sources,
            "-o",
            target,
            *(options if name == "all" else ()),
        )


def main() -> None:
    """Do one of three things, alone."""
    verb, *options = sys.argv[1:] or ["local"]
    with alone():
        if verb == "lock":
            lock(*options)
        elif verb in {"local", "dev"}:
            sync(verb)
        else:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
