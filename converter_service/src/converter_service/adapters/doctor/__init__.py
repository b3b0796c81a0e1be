"""Says whether a converter can work here, how fast, how safely, and what to do about it."""
