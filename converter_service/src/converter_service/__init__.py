"""Turn stored videos into stored MP3s, exactly one a conversion."""
