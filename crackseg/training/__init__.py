"""Training of networks: configuration, data loading, losses, loop and resume."""
