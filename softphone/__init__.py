"""A headless SIP softphone agent: the phone that programs use."""

__version__ = "0.1.0"
