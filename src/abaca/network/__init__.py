"""The network-plugin contract, the helper that drivers see, and the plugins."""
