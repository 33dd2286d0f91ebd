"""Measurements, printed and never asserted: whole processes, medians, ratios."""
