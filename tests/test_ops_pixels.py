"""Where pixels change their type: what goes there and back is the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mattecli.ops.pixels import array_from_tensor, tensor_from_array


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.float32, np.bool_])
def test_arrays_and_tensors_hold_the_same_values(kind: type[np.generic]) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    tensor = tensor_from_array(array)
    assert tensor.shape == array.shape
    assert tensor.tolist() == array.tolist()
    back = array_from_tensor(tensor)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_any_layout_becomes_a_contiguous_tensor() -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for view in (array.transpose(2, 0, 1), array[:, ::-1], array[..., ::2]):
        tensor = tensor_from_array(view)
        assert tensor.is_contiguous()
        np.testing.assert_array_equal(array_from_tensor(tensor), view)


def test_an_array_leaves_the_gradient_behind() -> None:
    weight = torch.ones(3, requires_grad=True)
    array = array_from_tensor(weight * 2)
    np.testing.assert_array_equal(array, (2, 2, 2))
    with pytest.raises(TypeError):
        array_from_tensor(weight.bfloat16())
