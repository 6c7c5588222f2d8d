"""Segmentation networks, their configuration and their checkpoints."""
