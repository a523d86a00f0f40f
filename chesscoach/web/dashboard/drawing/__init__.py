"""Drawings as SVG: the strip of the last runs and the timeline, with their marks."""
