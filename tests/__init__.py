"""Everything that tests jobgate; tests/run is the way in."""
