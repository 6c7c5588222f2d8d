"""Whole folders of images: each file measured, judged and written down, whatever happens."""
