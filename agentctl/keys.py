"""Keys of exchanges: from the environment or a secrets file, never from settings, options or the archive."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from domain import toml
from domain.errors import UsageError
from venues.exchange.account import ExchangeKeys
from venues.files.text_file import read_text

SECRETS_FILE = "AGENTCTL_SECRETS_FILE"
"""The variable that names a TOML file with a table `[okx]` of `api_key`, `secret` and `password`."""


def names(exchange: str) -> tuple[str, str, str]:
    """The variables that hold an exchange's key, secret and passphrase."""
    stem = exchange.upper()
    return f"{stem}_API_KEY", f"{stem}_API_SECRET", f"{stem}_API_PASSWORD"


def keys_for(exchange: str, environ: Mapping[str, str]) -> ExchangeKeys | None:
    """The keys at hand: variables first, then the secrets file. Raises `UsageError` for half of a key."""
    key, secret, password = (environ.get(name) for name in names(exchange))
    if key and secret:
        return ExchangeKeys(api_key=SecretStr(key), secret=SecretStr(secret), password=SecretStr(password or ""))
    if key or secret:
        missing = names(exchange)[1 if key else 0]
        raise UsageError(f"{missing} is not set, and the other half of the key is", remedy="Set both, or neither")
    file = environ.get(SECRETS_FILE)
    return _from_file(Path(file), exchange) if file else None


def required_keys(exchange: str) -> ExchangeKeys:
    """Raises `UsageError` naming the variables when there are none."""
    keys = keys_for(exchange, os.environ)
    if keys is None:
        key, secret, password = names(exchange)
        raise UsageError(
            f"trading on {exchange} needs a key",
            remedy=f"Set {key}, {secret} and, where it has one, {password}; or name a file in {SECRETS_FILE}",
        )
    return keys


def _from_file(path: Path, exchange: str) -> ExchangeKeys | None:
    try:
        mode = path.stat().st_mode
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"the secrets file {path} can't be read: {error}", remedy=f"Mend {SECRETS_FILE}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"the secrets file {path} can be read by others", remedy=f"chmod 600 {path}")
    try:
        table = toml.loads(text).get(exchange)
        if table is None:
            return None
        keys = ExchangeKeys.model_validate(table)
        if not (keys.api_key.get_secret_value() and keys.secret.get_secret_value()):
            raise ValueError("half of a key")
        return keys
    except ValueError:  # what is in it is not repeated: it may be a secret
        raise UsageError(
            f"the secrets file {path} can't be understood", remedy=f"Write [{exchange}] with api_key, secret, password"
        ) from None
