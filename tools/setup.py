#!/usr/bin/env python3
"""Makes this clone ready to run. `make` calls it before everything else; what is in place already costs nothing.

    python3 tools/setup.py            # the phone: Debian packages, .venv, Python packages, our pjsua2
    python3 tools/setup.py --tests    # and what the interop tests talk to: SIPp and Asterisk

Nothing is written outside the clone but Debian packages and ${XDG_CACHE_HOME:-~/.cache}/softphone.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said before anything that an older Python cannot read
    version = ".".join(map(str, sys.version_info[:2]))
    sys.exit(
        f"setup: softphone needs Python 3.11 or newer, and {sys.executable} is {version}. "
        "Name another one: make PYTHON=/path/to/python3"
    )

import argparse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "native")]

from pjbuild.errors import BuildError  # noqa: E402
from pjbuild.progress import Progress  # noqa: E402

from tools.steps import Setup  # noqa: E402


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="setup.py", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--tests", action="store_true", help="also install what the interop tests talk to")
    args = parser.parse_args(argv)
    progress = Progress(sys.stderr)
    try:
        Setup(ROOT, progress).run(tests=args.tests)
    except BuildError as error:
        progress.say(f"setup: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        progress.say("setup: interrupted; run it again and it goes on from here")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
