"""Volume -> the crop a model sees."""
