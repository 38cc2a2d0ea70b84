"""Conformance suites for drivers and network plugins, usable by third parties."""
