"""What scopes remember, and the queues before them."""
