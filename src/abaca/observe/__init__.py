"""What people and their monitoring see of a process: metrics, health, calls."""
