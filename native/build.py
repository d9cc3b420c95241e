#!/usr/bin/env python3
"""Makes our pjsua2: a wheel of PJSIP's Python binding plus PcmPort, or the C program `pjsua` beside it.

    python3 native/build.py --python .venv/bin/python     # prints the wheel's path last
    python3 native/build.py --pjsua                       # prints the program's path last

Needs nothing but the standard library. What it makes is kept in ${XDG_CACHE_HOME:-~/.cache}/softphone/native
under a key of everything that went into it, so it is built once. README.md beside this file tells the rest.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pjbuild.cache import Cache
from pjbuild.errors import BuildError
from pjbuild.progress import Progress
from pjbuild.recipe import Recipe, Wanted


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build.py", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--python", default=sys.executable, help="the interpreter that the wheel is for")
    parser.add_argument("--pjsua", action="store_true", help="build the C program pjsua instead of the wheel")
    parser.add_argument("--install", action="store_true", help="install missing Debian packages with apt-get")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2, help="compilers at once (default: cores)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    progress = Progress(sys.stderr)
    try:
        wanted = Wanted(python=None if args.pjsua else args.python, install=args.install, jobs=max(1, args.jobs))
        result = Recipe(Cache.default(), progress, os.environ).make(wanted)
    except BuildError as error:
        progress.say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        progress.say("interrupted; nothing half-made was kept")
        return 130
    print(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
