"""U-Net++ on any encoder: nested decoders, an output at every depth, and cutting to one of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class UnetPlusPlus(nn.Module):
    """Nested U-Nets of depth 1 to L that share their nodes; L is one less than the number of decoder widths.

    Node (i, j) stands at stride 2^(i+1) and sees all nodes (i, 0) to (i, j-1) and the enlarged (i+1, j-1); the nodes
    (i, 0) are the encoder's features. The output of depth j is made from node (0, j), by one step up to the stride 1.

    Args:
        encoder: Gives features at strides 1, 2, 4, ...
        features: Channels of the features at strides 2, 4, ...
        widths: Widths of the decoder, coarse to fine, the last at stride 1.
        classes: Channels of the output.
        depths: Depths that have an output, ascending; the deepest is used outside training.

    Source:
        Zhou et al., "UNet++: a nested U-Net architecture for medical image segmentation", DLMIA 2018, section 3,
        fig. 1; its full-resolution row is one stride coarser here, as an encoder has no features at stride 1.
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
        """The layers whose bias is that of the output."""
        return [list(output.children())[-1] for output in self.outputs.values()]

    def forward(self, images: Tensor) -> Tensor:
        """Return the ``(N, K, H, W)`` logits of the deepest output, the sides being multiples of the stride."""
        column = self._top_row(images)[-1]
        logits: Tensor = self.outputs[str(self.depths[-1])](_enlarged(column))
        return logits

    def all_outputs(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the ``(N, K, H, W)`` logits of every output, shallowest first."""
        columns = self._top_row(images)
        return tuple(self.outputs[str(depth)](_enlarged(columns[depth])) for depth in self.depths)

    def _top_row(self, images: Tensor) -> list[Tensor]:
        """Return the nodes (0, 0), (0, 1), ... at stride 2."""
        rows = [[feature] for feature in self.encoder(images)[1 : self.depths[-1] + 2]]
        for column in range(1, len(rows)):
            for row in range(len(rows) - column):
                seen = torch.cat([*rows[row], _enlarged(rows[row + 1][column - 1])], dim=1)
                rows[row].append(self.nodes[_name(row, column)](seen))
        return rows[0]


def _name(row: int, column: int) -> str:
    return f"{row}_{column}"


def _convolution(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)


def _output(inputs: int, width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(inputs, width), nn.Conv2d(width, classes, 3, padding=1))


def _enlarged(feature: Tensor) -> Tensor:
    return functional.interpolate(feature, scale_factor=2, mode="nearest")
