"""Tells owners, by mail, how their conversions ended."""
