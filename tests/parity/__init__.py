"""Parity with spacelearn 0.1.0: stored reference numbers, live comparison, differences."""
