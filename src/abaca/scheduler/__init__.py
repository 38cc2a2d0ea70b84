"""Scheduling: pure functions over a request and the pools."""
