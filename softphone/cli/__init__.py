"""The command line: `softphone`. Start-up time is a feature; see lazy.py for how it is kept."""
