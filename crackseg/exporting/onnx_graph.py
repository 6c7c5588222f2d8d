"""Rearrange exported ONNX graphs so that runtimes compute less.

Weights keep their names and values. New kernels are computed from them by nodes without other inputs, which every
runtime folds when it loads the file. ``docs/performance.md`` has the measurements.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnxruntime
from numpy.typing import NDArray

_SIZES = 3
"""Index of the Resize input with the output sizes; the input before it has the factors."""

_HEAD = 4
"""Side of the output block that the last convolution computes at a time, in pixels."""


def optimise_graph(model: onnx.ModelProto, stride: int) -> None:
    """Rearrange an exported network without changing its output, except for rounding.

    Args:
        model: Model of ``(N, H, W, 3)`` pixels with sides that are multiples of ``stride``; changed in place.
        stride: Total downsampling, in pixels.
    """
    graph = _Graph(model, stride)
    graph.enlarge_by_factors()
    graph.convolve_before_enlarging()
    if stride % _HEAD == 0:
        graph.compute_head_in_blocks()
    graph.finish()


class _Graph:
    """An ONNX graph during its rearrangement.

    Args:
        model: Model; changed in place by `finish`.
        stride: Total downsampling, in pixels.
    """

    def __init__(self, model: onnx.ModelProto, stride: int) -> None:
        self._model = model
        self._nodes: list[onnx.NodeProto] = []
        for node in model.graph.node:
            self._nodes.append(onnx.NodeProto())
            self._nodes[-1].CopyFrom(node)
        self._outputs = {output.name for output in model.graph.output}
        self._resizes = [node for node in self._nodes if node.op_type == "Resize"]
        shapes = [(2 * stride, 3 * stride), (5 * stride, 4 * stride)]
        one, other = (self._shapes(shape) if self._resizes else [] for shape in shapes)
        self._depths = [int(before[1]) for before, _ in one]
        self._factors = [
            first if np.array_equal(first, second) else None
            for first, second in ((_ratio(*a), _ratio(*b)) for a, b in zip(one, other, strict=True))
        ]

    def _shapes(self, shape: tuple[int, int]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return the input and output shape of each Resize.

        Args:
            shape: Height and width of the image, in pixels.

        Returns:
            Pairs of shapes, each a ``(4,)`` int64 array: batch, channels, height, width.
        """
        probe = onnx.ModelProto()
        probe.CopyFrom(self._model)
        del probe.graph.output[:]
        for place, node in enumerate(self._resizes):
            for side, tensor in (("before", node.input[0]), ("after", node.output[0])):
                name = f"{side}{place}"
                probe.graph.node.append(onnx.helper.make_node("Shape", [tensor], [name]))
                probe.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, [None]))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
        sizes = iter(session.run(None, {"pixels": np.zeros((1, *shape, 3), np.uint8)}))
        return list(zip(sizes, sizes, strict=True))

    def enlarge_by_factors(self) -> None:
        """Enlarge features by a constant factor.

        The exporter enlarges them to the size of other features. In a U-Net both give the same result, since the sides
        of an input are multiples of its stride. Only with a constant factor does onnxruntime keep the memory layout in
        which it computes convolutions.
        """
        for node, factors in zip(self._resizes, self._factors, strict=True):
            if factors is None or len(node.input) <= _SIZES:
                continue
            name = f"{node.output[0]}.factors"
            inputs = [node.input[0], "", name]
            del node.input[:]
            node.input.extend(inputs)
            self._replace([node], [_constant(name, factors), node])

    def convolve_before_enlarging(self) -> None:
        """Convolve features before they are doubled in size and concatenated, not after.

        In an image doubled by repetition, the nine pixels under a 3x3 kernel have at most 2x2 different values. Four
        2x2 kernels, sums of the weights over repeated pixels, compute the four output pixels of each input pixel. The
        other features are convolved separately, and the two results are added. This takes 4/9 of the arithmetic on
        the enlarged features, which are most of the features, and no concatenation.

        Source:
            Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional
            Neural Network", CVPR 2016, section 2.2.
        """
        for resize, factors, depth in zip(self._resizes, self._factors, self._depths, strict=True):
            join = self._only_user(resize, "Concat")
            convolution = None if join is None else self._only_user(join, "Conv")
            if join is None or convolution is None or not _is_plain(convolution) or not _doubles(resize, factors):
                continue
            others = [name for name in join.input if name != resize.output[0]]
            first = join.input[0] == resize.output[0]
            if len(others) != len(join.input) - 1 or not others or not (first or join.input[-1] == resize.output[0]):
                continue
            norm = self._only_user(convolution, "BatchNormalization")
            out = (norm or convolution).output[0]
            kernel, shift, nodes = _fold_normalisation(convolution, norm, out)
            upper = f"{out}.upper"
            nodes += _parts(kernel, depth if first else -depth, (f"{out}.first", f"{out}.rest"), out)
            nodes += _four_kernels(f"{out}.first", f"{out}.kernels", depth)
            nodes += [
                _convolution(resize.input[0], f"{out}.kernels", None, f"{out}.four", side=2),
                onnx.helper.make_node("DepthToSpace", [f"{out}.four"], [f"{out}.spread"], blocksize=2),
                _constant(f"{out}.one", np.array([1, 1])),
                _constant(f"{out}.end", np.array([-1, -1])),
                _constant(f"{out}.axes", np.array([2, 3])),
                onnx.helper.make_node("Slice", [f"{out}.{part}" for part in ("spread", "one", "end", "axes")], [upper]),
            ]
            if len(others) > 1:
                nodes.append(onnx.helper.make_node("Concat", others, [f"{out}.others"], axis=1))
                others = [f"{out}.others"]
            nodes.append(_convolution(others[0], f"{out}.rest", shift, f"{out}.lower", side=3))
            nodes.append(onnx.helper.make_node("Add", [f"{out}.lower", upper], [out], name=f"{out}.sum"))
            self._replace([resize, join, convolution, *([] if norm is None else [norm])], nodes)

    def compute_head_in_blocks(self) -> None:
        """Compute the output of the last convolution in blocks of 4x4.

        onnxruntime and OpenVINO compute 16 output channels at once, even if there are fewer. A 6x6 kernel with a stride
        of 4 makes the 16 pixels of a block its 16 channels.
        """
        for node in list(self._nodes):
            sigmoid = self._only_user(node, "Sigmoid") if node.op_type == "Conv" else None
            kernel = self._weight_shape(node.input[1]) if sigmoid is not None else None
            if sigmoid is None or kernel is None or kernel[0] != 1 or not _is_plain(node) or len(node.input) < 3:
                continue
            out = sigmoid.output[0]
            spread = np.zeros((9, _HEAD, _HEAD, 6, 6), np.float32)
            for row, col, down, right in np.ndindex(_HEAD, _HEAD, 3, 3):
                spread[3 * down + right, row, col, row + down, col + right] = 1
            count = _HEAD * _HEAD
            nodes = [
                *_multiply(node.input[1], f"{out}.flat", spread.reshape(9, -1)),
                *_reshape(f"{out}.flat", f"{out}.apart", (kernel[1], count, 36)),
                onnx.helper.make_node("Transpose", [f"{out}.apart"], [f"{out}.turned"], perm=[1, 0, 2]),
                *_reshape(f"{out}.turned", f"{out}.kernels", (count, kernel[1], 6, 6)),
                _constant(f"{out}.ones", np.ones(count, np.float32)),
                onnx.helper.make_node("Mul", [node.input[2], f"{out}.ones"], [f"{out}.biases"]),
                _convolution(node.input[0], f"{out}.kernels", f"{out}.biases", f"{out}.logits", side=6, step=_HEAD),
                onnx.helper.make_node("Sigmoid", [f"{out}.logits"], [f"{out}.blocks"]),
                onnx.helper.make_node("DepthToSpace", [f"{out}.blocks"], [out], blocksize=_HEAD),
            ]
            self._replace([node, sigmoid], nodes)

    def _only_user(self, node: onnx.NodeProto, kind: str) -> onnx.NodeProto | None:
        """Return the only user of a node, if of a kind."""
        users = [user for user in self._nodes if node.output[0] in user.input]
        is_only = len(users) == 1 and users[0].op_type == kind and node.output[0] not in self._outputs
        return users[0] if is_only else None

    def _weight_shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of a weight; None for other tensors."""
        casts = {node.output[0]: node.input[0] for node in self._nodes if node.op_type == "Cast"}
        shapes = {item.name: tuple(item.dims) for item in self._model.graph.initializer}
        return shapes.get(casts.get(name, name))

    def _replace(self, old: list[onnx.NodeProto], new: list[onnx.NodeProto]) -> None:
        """Remove nodes and put others in the place of the last one."""
        places = [index for index, node in enumerate(self._nodes) if any(node is item for item in old)]
        self._nodes[places[-1] : places[-1] + 1] = new
        for place in reversed(places[:-1]):
            del self._nodes[place]

    def finish(self) -> None:
        """Write the nodes and weights that the outputs need to the model."""
        used, kept = set(self._outputs), []
        for node in reversed(self._nodes):
            if used.intersection(node.output):
                used.update(_inputs(node))
                kept.append(node)
        graph = self._model.graph
        weights = [item for item in graph.initializer if item.name in used]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(reversed(kept))
        graph.initializer.extend(weights)


def _inputs(node: onnx.NodeProto) -> set[str]:
    """Return the inputs of a node and of the graphs inside it."""
    inside = (inner for item in node.attribute for inner in item.g.node)
    return {name for name in node.input if name}.union(*map(_inputs, inside))


def _ratio(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.asarray(after / before, dtype=np.float32)


def _settings(node: onnx.NodeProto) -> dict[str, Any]:
    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}


def _is_plain(convolution: onnx.NodeProto) -> bool:
    """Return True for a size-preserving 3x3 convolution with stride 1."""
    settings = _settings(convolution)
    return (
        settings.get("kernel_shape") == [3, 3]
        and settings.get("pads") == [1, 1, 1, 1]
        and settings.get("strides", [1, 1]) == settings.get("dilations", [1, 1]) == [1, 1]
        and settings.get("group", 1) == 1
    )


def _doubles(resize: onnx.NodeProto, factors: NDArray[np.float32] | None) -> bool:
    """Return True for a Resize that repeats each pixel as 2x2.

    Args:
        resize: The node.
        factors: ``(4,)`` float32 factors on batch, channels, height and width; None if they depend on the image.
    """
    expected = {"mode": b"nearest", "coordinate_transformation_mode": b"asymmetric", "nearest_mode": b"floor"}
    doubles = factors is not None and factors.tolist() == [1, 1, 2, 2]
    return doubles and _settings(resize).items() >= expected.items()


def _constant(name: str, values: NDArray[np.generic]) -> onnx.NodeProto:
    return onnx.helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(values, name))


def _reshape(source: str, name: str, shape: tuple[int, ...]) -> list[onnx.NodeProto]:
    """Return nodes that reshape a tensor; 0 keeps a length."""
    sizes = f"{name}.shape"
    return [
        _constant(sizes, np.array(shape, dtype=np.int64)),
        onnx.helper.make_node("Reshape", [source, sizes], [name]),
    ]


def _multiply(source: str, name: str, matrix: NDArray[np.float32]) -> list[onnx.NodeProto]:
    """Return nodes that multiply each flattened 3x3 kernel by a matrix.

    Args:
        source: Name of the ``(K, C, 3, 3)`` kernels.
        name: Name of the result.
        matrix: ``(..., 9, M)`` float32.
    """
    flat, by = f"{name}.kernels", f"{name}.by"
    return [
        *_reshape(source, flat, (0, 0, 9)),
        _constant(by, matrix),
        onnx.helper.make_node("MatMul", [flat, by], [name]),
    ]


def _convolution(source: str, kernel: str, shift: str | None, name: str, *, side: int, step: int = 1) -> onnx.NodeProto:
    """Return a convolution with zero padding of one pixel."""
    inputs = [source, kernel] if shift is None else [source, kernel, shift]
    return onnx.helper.make_node(
        "Conv", inputs, [name], name=name, kernel_shape=[side] * 2, pads=[1] * 4, strides=[step] * 2
    )


def _fold_normalisation(
    convolution: onnx.NodeProto, norm: onnx.NodeProto | None, name: str
) -> tuple[str, str | None, list[onnx.NodeProto]]:
    """Fold a batch normalisation into a convolution.

    Returns:
        The names of kernel and bias, and the nodes that compute them.
    """
    kernel, shift = convolution.input[1], next(iter(convolution.input[2:]), None)
    if norm is None:
        return kernel, shift, []
    _, gain, offset, mean, variance = norm.input
    epsilon = np.array(_settings(norm).get("epsilon", 1e-5), dtype=np.float32)
    part = {
        key: f"{name}.{key}" for key in ("epsilon", "above", "deviation", "gain", "gains", "kernel", "mean", "shift")
    }
    make = onnx.helper.make_node
    nodes = [
        _constant(part["epsilon"], epsilon),
        make("Add", [variance, part["epsilon"]], [part["above"]]),
        make("Sqrt", [part["above"]], [part["deviation"]]),
        make("Div", [gain, part["deviation"]], [part["gain"]]),
        *_reshape(part["gain"], part["gains"], (-1, 1, 1, 1)),
        make("Mul", [kernel, part["gains"]], [part["kernel"]]),
    ]
    if shift is not None:
        nodes.append(make("Sub", [mean, shift], [f"{name}.centre"]))
        mean = f"{name}.centre"
    nodes += [
        make("Mul", [mean, part["gain"]], [part["mean"]]),
        make("Sub", [offset, part["mean"]], [part["shift"]]),
    ]
    return part["kernel"], part["shift"], nodes


def _parts(kernel: str, depth: int, parts: tuple[str, str], name: str) -> list[onnx.NodeProto]:
    """Return nodes that split the input channels of kernels in two.

    The first part has the first ``depth`` channels, or the last ``-depth`` if it is negative; the second has the rest.
    """
    zero, cut, end, axis = (f"{name}.{part}" for part in ("zero", "cut", "last", "axis"))
    before, after = parts if depth > 0 else reversed(parts)
    return [
        _constant(zero, np.array([0])),
        _constant(cut, np.array([depth])),
        _constant(end, np.array([np.iinfo(np.int64).max])),
        _constant(axis, np.array([1])),
        onnx.helper.make_node("Slice", [kernel, zero, cut, axis], [before]),
        onnx.helper.make_node("Slice", [kernel, cut, end, axis], [after]),
    ]


def _four_kernels(source: str, name: str, depth: int) -> list[onnx.NodeProto]:
    """Return nodes that make four 2x2 kernels of each 3x3 kernel.

    Each kernel computes one of the four output pixels; the first one computes the last pixel. With a padding of one,
    the convolutions give one row and one column more than the image has. The four pixels of a block lie one apart.
    """
    taps = np.array([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]], np.float32)[::-1]
    matrices = np.einsum("atk,bul->abkltu", taps, taps).reshape(4, 1, 9, 4)
    return [*_multiply(source, f"{name}.mapped", matrices), *_reshape(f"{name}.mapped", name, (-1, depth, 2, 2))]
