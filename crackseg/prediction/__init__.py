"""From an image to a probability, a mask and measured cracks."""
