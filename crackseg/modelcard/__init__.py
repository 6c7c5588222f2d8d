"""The card of a model: its scores, limits, terms and image domain."""
