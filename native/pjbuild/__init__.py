"""The parts of native/build.py: where the source comes from, how it is built, and where the result is kept."""
