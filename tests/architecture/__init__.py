"""What no single distribution can know about itself: how the whole tree is built."""
