"""The REST API: Shared File Systems API v2 over WSGI."""
