"""The torture messages of RFC 4475, built from the RFC's descriptions, and what a phone may answer to each."""

from tests.support.torture.build import Message
from tests.support.torture.invalid import APPLICATION, BACKWARD, INVALID, TRANSACTION
from tests.support.torture.valid import VALID

MESSAGES = [*VALID, *INVALID, *TRANSACTION, *APPLICATION, *BACKWARD]

__all__ = ["MESSAGES", "VALID", "Message"]
