"""Who is at the door, and how the door proves itself: tokens, signed URLs, certificates of the embedded server."""
