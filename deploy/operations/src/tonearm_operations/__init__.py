"""What whoever runs Tonearm uses: the audit of its stores, and the dead letters."""
