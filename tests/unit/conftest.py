"""What unit tests share."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import settings

from tests.unit.neighbourhood import Neighbourhood

# A busy machine is no fault of the code; what must be quick has a test that says so.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
async def near() -> AsyncIterator[Neighbourhood]:
    """Servers and clients that are closed after the test."""
    near = Neighbourhood()
    yield near
    await near.close()
