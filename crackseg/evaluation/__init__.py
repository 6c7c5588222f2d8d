"""A model against true masks: every image predicted once for each size, its counts kept, ratios at the end."""

from crackseg.evaluation.run import evaluate as evaluate
from crackseg.evaluation.table import Evaluation as Evaluation

__all__ = ["Evaluation", "evaluate"]
