"""What no single distribution can test."""
