"""What can go wrong while building, told so that the reader knows what to do."""

from pathlib import Path

LOG_TAIL_LINES = 15


class BuildError(Exception):
    """A build that cannot go on. The text is complete by itself."""

    exit_code = 1


class MissingPackages(BuildError):
    """Tools or headers that the build needs are not installed."""

    exit_code = 2


class CommandFailed(BuildError):
    """A command ended with an error; its output is in `log`."""

    def __init__(self, doing: str, command: str, status: int, log: Path) -> None:
        self.log = log
        super().__init__(
            f"failed while {doing}: `{command}` ended with {status}. Its last lines:\n"
            f"{_tail(log)}\nThe whole log: {log}"
        )


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-LOG_TAIL_LINES:])
