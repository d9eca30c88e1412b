"""What a map must stand up to: each check is a function of maps, and knows no method."""
