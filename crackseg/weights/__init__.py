"""The models that ship with the package: NAME.onnx, and NAME.json, its card with the sha256 of the file."""
