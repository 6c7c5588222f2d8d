"""Additive counts that become ratios only at the end."""
