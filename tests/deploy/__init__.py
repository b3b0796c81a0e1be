"""Check offline what no container engine and no cluster is there to try."""
