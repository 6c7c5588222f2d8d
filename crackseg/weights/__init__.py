"""The shipped models: NAME.onnx, and its card NAME.json with the sha256 of the file."""
