"""Keys of exchanges: whole or not at all, from a place that others can't read, and in no word that is said."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from agentctl.keys import SECRETS_FILE, keys_for, names, required_keys
from domain.errors import UsageError
from venues.exchange.account import ExchangeKeys

KEY, SECRET, PASSWORD = "k-1f3a", "s-77b2", "p-09cd"
WHOLE = f'[okx]\napi_key = "{KEY}"\nsecret = "{SECRET}"\npassword = "{PASSWORD}"\n'
VARIABLES = {"OKX_API_KEY": KEY, "OKX_API_SECRET": SECRET, "OKX_API_PASSWORD": PASSWORD}


def a_file(folder: Path, text: str | bytes = WHOLE, *, mode: int = 0o600) -> dict[str, str]:
    """The environment that names a secrets file."""
    path = folder / "secrets.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return {SECRETS_FILE: str(path)}


def told(keys: ExchangeKeys | None) -> tuple[str, ...]:
    assert keys is not None
    assert not any(word in f"{keys!r} {keys} {keys.model_dump()}" for word in keys.words())
    return keys.words()


def refused(environ: dict[str, str], *, exchange: str = "okx") -> str:
    """What is said where keys can't be had; nothing of what was read is in it, nor in how it came about."""
    with pytest.raises(UsageError) as raised:
        keys_for(exchange, environ)
    whole = "".join(traceback.format_exception(raised.value)) + f"{raised.value.message} {raised.value.remedy}"
    assert not any(word in whole for word in (KEY, SECRET, PASSWORD))
    return f"{raised.value.message} | {raised.value.remedy}"


def test_keys_come_from_variables_that_are_named_for_the_exchange(tmp_path: Path) -> None:
    assert names("okx") == tuple(VARIABLES)
    assert told(keys_for("okx", VARIABLES)) == (KEY, SECRET, PASSWORD)
    assert keys_for("binance", VARIABLES) is None
    assert keys_for("okx", {}) is None


def test_an_exchange_without_a_passphrase_needs_none() -> None:
    assert told(keys_for("binance", {"BINANCE_API_KEY": KEY, "BINANCE_API_SECRET": SECRET})) == (KEY, SECRET)


@pytest.mark.parametrize("name", ["OKX_API_KEY", "OKX_API_SECRET"])
@pytest.mark.parametrize("left", ["", None])
def test_half_of_a_key_is_refused_and_the_other_half_is_named(name: str, left: str | None) -> None:
    environ = {n: v for n, v in VARIABLES.items() if n != name} | ({} if left is None else {name: left})
    assert refused(environ) == f"{name} is not set, and the other half of the key is | Set both, or neither"


def test_keys_come_from_a_file_that_only_its_owner_can_read(tmp_path: Path) -> None:
    environ = a_file(tmp_path)
    assert told(keys_for("okx", environ)) == (KEY, SECRET, PASSWORD)
    assert keys_for("binance", environ) is None


def test_variables_come_before_the_file(tmp_path: Path) -> None:
    environ = a_file(tmp_path) | {"OKX_API_KEY": "other", "OKX_API_SECRET": "another"}
    assert told(keys_for("okx", environ)) == ("other", "another")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610])
def test_a_file_that_is_open_to_others_is_not_taken(tmp_path: Path, mode: int) -> None:
    said = refused(a_file(tmp_path, mode=mode))
    assert "can be read by others | chmod 600 " in said


@pytest.mark.parametrize(
    "text",
    [
        f'[okx]\napi_key = "{KEY}"\n',
        f'[okx]\nsecret = "{SECRET}"\n',
        f'[okx]\napi_key = ""\nsecret = "{SECRET}"\n',
        f'[okx]\napi_key = "{KEY}"\nsecret = ""\n',
        f'[okx]\napi_key = "{KEY}"\nsecret = ["{SECRET}"]\n',
        f'[okx]\napi_key = "{KEY}"\nsecret = "{SECRET}"\npasword = "{PASSWORD}"\n',
        f'okx = "{SECRET}"\n',
        f"[okx]\napi_key = {KEY}\n",
        f'[okx]\nsecret = "{SECRET}\n',
    ],
)
def test_a_file_that_can_not_be_understood_is_not_repeated(tmp_path: Path, text: str) -> None:
    assert "can't be understood | Write [okx] with api_key, secret, password" in refused(a_file(tmp_path, text))


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    for environ in ({SECRETS_FILE: str(tmp_path / "none")}, {SECRETS_FILE: str(tmp_path)}):
        assert f"the secrets file {environ[SECRETS_FILE]} can't be read" in refused(environ)
    assert "can't be read" in refused(a_file(tmp_path, b"\xff" + WHOLE.encode()))


def test_what_is_missing_is_named_where_a_key_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, SECRETS_FILE):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="trading on okx needs a key") as raised:
        required_keys("okx")
    assert all(name in str(raised.value.remedy) for name in (*VARIABLES, SECRETS_FILE))
