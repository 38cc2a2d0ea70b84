"""Users, projects and tokens of Abaca's own: the `builtin` and `http_basic` strategies."""
