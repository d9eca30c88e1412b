"""A transformer's start of our own: endless labelled random scenes, and a ViT that reads them."""
