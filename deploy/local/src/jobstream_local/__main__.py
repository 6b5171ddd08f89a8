"""`python -m jobstream_local up|down|status|logs|reset|npm`: what the Makefile's verbs run."""

import argparse
import contextlib
import io
import os
import sys

from jobstream_local import page, show
from jobstream_local.limits import LimitError, allow_open_files
from jobstream_local.options import OptionError, Options
from jobstream_local.state import RunningError
from jobstream_local.up import detach, down, up


def main() -> int:
    """Do what the first argument says; the settings come from the environment."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character must not end what runs.
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(prog="jobstream_local", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up").add_argument("--tied", action="store_true", help="end with the parent process")
    for verb in ("down", "status", "logs", "reset"):
        verbs.add_parser(verb)
    verbs.add_parser("npm").add_argument("arguments", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    try:
        options = Options.read()
        match chosen.verb:
            case "up":
                allow_open_files()
                return detach(options) if options.detach else up(options, tied=chosen.tied)
            case "down":
                return down(options.home)
            case "status":
                return show.status(options.home)
            case "logs":
                with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
                    return show.logs(options.home, os.environ.get("SERVICE"))
                return 0
            case "reset":
                return down(options.home) or show.reset(options.home)
            case _:
                page.install()
                page.npm(*chosen.arguments)
                return 0
    except (OptionError, LimitError, RunningError, page.PageError) as error:
        print(f"jobstream: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
