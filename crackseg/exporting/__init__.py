"""Export of models to ONNX and OpenVINO, with a parity gate."""
