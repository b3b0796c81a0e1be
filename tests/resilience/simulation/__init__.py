"""Run the services' own use cases against a world whose every step a schedule decides."""
