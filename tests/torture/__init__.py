"""Fail the fallible calls of a clean run one by one, and see that no record is lost."""
