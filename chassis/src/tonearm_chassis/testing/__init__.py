"""What the tests of every service need; public, and shipped with the chassis."""
