"""The cage around programs that read what strangers sent."""
