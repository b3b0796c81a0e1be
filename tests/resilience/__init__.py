"""Nothing accepted is ever lost: real processes, real faults, and a checker of what was seen."""
