"""Uploads, conversions, downloads, and the web page."""
