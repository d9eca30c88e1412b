"""Trained models for other software: ONNX, MONAI bundles, timm folders."""
