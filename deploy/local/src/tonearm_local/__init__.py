"""The embedded stack: everything Tonearm needs, as child processes under one data directory."""
