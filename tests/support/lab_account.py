"""The lab's account as a configuration file: provider, tokens, and the secrets in files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from softphone.lab import Lab


def lab_account(lab: Lab, folder: Path, **provider: Any) -> Path:
    """Writes `softphone.yaml` with everything that `softphone pbx` needs. Further keys go into `provider:`."""
    config = {
        "provider": {
            "api_url": lab.api_url,
            "billing_url": lab.api_url,
            "live_url": lab.api_url,
            "domain_uuid": lab.domain_uuid,
            "token": {"file": str(lab.token_file)},
            "live": {
                "refresh_token": {"file": _secret(folder / "refresh", lab.refresh_token)},
                "user_uuid": {"file": _secret(folder / "user", lab.user_uuid)},
            },
            **({"ca_file": str(lab.ca_file)} if lab.options.api_https else {}),
            **provider,
        }
    }
    file = folder / "softphone.yaml"
    file.write_text(yaml.safe_dump(config))
    return file


def _secret(path: Path, text: str) -> str:
    path.touch(0o600)
    path.write_text(text)
    return str(path)
