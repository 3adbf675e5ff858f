"""One open gate for all tests of the suites: Great Expectations is imported and set up once."""

from collections.abc import Iterator

import pytest

from expectations.session import GateSession


@pytest.fixture(scope="session")
def gate() -> Iterator[GateSession]:
    with GateSession() as session:
        yield session
