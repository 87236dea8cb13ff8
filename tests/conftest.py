"""What tests of several rooms stand on: a real PostgreSQL, where there is one, and a collector with less to do."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from builders.servers import SERVER, tell

_given = hypothesis_settings()  # of the profile in force: hypothesis has one for CI, and mutation runs have theirs
hypothesis_settings.register_profile(
    "unhurried",
    parent=_given,
    deadline=None,
    suppress_health_check={*_given.suppress_health_check, HealthCheck.too_slow},
)
hypothesis_settings.load_profile("unhurried")
"""How long an example takes says how busy the machine is, and nothing about the code."""


def pytest_collection_finish() -> None:
    """What was imported stays: walking through it again and again is an eighth of the time that tests take."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


@pytest.fixture(scope="session")
def postgres() -> Iterator[URL]:
    """A database of this test run's own on the server, dropped at the end."""
    server = make_url(SERVER)
    name = f"agentctl_test_{os.getpid()}"
    try:
        asyncio.run(tell(server, f"CREATE DATABASE {name}"))
    except (OSError, SQLAlchemyError) as error:
        reason = f"no PostgreSQL at {server.render_as_string()} (set AGENTCTL_TEST_POSTGRES): {type(error).__name__}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    yield server.set(database=name)
    asyncio.run(tell(server, f"DROP DATABASE {name} WITH (FORCE)"))
