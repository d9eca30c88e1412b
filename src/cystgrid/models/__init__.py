"""Grid -> class scores."""
