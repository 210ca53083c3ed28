"""Drawings, with matplotlib alone."""
