"""An exported graph made quicker: the same layers with the same weights, arranged so that runtimes compute less.

Weights keep their names and their values; what is computed from them is computed by nodes without other inputs, which
every runtime folds when it loads the file. Measured in ``docs/performance.md``.
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
"""Input of a Resize that asks for the size of its result; the one before it, for a factor."""

_HEAD = 4
"""Rows and columns of the output that the last convolution computes at a time."""


def optimise_graph(model: onnx.ModelProto, stride: int) -> None:
    """Rearrange an exported network; its answers stay what they were, but for rounding.

    Args:
        model: Takes ``(N, H, W, 3)`` pixels, both sides multiples of ``stride``; changed in place.
        stride: Total downsampling, in pixels.
    """
    graph = _Graph(model, stride)
    graph.enlarge_by_factors()
    graph.convolve_before_enlarging()
    if stride % _HEAD == 0:
        graph.compute_head_in_blocks()
    graph.finish()


class _Graph:
    """An ONNX graph that is being rearranged.

    Args:
        model: The model, changed in place.
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
        """Return the shapes of what each Resize takes and gives, for pixels of a height and width."""
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
        """Have features enlarged by a stated factor where the exporter asks for the size of other features.

        In a U-Net the two are the same, since the sides of an input are multiples of its stride; but only of a factor
        that stands in the graph onnxruntime knows that it can stay in the layout in which it computes convolutions.
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
        """Convolve features before they are enlarged to twice their size and joined with others, not after.

        Of the nine pixels under a kernel of 3x3 only 2x2 differ where each stands four times, in four ways: four
        kernels of 2x2, their sums over the repeated pixels, give the four pixels of the larger image, which are put in
        their places. The other features are convolved by themselves, and the two are added: 4/9 of the arithmetic on
        the enlarged features, which are most of them, and nothing to join.

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
            kernel, shift, made = _normalised(convolution, norm, out)
            upper = f"{out}.upper"
            made += _parts(kernel, depth if first else -depth, (f"{out}.first", f"{out}.rest"), out)
            made += _four_kernels(f"{out}.first", f"{out}.kernels", depth)
            made += [
                _convolution(resize.input[0], f"{out}.kernels", None, f"{out}.four", side=2),
                onnx.helper.make_node("DepthToSpace", [f"{out}.four"], [f"{out}.spread"], blocksize=2),
                _constant(f"{out}.one", np.array([1, 1])),
                _constant(f"{out}.end", np.array([-1, -1])),
                _constant(f"{out}.axes", np.array([2, 3])),
                onnx.helper.make_node("Slice", [f"{out}.{part}" for part in ("spread", "one", "end", "axes")], [upper]),
            ]
            if len(others) > 1:
                made.append(onnx.helper.make_node("Concat", others, [f"{out}.others"], axis=1))
                others = [f"{out}.others"]
            made.append(_convolution(others[0], f"{out}.rest", shift, f"{out}.lower", side=3))
            made.append(onnx.helper.make_node("Add", [f"{out}.lower", upper], [out], name=f"{out}.sum"))
            self._replace([resize, join, convolution, *([] if norm is None else [norm])], made)

    def compute_head_in_blocks(self) -> None:
        """Have the last convolution, which answers with one number for each pixel, answer with 4x4 at a time.

        onnxruntime and OpenVINO compute convolutions for 16 outputs at once, however few are asked for. With a kernel
        of 6x6 in steps of four, those 16 are the pixels of a block.
        """
        for node in list(self._nodes):
            sigmoid = self._only_user(node, "Sigmoid") if node.op_type == "Conv" else None
            kernel = self._weight(node.input[1]) if sigmoid is not None else None
            if sigmoid is None or kernel is None or kernel[0] != 1 or not _is_plain(node) or len(node.input) < 3:
                continue
            out = sigmoid.output[0]
            spread = np.zeros((9, _HEAD, _HEAD, 6, 6), np.float32)
            for row, col, down, right in np.ndindex(_HEAD, _HEAD, 3, 3):
                spread[3 * down + right, row, col, row + down, col + right] = 1
            count = _HEAD * _HEAD
            made = [
                *_mapped(node.input[1], f"{out}.flat", spread.reshape(9, -1)),
                *_reshaped(f"{out}.flat", f"{out}.apart", (kernel[1], count, 36)),
                onnx.helper.make_node("Transpose", [f"{out}.apart"], [f"{out}.turned"], perm=[1, 0, 2]),
                *_reshaped(f"{out}.turned", f"{out}.kernels", (count, kernel[1], 6, 6)),
                _constant(f"{out}.ones", np.ones(count, np.float32)),
                onnx.helper.make_node("Mul", [node.input[2], f"{out}.ones"], [f"{out}.biases"]),
                _convolution(node.input[0], f"{out}.kernels", f"{out}.biases", f"{out}.logits", side=6, step=_HEAD),
                onnx.helper.make_node("Sigmoid", [f"{out}.logits"], [f"{out}.blocks"]),
                onnx.helper.make_node("DepthToSpace", [f"{out}.blocks"], [out], blocksize=_HEAD),
            ]
            self._replace([node, sigmoid], made)

    def _only_user(self, node: onnx.NodeProto, kind: str) -> onnx.NodeProto | None:
        """Return the node of a kind that takes the result of another, if nothing else does."""
        users = [user for user in self._nodes if node.output[0] in user.input]
        alone = len(users) == 1 and users[0].op_type == kind and node.output[0] not in self._outputs
        return users[0] if alone else None

    def _weight(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of a weight, also of one that is stored as float16 and cast; None if it is none."""
        casts = {node.output[0]: node.input[0] for node in self._nodes if node.op_type == "Cast"}
        shapes = {item.name: tuple(item.dims) for item in self._model.graph.initializer}
        return shapes.get(casts.get(name, name))

    def _replace(self, old: list[onnx.NodeProto], new: list[onnx.NodeProto]) -> None:
        """Put nodes in the place of the last of others."""
        places = [index for index, node in enumerate(self._nodes) if any(node is item for item in old)]
        self._nodes[places[-1] : places[-1] + 1] = new
        for place in reversed(places[:-1]):
            del self._nodes[place]

    def finish(self) -> None:
        """Write the nodes back, without those, and without the weights, whose result nobody uses."""
        wanted, kept = set(self._outputs), []
        for node in reversed(self._nodes):
            if wanted.intersection(node.output):
                wanted.update(_used(node))
                kept.append(node)
        graph = self._model.graph
        weights = [item for item in graph.initializer if item.name in wanted]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(reversed(kept))
        graph.initializer.extend(weights)


def _used(node: onnx.NodeProto) -> set[str]:
    """Return what a node takes, and the graphs inside it."""
    inside = (inner for item in node.attribute for inner in item.g.node)
    return {name for name in node.input if name}.union(*map(_used, inside))


def _ratio(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.asarray(after / before, dtype=np.float32)


def _settings(node: onnx.NodeProto) -> dict[str, Any]:
    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}


def _is_plain(convolution: onnx.NodeProto) -> bool:
    """Tell whether a convolution has a kernel of 3x3, in steps of one, and an output as large as its input."""
    found = _settings(convolution)
    return (
        found.get("kernel_shape") == [3, 3]
        and found.get("pads") == [1, 1, 1, 1]
        and found.get("strides", [1, 1]) == found.get("dilations", [1, 1]) == [1, 1]
        and found.get("group", 1) == 1
    )


def _doubles(resize: onnx.NodeProto, factors: NDArray[np.float32] | None) -> bool:
    """Tell whether a Resize puts each pixel in the place of 2x2."""
    found = _settings(resize)
    wanted = {"mode": b"nearest", "coordinate_transformation_mode": b"asymmetric", "nearest_mode": b"floor"}
    return factors is not None and factors.tolist() == [1, 1, 2, 2] and found.items() >= wanted.items()


def _constant(name: str, values: NDArray[np.generic]) -> onnx.NodeProto:
    return onnx.helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(values, name))


def _reshaped(source: str, name: str, shape: tuple[int, ...]) -> list[onnx.NodeProto]:
    """Return nodes that give a tensor another shape; 0 keeps a length, -1 takes what is left."""
    sizes = f"{name}.shape"
    return [
        _constant(sizes, np.array(shape, dtype=np.int64)),
        onnx.helper.make_node("Reshape", [source, sizes], [name]),
    ]


def _mapped(source: str, name: str, matrix: NDArray[np.float32]) -> list[onnx.NodeProto]:
    """Return nodes that make a row of numbers of each kernel of 3x3, by matrices of 9 rows."""
    flat, by = f"{name}.kernels", f"{name}.by"
    return [
        *_reshaped(source, flat, (0, 0, 9)),
        _constant(by, matrix),
        onnx.helper.make_node("MatMul", [flat, by], [name]),
    ]


def _convolution(source: str, kernel: str, shift: str | None, name: str, *, side: int, step: int = 1) -> onnx.NodeProto:
    """Return a convolution with a border of one pixel of zeros."""
    inputs = [source, kernel] if shift is None else [source, kernel, shift]
    return onnx.helper.make_node(
        "Conv", inputs, [name], name=name, kernel_shape=[side] * 2, pads=[1] * 4, strides=[step] * 2
    )


def _normalised(
    convolution: onnx.NodeProto, norm: onnx.NodeProto | None, name: str
) -> tuple[str, str | None, list[onnx.NodeProto]]:
    """Return the names of a kernel and of what is added, with a normalisation behind it in them, and their nodes."""
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
        *_reshaped(part["gain"], part["gains"], (-1, 1, 1, 1)),
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
    """Return nodes that cut kernels in two: the first ``depth`` channels, or the last if it is negative; the others."""
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
    """Return nodes that make four kernels of 2x2 of each of 3x3, one for each pixel of the larger image.

    The first of the four is for the last pixel: with a border of one on all sides, four convolutions give a row and a
    column more than the image has, and the pixels of one place stand one apart there.
    """
    taps = np.array([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]], np.float32)[::-1]
    matrices = np.einsum("atk,bul->abkltu", taps, taps).reshape(4, 1, 9, 4)
    return [*_mapped(source, f"{name}.mapped", matrices), *_reshaped(f"{name}.mapped", name, (-1, depth, 2, 2))]
