"""A file that is wrong: every problem at once, each with line, key and what is expected."""

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from softphone.config import Config, ConfigErrors, check, load
from softphone.errors import ConfigError

UUID = "ddcfeb62-110f-4bd7-b7a9-965e1a78295f"
ENV = {"TOKEN": "abc", "PASS": "xyz"}
STATIC = "{username: 901, password: {env: PASS}, domain: pbx.example.com"
PROVIDER = f"provider: {{domain_uuid: {UUID}, token: {{env: TOKEN}}}}\n"


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "softphone.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def found(folder: Path, text: str) -> list[tuple[int | None, str, str]]:
    report = check(write(folder, text), environ=ENV)
    assert (report.config is None) == bool(report.problems)
    return [(problem.line, problem.key, problem.message) for problem in report.problems]


@pytest.mark.parametrize(
    ("text", "line", "key", "fragment"),
    [
        # unknown keys
        ("spi: {}\n", 1, "spi", "did you mean `sip`?"),
        ("sip:\n  retry_min: 3\n", 2, "sip.retry_min", "did you mean `retry_min_s`?"),
        (
            "zzzz: 1\n",
            1,
            "zzzz",
            "known here: accounts, calls, control, log, media, nat, provider, quality, ringer, sip",
        ),
        (f"accounts:\n- {STATIC}, trasnport: tls}}\n", 2, "accounts[0].trasnport", "did you mean `transport`?"),
        (f"accounts:\n- {STATIC}, tls: {{verfy: no}}}}\n", 2, "accounts[0].tls.verfy", "did you mean `verify`?"),
        (f"accounts:\n- {STATIC}, incoming: [{{form: x}}]}}\n", 2, "accounts[0].incoming[0].form", "`from`"),
        # choices
        (f"accounts:\n- {STATIC}, transport: TLS}}\n", 2, "accounts[0].transport", "did you mean tls?"),
        (f"accounts:\n- {STATIC}, srtp: on}}\n", 2, "accounts[0].srtp", "expected off, mandatory or prefer, got 'on'"),
        (f"accounts:\n- {STATIC}, codecs: [g729]}}\n", 2, "accounts[0].codecs[0]", "expected opus, g722"),
        (f"accounts:\n- {STATIC}, codecs: []}}\n", 2, "accounts[0].codecs", "at least one"),
        (f"accounts:\n- {STATIC}, codecs: [pcma, pcma]}}\n", 2, "accounts[0].codecs", "twice: pcma"),
        ("log: {level: trace}\n", 1, "log.level", "expected debug, info, warning or error"),
        ("media: {clock_rate_hz: 44100}\n", 1, "media.clock_rate_hz", "auto, 8000, 16000 or 48000, got 44100"),
        # numbers, booleans, kinds
        ("sip: {udp_port: 70000}\n", 1, "sip.udp_port", "expected at most 65535, got 70000"),
        ("sip: {udp_port: sixty}\n", 1, "sip.udp_port", "expected a whole number, got 'sixty'"),
        ("sip: {keepalive_s: -1}\n", 1, "sip.keepalive_s", "at least 0, got -1"),
        ("sip: {keepalive_s: true}\n", 1, "sip.keepalive_s", "expected a number, got true"),
        ("sip: {retry_min_s: 9, retry_max_s: 3}\n", 1, "sip.retry_max_s", "at least retry_min_s (9)"),
        ("sip: []\n", 1, "sip", "expected a mapping (key: value), got a list"),
        ("sip: text\n", 1, "sip", "expected a mapping"),
        ("accounts: {}\n", 1, "accounts", "expected a list, got a mapping"),
        ("- a\n", 1, "", "expected keys at the top"),
        ("just text\n", 1, "", "expected keys at the top"),
        ("sip: {bind: localhost}\n", 1, "sip.bind", "expected an IP address"),
        ("control: {mode: 0666}\n", 1, "control.mode", "every user of the machine"),
        ("control: {mode: rw}\n", 1, "control.mode", "octal"),
        ("media: {rtp_ports: 20000}\n", 1, "media.rtp_ports", "expected"),
        ('media: {rtp_ports: "20001-20010"}\n', 1, "media.rtp_ports", "even first port"),
        ('media: {rtp_ports: "1-99999"}\n', 1, "media.rtp_ports.last", "at most 65535"),
        ("media: {jitter_buffer: {min_ms: 900}}\n", 1, "media.jitter_buffer", "min_ms <= max_ms"),
        # accounts
        ("accounts:\n- {transport: tls}\n", 2, "accounts[0]", "expected who this is"),
        ("accounts:\n- {username: 9, domain: x.y}\n", 2, "accounts[0].password", "is required"),
        ("accounts:\n- {extensions: [1]}\n", 2, "accounts[0]", "needs `provider:`"),
        (
            f"{PROVIDER}accounts:\n- {{extensions: [1], select: {{}}}}\n",
            3,
            "accounts[0].select",
            "without `extensions`",
        ),
        (f"{PROVIDER}accounts:\n- {{extensions: [1], username: 1}}\n", 3, "accounts[0].username", "from the PBX"),
        (f"{PROVIDER}accounts:\n- {{extensions: [1, 1]}}\n", 3, "accounts[0].extensions", "twice: 1"),
        (
            f"{PROVIDER}accounts:\n- {{extensions: [1]}}\n- {{extensions: [1]}}\n",
            4,
            "accounts[1].extensions",
            "already",
        ),
        (f"{PROVIDER}accounts:\n- {{select: {{shard: 0/5}}}}\n", 3, "accounts[0].select.shard", "1/5 to 5/5"),
        (f"{PROVIDER}accounts:\n- {{select: {{shard: 6/5}}}}\n", 3, "accounts[0].select.shard", "1/5 to 5/5"),
        (f"{PROVIDER}accounts:\n- {{select: {{shard: two}}}}\n", 3, "accounts[0].select.shard", '"2/5"'),
        (f"accounts:\n- {STATIC}}}\n- {STATIC}}}\n", 3, "accounts[1].username", "901@pbx.example.com is already"),
        (f"accounts:\n- {STATIC}, registrar: '[::1'}}\n", 2, "accounts[0].registrar", "host:port"),
        (f"accounts:\n- {STATIC}, registrar: 'a b:1'}}\n", 2, "accounts[0].registrar", "host:port"),
        (f"accounts:\n- {STATIC}, outbound_proxy: 'a:70000'}}\n", 2, "accounts[0].outbound_proxy", "host:port"),
        (f"accounts:\n- {STATIC}, headers: {{Via: x}}}}\n", 2, "accounts[0].headers.Via", "by the phone itself"),
        (f"accounts:\n- {STATIC}, headers: {{A B: x}}}}\n", 2, "accounts[0].headers.A B", "header name"),
        (f'accounts:\n- {STATIC}, headers: {{X-A: "a\\r\\nVia: b"}}}}\n', 2, "accounts[0].headers.X-A", "one line"),
        (f"accounts:\n- {STATIC}, audio: {{input: mic}}}}\n", 2, "accounts[0].audio", "go together"),
        (f"accounts:\n- {STATIC}, audio: {{loop: true}}}}\n", 2, "accounts[0].audio", "goes with `file`"),
        (f"accounts:\n- {STATIC}, audio: {{file: no.wav}}}}\n", 2, "accounts[0].audio.file", "No such file"),
        (f"accounts:\n- {STATIC}, tls: {{ca_file: no.pem}}}}\n", 2, "accounts[0].tls.ca_file", "No such file"),
        ("accounts:\n- {username: 'a@b', password: {env: PASS}, domain: x}\n", 2, "accounts[0].username", "SIP user"),
        ("accounts:\n- {username: a, password: {env: PASS}, domain: 'x;y'}\n", 2, "accounts[0].domain", "host name"),
        (f"accounts:\n- {STATIC}, nat: {{media: stun}}}}\n", 2, "accounts[0].nat.media", "stun needs a server"),
        (f"accounts:\n- {STATIC}, nat: {{media: turn}}}}\n", 2, "accounts[0].nat.media", "turn needs a server"),
        ("nat: {turn: {server: x, username: u, password: p}}\n", 1, "nat.turn.password", "not written into"),
        ("nat: {stun: ['a b']}\n", 1, "nat.stun[0]", "host:port"),
        # provider
        (PROVIDER.replace(UUID, "12"), 1, "provider.domain_uuid", "UUID (version 4"),
        (PROVIDER.replace("4bd7", "1bd7"), 1, "provider.domain_uuid", "UUID (version 4"),
        ("provider: {token: {env: TOKEN}}\n", 1, "provider.domain_uuid", "is required"),
        (PROVIDER.replace("TOKEN", "UNSET"), 1, "provider.token", "variable UNSET is not set"),
        (PROVIDER.replace("{domain", "{page_size: 0, domain"), 1, "provider.page_size", "at least 1"),
        (PROVIDER.replace("{domain", "{api_url: ftp://x, domain"), 1, "provider.api_url", "https://api.kavkom.com"),
        (PROVIDER.replace("{domain", "{api_url: http://pbx.example, domain"), 1, "provider.api_url", "allow_http"),
        (PROVIDER.replace("{domain", "{api_url: 'https://[x', domain"), 1, "provider.api_url", "expected an address"),
    ],
)
def test_each_mistake(tmp_path: Path, text: str, line: int, key: str, fragment: str) -> None:
    problems = found(tmp_path, text)
    assert [(problem[0], problem[1]) for problem in problems] == [(line, key)]
    assert fragment in problems[0][2]


def test_all_problems_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
provider:
  domain_uuid: nope
  token: hunter2
accounts:
  - extensions: ["901"]
    trasnport: tls
    username: x
  - username: 902
    domain: "bad host"
sip: {probe_s: often}
log: {}
log: {}
"""
    assert [(line, key) for line, key, _ in found(tmp_path, text)] == [
        (2, "provider.domain_uuid"),
        (3, "provider.token"),
        (6, "accounts[0].trasnport"),
        (7, "accounts[0].username"),
        (8, "accounts[1].password"),
        (9, "accounts[1].domain"),
        (10, "sip.probe_s"),
        (12, "log"),
    ]


def test_load_raises_them_all(tmp_path: Path) -> None:
    path = write(tmp_path, "sip: {udp_port: -1}\nlog: {levle: info}\n")
    with pytest.raises(ConfigErrors) as caught:
        load(path)
    assert str(caught.value).splitlines() == [
        f"{path}:1: sip.udp_port: expected at least 0, got -1",
        f"{path}:2: log.levle: unknown key; did you mean `level`?",
    ]
    assert (caught.value.line, caught.value.key) == (1, "sip.udp_port")
    assert all(isinstance(problem, ConfigError) for problem in caught.value.problems)


@pytest.mark.parametrize(
    "text",
    [
        "provider: {token: hunter2}\n",
        "provider: {token: {value: hunter2}}\n",
        "provider: {tokn: hunter2}\n",
        "provider: hunter2\n",
        "provider: [hunter2]\n",
        "accounts: [{username: 1, password: hunter2, domain: x}]\n",
        "accounts: [{username: 1, passwort: hunter2, domain: x}]\n",
        "accounts: [{username: {password: hunter2}, domain: x}]\n",
        "accounts: [{username: 1, tls: hunter2}]\n",
        "accounts: {password: hunter2}\n",
        "provider: {token: *hunter2}\n",
        "provider: {token: !hunter2}\n",
        "provider: {token: @hunter2}\n",
        "provider: {token: 'hunter2}\n",
        "provider:\n  token: hunter2: x\n",
        "provider:\n  token: hunter2\n bad\n",
        "token: hunter2\n",
    ],
)
def test_a_secret_written_into_the_file_is_never_repeated(tmp_path: Path, text: str) -> None:
    problems = found(tmp_path, text)
    assert problems
    assert "hunter2" not in str(problems)


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    def problem(path: Path) -> str:
        (only,) = check(path).problems
        assert only.file == str(path)
        return str(only)

    assert "no such file" in problem(tmp_path / "missing.yaml")
    assert "is a folder" in problem(tmp_path)
    assert "larger than 1024 KiB" in problem(write(tmp_path, b"#" * 1_100_000))
    assert ":2: is not UTF-8" in problem(write(tmp_path, b"a: 1\nb: \xff\xfe\n"))
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in problem(tmp_path / "pipe")
    assert "cannot be read: Not a directory" in problem(tmp_path / "softphone.yaml" / "x")


def test_an_empty_file_is_valid_and_says_that_it_does_nothing(tmp_path: Path) -> None:
    for text in ("", "# only a comment\n", "\ufeff---\n"):
        report = check(write(tmp_path, text))
        assert report.ok
        assert [warning.message.split(":")[0] for warning in report.warnings] == ["no accounts"]


def test_warnings_do_not_forbid_a_start(tmp_path: Path) -> None:
    text = (
        PROVIDER.replace("{domain", "{api_url: http://pbx.example, allow_http: true, domain")
        + f"accounts:\n- {STATIC}, tls: {{verify: no}}}}\n"
        + "- {username: 2, password: {env: PASS}, domain: b.example, transport: udp, srtp: prefer}\n"
        + "media: {rtp_ports: 20000-20009}\n"
    )
    report = check(write(tmp_path, text), environ=ENV)
    assert report.ok
    assert [warning.key for warning in report.warnings] == [
        "provider",
        "provider.api_url",
        "accounts[0].tls.verify",
        "accounts[1].srtp",
        "media.rtp_ports",
    ]


def test_shared_settings_by_anchor(tmp_path: Path) -> None:
    text = (
        "x-site: &site\n  transport: udp\n  expires_s: 120\n"
        "accounts:\n"
        "- {<<: *site, username: 1, password: {env: PASS}, domain: a.example}\n"
        "- {<<: *site, username: 2, password: {env: PASS}, domain: a.example, expires_s: 60}\n"
    )
    config = load(write(tmp_path, text), environ=ENV)
    assert [(a.transport, a.expires_s) for a in config.accounts] == [("udp", 120), ("udp", 60)]


def test_a_file_for_another_machine(tmp_path: Path) -> None:
    text = f"accounts:\n- {STATIC.replace('PASS', 'UNSET')}, tls: {{ca_file: /no/such/ca.pem}}}}\n"
    path = write(tmp_path, text)
    assert len(check(path, environ=ENV).problems) == 2
    assert check(path, environ=ENV, read_secrets=False, check_files=False).ok


_KEYS = ["accounts", "sip", "provider", "media", "tls", "audio", "token", "headers", "incoming", "extensions", "x"]
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(_KEYS), _VALUES))
def test_any_shape_gives_a_report(tmp_path_factory: pytest.TempPathFactory, data: dict[str, object]) -> None:

    folder = tmp_path_factory.getbasetemp()
    path = write(folder, yaml.safe_dump(data))
    report = check(path, environ={})
    assert (report.config is None) == bool(report.problems)
    assert all(problem.line is not None for problem in report.problems)


def test_a_program_that_validates_by_itself_is_not_told_the_secret_either() -> None:
    data = {"accounts": [{"username": 1, "password": "hunter2", "tls": "hunter2", "domain": "x", "hunter": "hunter2"}]}
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(data)
    assert "hunter2" not in str(caught.value)
