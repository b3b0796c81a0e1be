"""Tells owners, by mail and at their endpoints, how their conversions ended."""
