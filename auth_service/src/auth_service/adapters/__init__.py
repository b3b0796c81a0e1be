"""One file per outside thing that auth talks to."""
