"""Configuration: a YAML file becomes a validated model, or errors that name file, line, key and what is expected.

config = load("softphone.yaml")        # ConfigErrors with all problems at once
report = check("softphone.yaml")       # the same without raising, plus warnings
config.provider.token.reveal()         # secrets are read at load and never shown
"""

from softphone.config.accounts import Account, AccountSettings, Audio, IncomingRule, Select, Tls
from softphone.config.loader import ConfigErrors, Report, check, load
from softphone.config.model import Calls, Config, Control, Live, Log, Media, Opus, Provider, Sip
from softphone.config.resolved import Difference, ResolvedAccount, diff, static_account
from softphone.config.schema import json_schema
from softphone.config.secrets import Context, Secret
from softphone.config.types import Shard

__all__ = [
    "Account",
    "AccountSettings",
    "Audio",
    "Calls",
    "Config",
    "ConfigErrors",
    "Context",
    "Control",
    "Difference",
    "IncomingRule",
    "Live",
    "Log",
    "Media",
    "Opus",
    "Provider",
    "Report",
    "ResolvedAccount",
    "Secret",
    "Select",
    "Shard",
    "Sip",
    "Tls",
    "check",
    "diff",
    "json_schema",
    "load",
    "static_account",
]
