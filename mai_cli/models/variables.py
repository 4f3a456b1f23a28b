"""Environment variables: those of ``mai``, and those of other tools that look meant for it."""

import os
from collections.abc import Mapping
from difflib import get_close_matches

from mai_cli.models.keys import KEYS

_PREFIX = "MAI_"

OWN = (*(key.variable for key in KEYS), "MAI_CONFIG", "MAI_HOME")

FOREIGN = {
    "endpoint": (
        "AZURE_MAI_ENDPOINT",
        "MAI_IMAGE_ENDPOINT",
        "MAI_IMAGE2_ENDPOINT",
        "FOUNDRY_ENDPOINT",
        "FOUNDRY_IMAGE_SERVICES_ENDPOINT",
        "MICROSOFT_FOUNDRY_ENDPOINT",
        "AZURE_FOUNDRY_BASE_URL",
        "AZURE_IMAGE_ENDPOINT",
        "AZURE_ENDPOINT",
        "AZURE_AI_API_BASE",
        "AZURE_API_BASE_URL",
        "AZURE_API_HOST",
        "AZURE_OPENAI_ENDPOINT",
    ),
    "api_key": (
        "AZURE_MAI_API_KEY",
        "MAI_IMAGE_API_KEY",
        "MAI_IMAGE2_API_KEY",
        "MAI_KEY",
        "FOUNDRY_API_KEY",
        "MICROSOFT_FOUNDRY_API_KEY",
        "AZURE_FOUNDRY_API_KEY",
        "AZURE_API_KEY",
        "AZURE_AI_API_KEY",
        "AZURE_OPENAI_API_KEY",
    ),
    "deployment": (
        "AZURE_MAI_IMAGE_DEPLOYMENT",
        "AZURE_MAI_IMAGE_25_FLASH_DEPLOYMENT",
        "MAI_IMAGE_DEPLOYMENT",
        "MAI_IMAGE2_MODEL_ID",
        "FOUNDRY_IMAGE_MAI_DEPLOYMENT",
        "DEPLOYMENT_NAME",
    ),
}
"""By setting; the closest first. Source: the samples and clients of the MAI image API."""

_FOREIGN_NAMES = {name for names in FOREIGN.values() for name in names} | {"MAI_API_VERSION"}


def suggestions(environ: Mapping[str, str]) -> dict[str, str]:
    """For each setting, the variable of another tool that is set and looks meant for it."""
    found = {}
    for setting, names in FOREIGN.items():
        for name in names:
            if environ.get(name):
                found[setting] = name
                break
    return found


def misspelt(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that begin like ours and are none, each with the one it may be; or nothing."""
    strangers = [
        name
        for name in environ
        if name.startswith(_PREFIX) and name not in OWN and name not in _FOREIGN_NAMES
    ]
    words = [name.removeprefix(_PREFIX) for name in OWN]
    meant = {name: get_close_matches(name.removeprefix(_PREFIX), words, n=1) for name in strangers}
    return {name: _PREFIX + close[0] if close else "" for name, close in meant.items()}


def assignment(name: str, value: str) -> str:
    """The line that sets the variable ``name`` in the usual shell: PowerShell on Windows."""
    return f'$env:{name} = "{value}"' if os.name == "nt" else f"export {name}={value}"


def copied(name: str, other: str) -> str:
    """The line that sets the variable ``name`` to what ``other`` has."""
    is_windows = os.name == "nt"
    return f"$env:{name} = $env:{other}" if is_windows else f'export {name}="${other}"'
