"""Adapt the ShuffleNetV2 of torchvision as an encoder."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from crackseg.errors import ConfigError

WIDTHS: Mapping[str, tuple[int, ...]] = {
    "shufflenet_v2_x0_5": (24, 48, 96, 192, 1024),
    "shufflenet_v2_x1_0": (24, 116, 232, 464, 1024),
    "shufflenet_v2_x1_5": (24, 176, 352, 704, 1024),
    "shufflenet_v2_x2_0": (24, 244, 488, 976, 2048),
}
"""Channels of the five stages of each encoder, in the order of torchvision."""


class ShuffleNetEncoder(nn.Module):
    """ShuffleNetV2 without its classifier; layers have the same names as in torchvision.

    Args:
        name: Name from `WIDTHS`.
        depth: Number of times that the image is halved, 1 to 5.
        output_stride: 32; ShuffleNetV2 has no dilated form.

    Raises:
        ConfigError: If ``output_stride`` is not 32.

    Source:
        Ma et al., "ShuffleNet V2", ECCV 2018, table 5.
    """

    def __init__(self, name: str, depth: int = 5, output_stride: int = 32) -> None:
        super().__init__()
        if output_stride != 32:
            raise ConfigError(
                "ShuffleNetV2 has no dilated form",
                where="network.encoder",
                hint="choose another encoder or network.arch",
            )
        from torchvision.models import shufflenetv2  # type: ignore[import-untyped]

        whole = shufflenetv2.ShuffleNetV2([4, 8, 4], list(WIDTHS[name]))
        self.conv1, self.maxpool = whole.conv1, whole.maxpool
        self.stage2, self.stage3, self.stage4, self.conv5 = whole.stage2, whole.stage3, whole.stage4, whole.conv5
        first, second, third, _, last = WIDTHS[name]
        self._widths = (3, first, first, second, third, last)
        self._depth = depth

    @property
    def out_channels(self) -> list[int]:
        """Channels of the features from stride 1 to stride 2^depth."""
        return list(self._widths[: self._depth + 1])

    @property
    def output_stride(self) -> int:
        """Total downsampling, in pixels."""
        return int(2**self._depth)

    def set_in_channels(self, channels: int, *, pretrained: bool) -> None:
        """Replace the first layer by a random one for other channels."""
        del pretrained  # the library has no weights for these encoders
        first = self.conv1[0]
        if channels != 3:
            self.conv1[0] = nn.Conv2d(channels, first.out_channels, 3, 2, 1, bias=False)
            self._widths = (channels, *self._widths[1:])

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the ``(N, C, h, w)`` features of ``(N, C, H, W)`` images at strides 1, 2, 4, ..."""
        steps = (self.conv1, self.maxpool, self.stage2, self.stage3, nn.Sequential(self.stage4, self.conv5))
        features = [images]
        for step in steps[: self._depth]:
            features.append(step(features[-1]))
        return features
