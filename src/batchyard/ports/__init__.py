"""What the house needs from outside, as short Protocols; a docstring here is a promise every implementation keeps."""
