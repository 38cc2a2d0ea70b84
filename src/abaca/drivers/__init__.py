"""The driver contract and the drivers."""
