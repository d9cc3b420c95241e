"""The hosted PBX's service as a library: async, typed, errors that say who failed.

async with PbxApi.of(config.provider) as pbx:
    fetched = await fetch(pbx, config.accounts)
selection = resolve(config.accounts, fetched)
"""

from softphone.kavkom.http import Endpoint, Retry
from softphone.kavkom.models import Extension, ExtensionList
from softphone.kavkom.pbx import PbxApi
from softphone.kavkom.select import Fetched, Selection, Skipped, fetch, resolve, searches

__all__ = [
    "Endpoint",
    "Extension",
    "ExtensionList",
    "Fetched",
    "PbxApi",
    "Retry",
    "Selection",
    "Skipped",
    "fetch",
    "resolve",
    "searches",
]
