"""The phone beside the C program pjsua, in the same run, against the same far end: `make bench`."""
