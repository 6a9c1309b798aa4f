"""Standalone benchmarks; each ends in an asserted claim."""
