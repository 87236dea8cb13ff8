"""What an exchange knows an account by. Where keys are kept and read from is the caller's business."""

from __future__ import annotations

from pydantic import SecretStr

from domain.value import Value


class ExchangeKeys(Value):
    """One API key. Only the requests that it signs see what is inside; printed, it is stars."""

    api_key: SecretStr
    secret: SecretStr
    password: SecretStr = SecretStr("")
    """The passphrase, where an exchange has one: OKX."""

    def words(self) -> tuple[str, ...]:
        """What must never be shown."""
        return tuple(
            secret.get_secret_value()
            for secret in (self.api_key, self.secret, self.password)
            if secret.get_secret_value()
        )
