"""What is known of all rollouts together, and of the hour."""
