"""Fixtures that tests of training define, for tests that need torch or a finished run."""

from __future__ import annotations

from tests.training.conftest import _one_thread as _one_thread
from tests.training.conftest import _own_cache as _own_cache
from tests.training.conftest import data as data
from tests.training.conftest import run as run
