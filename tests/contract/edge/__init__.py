"""What the edge promises callers and services, tried with the real Envoy and fake services."""
