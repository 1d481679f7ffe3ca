"""What `mlp init` copies: replaced by a line of your own."""
