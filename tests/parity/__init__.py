"""Numerical parity with the published implementations, case by case."""
