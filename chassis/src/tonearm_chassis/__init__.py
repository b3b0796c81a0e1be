"""How a Tonearm service runs: small optional modules that know no service."""
