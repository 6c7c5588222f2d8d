"""Build the U-Net of 2015 with valid convolutions and a mirrored border."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crackseg.errors import UsageError

DEPTH = 4
STRIDE = 2**DEPTH
MARGIN_PX = 92
"""Pixels that the valid convolutions remove on each side: 572 in, 388 out."""
_BASE_WIDTH = 64
_DROPOUT = 0.5


class ClassicUnet(nn.Module):
    """The network of the U-Net paper, with a mirrored border for an output of the image's size.

    Args:
        channels: Channels of the input.
        classes: Channels of the output.
        width: Factor on the widths 64, 128, 256, 512 and 1024.

    Source:
        Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, fig. 1 and 2; dropout at the end of the contracting path as in
        section 3.1, initial weights as in section 3. The paper does not state the dropout probability; it is 0.5 here.
    """

    def __init__(self, channels: int, classes: int, *, width: float = 1.0) -> None:
        super().__init__()
        widths = [max(1, round(_BASE_WIDTH * width * 2**level)) for level in range(DEPTH + 1)]
        self.down = nn.ModuleList(_two_convolutions(*pair) for pair in zip([channels, *widths], widths, strict=False))
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(_DROPOUT)
        steps = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, stride=2) for coarse, fine in steps)
        self.up = nn.ModuleList(_two_convolutions(2 * fine, fine) for _, fine in steps)
        self.head = nn.Conv2d(widths[0], classes, 1)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    @property
    def heads(self) -> list[nn.Module]:
        """Layers whose bias is the bias of the output."""
        return [self.head]

    def forward(self, images: Tensor) -> Tensor:
        """Return the ``(N, K, H, W)`` logits of ``(N, C, H, W)`` images of any size."""
        height, width = images.shape[-2:]
        return self._valid(_mirror(_mirror(images, 2), 3))[..., :height, :width]

    def valid(self, images: Tensor) -> Tensor:
        """Return the logits of the inner part of images.

        Args:
            images: ``(N, C, H, W)`` images with sides of 188, 204, 220, ..., 572, ... pixels.

        Returns:
            ``(N, K, H - 184, W - 184)`` logits.

        Raises:
            UsageError: If a side has another length, so that it is odd where it is halved.
        """
        for side in images.shape[-2:]:
            if side < 2 * MARGIN_PX + 4 or (side - 2 * MARGIN_PX - 4) % STRIDE:
                raise UsageError(
                    f"expected sides of {2 * MARGIN_PX + 4} px plus a multiple of {STRIDE}, got {side} px",
                    where="unet-classic",
                    hint=f"pad or crop to {max(side - 2 * MARGIN_PX - 4, 0) // STRIDE * STRIDE + 2 * MARGIN_PX + 4} px",
                )
        return self._valid(images)

    def _valid(self, images: Tensor) -> Tensor:
        skips = []
        for level, layers in enumerate(self.down):
            images = layers(self.pool(images) if level else images)
            if level >= DEPTH - 1:
                images = self.dropout(images)
            skips.append(images)
        for enlarge, layers, skip in zip(self.enlarge, self.up, skips[-2::-1], strict=True):
            images = enlarge(images)
            images = layers(torch.cat([_crop(skip, images), images], dim=1))
        logits: Tensor = self.head(images)
        return logits


def _two_convolutions(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3), nn.ReLU(inplace=True), nn.Conv2d(outputs, outputs, 3), nn.ReLU(inplace=True)
    )


def _crop(skip: Tensor, images: Tensor) -> Tensor:
    """Crop the centre of ``(N, C, H, W)`` features to the size of others."""
    row, col = ((outer - inner) // 2 for outer, inner in zip(skip.shape[-2:], images.shape[-2:], strict=True))
    return skip[..., row : row + images.shape[-2], col : col + images.shape[-1]]


def _mirror(images: Tensor, axis: int) -> Tensor:
    """Mirror ``(N, C, H, W)`` images beyond both ends of an axis.

    There are `MARGIN_PX` pixels before the image, and after it as many as the valid convolutions need. An image shorter
    than the margin is mirrored repeatedly.
    """
    length = images.shape[axis]
    behind = MARGIN_PX + 4 + -length % STRIDE
    indices = torch.arange(-MARGIN_PX, length + behind, device=images.device)
    period = max(2 * (length - 1), 1)
    indices = indices % period
    return images.index_select(axis, torch.minimum(indices, period - indices))
