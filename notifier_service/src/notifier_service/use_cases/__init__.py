"""What the notifier does: take requests, send what is due, show the record, keep webhooks."""
