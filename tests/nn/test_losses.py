"""Losses against closed forms, numerical gradients, and an independent implementation."""

import math
import warnings

import pytest
import torch
from torch import Tensor

from crackseg.nn.losses import dice_loss, total_loss, weighted_bce
from crackseg.nn.train_config import LossConfig

pytestmark = pytest.mark.train


def plane(value: float, shape: tuple[int, int] = (4, 5), *, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.full((2, 1, *shape), value, dtype=dtype)


@pytest.mark.parametrize("weight", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("logit", [-2.0, 0.0, 1.5])
def test_cross_entropy_of_a_constant_is_its_closed_form(weight: float, logit: float) -> None:
    share = 1 / (1 + math.exp(-logit))
    crack = weighted_bce(plane(logit), plane(1.0), positive_weight=weight)
    background = weighted_bce(plane(logit), plane(0.0), positive_weight=weight)
    assert float(crack) == pytest.approx(-weight * math.log(share), rel=1e-5)
    assert float(background) == pytest.approx(-math.log(1 - share), rel=1e-5)


def test_dice_of_a_constant_is_its_closed_form() -> None:
    target = plane(0.0)
    target[0, 0, :2] = 1  # 10 of 40 pixels
    loss = dice_loss(plane(0.0), target, smooth=1.0)
    assert float(loss) == pytest.approx(1 - (2 * 5 + 1) / (20 + 10 + 1))


@pytest.mark.parametrize("truth", [pytest.param(0.0, id="empty"), pytest.param(1.0, id="full")])
def test_dice_of_a_sure_and_right_answer_is_zero(truth: float) -> None:
    sure = plane(60.0 if truth else -60.0)
    assert float(dice_loss(sure, plane(truth))) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("truth", [pytest.param(0.0, id="empty"), pytest.param(1.0, id="full")])
@pytest.mark.parametrize("logit", [-1e4, -30.0, 0.0, 30.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_losses_and_gradients_are_finite_however_wrong(truth: float, logit: float, dtype: torch.dtype) -> None:
    logits = plane(logit, dtype=dtype).requires_grad_()
    loss = total_loss(logits, plane(truth), LossConfig())
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_losses_are_computed_in_float32_under_autocast() -> None:
    torch.manual_seed(0)
    image, target = torch.randn((2, 3, 16, 16)), (torch.rand((2, 1, 16, 16)) > 0.9).float()
    layer = torch.nn.Conv2d(3, 1, 3, padding=1)
    with torch.autocast("cpu", torch.bfloat16):
        logits = layer(image)
        assert logits.dtype == torch.bfloat16
        loss = total_loss(logits, target, LossConfig())
    expected = total_loss(logits.detach().float(), target, LossConfig())
    assert float(loss.detach()) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(LossConfig(dice=0), id="cross-entropy"),
        pytest.param(LossConfig(bce=0), id="dice"),
        pytest.param(LossConfig(bce=0.3, dice=2, positive_weight=5), id="both"),
    ],
)
def test_gradients_agree_with_numerical_differences(config: LossConfig) -> None:
    torch.manual_seed(1)
    logits = (2 * torch.randn((1, 1, 3, 4))).requires_grad_()
    target = (torch.rand((1, 1, 3, 4)) > 0.6).float()
    total_loss(logits, target, config).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    step = 1e-2
    for place in range(logits.numel()):
        shift = torch.zeros_like(logits).flatten()
        shift[place] = step
        shift = shift.view_as(logits)
        with torch.no_grad():
            above, below = (total_loss(logits + sign * shift, target, config).double() for sign in (1, -1))
        assert float(logits.grad.flatten()[place]) == pytest.approx(float((above - below) / (2 * step)), abs=2e-4)


def test_the_total_is_the_weighted_sum_of_its_parts() -> None:
    torch.manual_seed(2)
    logits, target = torch.randn((2, 1, 8, 8)), (torch.rand((2, 1, 8, 8)) > 0.8).float()
    parts = 0.25 * weighted_bce(logits, target, positive_weight=4) + 1.5 * dice_loss(logits, target)
    total = total_loss(logits, target, LossConfig(bce=0.25, dice=1.5, positive_weight=4))
    torch.testing.assert_close(total, parts)


def test_dice_agrees_with_segmentation_models_pytorch() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from segmentation_models_pytorch.losses import DiceLoss
    torch.manual_seed(3)
    for share in (0.01, 0.3, 1.0):
        logits, target = torch.randn((3, 1, 9, 7)), (torch.rand((3, 1, 9, 7)) < share).float()
        target[0, 0, 0, 0] = 1
        # Theirs is a Tversky index of 1/2 and 1/2, and adds the smoothing to halves of both sides.
        expected = DiceLoss(mode="binary", from_logits=True, smooth=0.5)(logits, target)
        torch.testing.assert_close(dice_loss(logits, target, smooth=1.0), expected)
