"""What Tonearm's speed is held to: ratios within one run, medians of several rounds."""
