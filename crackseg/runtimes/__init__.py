"""Implementations of `crackseg.runtimes.predictor.Predictor`, one module per inference library."""
