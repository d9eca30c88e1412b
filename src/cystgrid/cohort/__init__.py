"""Who is in the study: manifest, phantoms, splits."""
