"""Lengths, widths and orientations of the cracks in a mask."""
