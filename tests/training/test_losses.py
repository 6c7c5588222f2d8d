"""Losses against closed forms, numerical gradients, and independent implementations."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from crackseg.config import load_config
from crackseg.errors import ConfigError
from crackseg.training import losses
from crackseg.training.loss_config import LossConfig
from crackseg.training.loss_sum import total_loss
from crackseg.training.losses import dice_loss, patch_dice_loss, weighted_bce
from crackseg.training.target_planes import target_planes

pytestmark = pytest.mark.train

OFF = {"bce": 0.0, "dice": 0.0}
TERMS: dict[str, dict[str, Any]] = {
    "bce": {"bce": 1.0, "positive_weight": 3.0},
    "dice": {"dice": 1.0},
    "patch_dice": {"patch_dice": {"smooth": 2}},
    "balanced_bce": {"balanced_bce": 1.0},
    "jaccard": {"jaccard": 1.0},
    "lovasz": {"lovasz": 1.0},
    "boundary": {"boundary": 1.0},
    "border": {"border": {"w0": 10, "sigma": 2}},
    "balanced border": {"border": {"w0": 10, "sigma": 2, "balance": True}},
    "focal": {"focal": {"gamma": 2}},
    "focal below 1": {"focal": {"gamma": 0.5}},
    "tversky": {"tversky": 1.0},
    "focal_tversky": {"focal_tversky": 1.0},
    "cldice": {"cldice": {"iterations": 2}},
    "ohem": {"ohem": {"share": 0.3}},
}
"""A configuration of each loss without others."""

each_term = pytest.mark.parametrize("name", TERMS)


def only(name: str) -> LossConfig:
    return LossConfig.model_validate(OFF | TERMS[name])


def plane(value: float, shape: tuple[int, int] = (4, 5), *, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.full((2, 1, *shape), value, dtype=dtype)


def problem(
    classes: int, seed: int = 0, *, shape: tuple[int, int] = (9, 11), share: float = 0.3
) -> tuple[Tensor, Tensor]:
    """Random logits in float64 and a target in which every class occurs."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn((2, classes, *shape), generator=generator, dtype=torch.float64)
    crack = torch.rand((2, 1, *shape), generator=generator) < share
    kinds = torch.randint(1, max(classes, 2), (2, 1, *shape), generator=generator)
    target = crack.double() * kinds
    target[0, 0, 0, : max(classes, 2)] = torch.arange(max(classes, 2), dtype=torch.float64)
    return logits, target


def smp_loss(name: str, **settings: Any) -> Callable[[Tensor, Tensor], Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from segmentation_models_pytorch import losses as theirs
    loss: Callable[[Tensor, Tensor], Tensor] = getattr(theirs, name)(**settings)
    return loss


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


@pytest.mark.parametrize("classes", [1, 3])
def test_patch_dice_is_the_mean_of_the_dice_of_each_patch(classes: int) -> None:
    logits, target = problem(classes)
    alone = [dice_loss(logits[[number]], target[[number]], smooth=2.0) for number in range(2)]
    torch.testing.assert_close(patch_dice_loss(logits, target, smooth=2.0), (alone[0] + alone[1]) / 2)


def test_patch_dice_counts_a_fine_crack_as_much_as_a_wide_one() -> None:
    target = plane(0.0, (16, 16))
    target[0] = 1
    target[1, 0, 0, 0] = 1
    logits = 60 * (2 * target - 1)
    logits[1] = -60
    assert float(patch_dice_loss(logits, target, smooth=1e-3)) == pytest.approx(0.5, abs=1e-3)
    assert float(dice_loss(logits, target)) < 0.01


@pytest.mark.parametrize("name", ["dice", "patch_dice", "jaccard", "tversky", "cldice"])
@pytest.mark.parametrize("true", [pytest.param(0.0, id="empty"), pytest.param(1.0, id="full")])
def test_a_confident_correct_output_has_no_loss(name: str, true: float) -> None:
    sure = plane(60.0 if true else -60.0)
    assert float(total_loss(sure, plane(true), only(name))) == pytest.approx(0, abs=1e-6)


@each_term
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("true", [pytest.param(0.0, id="empty"), pytest.param(1.0, id="full")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_losses_and_gradients_are_finite_for_any_error(
    name: str, classes: int, true: float, dtype: torch.dtype
) -> None:
    for logit in (-1e4, -30.0, 0.0, 30.0, 1e4):
        logits = torch.zeros((2, classes, 6, 7), dtype=dtype)
        logits[:, -1] = logit
        logits.requires_grad_()
        loss = total_loss(logits, plane(true, (6, 7)), only(name))
        loss.backward()  # type: ignore[no-untyped-call]
        assert logits.grad is not None
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss), logit
        assert torch.isfinite(logits.grad).all(), logit


def test_losses_are_computed_in_float32_under_autocast() -> None:
    torch.manual_seed(0)
    image, target = torch.randn((2, 3, 16, 16)), (torch.rand((2, 1, 16, 16)) > 0.9).float()
    layer = torch.nn.Conv2d(3, 1, 3, padding=1)
    everything = LossConfig.model_validate({key: value for term in TERMS.values() for key, value in term.items()})
    with torch.autocast("cpu", torch.bfloat16):
        logits = layer(image)
        assert logits.dtype == torch.bfloat16
        loss = total_loss(logits, target, everything)
    expected = total_loss(logits.detach().float(), target, everything)
    assert float(loss.detach()) == pytest.approx(float(expected), rel=1e-6)


@each_term
@pytest.mark.parametrize("classes", [1, 3])
def test_gradients_agree_with_numerical_differences(name: str, classes: int) -> None:
    logits, target = problem(classes, shape=(3, 4))
    config = only(name)
    masks = target[:, 0].numpy().astype(np.uint8)
    target = torch.from_numpy(np.stack([target_planes(mask, config, classes) for mask in masks]))
    checked = torch.autograd.gradcheck(lambda values: total_loss(values, target, config), logits.requires_grad_())
    assert checked


def test_two_softmax_classes_equal_one_sigmoid_class() -> None:
    logits, target = problem(1)
    both = torch.cat([torch.zeros_like(logits), logits], dim=1)
    for name in set(TERMS) - {"lovasz"}:  # of which the two forms differ
        one, two = (total_loss(values, target, only(name)) for values in (logits, both))
        torch.testing.assert_close(two, one, msg=name)


@pytest.mark.parametrize("classes", [1, 4])
@pytest.mark.parametrize(
    ("loss", "theirs", "settings"),
    [
        pytest.param(dice_loss, "DiceLoss", {"smooth": 0.5}, id="dice"),
        pytest.param(losses.jaccard_loss, "JaccardLoss", {"smooth": 1.0}, id="jaccard"),
        pytest.param(
            functools.partial(losses.tversky_loss, alpha=0.2, beta=0.9),
            "TverskyLoss",
            {"smooth": 1.0, "alpha": 0.2, "beta": 0.9},
            id="tversky",
        ),
    ],
)
def test_losses_on_regions_agree_with_segmentation_models_pytorch(
    classes: int, loss: Callable[[Tensor, Tensor], Tensor], theirs: str, settings: dict[str, float]
) -> None:
    mode = {"mode": "binary"} if classes == 1 else {"mode": "multiclass", "classes": list(range(1, classes))}
    for seed in range(3):
        logits, target = problem(classes, seed)
        true = target if classes == 1 else target[:, 0].long()
        # Their Dice is a Tversky index of 1/2 and 1/2, and adds the smoothing to halves of both sides.
        expected = smp_loss(theirs, from_logits=True, **mode, **settings)(logits, true)
        torch.testing.assert_close(loss(logits, target), expected.to(torch.float64))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_focal_loss_agrees_with_segmentation_models_pytorch(gamma: float) -> None:
    logits, target = problem(1)
    expected = smp_loss("FocalLoss", mode="binary", alpha=0.25, gamma=gamma)(logits, target)
    torch.testing.assert_close(losses.focal_loss(logits, target, gamma=gamma, alpha=0.25), expected)


@pytest.mark.parametrize("classes", [1, 3])
def test_a_focal_loss_of_gamma_0_is_half_a_cross_entropy(classes: int) -> None:
    logits, target = problem(classes)
    focal = losses.focal_loss(logits, target, gamma=0, alpha=0.5)
    torch.testing.assert_close(focal, weighted_bce(logits, target, positive_weight=1) / 2)


def test_the_focal_tversky_loss_is_a_power_of_the_tversky_loss() -> None:
    logits, target = problem(1)
    plain, focal = (losses.tversky_loss(logits, target, alpha=0.3, beta=0.7, gamma=gamma) for gamma in (1, 4 / 3))
    torch.testing.assert_close(focal, plain**0.75)


@pytest.mark.parametrize("classes", [1, 3])
def test_the_lovasz_loss_agrees_with_segmentation_models_pytorch(classes: int) -> None:
    logits, target = (values.float() for values in problem(classes))
    mode = "binary" if classes == 1 else "multiclass"
    true = target if classes == 1 else target[:, 0].long()
    prediction = logits if classes == 1 else torch.softmax(logits, dim=1)
    theirs = smp_loss("LovaszLoss", mode=mode, per_image=False, from_logits=classes == 1)
    if classes == 1:
        torch.testing.assert_close(losses.lovasz_loss(logits, target), theirs(prediction, true))
        return
    from segmentation_models_pytorch.losses.lovasz import _lovasz_softmax

    expected = _lovasz_softmax(prediction, true, classes=[1, 2], per_image=False)
    torch.testing.assert_close(losses.lovasz_loss(logits, target), expected)


@pytest.mark.parametrize("weight", [0.5, 1.0, 4.0])
def test_the_softmax_cross_entropy_equals_that_of_torch(weight: float) -> None:
    logits, target = problem(3)
    weights = torch.tensor([1.0, weight, weight], dtype=torch.float64)
    expected = functional.cross_entropy(logits, target[:, 0].long(), weight=weights, reduction="none").mean()
    torch.testing.assert_close(weighted_bce(logits, target, positive_weight=weight), expected)


def test_balanced_cross_entropy_gives_crack_and_background_equal_weight() -> None:
    target = plane(0.0)
    target[0, 0, :2] = 1  # 10 of 40 pixels
    # Logits of 0: every pixel costs log 2, cracks weighted by 3/4, background by 1/4.
    expected = (10 * 0.75 + 30 * 0.25) / 40 * math.log(2)
    assert float(losses.balanced_bce(plane(0.0), target)) == pytest.approx(expected)
    assert float(losses.balanced_bce(plane(5.0), plane(0.0))) == 0


@pytest.mark.parametrize("classes", [1, 3])
def test_hard_example_mining_is_the_mean_of_the_sorted_head(classes: int) -> None:
    logits, target = problem(classes)
    entropy = losses.pixel_cross_entropy(logits, target).flatten().sort(descending=True).values
    for share in (0.1, 0.5, 1.0):
        expected = entropy[: round(share * len(entropy))].mean()
        torch.testing.assert_close(losses.ohem_loss(logits, target, share=share), expected)
    torch.testing.assert_close(losses.ohem_loss(logits, target, share=1e-9), entropy[0])


def test_the_border_loss_is_the_mean_of_map_times_cross_entropy() -> None:
    logits, target = problem(1)
    border = torch.rand(target.shape, dtype=torch.float64) * 10
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    torch.testing.assert_close(losses.border_loss(logits, target, border), ((1 + border) * entropy).mean())
    share = target.mean()
    classes = torch.where(target > 0, 0.5 / share, 0.5 / (1 - share))
    balanced = losses.border_loss(logits, target, border, balance=True)
    torch.testing.assert_close(balanced, ((classes + border) * entropy).mean())


def test_the_boundary_loss_equals_the_code_of_its_authors() -> None:
    logits, target = problem(1)
    distances = []
    for crack in target[:, 0].numpy().astype(bool):  # as in one_hot2dist of their published code
        outside, inside = (ndimage.distance_transform_edt(plane) for plane in (~crack, crack))
        distances.append(outside * ~crack - (inside - 1) * crack)
    expected = (torch.sigmoid(logits[:, 0]) * torch.from_numpy(np.stack(distances))).mean()
    torch.testing.assert_close(total_loss(logits, target, only("boundary")), expected)


def scipy_skeleton(mask: np.ndarray[Any, Any], iterations: int) -> np.ndarray[Any, Any]:
    """The soft skeleton written out with the grey morphology of scipy."""
    cross = ndimage.generate_binary_structure(2, 1)

    def lost(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        opened = ndimage.grey_dilation(ndimage.grey_erosion(values, footprint=cross), size=(3, 3))
        return np.asarray(np.maximum(values - opened, 0))

    skeleton = lost(mask)
    for _ in range(iterations):
        mask = ndimage.grey_erosion(mask, footprint=cross)
        skeleton = skeleton + np.maximum(lost(mask) - skeleton * lost(mask), 0)
    return np.asarray(skeleton)


@pytest.mark.parametrize("iterations", [1, 4])
def test_centreline_dice_agrees_with_the_morphology_of_scipy(iterations: int) -> None:
    logits, target = problem(1, shape=(20, 23))
    shares = torch.sigmoid(logits[:, 0]).numpy()
    true = target[:, 0].numpy()
    skeletons, true_skeletons = (np.stack([scipy_skeleton(p, iterations) for p in planes]) for planes in (shares, true))
    precision = ((skeletons * true).sum() + 1) / (skeletons.sum() + 1)
    recall = ((true_skeletons * shares).sum() + 1) / (true_skeletons.sum() + 1)
    expected = 1 - 2 * precision * recall / (precision + recall)
    assert float(losses.cldice_loss(logits, target, iterations=iterations)) == pytest.approx(expected)


def test_the_soft_skeleton_of_a_bar_is_its_centreline() -> None:
    bar = torch.zeros((1, 15, 40))
    bar[0, 5:10, 4:36] = 1
    skeleton = losses.soft_skeleton(bar, 3)[0]
    assert (skeleton[7, 8:32] == 1).all()
    assert skeleton[[5, 6, 8, 9], 8:32].sum() == 0


def test_the_total_is_the_weighted_sum_of_its_parts() -> None:
    logits, target = problem(1)
    everything = LossConfig.model_validate({key: value for term in TERMS.values() for key, value in term.items()})
    names = ["bce", "dice", "patch_dice", "balanced_bce", "jaccard", "lovasz", "boundary", "balanced border",
             "focal below 1", "tversky", "focal_tversky", "cldice", "ohem"]  # fmt: skip
    parts = [total_loss(logits, target, only(name)) for name in names]
    torch.testing.assert_close(total_loss(logits, target, everything), torch.stack(parts).sum())
    halves = LossConfig.model_validate(OFF | {"dice": 0.5, "cldice": {"weight": 2, "iterations": 2}})
    expected = 0.5 * dice_loss(logits, target) + 2 * losses.cldice_loss(logits, target, iterations=2)
    torch.testing.assert_close(total_loss(logits, target, halves), expected)


def test_the_loss_of_several_outputs_is_their_mean() -> None:
    logits, target = problem(1)
    config = LossConfig.model_validate({"border": {}})
    single = [total_loss(values, target, config) for values in (logits, -logits)]
    torch.testing.assert_close(total_loss((logits, -logits), target, config), torch.stack(single).mean())


@pytest.mark.parametrize("classes", [1, 3])
def test_planes_in_the_target_are_not_computed_again(classes: int) -> None:
    logits, target = problem(classes, shape=(20, 20), share=0.05)
    config = LossConfig.model_validate({"border": {"sigma": 3}, "boundary": 0.1})
    masks = target[:, 0].numpy().astype(np.uint8)
    planes = torch.from_numpy(np.stack([target_planes(mask, config, classes) for mask in masks]))
    assert planes.shape[1] == 2 + max(classes - 1, 1)
    torch.testing.assert_close(total_loss(logits, planes, config), total_loss(logits, target, config))
    planes[:, 1:] = 0
    assert float(total_loss(logits, planes, config)) != pytest.approx(float(total_loss(logits, target, config)))


def test_border_weights_passed_with_a_mask_are_used() -> None:
    mask = np.zeros((8, 9), np.uint8)
    carried = np.random.default_rng(0).random((8, 9), dtype=np.float32)
    config = LossConfig.model_validate({"border": {}})
    np.testing.assert_array_equal(target_planes(mask, config, border=carried)[1], carried)


def test_losses_are_read_as_weights_or_with_settings() -> None:
    text = "loss={bce: 1.0, dice: 1.0, border: {w0: 10, sigma: 5}, cldice: 0.3}"
    from crackseg.training.config import TrainConfig

    loss = load_config(TrainConfig, overrides=[text]).loss
    assert (loss.bce, loss.dice, loss.border.weight, loss.border.w0, loss.border.sigma) == (1, 1, 1, 10, 5)
    assert loss.cldice.weight == 0.3
    assert loss.focal.weight == loss.jaccard == 0
    with pytest.raises(ConfigError, match=r"loss\.cldise: unknown key; did you mean 'cldice'\?"):
        load_config(TrainConfig, overrides=["loss.cldise=0.3"])
    with pytest.raises(ConfigError, match=r"loss\.border\.sgma: unknown key; did you mean 'sigma'\?"):
        load_config(TrainConfig, overrides=["loss.border={sgma: 3}"])


@each_term
@pytest.mark.parametrize("classes", [1, 3])
def test_void_pixels_have_no_gradient(name: str, classes: int) -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn((2, classes, 16, 16), generator=generator, requires_grad=True)
    target = torch.randint(0, max(classes, 2), (2, 1, 16, 16), generator=generator).float()
    target[:, :, 4:9, 4:9] = 255
    total_loss(logits, target, only(name)).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert not logits.grad[:, :, 4:9, 4:9].any()
    assert logits.grad[:, :, :4].any()
