"""Build U-Net++ on any encoder, with nested decoders and an output at every depth."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class UnetPlusPlus(nn.Module):
    """Nested U-Nets of depth 1 to L with shared nodes; L is one less than the number of decoder widths.

    Node (i, j) has stride 2^(i+1). Its inputs are the nodes (i, 0) to (i, j-1) and the enlarged node (i+1, j-1). The
    nodes (i, 0) are the features of the encoder. The output of depth j is computed from node (0, j), enlarged to
    stride 1.

    Args:
        encoder: Encoder with features at strides 1, 2, 4, ...
        features: Channels of the features at strides 2, 4, ...
        widths: Widths of the decoder, coarse to fine; the last one at stride 1.
        classes: Channels of the output.
        depths: Ascending depths with an output; the deepest one is used outside training.

    Source:
        Zhou et al., "UNet++: a nested U-Net architecture for medical image segmentation", DLMIA 2018, section 3,
        fig. 1. The full-resolution row is one stride coarser here, since encoders have no features at stride 1.
    """

    def __init__(
        self, encoder: nn.Module, features: Sequence[int], widths: Sequence[int], *, classes: int, depths: Sequence[int]
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.depths = tuple(depths)
        row_widths = widths[-2::-1]
        self.nodes = nn.ModuleDict()
        for column in range(1, self.depths[-1] + 1):
            for row in range(self.depths[-1] + 1 - column):
                below = features[row + 1] if column == 1 else row_widths[row + 1]
                inputs = features[row] + (column - 1) * row_widths[row] + below
                self.nodes[_name(row, column)] = nn.Sequential(
                    *_convolution(inputs, row_widths[row]), *_convolution(row_widths[row], row_widths[row])
                )
        self.outputs = nn.ModuleDict({str(depth): _output(row_widths[0], widths[-1], classes) for depth in self.depths})
        for layer in (*self.nodes.modules(), *self.outputs.modules()):
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        for head in self.heads:
            for weight in (parameter for parameter in head.parameters() if parameter.ndim > 1):
                nn.init.xavier_uniform_(weight)

    @property
    def heads(self) -> list[nn.Module]:
        """Layers whose bias is the bias of the output."""
        return [list(output.children())[-1] for output in self.outputs.values()]

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of the deepest output.

        Args:
            images: ``(N, C, H, W)`` images with sides that are multiples of the stride.

        Returns:
            ``(N, K, H, W)`` logits.
        """
        column = self._top_row(images)[-1]
        logits: Tensor = self.outputs[str(self.depths[-1])](_enlarge(column))
        return logits

    def all_outputs(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the ``(N, K, H, W)`` logits of every output, shallowest first.

        Args:
            images: ``(N, C, H, W)`` images with sides that are multiples of the stride.
        """
        columns = self._top_row(images)
        return tuple(self.outputs[str(depth)](_enlarge(columns[depth])) for depth in self.depths)

    def _top_row(self, images: Tensor) -> list[Tensor]:
        """Return the ``(N, C, H / 2, W / 2)`` nodes (0, 0), (0, 1), ..."""
        rows = [[feature] for feature in self.encoder(images)[1 : self.depths[-1] + 2]]
        for column in range(1, len(rows)):
            for row in range(len(rows) - column):
                inputs = torch.cat([*rows[row], _enlarge(rows[row + 1][column - 1])], dim=1)
                rows[row].append(self.nodes[_name(row, column)](inputs))
        return rows[0]


def _name(row: int, column: int) -> str:
    return f"{row}_{column}"


def _convolution(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)


def _output(inputs: int, width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(inputs, width), nn.Conv2d(width, classes, 3, padding=1))


def _enlarge(feature: Tensor) -> Tensor:
    return functional.interpolate(feature, scale_factor=2, mode="nearest")
