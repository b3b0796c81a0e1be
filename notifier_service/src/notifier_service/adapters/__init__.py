"""One file per outside thing that the notifier talks to."""
