"""A configuration file -> Config, or every problem in it with file, line and key."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from softphone.config.accounts import Account
from softphone.config.model import Config
from softphone.config.problems import problems_of
from softphone.config.secrets import Context
from softphone.config.yamltree import Tree, dotted, parse
from softphone.errors import ConfigError

MAX_FILE_BYTES = 1024 * 1024


class ConfigErrors(ConfigError):
    """All problems of one configuration file; `problems` holds a ConfigError for each, in the file's order."""

    def __init__(self, problems: tuple[ConfigError, ...]) -> None:
        first = problems[0]
        super().__init__(first.message, file=first.file, line=first.line, key=first.key)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


@dataclass(frozen=True)
class Report:
    """What `check` found. `config` is None exactly when there are problems; warnings do not forbid a start."""

    file: str
    config: Config | None
    problems: tuple[ConfigError, ...] = ()
    warnings: tuple[ConfigError, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the daemon would start with this file."""
        return not self.problems


def load(path: str | os.PathLike[str], *, environ: Mapping[str, str] | None = None) -> Config:
    """Reads and validates the file, secrets included. Raises ConfigErrors with everything that is wrong."""
    report = check(path, environ=environ)
    if report.config is None:
        raise ConfigErrors(report.problems)
    return report.config


def check(
    path: str | os.PathLike[str],
    *,
    environ: Mapping[str, str] | None = None,
    read_secrets: bool = True,
    check_files: bool = True,
) -> Report:
    """Never raises for what is in the file.

    Without `read_secrets` and `check_files` it judges a file that is meant for another machine.
    """
    file = os.fspath(path)
    context = Context(
        base=Path(file).absolute().parent,
        environ=os.environ if environ is None else environ,
        read_secrets=read_secrets,
        check_files=check_files,
    )
    try:
        text = _read(Path(file))
    except ConfigError as error:
        return Report(file, None, (_placed(error, file),))
    return _judge(file, text, context)


def _judge(file: str, text: str, context: Context) -> Report:
    tree = parse(text)
    config, problems = _validate(tree, context)
    problems = [*tree.problems, *problems]
    if config is None or problems:
        return Report(file, None, _in_order(problems, file))
    warnings = [_located(message, place, tree) for place, message in _warnings(config)]
    return Report(file, config, (), _in_order(warnings, file))


def _in_order(errors: list[ConfigError], file: str) -> tuple[ConfigError, ...]:
    return tuple(sorted((_placed(error, file) for error in errors), key=lambda error: error.line or 0))


def _validate(tree: Tree, context: Context) -> tuple[Config | None, list[ConfigError]]:
    data = {} if tree.data is None else tree.data
    if not isinstance(data, dict):
        return None, [ConfigError("expected keys at the top, such as `accounts:`", line=1)]
    if tree.data is None and tree.problems:
        return None, []  # not even YAML: nothing to say about keys
    known = {key: value for key, value in data.items() if not key.startswith("x-")}
    try:
        return Config.model_validate(known, context=context), []
    except ValidationError as error:
        return None, [_located(message, place, tree) for place, message in problems_of(error, Config)]


def _located(message: str, place: tuple[str | int, ...], tree: Tree) -> ConfigError:
    return ConfigError(message, line=tree.line_of(place), key=dotted(place))


def _placed(error: ConfigError, file: str) -> ConfigError:
    return ConfigError(error.message, file=file, line=error.line, key=error.key)


def _read(path: Path) -> str:
    try:
        # Not blocking: a named pipe without a writer would hold the start for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(_unreadable(path, error)) from error
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        raise ConfigError("is a folder, not a file" if stat.S_ISDIR(kind) else "is not a regular file")
    with os.fdopen(descriptor, "rb") as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"is larger than {MAX_FILE_BYTES // 1024} KiB; is it the right file?")
    return _decoded(data)


def _unreadable(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file; `config.example.yaml` is a start"
    if isinstance(error, PermissionError):
        return f"may not be read by user {os.geteuid()}"
    return f"cannot be read: {error.strerror}"


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    raise ConfigError("is not UTF-8 text from here on", line=line)


def _warnings(config: Config) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if not config.accounts:
        yield (), "no accounts: the phone will run, and nobody can call or be called"
    provider = config.provider
    if provider is not None:
        if provider.live is None and not any(account.pulled for account in config.accounts):
            yield ("provider",), "no account is pulled from the PBX, so this is not used"
        for key in provider.urls_in_clear:
            yield ("provider", key), "the token travels readable for everybody on the way"
    if (room := config.media.rtp_ports.calls) < config.calls.max_calls:
        yield ("media", "rtp_ports"), f"has room for {room} calls, and calls.max_calls is {config.calls.max_calls}"
    for index, account in enumerate(config.accounts):
        yield from ((("accounts", index, *place), text) for place, text in _account_warnings(account))


def _account_warnings(account: Account) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if account.transport in ("tls", "wss") and not account.tls.verify:
        yield ("tls", "verify"), "anyone on the way can pose as the PBX"
    if account.transport not in ("tls", "wss") and account.srtp != "off":
        yield ("srtp",), f"the media keys travel readable over {account.transport}; they are private only over tls"
