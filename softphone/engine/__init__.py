"""What a call and an account are, whatever stack carries them."""
