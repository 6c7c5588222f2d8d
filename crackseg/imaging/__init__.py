"""Read, probe, draw and write images: files to arrays and back."""
