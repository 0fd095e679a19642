"""Where pairs of tokens are kept, so that several processes share them and one renews them."""
