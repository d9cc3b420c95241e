"""The instance id: always the same for one phone, and never that of another."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from softphone.config.instance import instance_urn

SOCKET = Path("/run/softphone/control.sock")


def machine(folder: Path, name: str) -> Path:
    file = folder / name
    file.write_text(f"{name}\n")
    return file


def test_it_stays(tmp_path: Path) -> None:
    one = machine(tmp_path, "one")
    assert instance_urn(None, SOCKET, one) == instance_urn(None, SOCKET, one)
    assert UUID(instance_urn(None, SOCKET, one).removeprefix("urn:uuid:")).version == 5


def test_each_phone_and_each_machine_has_its_own(tmp_path: Path) -> None:
    one, two = machine(tmp_path, "one"), machine(tmp_path, "two")
    all_of_them = {
        instance_urn(None, SOCKET, one),
        instance_urn(None, SOCKET, two),
        instance_urn(None, SOCKET.with_name("other.sock"), one),
        instance_urn(None, SOCKET, tmp_path / "no machine id"),
    }
    assert len(all_of_them) == 4


def test_what_is_configured_counts() -> None:
    given = UUID("8a0f4e6c-3f0b-4d57-9c1e-2f6f0a7b9d10")
    assert instance_urn(given, SOCKET) == "urn:uuid:8a0f4e6c-3f0b-4d57-9c1e-2f6f0a7b9d10"
