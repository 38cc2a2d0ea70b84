"""The share manager: one handler per task kind."""
