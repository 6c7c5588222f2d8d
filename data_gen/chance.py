"""Draw random values from the ranges and mixes of a recipe."""

from collections.abc import Collection

import numpy as np

from data_gen.recipe import Mix


def draw_uniform(rng: np.random.Generator, span: tuple[float, float]) -> float:
    """Draw a number uniformly from ``[low, high]``."""
    return float(rng.uniform(span[0], span[1]))


def draw_log_uniform(rng: np.random.Generator, span: tuple[float, float], *, skew: float = 1.0) -> float:
    """Draw a positive number uniformly on a logarithmic scale.

    Args:
        rng: Source of randomness.
        span: ``(low, high)``, both positive.
        skew: Exponent of the uniform draw; above 1 favours low numbers.
    """
    return float(span[0] * (span[1] / span[0]) ** (rng.random() ** skew))


def draw_integer(rng: np.random.Generator, span: tuple[int, int]) -> int:
    """Draw a whole number uniformly from ``low`` to ``high`` inclusive."""
    return int(rng.integers(span[0], span[1], endpoint=True))


def happens(rng: np.random.Generator, probability: float) -> bool:
    """Return True with the given probability."""
    return bool(rng.random() < probability)


def pick(rng: np.random.Generator, mix: Mix, *, without: Collection[str] = ()) -> str:
    """Draw a name from a mix by weight.

    Args:
        rng: Source of randomness.
        mix: Weights by name.
        without: Names to exclude, such as a surface without images.

    Returns:
        One name.

    Raises:
        ValueError: If every other name has the weight 0.
    """
    weights = {name: weight for name, weight in mix.weights().items() if name not in without}
    total = sum(weights.values())
    if not total > 0:
        raise ValueError(f"expected images for {', '.join(without)} or another weight above 0, got neither")
    shares = np.cumsum([weight / total for weight in weights.values()])
    return list(weights)[min(int(np.searchsorted(shares, rng.random(), side="right")), len(weights) - 1)]
