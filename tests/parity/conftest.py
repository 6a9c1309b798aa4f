"""Keeps what needs torch out of a collection that may not have it."""

# Doctests are collected by importing every module; this one imports torch.
collect_ignore = ["generate.py"]
