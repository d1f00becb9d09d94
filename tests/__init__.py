"""Tests, in the rooms of the package; support/ has what several rooms share."""

import pytest

# A failed assertion in a helper tells its values too.
pytest.register_assert_rewrite(
    *(f"tests.{room}" for room in ("batch", "bench", "flows", "images", "methods", "support", "weights"))
)
