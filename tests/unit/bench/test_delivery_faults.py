"""What counts as an altered image."""

import numpy as np
import pytest

from cami_cli.bench.delivery_faults import same_pixels

SENT = np.array([[-1024, 0], [1, 3071]], dtype=np.int16)


def test_the_same_values_in_another_shape_and_type_are_the_same_image():
    assert same_pixels(SENT.astype(np.int32).reshape(2, 2, 1), SENT)


@pytest.mark.parametrize("held", [SENT + 1, SENT.view(np.uint16), SENT[:1]])
def test_other_values_are_another_image(held):
    assert not same_pixels(held, SENT)
