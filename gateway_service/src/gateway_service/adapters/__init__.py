"""One file per outside thing that the gateway talks to."""
