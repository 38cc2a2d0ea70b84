"""Abaca: shared file systems for every tenant, on whatever network the site has."""

__version__ = "0.1.0"
