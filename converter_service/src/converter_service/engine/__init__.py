"""Media in, audio out: a library that knows no Kafka, no MongoDB and no service."""
