"""Samples of a data set, class masks, and the checks of a data set."""
