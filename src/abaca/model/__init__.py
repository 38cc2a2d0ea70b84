"""Values that cross layers: one noun, one file, frozen dataclasses."""
