"""What an account has once, for all environments."""
