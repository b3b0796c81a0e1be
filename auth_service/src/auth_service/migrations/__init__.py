"""How the accounts database came to be; migrations only ever add (old and new run side by side)."""
